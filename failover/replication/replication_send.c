/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The active's end: core/sync_send.c decides, this does it. An action that cannot be done is an
 * event again, and ends what was to follow it.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/engine/report.h"
#include "failover/replication/replication_internal.h"

#define CATCH_UP_FIRST_MS 1000u
#define CATCH_UP_MAX_MS 30000u

/* ---- the outcome ---- */

/* What was sent is committed once the standby's keeper has taken all of it. One that does not tell
 * how much it has taken is thought to have all. */
static const char *phase_text(const struct sync_sender *machine)
{
	if (machine->state == SYNC_SEND_PAUSED)
		return "paused";
	if (machine->state == SYNC_SEND_COMMIT &&
	    (machine->session == 0 || machine->taken >= machine->items))
		return "committing";
	return machine->state >= SYNC_SEND_ITEMS ? "sending" : "comparing";
}

static void fill_result(struct replication *replication)
{
	const struct sync_sender *machine = &replication->send.machine;
	struct replication_result *result = &replication->send.result;

	result->items = machine->session != 0 ? machine->taken : machine->items;
	result->items_total = machine->target.count;
	result->bytes = machine->bytes;
	result->ms =
		monotime_since(monotime_now(), replication->send.started_at) / MONOTIME_NS_PER_MS;
	result->mode = replication_mode_text(machine->mode);
	result->phase = phase_text(machine);
	result->items_expected =
		machine->state == SYNC_SEND_COMMIT ? machine->items : machine->total;
}

static void report_progress(struct replication *replication)
{
	struct replication_send *send = &replication->send;

	fill_result(replication);
	if (send->on_progress)
		send->on_progress(&send->result, false, send->userdata);
}

/* Those who wait for what this one did not bring; also where the mode is off. */
static void go_on(struct replication *replication, bool is_again)
{
	struct replication_result result = {0};

	if (is_again)
		replication_changed(replication);
	if (replication->send.machine.state != SYNC_SEND_IDLE ||
	    !replication_is_waited_for(replication))
		return;
	result.code = replication_push(replication, "switchover", true, NULL, NULL, &result.why);
	if (result.code < 0)
		replication_answer_waiters(replication, &result);
}

static void tell_end(struct replication *replication, const struct replication_result *result,
		     enum sync_cause cause)
{
	if (replication_is_given_up(cause)) {
		log_line(LOG_INFO, "the replication to the mate: %s", result->why.text);
		return;
	}
	if (result->code < 0) {
		report(replication->engine, LOG_CRIT, 709007, NULL,
		       "Configuration replication failed for command write standby: %s",
		       result->why.text);
		if (cause == SYNC_CAUSE_TIMEOUT)
			report(replication->engine, LOG_ALERT, 105022, NULL,
			       "Config replication failed with reason = CFG_SYNC_TIMEOUT");
		return;
	}
	report(replication->engine, LOG_ALERT, 709004, NULL,
	       "End Configuration Replication (ACT): %" PRIu64 " item%s, %" PRIu64 " bytes, %s",
	       result->items, result->items == 1 ? "" : "s", result->bytes, result->mode);
	report(replication->engine, LOG_INFO, 709011, NULL,
	       "Total time to sync the config time %" PRIu64 " ms", result->ms);
	engine_mate_is_complete(replication->engine);
	engine_resumption_replicated(replication->engine);
}

