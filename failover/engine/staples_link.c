/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set first, without the responses: it is small, and says whether anything is to be done at
 * all. The standby says which set its keeper lists, whatever it was told; until that is the active
 * unit's, this one tells its own each minute, so that nothing of it has to be remembered.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/replication/replication.h"

#define LACKING_MAX 1000u

/* ---- the active unit ---- */

static void fill(Asafo__Record__Staple *message, const struct engine_staple *staple)
{
	asafo__record__staple__init(message);
	message->fingerprint = (ProtobufCBinaryData){sizeof(staple->fingerprint),
						     (uint8_t *)(uintptr_t)staple->fingerprint};
	message->digest =
		(ProtobufCBinaryData){sizeof(staple->digest), (uint8_t *)(uintptr_t)staple->digest};
}

static int post_set(struct engine *engine)
{
	const struct engine_staples *staples = &engine->staples;
	Asafo__Wire__StapleSet message = ASAFO__WIRE__STAPLE_SET__INIT;
	_cleanup_free_ Asafo__Record__Staple *entries = calloc(staples->n + 1, sizeof(*entries));
	_cleanup_free_ Asafo__Record__Staple **pointers =
		calloc(staples->n + 1, sizeof(Asafo__Record__Staple *));

	if (!entries || !pointers)
		return -ENOMEM;
	for (size_t i = 0; i < staples->n; i++) {
		if (staples->list[i].is_home)
			continue;
		fill(&entries[message.n_staples], &staples->list[i]);
		pointers[message.n_staples] = &entries[message.n_staples];
		message.n_staples++;
	}
	message.staples = pointers;
	message.id = staples->id;
	return replication_post(engine->replication, ASAFO__WIRE__LINK__BODY_STAPLE_SET, &message);
}

void engine_staples_tell(struct engine *engine)
{
	struct engine_staples *staples = &engine->staples;

	if (!engine_is_active(engine) || !engine->pair.link || !link_is_up(engine->pair.link))
		return;
	if (staples->id == 0 || staples->id == staples->mate_id || staples->is_told ||
	    staples->is_sending)
		return;
	staples->is_told = post_set(engine) == 0;
}

void engine_staples_link_up(struct engine *engine)
{
	struct engine_staples *staples = &engine->staples;

	staples->mate_id = 0;
	staples->is_told = false;
	staples->n_lacking = staples->i_lacking = 0;
	engine_staples_kick(engine);
}

static void send_next(struct engine *engine);

static void on_got(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__StapleReply *reply = (const Asafo__Ipc__StapleReply *)body;
	Asafo__Wire__Staple message = ASAFO__WIRE__STAPLE__INIT;
	struct engine *engine = userdata;

	(void)has_more;
	if (engine->is_exiting)
		return;
	engine->staples.is_sending = false;
	if (code < 0)
		return;
	message.staple = reply->staple;
	/* One that is gone meanwhile is in no set any more. */
	if (message.staple && engine->pair.link && link_is_up(engine->pair.link))
		(void)replication_post(engine->replication, ASAFO__WIRE__LINK__BODY_STAPLE,
				       &message);
	send_next(engine);
}

static void send_next(struct engine *engine)
{
	struct engine_staples *staples = &engine->staples;
	Asafo__Ipc__StapleGet request = ASAFO__IPC__STAPLE_GET__INIT;

	if (staples->is_sending)
		return;
	if (staples->i_lacking >= staples->n_lacking) {
		/* The set may have changed while they were sent. */
		engine_staples_tell(engine);
		return;
	}
	request.fingerprint = (ProtobufCBinaryData){STAPLES_FINGERPRINT_SIZE,
						    staples->lacking[staples->i_lacking++]};
	staples->is_sending = engine_keeper_call(engine, IPC_STAPLE_GET, &request.base, NULL, 0,
						 on_got, engine) == 0;
}

