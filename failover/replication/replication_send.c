/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The active's end. The keeper's snapshot is streamed batch by batch, one asked ahead of the link's
 * queue and never more, so that a slow standby costs a bounded amount of memory and never a wait.
 * Success is the standby's digest being equal to the snapshot's, nothing else.
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

#define CATCH_UP_FIRST_MS 1000u
#define CATCH_UP_MAX_MS 30000u

static const char *const mode_names[] = {"equal", "delta", "full"};

static void finish(struct replication *replication, int code, const char *why)
{
	struct replication_send *send = &replication->send;
	replication_progress_fn on_progress = send->on_progress;
	struct replication_result result = send->result;
	void *userdata = send->userdata;
	bool is_again = send->is_again;

	result.code = code;
	result.ms = monotime_since(monotime_now(), send->started_at) / MONOTIME_NS_PER_MS;
	result.at = time(NULL);
	(void)why_set(&result.why, code, "%s", why ? why : "");
	replication->last = result;
	replication->ended_at = monotime_now();
	replication->catch_up_ms = code == 0 ? CATCH_UP_FIRST_MS : 2 * replication->catch_up_ms;
	if (replication->catch_up_ms > CATCH_UP_MAX_MS)
		replication->catch_up_ms = CATCH_UP_MAX_MS;
	*send = (struct replication_send){0};
	replication_touch(replication);
	if (on_progress)
		on_progress(&result, true, userdata);
	replication_answer_waiters(replication, &result);
	if (code == 0 && is_again)
		replication_changed(replication);
	/* Also where the mode is off: a flush is waited for. */
	if (code == 0 && send->phase == SEND_IDLE && replication_is_waited_for(replication)) {
		result.code =
			replication_push(replication, "switchover", true, NULL, NULL, &result.why);
		if (result.code < 0)
			replication_answer_waiters(replication, &result);
	}
}

void replication_send_fail(struct replication *replication, int code, const char *why)
{
	log_message(LOG_CRIT, 709007,
		    "Configuration replication failed for command write standby: %s", why);
	finish(replication, code, why);
}

static void report_progress(struct replication *replication)
{
	struct replication_send *send = &replication->send;

	replication_touch(replication);
	send->result.ms = monotime_since(monotime_now(), send->started_at) / MONOTIME_NS_PER_MS;
	if (send->on_progress)
		send->on_progress(&send->result, false, send->userdata);
}

static void refuse(struct replication *replication, uint32_t id, int code, const char *why)
{
	Asafo__Wire__SyncOffer offer = ASAFO__WIRE__SYNC_OFFER__INIT;

	offer.id = id;
	offer.code = code;
	offer.why = (char *)(uintptr_t)why;
	(void)replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_OFFER, &offer);
}

static bool is_current(const struct replication *replication, enum send_phase phase)
{
	return !replication->engine->is_exiting && replication->send.phase == phase;
}

static void commit(struct replication *replication)
{
	Asafo__Wire__SyncDone done = ASAFO__WIRE__SYNC_DONE__INIT;
	Asafo__Record__Position position;
	int r;

	replication_position_fill(&replication->send.target, &position);
	done.id = replication->send.id;
	done.position = &position;
	replication->send.phase = SEND_COMMIT;
	r = replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_DONE, &done);
	if (r < 0)
		replication_send_fail(replication, r,
				      "the failover link went down before the commit");
}

static void on_batch(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct replication *replication = userdata;
	struct replication_send *send = &replication->send;
	const Asafo__Ipc__ReplicaBatchReply *reply = (const Asafo__Ipc__ReplicaBatchReply *)body;
	Asafo__Wire__SyncItems items = ASAFO__WIRE__SYNC_ITEMS__INIT;
	int r;

	(void)has_more;
	if (!is_current(replication, SEND_ITEMS) || !send->is_next_asked)
		return;
	send->is_next_asked = false;
	r = replication_status_code(code, reply ? reply->status : NULL);
	if (r < 0) {
		replication_send_fail(replication, r,
				      replication_status_text(code, reply ? reply->status : NULL));
		return;
	}
	if (reply->batch.len > 0) {
		items.id = send->id;
		items.batch = reply->batch;
		r = replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_ITEMS, &items);
		if (r < 0) {
			replication_send_fail(replication, r,
					      "the failover link went down during the replication");
			return;
		}
		send->result.items += reply->items;
		send->result.bytes += reply->batch.len;
		report_progress(replication);
	}
	if (reply->is_last)
		commit(replication);
	else
		replication_send_continue(replication);
}