static void finish(struct replication *replication, const struct sync_action *action,
		   const struct replication_input *input)
{
	struct replication_send *send = &replication->send;
	replication_progress_fn on_progress = send->on_progress;
	struct replication_result result;
	void *userdata = send->userdata;

	fill_result(replication);
	result = send->result;
	result.code = action->code;
	result.at = time(NULL);
	if (action->code == 0) {
		result.items = send->machine.items;
		result.term = send->machine.target.term;
		result.seq = send->machine.target.seq;
		memcpy(result.digest, send->machine.target.digest, sizeof(result.digest));
	}
	replication_cause(action->cause, action->code, input, &result.why);
	replication->last = replication->last_sent = result;
	replication->ended_at = monotime_now();
	replication->catch_up_ms =
		action->code == 0 ? CATCH_UP_FIRST_MS : 2 * replication->catch_up_ms;
	if (replication->catch_up_ms > CATCH_UP_MAX_MS)
		replication->catch_up_ms = CATCH_UP_MAX_MS;
	send->on_progress = NULL;
	send->result = (struct replication_result){0};
	tell_end(replication, &result, action->cause);
	if (on_progress)
		on_progress(&result, true, userdata);
	replication_answer_waiters(replication, &result);
	if (action->code == 0)
		go_on(replication, action->is_again);
}

/* Who waits for an import is not kept waiting for the link. */
static void paused(struct replication *replication, const struct replication_input *input)
{
	struct replication_result result = {.code = ERR_CLOSED};

	replication_cause(SYNC_CAUSE_LINK, ERR_CLOSED, input, &result.why);
	log_line(LOG_WARNING,
		 "the replication waits for the failover link, for at most %u s: %" PRIu64
		 " items were sent; %s",
		 SYNC_RESUME_MS / 1000, replication->send.machine.items, result.why.text);
	report_progress(replication);
	replication_answer_waiters(replication, &result);
}

static void resumed(struct replication *replication, const struct sync_action *action)
{
	replication->send.result.resumed++;
	log_line(LOG_NOTICE, "the replication goes on behind %" PRIu64 " items",
		 action->message.items);
	report_progress(replication);
}

/* ---- to the mate ---- */

static int send_config(struct replication *replication, uint32_t id)
{
	Asafo__Wire__SyncConfig config = ASAFO__WIRE__SYNC_CONFIG__INIT;
	_cleanup_(buf_done) struct buf text = {0};
	uint8_t digest[ENGINE_DIGEST_SIZE];
	int r = engine_config_digest(replication->engine, &text, digest);

	if (r < 0)
		return r;
	config.id = id;
	config.text = (ProtobufCBinaryData){text.size, text.data};
	config.digest = (ProtobufCBinaryData){sizeof(digest), digest};
	return replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_CONFIG, &config);
}

static int send_offer(struct replication *replication, const struct sync_action *action,
		      const struct replication_input *input)
{
	const struct sync_message *message = &action->message;
	struct engine_position place = replication_position(&message->place);
	Asafo__Wire__SyncOffer offer = ASAFO__WIRE__SYNC_OFFER__INIT;
	Asafo__Record__Position position;
	struct why why = {0};

	offer.id = message->id;
	offer.code = message->code;
	if (message->code < 0) {
		replication_cause(action->cause, message->code, input, &why);
		offer.why = why.text;
	}
	if (message->has_place) {
		replication_position_fill(&place, &position);
		offer.position = &position;
	}
	offer.mode = (uint32_t)message->mode;
	offer.session = message->session;
	offer.is_resumed = message->is_resumed;
	offer.is_config_equal = message->is_config_equal;
	/* Of a session that goes on the key is there already. */
	if (message->code == 0 && !message->is_resumed)
		offer.kek = ((const Asafo__Ipc__ReplicaOpenReply *)input->reply)->kek;
	return replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_OFFER, &offer);
}

static int send_items(struct replication *replication, const struct sync_message *message,
		      const struct replication_input *input)
{
	Asafo__Wire__SyncItems items = ASAFO__WIRE__SYNC_ITEMS__INIT;

	items.id = message->id;
	items.first = message->items;
	items.items = message->n_items;
	items.batch = ((const Asafo__Ipc__ReplicaBatchReply *)input->reply)->batch;
	return replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_ITEMS, &items);
}

static int send_start(struct replication *replication, const struct sync_message *message,
		      const struct replication_input *input)
{
	Asafo__Wire__SyncStart start = ASAFO__WIRE__SYNC_START__INIT;

	start.id = message->id;
	start.reason = (char *)(uintptr_t)(input->why ? input->why : "");
	start.session = message->session;
	start.is_quiet = message->is_quiet;
	return replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_START, &start);
}

