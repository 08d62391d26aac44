/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standby's end. Everything is staged in the keeper and committed once; until then the store is
 * what it was. Items are handed to the keeper as the opaque bytes that came. The machine hears of
 * the stages (SYNC_*), unless it is an import-time replication of a unit that stays Standby Ready.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/replication/replication_internal.h"

static void tell(struct replication *replication, enum fo_event_type type)
{
	if (!replication->receive.is_quiet)
		engine_feed_type(replication->engine, type);
}

static void pause_link(struct replication *replication, bool is_paused)
{
	if (replication->engine->pair.link)
		link_pause(replication->engine->pair.link, is_paused);
}

static void reset(struct replication *replication)
{
	struct replication_receive *receive = &replication->receive;

	if (receive->staging > 0)
		pause_link(replication, false);
	free(receive->config_text);
	*receive = (struct replication_receive){0};
	replication_touch(replication);
}

static void answer(struct replication *replication, int code, const char *why,
		   const struct engine_position *position)
{
	Asafo__Wire__SyncResult result = ASAFO__WIRE__SYNC_RESULT__INIT;
	Asafo__Record__Position message;

	result.id = replication->receive.id;
	result.code = code;
	result.why = (char *)(uintptr_t)(why ? why : "");
	if (position) {
		replication_position_fill(position, &message);
		result.position = &message;
	}
	(void)replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_RESULT, &result);
}

void replication_receive_fail(struct replication *replication, int code, const char *why)
{
	struct replication_receive *receive = &replication->receive;
	bool is_quiet = receive->is_quiet;

	log_message(LOG_CRIT, 709007, "Configuration replication failed: %s", why);
	receive->result.code = code;
	receive->result.at = time(NULL);
	(void)why_set(&receive->result.why, code, "%s", why);
	replication->last = receive->result;
	/* Where it was the link that failed this goes nowhere. */
	if (receive->id != 0)
		answer(replication, code, why, NULL);
	reset(replication);
	if (!is_quiet)
		engine_feed_type(replication->engine, FO_EVENT_SYNC_FAILED);
}

static bool is_current(const struct replication *replication, enum receive_phase phase)
{
	return !replication->engine->is_exiting && replication->receive.phase == phase;
}

/* Takes a keeper's StatusReply; on an error the replication has failed. */
static bool keeper_agrees(struct replication *replication, int code,
			  const Asafo__Ipc__Status *status)
{
	int r = replication_status_code(code, status);

	if (r < 0)
		replication_receive_fail(replication, r, replication_status_text(code, status));
	return r == 0;
}

/* ---- asking ---- */

static void on_status(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct replication *replication = userdata;
	struct replication_receive *receive = &replication->receive;
	const Asafo__Ipc__KeeperStatusReply *reply = (const Asafo__Ipc__KeeperStatusReply *)body;
	Asafo__Wire__SyncRequest request = ASAFO__WIRE__SYNC_REQUEST__INIT;
	uint8_t digest[ENGINE_DIGEST_SIZE] = {0};
	int r;

	(void)has_more;
	if (!is_current(replication, RECEIVE_ASKING) ||
	    !keeper_agrees(replication, code, reply ? reply->status : NULL))
		return;
	(void)engine_config_digest(replication->engine, NULL, digest);
	request.id = receive->id;
	request.position = reply->position;
	request.config_digest = (ProtobufCBinaryData){sizeof(digest), digest};
	request.reason = receive->reason;
	receive->phase = RECEIVE_ASKED;
	r = replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_REQUEST, &request);
	if (r < 0)
		replication_receive_fail(replication, ERR_CLOSED, "the failover link is down");
}

void replication_receive_start(struct replication *replication, uint32_t id, const char *reason,
			       bool is_quiet)
{
	struct replication_receive *receive = &replication->receive;
	int r;

	reset(replication);
	receive->phase = RECEIVE_ASKING;
	receive->id = id;
	receive->is_quiet = is_quiet;
	receive->started_at = monotime_now();
	(void)snprintf(receive->reason, sizeof(receive->reason), "%s", reason);
	replication_touch(replication);
	r = engine_keeper_call(replication->engine, IPC_KEEPER_STATUS, NULL, NULL, 0, on_status,
			       replication);
	if (r < 0)
		replication_receive_fail(replication, ERR_CLOSED, "the keeper is not there");
}