static void state_came(struct engine *engine, const Asafo__Wire__StapleState *state)
{
	struct engine_staples *staples = &engine->staples;

	staples->mate_id = state->id;
	engine_staples_look_apart(engine);
	if (!engine_is_active(engine) || state->n_lacking == 0 || state->n_lacking > LACKING_MAX ||
	    staples->is_sending)
		return;
	free(TAKE_PTR(staples->lacking));
	staples->n_lacking = staples->i_lacking = 0;
	staples->lacking = calloc(state->n_lacking, sizeof(*staples->lacking));
	for (size_t i = 0; staples->lacking && i < state->n_lacking; i++) {
		if (state->lacking[i].len == STAPLES_FINGERPRINT_SIZE)
			memcpy(staples->lacking[staples->n_lacking++], state->lacking[i].data,
			       STAPLES_FINGERPRINT_SIZE);
	}
	send_next(engine);
}

/* ---- the standby unit ---- */

static void post_state(struct engine *engine, uint64_t id, const ProtobufCBinaryData *lacking,
		       size_t n_lacking)
{
	Asafo__Wire__StapleState message = ASAFO__WIRE__STAPLE_STATE__INIT;

	if (!engine->pair.link || !link_is_up(engine->pair.link))
		return;
	message.id = id;
	message.lacking = (ProtobufCBinaryData *)(uintptr_t)lacking;
	message.n_lacking = n_lacking;
	(void)replication_post(engine->replication, ASAFO__WIRE__LINK__BODY_STAPLE_STATE, &message);
}

void engine_staples_report(struct engine *engine)
{
	if (!engine_is_active(engine))
		post_state(engine, engine->staples.id, NULL, 0);
}

static void on_compared(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__StapleCompareReply *reply = (const Asafo__Ipc__StapleCompareReply *)body;
	struct engine *engine = userdata;
	struct engine_staples *staples = &engine->staples;

	(void)has_more;
	if (engine->is_exiting)
		return;
	staples->is_comparing = false;
	if (code < 0 || (reply->status && reply->status->code < 0)) {
		post_state(engine, 0, NULL, 0);
		return;
	}
	if (reply->dropped > 0)
		log_line(LOG_INFO,
			 "%u OCSP staples that only this unit had are dropped: the active unit's "
			 "are used",
			 reply->dropped);
	/* What was dropped is still in the list that is known; the next one is told, too. */
	post_state(engine, staples->id, reply->lacking, reply->n_lacking);
}

static void set_came(struct engine *engine, const Asafo__Wire__StapleSet *set)
{
	struct engine_staples *staples = &engine->staples;
	Asafo__Ipc__StapleCompare request = ASAFO__IPC__STAPLE_COMPARE__INIT;

	request.staples = set->staples;
	request.n_staples = set->n_staples;
	/* Of two that were active apart one gives way, and takes it then. */
	if (!engine_is_active(engine) && !staples->is_comparing)
		staples->is_comparing =
			engine_keeper_call(engine, IPC_STAPLE_COMPARE, &request.base, NULL, 0,
					   on_compared, engine) == 0;
	if (engine_is_active(engine) || !staples->is_comparing)
		post_state(engine, 0, NULL, 0);
}

static void on_taken(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;
	struct engine *engine = userdata;

	(void)has_more;
	if (engine->is_exiting || code < 0)
		return;
	if (reply->status && reply->status->code < 0)
		log_line(LOG_WARNING, "an OCSP staple of the active unit was not taken: %s",
			 reply->status->why[0] ? reply->status->why
					       : err_text(reply->status->code));
}

static void staple_came(struct engine *engine, const Asafo__Wire__Staple *message)
{
	Asafo__Ipc__StapleTake request = ASAFO__IPC__STAPLE_TAKE__INIT;

	if (engine_is_active(engine) || !message->staple)
		return;
	request.staple = message->staple;
	(void)engine_keeper_call(engine, IPC_STAPLE_TAKE, &request.base, NULL, 0, on_taken, engine);
}

bool engine_staples_message(struct engine *engine, const Asafo__Wire__Link *message)
{
	if (message->body_case == ASAFO__WIRE__LINK__BODY_STAPLE_SET)
		set_came(engine, message->staple_set);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_STAPLE_STATE)
		state_came(engine, message->staple_state);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_STAPLE)
		staple_came(engine, message->staple);
	else
		return false;
	return true;
}
