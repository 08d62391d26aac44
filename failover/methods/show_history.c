/* SPDX-License-Identifier: Apache-2.0 */
/* The last transitions, as JSON (doc/control.md). */
#include <config.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/methods_internal.h"

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