void replication_request(struct replication *replication, const char *reason, bool is_quiet)
{
	struct replication_receive *receive = &replication->receive;
	char copy[sizeof(receive->reason)];

	(void)snprintf(copy, sizeof(copy), "%s", reason);
	/* The machine hears nothing of a quiet one: it gets its own. */
	if (receive->phase != RECEIVE_IDLE && (is_quiet || !receive->is_quiet))
		return;
	if (!replication->engine->pair.link || !link_is_up(replication->engine->pair.link)) {
		receive->is_wanted = true;
		receive->is_quiet = is_quiet;
		memcpy(receive->reason, copy, sizeof(copy));
		return;
	}
	replication_receive_start(replication, replication->next_id++ | UINT32_C(0x80000000), copy,
				  is_quiet);
}

/* ---- the manifest ---- */

static void ask_manifest(struct replication *replication, bool is_restart);

static void on_manifest(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct replication *replication = userdata;
	const Asafo__Ipc__ManifestReply *reply = (const Asafo__Ipc__ManifestReply *)body;
	Asafo__Wire__SyncManifest manifest = ASAFO__WIRE__SYNC_MANIFEST__INIT;

	(void)has_more;
	if (!is_current(replication, RECEIVE_STAGING) ||
	    !keeper_agrees(replication, code, reply ? reply->status : NULL))
		return;
	manifest.id = replication->receive.id;
	manifest.manifest = reply->manifest;
	manifest.is_last = reply->is_last;
	if (replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_MANIFEST, &manifest) < 0) {
		replication_receive_fail(replication, ERR_CLOSED, "the failover link is down");
		return;
	}
	replication_touch(replication);
	if (!reply->is_last)
		ask_manifest(replication, false);
}

static void ask_manifest(struct replication *replication, bool is_restart)
{
	Asafo__Ipc__ManifestNext next = ASAFO__IPC__MANIFEST_NEXT__INIT;

	next.max_bytes = REPLICATION_BATCH;
	next.restart = is_restart;
	if (engine_keeper_call(replication->engine, IPC_MANIFEST_NEXT, &next.base, NULL, 0,
			       on_manifest, replication) < 0)
		replication_receive_fail(replication, ERR_CLOSED, "the keeper is not there");
}

/* ---- the offer ---- */

static void on_stage_opened(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct replication *replication = userdata;
	const Asafo__Ipc__Status *status =
		body ? ((const Asafo__Ipc__StatusReply *)body)->status : NULL;

	(void)has_more;
	if (is_current(replication, RECEIVE_STAGING))
		(void)keeper_agrees(replication, code, status);
}

static void take_offer(struct replication *replication, const Asafo__Wire__SyncOffer *offer)
{
	struct replication_receive *receive = &replication->receive;
	Asafo__Ipc__StageOpen open = ASAFO__IPC__STAGE_OPEN__INIT;
	char why[WHY_TEXT_MAX];

	if (receive->phase != RECEIVE_ASKED || offer->id != receive->id)
		return;
	if (offer->code < 0 || !offer->position) {
		(void)snprintf(why, sizeof(why), "the active says: %s",
			       offer->why && offer->why[0] ? offer->why : err_text(offer->code));
		receive->id = 0; /* it knows */
		replication_receive_fail(replication, offer->code < 0 ? offer->code : ERR_MALFORMED,
					 why);
		return;
	}
	if (!fo_fsm_may_adopt(&replication->engine->fsm, offer->position->lineage)) {
		replication_receive_fail(replication, ERR_DIFFERS,
					 "the active's certificate store has another history, and "
					 "what is here is not put aside yet: nothing was taken");
		return;
	}
	log_message(LOG_ALERT, 709005, "Beginning configuration replication: Receiving from mate.");
	receive->target = engine_position_from(offer->position);
	receive->phase = RECEIVE_STAGING;
	tell(replication, FO_EVENT_SYNC_STARTED);
	open.kek = offer->kek;
	if (engine_keeper_call(replication->engine, IPC_STAGE_OPEN, &open.base, NULL, 0,
			       on_stage_opened, replication) < 0) {
		replication_receive_fail(replication, ERR_CLOSED, "the keeper is not there");
		return;
	}
	tell(replication, FO_EVENT_SYNC_FILES);
	if (offer->mode == ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__NEEDS_MANIFEST)
		ask_manifest(replication, true);
}

