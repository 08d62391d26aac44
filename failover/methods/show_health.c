/* SPDX-License-Identifier: Apache-2.0 */
/* `show monitor-interface` and `show track`. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "failover/engine/health.h"
#include "failover/methods/handlers.h"

static struct json_object *show_host(const char *unit, const char *state)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "unit", unit);
	json_add_text(object, "state", state);
	return object;
}

void method_show_monitor_interface(struct control_call *call, struct json_object *parameters,
				   void *userdata)
{
	const struct engine *engine = userdata;
	bool is_primary = engine->config->failover.unit == FO_UNIT_PRIMARY;
	struct json_object *result = json_object_new_object();
	const char *mate = engine_hears_mate(engine) ? fo_state_text(engine->mate.view.state)
			   : engine->mate.was_heard  ? fo_state_text(FO_STATE_FAILED)
						     : fo_state_text(FO_STATE_NOT_DETECTED);

	(void)parameters;
	(void)json_object_object_add(
		result, "this",
		show_host(is_primary ? "primary" : "secondary", fo_state_text(engine->fsm.state)));
	(void)json_object_object_add(result, "other",
				     show_host(is_primary ? "secondary" : "primary", mate));
	json_add_number(result, "score", engine->fsm.health.score);
	json_add_flag(result, "failing", engine->fsm.health.is_failing);
	json_add_text(result, "service",
		      engine_health_trouble(engine->health) ? engine_health_trouble(engine->health)
							    : "");
	json_add_number(result, "mate_score",
			engine_hears_mate(engine) ? (int64_t)engine->mate.view.health.score : -1);
	(void)json_object_object_add(result, "interfaces", json_interfaces(engine));
	(void)json_object_object_add(result, "clock", json_clock(engine));
	control_call_reply(call, result);
}

static const char *const kinds[CONFIG_TRACK__MAX] = {
	[CONFIG_TRACK_INTERFACE] = "interface",
	[CONFIG_TRACK_PING] = "ping",
	[CONFIG_TRACK_TCP] = "tcp",
	[CONFIG_TRACK_SCRIPT] = "script",
};

static struct json_object *show_object(const struct track_shown *shown)
{
	const struct config_track *config = shown->config;
	struct json_object *object = json_object_new_object();
	bool has_changed = shown->changed_at.ns != 0;
	uint64_t ago_ns = monotime_since(monotime_now(), shown->changed_at);

	json_add_number(object, "number", config->number);
	json_add_text(object, "kind", kinds[config->kind]);
	json_add_text(object, "interface", config->interface);
	json_add_address(object, "address", &config->address);
	json_add_number(object, "port", config->port);
	json_add_text(object, "script", config->script);
	json_add_text(object, "state", health_track_text(shown->state));
	json_add_number(object, "changes", (int64_t)shown->changes);
	json_add_number(object, "last_change_seconds",
			has_changed ? (int64_t)(ago_ns / MONOTIME_NS_PER_SEC) : -1);
	json_add_text(object, "result", shown->result);
	json_add_number(object, "rtt_us", shown->rtt_us);
	json_add_number(object, "frequency_ms", config->frequency_ms);
	json_add_number(object, "timeout_ms", config->timeout_ms);
	json_add_number(object, "down", config->down);
	json_add_number(object, "up", config->up);
	json_add_number(object, "decrement", config->decrement);
	return object;
}

void method_show_track(struct control_call *call, struct json_object *parameters, void *userdata)
{
	const struct engine *engine = userdata;
	const struct tracks *tracks = engine_health_tracks(engine->health);
	int64_t number = parameter_number(parameters, "number", 0);
	struct json_object *result = json_object_new_object(), *array = json_object_new_array();

	for (size_t i = 0; i < tracks_count(tracks); i++) {
		struct track_shown shown;

		tracks_show(tracks, i, &shown);
		if (number == 0 || number == shown.config->number)
			(void)json_object_array_add(array, show_object(&shown));
	}
	(void)json_object_object_add(result, "tracks", array);
	(void)json_object_object_add(result, "clock", json_clock(engine));
	control_call_reply(call, result);
}