void replication_send_continue(struct replication *replication)
{
	struct replication_send *send = &replication->send;
	Asafo__Ipc__ReplicaNext next = ASAFO__IPC__REPLICA_NEXT__INIT;
	int r;

	if (send->phase != SEND_ITEMS || send->is_next_asked)
		return;
	if (replication->engine->pair.link &&
	    link_queued(replication->engine->pair.link) > REPLICATION_AHEAD_MAX)
		return; /* replication_link_writable comes back */
	next.max_bytes = REPLICATION_BATCH;
	send->is_next_asked = true;
	r = engine_keeper_call(replication->engine, IPC_REPLICA_NEXT, &next.base, NULL, 0, on_batch,
			       replication);
	if (r < 0)
		replication_send_fail(replication, r, "the keeper is not there");
}

static int send_config(struct replication *replication)
{
	Asafo__Wire__SyncConfig config = ASAFO__WIRE__SYNC_CONFIG__INIT;
	_cleanup_(buf_done) struct buf text = {0};
	uint8_t digest[ENGINE_DIGEST_SIZE];
	int r = engine_config_digest(replication->engine, &text, digest);

	if (r < 0)
		return r;
	config.id = replication->send.id;
	config.text = (ProtobufCBinaryData){text.size, text.data};
	config.digest = (ProtobufCBinaryData){sizeof(digest), digest};
	return replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_CONFIG, &config);
}

static int send_offer(struct replication *replication, const Asafo__Ipc__ReplicaOpenReply *reply)
{
	Asafo__Wire__SyncOffer offer = ASAFO__WIRE__SYNC_OFFER__INIT;
	Asafo__Record__Position position;

	replication_position_fill(&replication->send.target, &position);
	offer.id = replication->send.id;
	offer.mode = (uint32_t)reply->mode;
	offer.position = &position;
	offer.kek = reply->kek;
	return replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_OFFER, &offer);
}

static void on_opened(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct replication *replication = userdata;
	struct replication_send *send = &replication->send;
	const Asafo__Ipc__ReplicaOpenReply *reply = (const Asafo__Ipc__ReplicaOpenReply *)body;
	int r;

	(void)has_more;
	/* The standby asked once more meanwhile: its snapshot is another one. */
	if (--replication->opening > 0 || !is_current(replication, SEND_OPENING))
		return;
	r = replication_status_code(code, reply ? reply->status : NULL);
	if (r == 0 &&
	    (!reply->position ||
	     (unsigned)reply->mode > ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__NEEDS_MANIFEST))
		r = ERR_MALFORMED;
	if (r < 0) {
		const char *why = replication_status_text(code, reply ? reply->status : NULL);

		refuse(replication, send->id, r, why);
		replication_send_fail(replication, r, why);
		return;
	}
	send->target = engine_position_from(reply->position);
	send->result.mode = mode_names[reply->mode];
	send->result.items_total = send->target.count;
	r = send_offer(replication, reply);
	if (r == 0)
		r = send_config(replication);
	if (r < 0) {
		replication_send_fail(replication, r,
				      "the failover link went down before the replication");
		return;
	}
	if (reply->mode == ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__NEEDS_MANIFEST) {
		send->phase = SEND_MANIFEST;
	} else if (reply->mode == ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__EQUAL) {
		commit(replication);
	} else {
		send->phase = SEND_ITEMS;
		replication_send_continue(replication);
	}
}

/* The standby says where it is. */
static void take_request(struct replication *replication, const Asafo__Wire__SyncRequest *request)
{
	struct replication_send *send = &replication->send;
	Asafo__Ipc__ReplicaOpen open = ASAFO__IPC__REPLICA_OPEN__INIT;
	int r;

	if (!engine_is_active(replication->engine)) {
		refuse(replication, request->id, ERR_NOT_ACTIVE, "the mate is not active");
		return;
	}
	if (send->phase == SEND_IDLE) {
		*send = (struct replication_send){.started_at = monotime_now()};
	} else if (send->phase != SEND_ASKED) {
		/* It started again: what was under way is void. */
		send->is_next_asked = false;
		send->result.items = send->result.bytes = 0;
	}
	send->id = request->id;
	send->phase = SEND_OPENING;
	replication_touch(replication);
	log_message(LOG_ALERT, 709003, "Beginning configuration replication: Sending to mate.");
	open.mate = request->position;
	r = engine_keeper_call(replication->engine, IPC_REPLICA_OPEN, &open.base, NULL, 0,
			       on_opened, replication);
	if (r < 0)
		replication_send_fail(replication, r, "the keeper is not there");
	else
		replication->opening++;
}

static void on_manifest_taken(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct replication *replication = userdata;
	const Asafo__Ipc__Status *status =
		body ? ((const Asafo__Ipc__StatusReply *)body)->status : NULL;
	int r = replication_status_code(code, status);

	(void)has_more;
	if (r < 0 &&
	    (is_current(replication, SEND_MANIFEST) || is_current(replication, SEND_ITEMS)))
		replication_send_fail(replication, r, replication_status_text(code, status));
}

