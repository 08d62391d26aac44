/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set first, without what is revoked: it is small, and says whether anything is to be done at
 * all. The standby says which set its keeper lists, whatever it was told; until that is the active
 * unit's, this one tells its own each minute, so that nothing of it has to be remembered. What the
 * standby has newer, or alone, the active unit takes from it, part by part in the other direction.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "certstore/x509/crl.h"
#include "failover/engine/crls.h"
#include "failover/engine/engine.h"
#include "failover/replication/replication.h"

#define LACKING_MAX 100u

/* ---- the active unit ---- */

static void fill(Asafo__Record__Crl *message, const struct engine_crl *crl)
{
	asafo__record__crl__init(message);
	message->key_id =
		(ProtobufCBinaryData){sizeof(crl->key_id), (uint8_t *)(uintptr_t)crl->key_id};
	message->digest =
		(ProtobufCBinaryData){sizeof(crl->digest), (uint8_t *)(uintptr_t)crl->digest};
	message->this_update = crl->this_update;
	message->next_update = crl->next_update;
	message->taken_at = crl->taken_at;
	message->removed_at = crl->removed_at;
	message->term = crl->term;
	message->change = crl->change;
	message->number = (char *)(uintptr_t)crl->number;
	message->issuer = (char *)(uintptr_t)crl->issuer;
}

struct post {
	Asafo__Wire__CrlSet message;
	Asafo__Record__Crl *entries;
};

static void post_add(struct post *post, const struct engine_crl *crl)
{
	size_t n = post->message.n_crls++;

	fill(&post->entries[n], crl);
	post->message.crls[n] = &post->entries[n];
}

static int post_set(struct engine *engine)
{
	const struct engine_crls *crls = &engine->crls;
	size_t n = crls->n + crls->n_gone + 1;
	_cleanup_free_ Asafo__Record__Crl *entries = calloc(n, sizeof(*entries));
	_cleanup_free_ Asafo__Record__Crl **pointers = calloc(n, sizeof(Asafo__Record__Crl *));
	struct post post = {ASAFO__WIRE__CRL_SET__INIT, entries};

	if (!entries || !pointers)
		return -ENOMEM;
	post.message.crls = pointers;
	post.message.id = crls->id;
	for (size_t i = 0; i < crls->n; i++) {
		if (!crls->list[i].is_home)
			post_add(&post, &crls->list[i]);
	}
	for (size_t i = 0; i < crls->n_gone; i++)
		post_add(&post, &crls->gone[i]);
	return replication_post(engine->replication, ASAFO__WIRE__LINK__BODY_CRL_SET,
				&post.message);
}

/* Something of what the mate lacks is still to be sent: the keeper is asked for it, or the link's
 * queue is long. */
static bool is_busy(const struct engine_crls *crls)
{
	return crls->is_sending || crls->i_lacking < crls->n_lacking;
}

/* What is not there is asked for again. */
static void give_up(struct engine_crls *crls)
{
	crls->n_lacking = crls->i_lacking = crls->part = 0;
}

void engine_crls_tell(struct engine *engine)
{
	struct engine_crls *crls = &engine->crls;

	if (!engine_is_active(engine) || !engine->pair.link || !link_is_up(engine->pair.link))
		return;
	if (crls->id == 0 || crls->id == crls->mate_id || crls->is_told || is_busy(crls))
		return;
	crls->is_told = post_set(engine) == 0;
}

void engine_crls_link_up(struct engine *engine)
{
	struct engine_crls *crls = &engine->crls;

	crls->mate_id = 0;
	crls->is_told = false;
	crls->n_lacking = crls->i_lacking = crls->part = 0;
	crls->n_newer = 0;
	crls->is_wanting = false;
	engine_crls_kick(engine);
}

static void send_next(struct engine *engine);

/* Which one, and which part of it, goes next. */
static void sent(struct engine_crls *crls, const Asafo__Record__CrlPart *part)
{
	size_t n_sent = part->part * (size_t)CRL_PART_SIZE + part->marks.len;

	if (part->marks.len == CRL_PART_SIZE && n_sent < part->crl->revoked * CRLMARK_SIZE) {
		crls->part++;
		return;
	}
	crls->part = 0;
	crls->i_lacking++;
}