static int send_place(struct replication *replication, const struct sync_message *message)
{
	Asafo__Wire__SyncDone done = ASAFO__WIRE__SYNC_DONE__INIT;
	Asafo__Wire__SyncResult answer = ASAFO__WIRE__SYNC_RESULT__INIT;
	struct engine_position place = replication_position(&message->place);
	Asafo__Record__Position position;

	replication_position_fill(&place, &position);
	done.id = answer.id = message->id;
	done.position = answer.position = &position;
	return message->type == SYNC_EVENT_DONE
		       ? replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_DONE, &done)
		       : replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_RESULT,
					  &answer);
}

static int send_message(struct replication *replication, const struct sync_action *action,
			const struct replication_input *input)
{
	const struct sync_message *message = &action->message;

	if (message->type == SYNC_EVENT_START)
		return send_start(replication, message, input);
	if (message->type == SYNC_EVENT_OFFER)
		return send_offer(replication, action, input);
	if (message->type == SYNC_EVENT_CONFIG)
		return send_config(replication, message->id);
	if (message->type == SYNC_EVENT_ITEMS)
		return send_items(replication, message, input);
	return send_place(replication, message);
}

/* ---- to the keeper, and its answers ---- */

static void on_opened(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	_cleanup_free_ struct replication_call *call = userdata;
	const Asafo__Ipc__ReplicaOpenReply *reply = (const Asafo__Ipc__ReplicaOpenReply *)body;
	const Asafo__Ipc__Status *status = reply ? reply->status : NULL;
	struct sync_event event;
	struct engine_position place;

	(void)has_more;
	if (call->replication->engine->is_exiting)
		return;
	event = replication_event(call->replication, SYNC_EVENT_OPENED);
	event.serial = call->serial;
	event.code = replication_status_code(code, status);
	if (event.code == 0 && (!reply->position || (unsigned)reply->mode > SYNC_MODE_MANIFEST))
		event.code = ERR_MALFORMED;
	if (event.code == 0) {
		place = engine_position_from(reply->position);
		event.message.place = replication_place(&place);
		event.message.mode = (enum sync_mode)reply->mode;
		event.message.n_items = place.count;
	}
	replication_send_feed(
		call->replication, &event,
		&(struct replication_input){.reply = body,
					    .why = replication_status_text(event.code, status)});
}

static void on_batch(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	_cleanup_free_ struct replication_call *call = userdata;
	const Asafo__Ipc__ReplicaBatchReply *reply = (const Asafo__Ipc__ReplicaBatchReply *)body;
	const Asafo__Ipc__Status *status = reply ? reply->status : NULL;
	struct sync_event event;

	(void)has_more;
	if (call->replication->engine->is_exiting)
		return;
	event = replication_event(call->replication, SYNC_EVENT_BATCH);
	event.serial = call->serial;
	event.code = replication_status_code(code, status);
	if (event.code == 0)
		event.message = (struct sync_message){.n_items = reply->items,
						      .bytes = reply->batch.len,
						      .is_last = reply->is_last};
	replication_send_feed(call->replication, &event,
			      &(struct replication_input){
				      .reply = body, .why = replication_status_text(code, status)});
}

static void on_manifest_taken(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	_cleanup_free_ struct replication_call *call = userdata;
	const Asafo__Ipc__Status *status =
		body ? ((const Asafo__Ipc__StatusReply *)body)->status : NULL;
	struct sync_event event;

	(void)has_more;
	if (call->replication->engine->is_exiting)
		return;
	event = replication_event(call->replication, SYNC_EVENT_MANIFEST_TAKEN);
	event.serial = call->serial;
	event.code = replication_status_code(code, status);
	replication_send_feed(
		call->replication, &event,
		&(struct replication_input){.why = replication_status_text(code, status)});
}

