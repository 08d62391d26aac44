/* SPDX-License-Identifier: Apache-2.0 */
/* The state of both units in the terms of `show failover state`, as JSON (doc/control.md). */
#include <config.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/handlers.h"
#include "failover/replication/replication.h"

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

/* The first is the ASA's; the others it does not have, and says nothing of interfaces. */
static const char *cause_text(enum fo_cause cause)
{
	static const char *const texts[FO_CAUSE__MAX] = {
		[FO_CAUSE_INTERFACES] = "Ifc Failure",
		[FO_CAUSE_TRACK] = "Track Failure",
		[FO_CAUSE_SERVICE] = "Service Failure",
	};

	return texts[cause < FO_CAUSE__MAX ? cause : FO_CAUSE_INTERFACES];
}

/* The words of an ASA for what made a unit fail, or some that fit into its column; NULL: it was no
 * failure. */
static const char *failure_text(const struct history_row *row)
{
	if (row->reason == FO_REASON_INTERFACE_CHECK)
		return cause_text(FO_CAUSE_INTERFACES);
	if (row->reason == FO_REASON_TRACK_DOWN)
		return cause_text(FO_CAUSE_TRACK);
	if (row->reason == FO_REASON_SERVICE_FAILED)
		return cause_text(FO_CAUSE_SERVICE);
	if (row->reason == FO_REASON_COMMUNICATION_FAILURE)
		return "Comm Failure";
	if (row->reason == FO_REASON_NOT_SCHEDULED)
		return "Not Scheduled";
	if (row->reason == FO_REASON_STORE_FAILED)
		return "Store Failure";
	if (row->reason == FO_REASON_PROGRESSION_FAILED)
		return "Progression Failure";
	return row->to == FO_STATE_FAILED ? fo_reason_text(row->reason) : NULL;
}

/* A unit that takes over because of the other's interfaces has not failed itself. */
static bool is_own_failure(const struct history_row *row)
{
	return !fo_state_is_active(row->to) && failure_text(row);
}

static struct json_object *show_this(const struct engine *engine)
{
	const char *unit =
		engine->config->failover.unit == FO_UNIT_PRIMARY ? "primary" : "secondary";
	struct json_object *object, *detail = json_object_new_array();
	const struct history_row *row = NULL;

	for (size_t i = engine->history.n_rows; i > 0 && !row; i--) {
		row = history_get(&engine->history, i - 1);
		if (!is_own_failure(row))
			row = NULL;
	}
	object = show_unit_state(unit, fo_state_text(engine->fsm.state),
				 row ? failure_text(row) : "None",
				 row ? (int64_t)(row->realtime_ns / MONOTIME_NS_PER_SEC) : 0);
	json_add_failures(engine, detail);
	(void)json_object_object_add(object, "detail", detail);
	return object;
}

static struct json_object *show_other(const struct engine *engine)
{
	const char *unit =
		engine->config->failover.unit == FO_UNIT_PRIMARY ? "secondary" : "primary";
	const struct engine_mate *mate = &engine->mate;
	bool is_heard = engine_hears_mate(engine);

	if (!is_heard && !mate->was_heard)
		return show_unit_state(unit, fo_state_text(FO_STATE_NOT_DETECTED), "Comm Failure",
				       0);
	if (is_heard && mate->failed_at > 0 &&
	    (mate->view.health.is_failing || mate->failed_at >= mate->lost_at))
		return show_unit_state(unit, fo_state_text(mate->view.state),
				       cause_text(mate->failed_by), mate->failed_at);
	return show_unit_state(unit, fo_state_text(is_heard ? mate->view.state : FO_STATE_FAILED),
			       is_heard && mate->lost_at == 0 ? "None" : "Comm Failure",
			       mate->lost_at);
}

/* NULL: there was none. Done is: both stores and both configurations were equal when it ended. */
static const char *configuration_state(const struct engine *engine, bool is_active)
{
	const struct replication_result *last = replication_last_as(engine->replication, is_active);

	if (engine_is_active(engine) == is_active && replication_is_busy(engine->replication))
		return is_active ? "Config Syncing" : "Config Syncing - STANDBY";
	if (last->at == 0 || last->code < 0)
		return NULL;
	if (last->mode && strcmp(last->mode, "equal") == 0)
		return is_active ? "Sync Skipped" : "Sync Skipped - STANDBY";
	return is_active ? "Sync Done" : "Sync Done - STANDBY";
}

/* Of the latest replication since the start in each role that this unit had, as on an ASA; whether
 * the units are level now, `show failover` says. */
static struct json_object *show_configuration_states(const struct engine *engine)
{
	static const bool roles[] = {true, false};
	struct json_object *lines = json_object_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		const char *state = configuration_state(engine, roles[i]);

		if (state)
			(void)json_object_array_add(lines, json_object_new_string(state));
	}
	return lines;
}

void method_show_state(struct control_call *call, struct json_object *parameters, void *userdata)
{
	const struct engine *engine = userdata;
	struct json_object *result = json_object_new_object();

	(void)parameters;
	(void)json_object_object_add(result, "this", show_this(engine));
	(void)json_object_object_add(result, "other", show_other(engine));
	(void)json_object_object_add(result, "configuration_state",
				     show_configuration_states(engine));
	json_add_text(result, "communication_state", engine_hears_mate(engine) ? "Mac set" : "");
	(void)json_object_object_add(result, "clock", json_clock(engine));
	control_call_reply(call, result);
}