static void take_manifest(struct replication *replication,
			  const Asafo__Wire__SyncManifest *manifest)
{
	Asafo__Ipc__ReplicaManifest message = ASAFO__IPC__REPLICA_MANIFEST__INIT;
	struct replication_send *send = &replication->send;
	int r;

	if (send->phase != SEND_MANIFEST || manifest->id != send->id)
		return;
	replication_touch(replication);
	message.manifest = manifest->manifest;
	message.is_last = manifest->is_last;
	r = engine_keeper_call(replication->engine, IPC_REPLICA_MANIFEST, &message.base, NULL, 0,
			       on_manifest_taken, replication);
	if (r < 0) {
		replication_send_fail(replication, r, "the keeper is not there");
		return;
	}
	if (manifest->is_last) {
		send->phase = SEND_ITEMS;
		replication_send_continue(replication);
	}
}

static void acknowledge(struct replication *replication, const Asafo__Wire__SyncResult *result)
{
	Asafo__Wire__SyncResult answer = ASAFO__WIRE__SYNC_RESULT__INIT;

	answer.id = result->id;
	answer.position = result->position;
	(void)replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_RESULT, &answer);
}

static void take_result(struct replication *replication, const Asafo__Wire__SyncResult *result)
{
	struct replication_send *send = &replication->send;
	struct engine_position position;
	char why[WHY_TEXT_MAX];

	if (send->phase == SEND_IDLE || result->id != send->id)
		return;
	if (result->code < 0 || !result->position) {
		(void)snprintf(why, sizeof(why), "the standby says: %s",
			       result->why && result->why[0] ? result->why
							     : err_text(result->code));
		replication_send_fail(replication, result->code < 0 ? result->code : ERR_MALFORMED,
				      why);
		return;
	}
	position = engine_position_from(result->position);
	if (send->phase != SEND_COMMIT || !engine_position_equal(&position, &send->target)) {
		replication_send_fail(
			replication, ERR_DIFFERS,
			"the standby's digest is not ours: its store is not what was sent");
		return;
	}
	send->result.term = position.term;
	send->result.seq = position.seq;
	memcpy(send->result.digest, position.digest, sizeof(position.digest));
	acknowledge(replication, result);
	log_message(LOG_ALERT, 709004,
		    "End Configuration Replication (ACT): %" PRIu64 " items, %" PRIu64 " bytes, %s",
		    send->result.items, send->result.bytes, send->result.mode);
	engine_mate_is_complete(replication->engine);
	finish(replication, 0, NULL);
}

bool replication_send_message(struct replication *replication, const Asafo__Wire__Link *message)
{
	if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_REQUEST)
		take_request(replication, message->sync_request);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_MANIFEST)
		take_manifest(replication, message->sync_manifest);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_RESULT)
		take_result(replication, message->sync_result);
	else
		return false;
	return true;
}

int replication_push(struct replication *replication, const char *reason, bool is_quiet,
		     replication_progress_fn on_progress, void *userdata, struct why *ret_why)
{
	struct replication_send *send = &replication->send;
	Asafo__Wire__SyncStart start = ASAFO__WIRE__SYNC_START__INIT;
	struct engine *engine = replication->engine;
	int r;

	if (!engine_is_active(engine))
		return engine_refuse_standby(engine, ret_why);
	if (!engine->pair.link || !link_is_up(engine->pair.link))
		return why_set(ret_why, ERR_NO_MATE, "the failover link to the mate is down%s%s",
			       engine->pair.link_why[0] ? ": " : "", engine->pair.link_why);
	if (send->phase != SEND_IDLE)
		return why_set(
			ret_why, ERR_BUSY,
			"a replication is under way: its progress is in `asafo show failover`");
	*send = (struct replication_send){.phase = SEND_ASKED,
					  .id = replication->next_id++,
					  .is_quiet = is_quiet,
					  .started_at = monotime_now(),
					  .on_progress = on_progress,
					  .userdata = userdata};
	start.id = send->id;
	start.reason = (char *)(uintptr_t)reason;
	start.is_quiet = is_quiet;
	r = replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_START, &start);
	if (r < 0) {
		*send = (struct replication_send){0};
		return why_set(ret_why, r, "the failover link did not take the request: %s",
			       err_text(r));
	}
	replication_touch(replication);
	return 0;
}

void replication_catch_up(struct replication *replication)
{
	struct monotime due = monotime_add_ms(replication->ended_at, replication->catch_up_ms);

	if (replication->send.phase == SEND_IDLE && engine_is_active(replication->engine) &&
	    monotime_reached(monotime_now(), due))
		replication_changed(replication);
}

void replication_changed(struct replication *replication)
{
	if (replication->engine->config->failover.replication == CONFIG_REPLICATION_OFF)
		return;
	if (replication->send.phase != SEND_IDLE)
		replication->send.is_again = true;
	else
		(void)replication_push(replication, "import", true, NULL, NULL, NULL);
}