static int open_snapshot(struct replication *replication, const struct sync_action *action)
{
	Asafo__Ipc__ReplicaOpen open = ASAFO__IPC__REPLICA_OPEN__INIT;
	struct engine_position place = replication_position(&action->message.place);
	Asafo__Record__Position position;

	report(replication->engine, LOG_ALERT, 709003, NULL,
	       "Beginning configuration replication: Sending to mate.");
	replication->send.config_generation = replication->engine->config_generation;
	if (action->message.has_place) {
		replication_position_fill(&place, &position);
		/* One without a digest is told so to the keeper: it asks for the manifest. */
		open.mate = &position;
	}
	return replication_call_keeper(replication, IPC_REPLICA_OPEN, &open.base, action,
				       on_opened);
}

static int give_manifest(struct replication *replication, const struct sync_action *action,
			 const struct replication_input *input)
{
	Asafo__Ipc__ReplicaManifest message = ASAFO__IPC__REPLICA_MANIFEST__INIT;

	message.manifest = input->message->sync_manifest->manifest;
	message.is_last = action->message.is_last;
	return replication_call_keeper(replication, IPC_REPLICA_MANIFEST, &message.base, action,
				       on_manifest_taken);
}

static int ask_batch(struct replication *replication, const struct sync_action *action)
{
	Asafo__Ipc__ReplicaNext next = ASAFO__IPC__REPLICA_NEXT__INIT;

	next.max_bytes = REPLICATION_BATCH;
	next.is_seek = action->is_seek;
	next.from = action->message.items;
	return replication_call_keeper(replication, IPC_REPLICA_NEXT, &next.base, action, on_batch);
}

/* ---- the steps ---- */

static int act(struct replication *replication, const struct sync_action *action,
	       const struct replication_input *input)
{
	switch ((int)action->type) {
	case SYNC_ACTION_SEND:
		return send_message(replication, action, input);
	case SYNC_ACTION_OPEN_SNAPSHOT:
		return open_snapshot(replication, action);
	case SYNC_ACTION_GIVE_MANIFEST:
		return give_manifest(replication, action, input);
	case SYNC_ACTION_ASK_BATCH:
		return ask_batch(replication, action);
	case SYNC_ACTION_CLOSE_SNAPSHOT:
		replication_close(replication, IPC_REPLICA_CLOSE);
		return 0;
	case SYNC_ACTION_PAUSED:
		paused(replication, input);
		return 0;
	case SYNC_ACTION_RESUMED:
		resumed(replication, action);
		return 0;
	case SYNC_ACTION_REPORT:
		report_progress(replication);
		return 0;
	case SYNC_ACTION_FINISH:
		finish(replication, action, input);
		return 0;
	default:
		return 0; /* the receiver's */
	}
}

/* A link that is gone says so by itself. */
static bool is_failure(const struct sync_action *action, int code)
{
	return code < 0 && !(action->type == SYNC_ACTION_SEND && code == ERR_CLOSED);
}

void replication_send_feed(struct replication *replication, const struct sync_event *event,
			   const struct replication_input *input)
{
	static const struct replication_input none = {0};
	struct sync_sender *machine = &replication->send.machine;
	struct sync_update update;
	uint32_t serial;

	sync_sender_step(machine, event, &update);
	serial = machine->serial;
	/* What an action brought about may have ended what the rest belongs to. */
	for (size_t i = 0; i < update.n_actions && machine->serial == serial; i++) {
		const struct sync_action *action = &update.actions[i];
		int r = act(replication, action, input ? input : &none);

		if (is_failure(action, r)) {
			struct sync_event failed =
				replication_event(replication, SYNC_EVENT_FAILED);

			failed.code = r;
			replication_send_feed(replication, &failed, NULL);
			break;
		}
	}
	replication_arm(replication);
}

/* ---- from the mate ---- */