/* Errors: ERR_BUSY (there is no room for it now), and others for which it is given up. */
static int post_part(struct engine *engine, Asafo__Record__CrlPart *part)
{
	Asafo__Wire__CrlPart message = ASAFO__WIRE__CRL_PART__INIT;

	message.part = part;
	return engine->pair.link && link_is_up(engine->pair.link)
		       ? replication_post(engine->replication, ASAFO__WIRE__LINK__BODY_CRL_PART,
					  &message)
		       : ERR_CLOSED;
}

static void on_got(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__CrlGetReply *reply = (const Asafo__Ipc__CrlGetReply *)body;
	struct engine *engine = userdata;
	struct engine_crls *crls = &engine->crls;
	int r = code;

	(void)has_more;
	if (engine->is_exiting)
		return;
	crls->is_sending = false;
	/* One that is gone meanwhile is in no set any more. */
	if (r == 0 && (!reply->part || !reply->part->crl)) {
		crls->part = 0;
		crls->i_lacking++;
	} else if (r == 0) {
		r = post_part(engine, reply->part);
		if (r == 0)
			sent(crls, reply->part);
	}
	if (r < 0 && r != ERR_BUSY)
		give_up(crls);
	send_next(engine);
}

static void send_next(struct engine *engine)
{
	struct engine_crls *crls = &engine->crls;
	Asafo__Ipc__CrlGet request = ASAFO__IPC__CRL_GET__INIT;

	if (crls->is_sending)
		return;
	if (crls->i_lacking >= crls->n_lacking) {
		/* The set may have changed while they were sent. */
		engine_crls_tell(engine);
		return;
	}
	/* What is taken from the keeper only to wait is in the way of what must not: on from
	 * engine_crls_link_writable. */
	if (engine->pair.link && link_queued(engine->pair.link) >= LINK_QUEUE_LONG)
		return;
	request.key_id = (ProtobufCBinaryData){CRLS_KEY_ID_SIZE, crls->lacking[crls->i_lacking]};
	request.part = crls->part;
	crls->is_sending = engine_keeper_call(engine, IPC_CRL_GET, &request.base, NULL, 0, on_got,
					      engine) == 0;
	if (!crls->is_sending)
		give_up(crls);
}

void engine_crls_link_writable(struct engine *engine)
{
	if (is_busy(&engine->crls))
		send_next(engine);
}

/* Sends these, from the first part of the first one on. */
static void send_all(struct engine *engine, const ProtobufCBinaryData *key_ids, size_t n)
{
	struct engine_crls *crls = &engine->crls;

	if (n == 0 || n > LACKING_MAX || is_busy(crls))
		return;
	free(TAKE_PTR(crls->lacking));
	crls->n_lacking = crls->i_lacking = crls->part = 0;
	crls->lacking = calloc(n, sizeof(*crls->lacking));
	for (size_t i = 0; crls->lacking && i < n; i++) {
		if (key_ids[i].len == CRLS_KEY_ID_SIZE)
			memcpy(crls->lacking[crls->n_lacking++], key_ids[i].data, CRLS_KEY_ID_SIZE);
	}
	send_next(engine);
}

/* Which lists these are the standby's log says, and this one's, as they come. */
static void ask(struct engine *engine, const Asafo__Wire__CrlState *state)
{
	struct engine_crls *crls = &engine->crls;
	/* Then it took one of them later, and this unit has to learn when, but has it. */
	bool is_same = state->id == crls->id;
	Asafo__Wire__CrlAsk message = ASAFO__WIRE__CRL_ASK__INIT;

	if (!is_same && state->n_newer > 0 && crls->n_newer != state->n_newer)
		log_line(LOG_WARNING,
			 "the standby has %zu CRLs, or removals of them, that this unit has not, "
			 "or older ones of: they are taken from it",
			 state->n_newer);
	crls->n_newer = is_same ? 0 : state->n_newer;
	crls->is_wanting = false;
	if (state->n_newer == 0 || state->n_newer > LACKING_MAX)
		return;
	message.wanted = state->newer;
	message.n_wanted = state->n_newer;
	crls->is_wanting = replication_post(engine->replication, ASAFO__WIRE__LINK__BODY_CRL_ASK,
					    &message) == 0;
}

