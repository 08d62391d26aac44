/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine knows, as JSON objects (doc/control.md). Nothing here changes anything. */
#include <config.h>
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/methods_internal.h"
#include "failover/replication/replication.h"
#include "failover/engine/stranger.h"

static const char *const replication_names[CONFIG_REPLICATION__MAX] = {
	[CONFIG_REPLICATION_OFF] = "off",
	[CONFIG_REPLICATION_ASYNC] = "async",
	[CONFIG_REPLICATION_SYNC] = "sync",
};

static void add_address(struct json_object *object, const char *key,
			const struct config_address *address)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (address->family != 0)
		(void)inet_ntop(address->family, address->bytes, text, sizeof(text));
	json_add_text(object, key, text);
}

static const char *role_text(const struct engine *engine)
{
	if (!engine->is_started)
		return "none";
	return engine_is_active(engine) ? "active" : "standby";
}

/* Why this unit is where it is, in words beyond the machine's reason. */
static const char *trouble(const struct engine *engine)
{
	if (engine->store.why[0])
		return engine->store.why;
	if (engine->config->failover.is_enabled && !engine->pair.has_keys)
		return ENGINE_NO_KEY;
	return stranger_trouble(engine);
}

static struct json_object *show_link(const struct engine *engine)
{
	struct json_object *object = json_object_new_object();
	struct link *link = engine->pair.link;

	json_add_flag(object, "up", link && link_is_up(link));
	json_add_text(object, "why", engine->pair.link_why);
	json_add_number(object, "bytes_sent", link ? (int64_t)link_bytes_sent(link) : 0);
	json_add_number(object, "bytes_received", link ? (int64_t)link_bytes_received(link) : 0);
	json_add_text(object, "mate_software", link ? link_mate_software(link) : "");
	json_add_number(object, "version", LINK_VERSION);
	json_add_number(object, "mate_version", link ? (int64_t)link_mate_version(link) : 0);
	return object;
}

static struct json_object *show_failover_link(const struct engine *engine)
{
	const struct config_failover *failover = &engine->config->failover;
	bool is_primary = failover->unit == FO_UNIT_PRIMARY;
	struct json_object *object = json_object_new_object();
	struct linkmon_link link = {0};

	linkmon_get(engine->addresses.linkmon, failover->link_device, &link);
	json_add_text(object, "name", failover->link_name);
	json_add_text(object, "device", failover->link_device);
	add_address(object, "address",
		    is_primary ? &failover->link_active : &failover->link_standby);
	add_address(object, "mate_address",
		    is_primary ? &failover->link_standby : &failover->link_active);
	json_add_flag(object, "up", link.has_carrier);
	return object;
}

/* A hello has no room for the number of items: it is known where the contents are ours. */
static struct json_object *show_mate_position(const struct engine *engine)
{
	struct engine_position position = engine->mate.position;
	struct json_object *object;
	bool is_ours = engine_position_equal(&position, &engine->store.position);

	position.count = engine->store.position.count;
	object = json_position(&position);
	if (!is_ours)
		json_object_object_del(object, "count");
	return object;
}

static struct json_object *show_mate(const struct engine *engine)
{
	const struct engine_mate *mate = &engine->mate;
	bool is_heard = engine_hears_mate(engine);
	bool is_primary = engine->config->failover.unit == FO_UNIT_PRIMARY;
	struct json_object *object = json_object_new_object();
	uint64_t ago = mate->was_heard ? monotime_since(monotime_now(), mate->heard_at) : 0;

	json_add_flag(object, "heard", is_heard);
	json_add_text(object, "unit", is_primary ? "secondary" : "primary");
	json_add_text(object, "state",
		      is_heard		? fo_state_text(mate->view.state)
		      : mate->was_heard ? fo_state_text(FO_STATE_FAILED)
					: fo_state_text(FO_STATE_NOT_DETECTED));
	json_add_text(object, "reason", is_heard ? "None" : "Comm Failure");
	json_add_number(object, "last_heard_ms",
			mate->was_heard ? (int64_t)(ago / MONOTIME_NS_PER_MS) : -1);
	json_add_text(object, "software", mate->software);
	json_add_number(object, "term", (int64_t)mate->view.term);
	(void)json_object_object_add(object, "position", show_mate_position(engine));
	json_add_number(object, "lacks",
			engine->lacking.is_complete ? (int64_t)engine->lacking.n : -1);
	json_add_number(object, "clock_skew_ms", mate->clock_skew_ns / (int64_t)MONOTIME_NS_PER_MS);
	json_add_number(object, "failed_interfaces", mate->view.health.failed_interfaces);
	json_add_number(object, "health", mate->view.health.score);
	return object;
}

