/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces, paths and addresses, as JSON (doc/control.md). */
#include <config.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/engine/health.h"
#include "failover/methods/handlers.h"

void json_add_address(struct json_object *object, const char *key,
		      const struct config_address *address)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (address->family != 0)
		(void)inet_ntop(address->family, address->bytes, text, sizeof(text));
	json_add_text(object, key, text);
}

struct json_object *json_interfaces(const struct engine *engine)
{
	struct json_object *array = json_object_new_array();
	bool is_active = engine_is_active(engine);

	for (size_t i = 0; i < engine->config->n_interfaces; i++) {
		const struct config_interface *interface = &engine->config->interfaces[i];
		struct json_object *object = json_object_new_object();
		struct engine_health_shown shown;

		json_add_text(object, "name", interface->name);
		json_add_text(object, "device", interface->device);
		json_add_address(object, "address",
				 is_active ? &interface->active4 : &interface->standby4);
		json_add_address(object, "address6",
				 is_active ? &interface->active6 : &interface->standby6);
		json_add_address(object, "mate_address",
				 is_active ? &interface->standby4 : &interface->active4);
		json_add_address(object, "mate_address6",
				 is_active ? &interface->standby6 : &interface->active6);
		engine_health_show_interface(engine->health, interface, &shown);
		json_add_text(object, "status", shown.status);
		json_add_text(object, "monitoring", shown.monitoring);
		json_add_text(object, "mate_status", shown.mate_status);
		json_add_text(object, "mate_monitoring", shown.mate_monitoring);
		json_add_flag(object, "monitored",
			      interface->is_monitored && !interface->is_shutdown &&
				      interface->name[0] != 0);
		(void)json_object_array_add(array, object);
	}
	return array;
}

static void add_tracks_down(const struct engine *engine, struct json_object *array)
{
	const struct tracks *tracks = engine_health_tracks(engine->health);

	for (size_t i = 0; i < tracks_count(tracks); i++) {
		struct track_shown shown;
		char text[32];

		tracks_show(tracks, i, &shown);
		if (shown.state != HEALTH_TRACK_DOWN || shown.config->decrement == 0)
			continue;
		(void)snprintf(text, sizeof(text), "track %u: Down",
			       (unsigned)shown.config->number);
		(void)json_object_array_add(array, json_object_new_string(text));
	}
}

void json_add_failures(const struct engine *engine, struct json_object *array)
{
	for (size_t i = 0; i < engine->config->n_interfaces; i++) {
		const struct config_interface *interface = &engine->config->interfaces[i];
		struct engine_health_shown shown;
		char text[CONFIG_NAME_MAX + 16];

		engine_health_show_interface(engine->health, interface, &shown);
		if (!shown.is_failed)
			continue;
		(void)snprintf(text, sizeof(text), "%s: %s", interface->name, shown.status);
		(void)json_object_array_add(array, json_object_new_string(text));
	}
	add_tracks_down(engine, array);
}

static void add_path(struct json_object *object, const struct path_statistics *path)
{
	uint64_t ago = path->was_heard ? monotime_since(monotime_now(), path->heard_at) : 0;

	json_add_text(object, "device", path->device);
	json_add_text(object, "family", path->family == AF_INET6 ? "ipv6" : "ipv4");
	json_add_flag(object, "failover_link", path->is_failover_link);
	json_add_text(object, "state", path_state_text(path->state));
	json_add_flag(object, "open", path->is_open);
	json_add_number(object, "sent", (int64_t)path->sent);
	json_add_number(object, "send_errors", (int64_t)path->send_errors);
	json_add_number(object, "received", (int64_t)path->received);
	json_add_number(object, "lost", (int64_t)path->lost);
	json_add_number(object, "loss_permille", path->recent_loss);
	json_add_number(object, "rtt_median_us", path->rtt_median_us);
	json_add_number(object, "rtt_min_us", path->rtt_min_us);
	json_add_number(object, "rtt_last_us", path->rtt_last_us);
	json_add_number(object, "last_heard_ms",
			path->was_heard ? (int64_t)(ago / MONOTIME_NS_PER_MS) : -1);
	json_add_flag(object, "mate_hears", !path->is_mate_deaf);
	json_add_text(object, "error", path->why);
}

struct json_object *json_paths(const struct engine *engine)
{
	struct json_object *array = json_object_new_array();
	size_t n = engine->pair.paths ? path_set_count(engine->pair.paths) : 0;

	for (size_t i = 0; i < n; i++) {
		struct path_statistics statistics;
		struct json_object *object = json_object_new_object();

		path_set_statistics(engine->pair.paths, i, &statistics);
		json_add_text(object, "name", statistics.name);
		add_path(object, &statistics);
		(void)json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *show_link(const struct engine *engine, const struct config_link *link)
{
	const struct config_failover *failover = &engine->config->failover;
	struct json_object *object = json_object_new_object();
	struct linkmon_link state = {0};

	linkmon_get(engine->addresses.linkmon, link->device, &state);
	json_add_text(object, "name", link->name);
	json_add_text(object, "device", link->device);
	json_add_address(object, "address", config_link_own(failover, link));
	json_add_address(object, "mate_address", config_link_mate(failover, link));
	json_add_address(object, "system_address", &link->active);
	json_add_number(object, "prefix_length", link->active.prefix_length);
	json_add_flag(object, "up", state.has_carrier);
	json_add_flag(object, "failover", link->is_failover);
	json_add_flag(object, "stateful", link->is_stateful);
	return object;
}

struct json_object *json_failover_link(const struct engine *engine)
{
	return show_link(engine, &engine->config->failover.links[0]);
}

struct json_object *json_links(const struct engine *engine)
{
	const struct config_failover *failover = &engine->config->failover;
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < failover->n_links; i++)
		(void)json_object_array_add(array, show_link(engine, &failover->links[i]));
	return array;
}

void method_show_failover_interface(struct control_call *call, struct json_object *parameters,
				    void *userdata)
{
	struct json_object *result = json_object_new_object();

	(void)parameters;
	(void)json_object_object_add(result, "links", json_links(userdata));
	(void)json_object_object_add(result, "paths", json_paths(userdata));
	(void)json_object_object_add(result, "clock", json_clock(userdata));
	control_call_reply(call, result);
}
