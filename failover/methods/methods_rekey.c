/* SPDX-License-Identifier: Apache-2.0 */
/* `asafo rekey`, and how it stands. */
#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/handlers.h"

static void add_id(struct json_object *object, const char *key, uint64_t id)
{
	char text[17] = "";

	if (id != 0)
		(void)snprintf(text, sizeof(text), "%016" PRIx64, id);
	json_add_text(object, key, text);
}

struct json_object *json_failover_key(const struct engine *engine)
{
	const struct engine_rekey *rekey = &engine->rekey;
	struct json_object *object = json_object_new_object();
	bool is_known = rekey->is_mate_known;

	add_id(object, "id", rekey->own.current);
	json_add_number(object, "changed_at", rekey->changed_at);
	json_add_text(object, "rekey", rekey_phase_text(rekey->own.phase));
	add_id(object, "other_id", rekey->own.other);
	json_add_flag(object, "leading", rekey->own.is_leading);
	json_add_text(object, "mate_rekey", is_known ? rekey_phase_text(rekey->mate.phase) : "");
	add_id(object, "mate_id", is_known ? rekey->mate.current : 0);
	json_add_text(object, "why", rekey->why);
	return object;
}

static void on_done(int code, const char *why, void *userdata)
{
	struct waiting *waiting = userdata;

	if (code < 0) {
		waiting_fail(waiting, code, why);
		return;
	}
	json_add_flag(waiting->result, "canceled", waiting->is_removal);
	(void)json_object_object_add(waiting->result, "failover_key",
				     json_failover_key(waiting->engine));
	waiting_reply(waiting);
}

void method_rekey(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	bool is_cancel = parameter_flag(parameters, "cancel");
	struct waiting *waiting;
	struct why why = {0};
	int r;

	/* What this unit made, it may give up in any role. */
	if (!is_cancel && !require_active(engine, call))
		return;
	waiting = waiting_new(engine, call);
	if (!waiting)
		return;
	waiting->is_removal = is_cancel;
	r = is_cancel ? engine_rekey_cancel(engine, on_done, waiting, &why)
		      : engine_rekey_start(engine, on_done, waiting, &why);
	if (r < 0)
		waiting_fail(waiting, r, why.text);
}