static const char *interface_status(const struct engine *engine,
				    const struct config_interface *interface)
{
	struct linkmon_link link = {0};

	linkmon_get(engine->addresses.linkmon, interface->device, &link);
	if (!link.is_present)
		return "Unknown";
	if (!link.is_admin_up)
		return "Link Down";
	return link.has_carrier ? "Normal" : "No Link";
}

/* A hello says how many of the mate's monitored interfaces fail, not which. */
static const char *mate_status(const struct engine *engine,
			       const struct config_interface *interface)
{
	bool is_known = engine_hears_mate(engine) && interface->is_monitored &&
			engine->mate.view.health.failed_interfaces == 0;

	return is_known ? "Normal" : "Unknown";
}

static struct json_object *show_interfaces(const struct engine *engine)
{
	struct json_object *array = json_object_new_array();
	bool is_active = engine_is_active(engine);

	for (size_t i = 0; i < engine->config->n_interfaces; i++) {
		const struct config_interface *interface = &engine->config->interfaces[i];
		struct json_object *object = json_object_new_object();

		json_add_text(object, "name", interface->name);
		json_add_text(object, "device", interface->device);
		add_address(object, "address",
			    is_active ? &interface->active4 : &interface->standby4);
		add_address(object, "address6",
			    is_active ? &interface->active6 : &interface->standby6);
		add_address(object, "mate_address",
			    is_active ? &interface->standby4 : &interface->active4);
		json_add_text(object, "status", interface_status(engine, interface));
		json_add_text(object, "mate_status", mate_status(engine, interface));
		json_add_flag(object, "monitored", interface->is_monitored);
		(void)json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *show_paths(const struct engine *engine)
{
	struct json_object *array = json_object_new_array();
	size_t n = engine->pair.paths ? path_set_count(engine->pair.paths) : 0;

	for (size_t i = 0; i < n; i++) {
		struct path_statistics statistics;
		struct json_object *object = json_object_new_object();

		path_set_statistics(engine->pair.paths, i, &statistics);
		json_add_text(object, "name", statistics.name);
		json_add_flag(object, "open", statistics.is_open);
		json_add_number(object, "sent", (int64_t)statistics.sent);
		json_add_number(object, "received", (int64_t)statistics.received);
		json_add_text(object, "error",
			      statistics.last_error ? err_text(statistics.last_error) : "");
		(void)json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *show_replication(const struct engine *engine)
{
	const struct replication_result *last = replication_last(engine->replication);
	struct json_object *object = json_object_new_object(), *figures = json_object_new_object();

	json_add_text(object, "mode", replication_names[engine->config->failover.replication]);
	json_add_text(object, "state",
		      replication_is_busy(engine->replication) ? "syncing"
		      : last->at && last->code < 0	       ? "failed"
							       : "idle");
	json_add_text(object, "why", last->code < 0 ? last->why.text : "");
	json_add_number(object, "queue", (int64_t)engine->lacking.n);
	json_add_number(figures, "at", last->at);
	json_add_flag(figures, "ok", last->at && last->code == 0);
	json_add_number(figures, "items", (int64_t)last->items);
	json_add_number(figures, "bytes", (int64_t)last->bytes);
	json_add_number(figures, "ms", (int64_t)last->ms);
	json_add_text(figures, "mode", last->mode);
	json_add_hex(figures, "digest", last->digest, sizeof(last->digest));
	(void)json_object_object_add(object, "last", figures);
	return object;
}

static struct json_object *show_last_failover(const struct engine *engine)
{
	struct json_object *object = json_object_new_object();
	int64_t at = 0;
	const char *reason = "";

	for (size_t i = 0; i < engine->history.n_rows; i++) {
		const struct history_row *row = history_get(&engine->history, i);

		if (fo_state_is_active(row->from) == fo_state_is_active(row->to))
			continue;
		at = (int64_t)(row->realtime_ns / MONOTIME_NS_PER_SEC);
		reason = fo_reason_text(row->reason);
	}
	json_add_number(object, "at", at);
	json_add_text(object, "reason", reason);
	return object;
}

static void add_timers(struct json_object *result, const struct config_failover *failover)
{
	json_add_number(result, "poll_ms", failover->poll_ms);
	json_add_number(result, "hold_ms", failover->hold_ms);
	json_add_number(result, "interface_policy", failover->interface_policy);
}

void method_show_failover(struct control_call *call, struct json_object *parameters, void *userdata)
{
	const struct engine *engine = userdata;
	struct json_object *result = json_object_new_object();
	bool is_active = engine_is_active(engine);
	uint64_t active_ns = is_active ? monotime_since(monotime_now(), engine->active_since) : 0;

	(void)parameters;
	json_add_flag(result, "enabled", engine->config->failover.is_enabled);
	json_add_text(result, "unit",
		      engine->config->failover.unit == FO_UNIT_PRIMARY ? "primary" : "secondary");
	json_add_text(result, "role", role_text(engine));
	json_add_text(result, "state", fo_state_text(engine->fsm.state));
	json_add_text(result, "reason", fo_reason_text(engine->fsm.reason));
	json_add_text(result, "trouble", trouble(engine));
	json_add_number(result, "term", (int64_t)engine->fsm.term);
	(void)json_object_object_add(result, "position", json_position(&engine->store.position));
	json_add_text(result, "hostname", engine->config->hostname);
	json_add_text(result, "version", PACKAGE_VERSION);
	add_timers(result, &engine->config->failover);
	(void)json_object_object_add(result, "failover_link", show_failover_link(engine));
	(void)json_object_object_add(result, "link", show_link(engine));
	json_add_number(result, "active_seconds", (int64_t)(active_ns / MONOTIME_NS_PER_SEC));
	(void)json_object_object_add(result, "last_failover", show_last_failover(engine));
	(void)json_object_object_add(result, "mate", show_mate(engine));
	(void)json_object_object_add(result, "interfaces", show_interfaces(engine));
	(void)json_object_object_add(result, "paths", show_paths(engine));
	(void)json_object_object_add(result, "replication", show_replication(engine));
	control_call_reply(call, result);
}

static struct json_object *show_unit_state(const char *unit, const char *state, const char *reason,
					   int64_t at)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "unit", unit);
	json_add_text(object, "state", state);
	json_add_text(object, "last_failure_reason", reason);
	json_add_number(object, "at", at);
	return object;
}

static const char *failure_reason(const struct engine *engine)
{
	if (engine->fsm.state == FO_STATE_FAILED)
		return engine->fsm.reason == FO_REASON_INTERFACE_CHECK
			       ? "Ifc Failure"
			       : fo_reason_text(engine->fsm.reason);
	return "None";
}

void method_show_state(struct control_call *call, struct json_object *parameters, void *userdata)
{
	const struct engine *engine = userdata;
	struct json_object *result = json_object_new_object(), *lines = json_object_new_array();
	const struct history_row *row =
		engine->history.n_rows ? history_get(&engine->history, engine->history.n_rows - 1)
				       : NULL;
	bool is_primary = engine->config->failover.unit == FO_UNIT_PRIMARY;
	bool is_heard = engine_hears_mate(engine);
	const char *mate_state = is_heard		  ? fo_state_text(engine->mate.view.state)
				 : engine->mate.was_heard ? fo_state_text(FO_STATE_FAILED)
							  : fo_state_text(FO_STATE_NOT_DETECTED);

	(void)parameters;
	(void)json_object_object_add(
		result, "this",
		show_unit_state(is_primary ? "primary" : "secondary",
				fo_state_text(engine->fsm.state), failure_reason(engine),
				row ? (int64_t)(row->realtime_ns / MONOTIME_NS_PER_SEC) : 0));
	(void)json_object_object_add(result, "other",
				     show_unit_state(is_primary ? "secondary" : "primary",
						     mate_state, is_heard ? "None" : "Comm Failure",
						     0));
	if (replication_is_busy(engine->replication))
		(void)json_object_array_add(
			lines, json_object_new_string(engine_is_active(engine)
							      ? "Config Syncing"
							      : "Config Syncing - STANDBY"));
	else if (replication_last(engine->replication)->at)
		(void)json_object_array_add(
			lines,
			json_object_new_string(engine_is_active(engine) ? "Sync Done"
									: "Sync Done - STANDBY"));
	(void)json_object_object_add(result, "configuration_state", lines);
	json_add_text(result, "communication_state", is_heard ? "Mac set" : "");
	control_call_reply(call, result);
}

void method_show_history(struct control_call *call, struct json_object *parameters, void *userdata)
{
	const struct engine *engine = userdata;
	struct json_object *result = json_object_new_object(), *rows = json_object_new_array();

	(void)parameters;
	for (size_t i = 0; i < engine->history.n_rows; i++) {
		const struct history_row *row = history_get(&engine->history, i);
		struct json_object *object = json_object_new_object();

		(void)json_object_object_add(
			object, "at",
			json_object_new_double((double)(row->realtime_ns / MONOTIME_NS_PER_MS) /
					       1000.0));
		json_add_text(object, "from", fo_state_text(row->from));
		json_add_text(object, "to", fo_state_text(row->to));
		json_add_text(object, "reason", fo_reason_text(row->reason));
		(void)json_object_array_add(rows, object);
	}
	(void)json_object_object_add(result, "rows", rows);
	control_call_reply(call, result);
}

static void add_texts(struct json_object *object, const char *key, char *const *texts, size_t n)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		(void)json_object_array_add(array, json_object_new_string(texts[i]));
	(void)json_object_object_add(object, key, array);
}

static bool is_served(const Asafo__Ipc__FrontReport *report, const char *trustpoint)
{
	for (size_t i = 0; report && i < report->n_served; i++) {
		if (!report->served[i]->is_fallback &&
		    strcmp(report->served[i]->trustpoint, trustpoint) == 0)
			return true;
	}
	return false;
}

static struct json_object *show_bindings(const struct engine *engine)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < engine->config->n_bindings; i++) {
		const struct config_binding *binding = &engine->config->bindings[i];
		struct json_object *object = json_object_new_object();

