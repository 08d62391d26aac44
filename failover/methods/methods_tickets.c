/* SPDX-License-Identifier: Apache-2.0 */
/* `asafo session-tickets rotate`, and how it stands. */
#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "failover/methods/handlers.h"

struct json_object *json_session_tickets(const struct engine *engine)
{
	const struct engine_resumption *resumption = &engine->resumption;
	struct json_object *object = json_object_new_object();
	char id[17] = "";

	if (resumption->id != 0)
		(void)snprintf(id, sizeof(id), "%016" PRIx64, resumption->id);
	json_add_text(object, "key", id);
	json_add_number(object, "made_at", resumption->made_at);
	json_add_number(object, "previous_left_s", resumption->previous_left_s);
	/* A standby has what the active sent, and the active knows of it. */
	if (engine_is_active(engine))
		json_add_flag(object, "mate_has_it",
			      resumption->id != 0 && resumption->mate_id == resumption->id);
	return object;
}

static void on_rotated(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__ResumptionReply *reply = (const Asafo__Ipc__ResumptionReply *)body;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	engine_resumption_read(waiting->engine, reply);
	(void)json_object_object_add(waiting->result, "session_tickets",
				     json_session_tickets(waiting->engine));
	waiting_reply(waiting);
}

void method_session_tickets_rotate(struct control_call *call, struct json_object *parameters,
				   void *userdata)
{
	struct engine *engine = userdata;
	Asafo__Ipc__Resumption message = ASAFO__IPC__RESUMPTION__INIT;
	struct waiting *waiting;

	if (!require_active(engine, call))
		return;
	waiting = waiting_new(engine, call);
	if (!waiting)
		return;
	message.step = parameter_flag(parameters, "forget") ? ASAFO__IPC__RESUMPTION__STEP__FORGET
							    : ASAFO__IPC__RESUMPTION__STEP__ROTATE;
	if (engine_keeper_call(engine, IPC_RESUMPTION, &message.base, NULL, 0, on_rotated,
			       waiting) < 0)
		waiting_fail(waiting, ERR_NOT_READY, "the keeper is not there: see the log");
}
