/* SPDX-License-Identifier: Apache-2.0 */
/* The state of both units in the terms of `show failover state`, as JSON (doc/control.md). */
#include <config.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/methods_internal.h"
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