		json_add_text(object, "trustpoint", binding->trustpoint);
		json_add_text(object, "interface", binding->interface);
		json_add_text(object, "domain", binding->domain);
		json_add_flag(object, "present",
			      is_served(engine->rooms.report, binding->trustpoint));
		(void)json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *show_served(const Asafo__Ipc__FrontReport *report)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; report && i < report->n_served; i++) {
		const Asafo__Ipc__FrontServed *served = report->served[i];
		struct json_object *object = json_object_new_object();

		json_add_text(object, "interface", served->interface);
		json_add_text(object, "domain", served->domain);
		json_add_text(object, "trustpoint", served->trustpoint);
		json_add_hex(object, "fingerprint", served->fingerprint.data,
			     served->fingerprint.len);
		json_add_flag(object, "is_fallback", served->is_fallback);
		json_add_text(object, "why", served->why);
		(void)json_object_array_add(array, object);
	}
	return array;
}

void method_show_ssl(struct control_call *call, struct json_object *parameters, void *userdata)
{
	const struct engine *engine = userdata;
	const Asafo__Ipc__FrontReport *report = engine->rooms.report;
	struct json_object *result = json_object_new_object();

	(void)parameters;
	add_texts(result, "listening", report ? report->listening : NULL,
		  report ? report->n_listening : 0);
	add_texts(result, "failed", report ? report->failed : NULL, report ? report->n_failed : 0);
	json_add_text(result, "minimum_tls", engine->config->minimum_tls);
	(void)json_object_object_add(result, "bindings", show_bindings(engine));
	(void)json_object_object_add(result, "served", show_served(report));
	json_add_number(result, "connections", report ? (int64_t)report->connections : 0);
	json_add_number(result, "handshakes", report ? (int64_t)report->handshakes : 0);
	json_add_number(result, "handshake_failures",
			report ? (int64_t)report->handshake_failures : 0);
	control_call_reply(call, result);
}