/* The replicated lines as the mate has them are ours. */
static bool is_config_ours(const struct replication *replication, const ProtobufCBinaryData *theirs)
{
	uint8_t digest[ENGINE_DIGEST_SIZE];

	return theirs->len == sizeof(digest) &&
	       engine_config_digest(replication->engine, NULL, digest) == 0 &&
	       memcmp(theirs->data, digest, sizeof(digest)) == 0;
}

static uint64_t make_token(void)
{
	uint64_t token = 0;

	/* Without one the session is not resumed. */
	if (getrandom(&token, sizeof(token), 0) != (ssize_t)sizeof(token))
		return 0;
	return token;
}

static void take_request(struct replication *replication, const Asafo__Wire__SyncRequest *request)
{
	struct sync_event event = replication_event(replication, SYNC_EVENT_REQUEST);
	struct sync_message *message = &event.message;
	struct replication_send *send = &replication->send;
	struct engine_position place = engine_position_from(request->position);

	event.token = make_token();
	message->id = request->id;
	message->session = request->session;
	message->items = request->items;
	message->can_resume = request->can_resume;
	/* A position without a digest equals none. */
	message->has_place = request->position &&
			     (request->position->digest.len > 0 || request->position->count == 0);
	message->place = replication_place(&place);
	message->is_config_equal = is_config_ours(replication, &request->config_digest);
	if (event.is_active)
		report(replication->engine, LOG_INFO, message->is_config_equal ? 709009 : 709010,
		       NULL, "%s",
		       message->is_config_equal
			       ? "Configuration on Active and Standby is matching. No config "
				 "sync."
			       : "Configuration between units doesn't match. Going for "
				 "config sync.");
	if (send->machine.state == SYNC_SEND_IDLE)
		send->started_at = event.at;
	replication_send_feed(replication, &event, NULL);
}

static void take_manifest(struct replication *replication, const Asafo__Wire__Link *link)
{
	struct sync_event event = replication_event(replication, SYNC_EVENT_MANIFEST);

	event.message = (struct sync_message){.id = link->sync_manifest->id,
					      .is_last = link->sync_manifest->is_last};
	replication_send_feed(replication, &event, &(struct replication_input){.message = link});
}

/*
 * Are the lines over there those of this unit? One of an older version does not say; in another
 * version they may read otherwise; what changed meanwhile follows as a command.
 */
static bool is_config_level(const struct replication *replication,
			    const Asafo__Wire__SyncResult *result)
{
	const struct engine *engine = replication->engine;

	return result->config_digest.len == 0 ||
	       is_config_ours(replication, &result->config_digest) ||
	       replication->send.config_generation != engine->config_generation ||
	       link_mate_version(engine->pair.link) != LINK_VERSION ||
	       strcmp(link_mate_software(engine->pair.link), PACKAGE_VERSION) != 0;
}

static void take_result(struct replication *replication, const Asafo__Wire__SyncResult *result)
{
	struct sync_event event = replication_event(replication, SYNC_EVENT_RESULT);
	struct engine_position place = engine_position_from(result->position);

	event.message =
		(struct sync_message){.id = result->id,
				      .code = result->code,
				      .has_place = result->position != NULL,
				      .place = replication_place(&place),
				      .is_config_equal = is_config_level(replication, result)};
	replication_send_feed(replication, &event, &(struct replication_input){.why = result->why});
}

static void take_progress(struct replication *replication,
			  const Asafo__Wire__SyncProgress *progress)
{
	struct sync_event event = replication_event(replication, SYNC_EVENT_PROGRESS);

	event.message = (struct sync_message){.id = progress->id, .items = progress->items};
	replication_send_feed(replication, &event, NULL);
}

bool replication_send_message(struct replication *replication, const Asafo__Wire__Link *message)
{
	if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_REQUEST)
		take_request(replication, message->sync_request);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_MANIFEST)
		take_manifest(replication, message);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_RESULT)
		take_result(replication, message->sync_result);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_PROGRESS)
		take_progress(replication, message->sync_progress);
	else
		return false;
	return true;
}