static void take_config(struct replication *replication, const Asafo__Wire__SyncConfig *config)
{
	struct replication_receive *receive = &replication->receive;
	struct why why = {0};
	int r;

	if (receive->phase != RECEIVE_STAGING || config->id != receive->id)
		return;
	free(receive->config_text);
	receive->config_text = malloc(config->text.len ? config->text.len : 1);
	if (!receive->config_text) {
		replication_receive_fail(replication, -ENOMEM, err_text(-ENOMEM));
		return;
	}
	if (config->text.len > 0)
		memcpy(receive->config_text, config->text.data, config->text.len);
	receive->config_size = config->text.len;
	/* What cannot be applied is known before anything is committed. */
	r = replication_check_config(replication, receive->config_text, receive->config_size, &why);
	if (r < 0)
		replication_receive_fail(replication, r, why.text);
	else
		tell(replication, FO_EVENT_SYNC_BULK);
}

/* ---- items and commit ---- */

static void commit(struct replication *replication);

static void on_staged(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct replication *replication = userdata;
	struct replication_receive *receive = &replication->receive;
	const Asafo__Ipc__Status *status =
		body ? ((const Asafo__Ipc__StatusReply *)body)->status : NULL;

	(void)has_more;
	if (!is_current(replication, RECEIVE_STAGING) || receive->staging == 0)
		return;
	receive->staging--;
	if (receive->staging == REPLICATION_STAGED_AHEAD_MAX / 2)
		pause_link(replication, false);
	if (!keeper_agrees(replication, code, status))
		return;
	if (receive->staging == 0 && receive->wants_done)
		commit(replication);
}

static void take_items(struct replication *replication, const Asafo__Wire__SyncItems *items)
{
	struct replication_receive *receive = &replication->receive;
	Asafo__Ipc__StageItems message = ASAFO__IPC__STAGE_ITEMS__INIT;

	if (receive->phase != RECEIVE_STAGING || items->id != receive->id)
		return;
	message.batch = items->batch;
	receive->result.bytes += items->batch.len;
	if (engine_keeper_call(replication->engine, IPC_STAGE_ITEMS, &message.base, NULL, 0,
			       on_staged, replication) < 0) {
		replication_receive_fail(replication, ERR_CLOSED,
					 "the keeper does not keep up or is not there");
		return;
	}
	receive->staging++;
	/* The disk is slower than the link: what the keeper has not taken waits on the active, not
	 * here. */
	if (receive->staging == REPLICATION_STAGED_AHEAD_MAX)
		pause_link(replication, true);
	replication_touch(replication);
}

static void on_committed(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct replication *replication = userdata;
	struct replication_receive *receive = &replication->receive;
	const Asafo__Ipc__PositionReply *reply = (const Asafo__Ipc__PositionReply *)body;
	struct engine_position position;
	struct why why = {0};
	int r;

	(void)has_more;
	if (!is_current(replication, RECEIVE_COMMIT) ||
	    !keeper_agrees(replication, code, reply ? reply->status : NULL))
		return;
	if (!reply->position) {
		replication_receive_fail(replication, ERR_MALFORMED, "the keeper gave no position");
		return;
	}
	position = engine_position_from(reply->position);
	engine_store_moved(replication->engine, reply->position);
	if (receive->phase != RECEIVE_COMMIT)
		return;
	if (receive->config_text) {
		r = replication_apply_config(replication, receive->config_text,
					     receive->config_size, &why);
		if (r < 0) {
			replication_receive_fail(replication, r, why.text);
			return;
		}
	}
	receive->target = position;
	receive->phase = RECEIVE_ACKNOWLEDGE;
	answer(replication, 0, NULL, &position);
}

