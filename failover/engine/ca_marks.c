/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/engine/ca_marks.h"

#include "base/err.h"
#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/replication/replication.h"

#define MARKS_MAX 16

static void post(struct engine *engine, Asafo__Wire__LocalCaMarks *message)
{
	if (engine->pair.link && link_is_up(engine->pair.link))
		(void)replication_post(engine->replication, ASAFO__WIRE__LINK__BODY_LOCAL_CA_MARKS,
				       message);
}

static void on_own(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__LocalCaMarksReply *reply = (const Asafo__Ipc__LocalCaMarksReply *)body;
	Asafo__Wire__LocalCaMarks message = ASAFO__WIRE__LOCAL_CA_MARKS__INIT;
	struct engine *engine = userdata;

	(void)has_more;
	if (engine->is_exiting || code < 0 || reply->status->code < 0 ||
	    reply->n_own + reply->n_issued == 0)
		return;
	message.marks = reply->own;
	message.n_marks = reply->n_own;
	message.issued = reply->issued;
	message.n_issued = reply->n_issued;
	post(engine, &message);
}

void ca_marks_tell(struct engine *engine)
{
	Asafo__Ipc__LocalCaMarks message = ASAFO__IPC__LOCAL_CA_MARKS__INIT;

	if (engine->pair.link && link_is_up(engine->pair.link))
		(void)engine_keeper_call(engine, IPC_LOCALCA_MARKS, &message.base, NULL, 0, on_own,
					 engine);
}

void ca_marks_tell_issued(struct engine *engine, const ProtobufCBinaryData *key_id)
{
	Asafo__Wire__LocalCaMarks message = ASAFO__WIRE__LOCAL_CA_MARKS__INIT;
	ProtobufCBinaryData id = *key_id;

	message.issued = &id;
	message.n_issued = 1;
	post(engine, &message);
}

static void on_kept(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__LocalCaMarksReply *reply = (const Asafo__Ipc__LocalCaMarksReply *)body;
	const struct engine *engine = userdata;

	(void)has_more;
	if (engine->is_exiting || (code == 0 && reply->status->code == 0))
		return;
	log_line(LOG_WARNING,
		 "by what the mate's local CA is known could not be kept (%s): what it issued "
		 "would not be recognised here",
		 code < 0 ? err_text(code) : reply->status->why);
}

bool ca_marks_message(struct engine *engine, const Asafo__Wire__Link *message)
{
	Asafo__Ipc__LocalCaMarks request = ASAFO__IPC__LOCAL_CA_MARKS__INIT;

	if (message->body_case != ASAFO__WIRE__LINK__BODY_LOCAL_CA_MARKS)
		return false;
	request.mates = message->local_ca_marks->marks;
	request.n_mates = message->local_ca_marks->n_marks;
	if (request.n_mates > MARKS_MAX)
		request.n_mates = MARKS_MAX;
	request.issued = message->local_ca_marks->issued;
	request.n_issued = message->local_ca_marks->n_issued;
	(void)engine_keeper_call(engine, IPC_LOCALCA_MARKS, &request.base, NULL, 0, on_kept,
				 engine);
	return true;
}