void method_show_running_config(struct control_call *call, struct json_object *parameters,
				void *userdata)
{
	const struct engine *engine = userdata;
	_cleanup_(buf_done) struct buf text = {0};
	struct json_object *result;
	int r = config_render(engine->config, CONFIG_PART_ALL, &text);

	(void)parameters;
	if (r < 0) {
		control_call_fail(call, r, err_text(r));
		return;
	}
	result = json_object_new_object();
	json_add_text(result, "text", buf_text(&text));
	control_call_reply(call, result);
}

void method_show_startup_config(struct control_call *call, struct json_object *parameters,
				void *userdata)
{
	struct engine *engine = userdata;
	struct json_object *result = json_object_new_object();

	(void)parameters;
	json_add_text(result, "text", buf_text(&engine->startup_text));
	control_call_reply(call, result);
}

void method_show_version(struct control_call *call, struct json_object *parameters, void *userdata)
{
	const struct engine *engine = userdata;
	struct json_object *result = json_object_new_object();
	uint64_t up_ns = monotime_since(monotime_now(), engine->started_at);

	(void)parameters;
	json_add_text(result, "version", PACKAGE_VERSION);
	json_add_text(result, "unit",
		      engine->config->failover.unit == FO_UNIT_PRIMARY ? "primary" : "secondary");
	json_add_text(result, "hostname", engine->config->hostname);
	json_add_number(result, "uptime_seconds", (int64_t)(up_ns / MONOTIME_NS_PER_SEC));
	json_add_text(result, "mate_version", engine->mate.software);
	control_call_reply(call, result);
}

void method_healthz(struct control_call *call, struct json_object *parameters, void *userdata)
{
	const struct engine *engine = userdata;
	struct json_object *result = json_object_new_object();

	(void)parameters;
	json_add_flag(result, "ok", engine->is_started && !engine->store.why[0]);
	control_call_reply(call, result);
}