static void commit(struct replication *replication)
{
	struct replication_receive *receive = &replication->receive;
	Asafo__Ipc__StageCommit message = ASAFO__IPC__STAGE_COMMIT__INIT;
	Asafo__Record__Position position;

	replication_position_fill(&receive->target, &position);
	message.position = &position;
	message.adopt_term = true;
	receive->phase = RECEIVE_COMMIT;
	if (engine_keeper_call(replication->engine, IPC_STAGE_COMMIT, &message.base, NULL, 0,
			       on_committed, replication) < 0)
		replication_receive_fail(replication, ERR_CLOSED, "the keeper is not there");
}

static void take_done(struct replication *replication, const Asafo__Wire__SyncDone *done)
{
	struct replication_receive *receive = &replication->receive;
	struct engine_position position;

	if (receive->phase != RECEIVE_STAGING || done->id != receive->id || !done->position)
		return;
	position = engine_position_from(done->position);
	if (!engine_position_equal(&position, &receive->target)) {
		replication_receive_fail(replication, ERR_MALFORMED,
					 "the active's position changed during the replication");
		return;
	}
	replication_touch(replication);
	if (receive->staging == 0)
		commit(replication);
	else
		receive->wants_done = true;
}

/* The active acknowledged our digest: this unit is what it says it is. */
static bool take_acknowledgement(struct replication *replication,
				 const Asafo__Wire__SyncResult *result)
{
	struct replication_receive *receive = &replication->receive;
	struct fo_event event = {.type = FO_EVENT_SYNC_DONE};
	bool is_quiet = receive->is_quiet;

	if (receive->phase != RECEIVE_ACKNOWLEDGE || result->id != receive->id)
		return false;
	event.position = engine_position_brief(&receive->target);
	receive->result.ms =
		monotime_since(monotime_now(), receive->started_at) / MONOTIME_NS_PER_MS;
	receive->result.at = time(NULL);
	receive->result.term = receive->target.term;
	receive->result.seq = receive->target.seq;
	memcpy(receive->result.digest, receive->target.digest, sizeof(receive->result.digest));
	replication->last = receive->result;
	log_message(LOG_ALERT, 709006,
		    "End Configuration Replication (STB): position %" PRIu64 "/%" PRIu64,
		    receive->target.term, receive->target.seq);
	reset(replication);
	engine_feed(replication->engine,
		    (struct fo_event){.type = FO_EVENT_POSITION, .position = event.position});
	if (!is_quiet)
		engine_feed(replication->engine, event);
	return true;
}

static void refuse_start(struct replication *replication, uint32_t id)
{
	Asafo__Wire__SyncResult result = ASAFO__WIRE__SYNC_RESULT__INIT;
	char why[] = "it is putting aside what only it accepted while it was active: try again";

	result.id = id;
	result.code = ERR_NOT_READY;
	result.why = why;
	(void)replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_RESULT, &result);
}

static void take_start(struct replication *replication, const Asafo__Wire__SyncStart *start)
{
	bool is_ready = replication->engine->fsm.state == FO_STATE_STANDBY_READY;

	if (engine_is_active(replication->engine))
		return; /* the machine settles who is active */
	if (engine_keep_orphans(replication->engine)) {
		refuse_start(replication, start->id);
		return;
	}
	replication_receive_start(replication, start->id, start->reason,
				  start->is_quiet && is_ready);
}

bool replication_receive_message(struct replication *replication, const Asafo__Wire__Link *message)
{
	if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_START)
		take_start(replication, message->sync_start);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_OFFER)
		take_offer(replication, message->sync_offer);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_CONFIG)
		take_config(replication, message->sync_config);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_ITEMS)
		take_items(replication, message->sync_items);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_DONE)
		take_done(replication, message->sync_done);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_RESULT)
		return take_acknowledgement(replication, message->sync_result);
	else
		return false;
	return true;
}