static void state_came(struct engine *engine, const Asafo__Wire__CrlState *state)
{
	struct engine_crls *crls = &engine->crls;

	crls->mate_id = state->id;
	engine_crls_look_apart(engine);
	if (!engine_is_active(engine))
		return;
	if (state->id == crls->id)
		crls->n_newer = 0;
	if (state->n_newer > 0)
		ask(engine, state);
	send_all(engine, state->lacking, state->n_lacking);
}

/* ---- the standby unit ---- */

/* COMPARED: with a set of the active unit's; NULL: unasked. */
static void post_state(struct engine *engine, uint64_t id,
		       const Asafo__Ipc__CrlCompareReply *compared)
{
	Asafo__Wire__CrlState message = ASAFO__WIRE__CRL_STATE__INIT;

	if (!engine->pair.link || !link_is_up(engine->pair.link))
		return;
	message.id = id;
	if (compared) {
		message.lacking = compared->lacking;
		message.n_lacking = compared->n_lacking;
		message.newer = compared->newer;
		message.n_newer = compared->n_newer;
	}
	(void)replication_post(engine->replication, ASAFO__WIRE__LINK__BODY_CRL_STATE, &message);
}

void engine_crls_report(struct engine *engine)
{
	if (!engine_is_active(engine))
		post_state(engine, engine->crls.id, NULL);
}

static void on_compared(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__CrlCompareReply *reply = (const Asafo__Ipc__CrlCompareReply *)body;
	struct engine *engine = userdata;
	struct engine_crls *crls = &engine->crls;

	(void)has_more;
	if (engine->is_exiting)
		return;
	crls->is_comparing = false;
	if (code < 0 || (reply->status && reply->status->code < 0)) {
		post_state(engine, 0, NULL);
		return;
	}
	if (reply->dropped > 0)
		log_line(LOG_INFO, "%u CRLs were removed, as on the active unit", reply->dropped);
	/* What was dropped is still in the list that is known; the next one is told, too. */
	post_state(engine, crls->id, reply);
}

static void set_came(struct engine *engine, const Asafo__Wire__CrlSet *set)
{
	struct engine_crls *crls = &engine->crls;
	Asafo__Ipc__CrlCompare request = ASAFO__IPC__CRL_COMPARE__INIT;

	request.crls = set->crls;
	request.n_crls = set->n_crls;
	/* Of two that were active apart one gives way, and takes it then. */
	if (!engine_is_active(engine) && !crls->is_comparing)
		crls->is_comparing = engine_keeper_call(engine, IPC_CRL_COMPARE, &request.base,
							NULL, 0, on_compared, engine) == 0;
	if (engine_is_active(engine) || !crls->is_comparing)
		post_state(engine, 0, NULL);
}

static void on_taken(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;
	struct engine *engine = userdata;

	(void)has_more;
	if (engine->is_exiting || code < 0)
		return;
	if (reply->status && reply->status->code < 0)
		log_line(LOG_WARNING, "a CRL of the other unit was not taken: %s",
			 reply->status->why[0] ? reply->status->why
					       : err_text(reply->status->code));
}

static void part_came(struct engine *engine, const Asafo__Wire__CrlPart *message)
{
	Asafo__Ipc__CrlTake request = ASAFO__IPC__CRL_TAKE__INIT;

	/* The active unit takes what it asked for. */
	if (!message->part || (engine_is_active(engine) && !engine->crls.is_wanting))
		return;
	request.part = message->part;
	(void)engine_keeper_call(engine, IPC_CRL_TAKE, &request.base, NULL, 0, on_taken, engine);
}

static void ask_came(struct engine *engine, const Asafo__Wire__CrlAsk *message)
{
	if (!engine_is_active(engine))
		send_all(engine, message->wanted, message->n_wanted);
}

bool engine_crls_message(struct engine *engine, const Asafo__Wire__Link *message)
{
	if (message->body_case == ASAFO__WIRE__LINK__BODY_CRL_SET)
		set_came(engine, message->crl_set);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_CRL_STATE)
		state_came(engine, message->crl_state);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_CRL_PART)
		part_came(engine, message->crl_part);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_CRL_ASK)
		ask_came(engine, message->crl_ask);
	else
		return false;
	return true;
}
