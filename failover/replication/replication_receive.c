/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standby's end: core/sync_receive.c decides, this does it. Items are handed to the keeper as
 * the opaque bytes that came.
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
#include "failover/engine/report.h"
#include "failover/replication/replication_internal.h"

/* ---- from the keeper ---- */

/* The event for a keeper's answer; its code is that of the answer. */
static struct sync_event answered(const struct replication_call *call, enum sync_event_type type,
				  int code, const Asafo__Ipc__Status *status)
{
	struct sync_event event = replication_event(call->replication, type);

	event.serial = call->serial;
	event.code = replication_status_code(code, status);
	event.message.items = call->items;
	return event;
}

static void feed_answer(const struct replication_call *call, const struct sync_event *event,
			const ProtobufCMessage *body, const Asafo__Ipc__Status *status)
{
	replication_receive_feed(
		call->replication, event,
		&(struct replication_input){.reply = body,
					    .why = replication_status_text(event->code, status)});
}

static const Asafo__Ipc__Status *plain_status(const ProtobufCMessage *body)
{
	return body ? ((const Asafo__Ipc__StatusReply *)body)->status : NULL;
}

static void on_position(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	_cleanup_free_ struct replication_call *call = userdata;
	const Asafo__Ipc__KeeperStatusReply *reply = (const Asafo__Ipc__KeeperStatusReply *)body;
	const Asafo__Ipc__Status *status = reply ? reply->status : NULL;
	struct sync_event event;
	struct engine_position place;

	(void)has_more;
	if (call->replication->engine->is_exiting)
		return;
	event = answered(call, SYNC_EVENT_POSITION, code, status);
	if (event.code == 0) {
		place = engine_position_from(reply->position);
		event.message.place = replication_place(&place);
	}
	feed_answer(call, &event, body, status);
}

static void on_stage_opened(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	_cleanup_free_ struct replication_call *call = userdata;
	struct sync_event event;

	(void)has_more;
	if (call->replication->engine->is_exiting)
		return;
	event = answered(call, SYNC_EVENT_STAGE_OPENED, code, plain_status(body));
	feed_answer(call, &event, body, plain_status(body));
}

static void on_staged(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	_cleanup_free_ struct replication_call *call = userdata;
	struct sync_event event;

	(void)has_more;
	if (call->replication->engine->is_exiting)
		return;
	event = answered(call, SYNC_EVENT_STAGED, code, plain_status(body));
	feed_answer(call, &event, body, plain_status(body));
}

static void on_manifest(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	_cleanup_free_ struct replication_call *call = userdata;
	const Asafo__Ipc__ManifestReply *reply = (const Asafo__Ipc__ManifestReply *)body;
	const Asafo__Ipc__Status *status = reply ? reply->status : NULL;
	struct sync_event event;

	(void)has_more;
	if (call->replication->engine->is_exiting)
		return;
	event = answered(call, SYNC_EVENT_MANIFEST_READ, code, status);
	if (event.code == 0) {
		event.message.bytes = reply->manifest.len;
		event.message.is_last = reply->is_last;
	}
	feed_answer(call, &event, body, status);
}

static void on_committed(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	_cleanup_free_ struct replication_call *call = userdata;
	const Asafo__Ipc__PositionReply *reply = (const Asafo__Ipc__PositionReply *)body;
	const Asafo__Ipc__Status *status = reply ? reply->status : NULL;
	struct engine *engine = call->replication->engine;
	struct sync_event event;
	struct engine_position place;

	(void)has_more;
	if (engine->is_exiting)
		return;
	event = answered(call, SYNC_EVENT_COMMITTED, code, status);
	if (event.code == 0 && reply->position) {
		place = engine_position_from(reply->position);
		event.message.has_place = true;
		event.message.place = replication_place(&place);
		engine_store_moved(engine, reply->position);
		if (engine->store.incomplete[0])
			engine_store_refresh(engine);
	}
	feed_answer(call, &event, body, status);
}

/* ---- to the keeper ---- */

static int open_stage(struct replication *replication, const struct sync_action *action,
		      const struct replication_input *input)
{
	Asafo__Ipc__StageOpen open = ASAFO__IPC__STAGE_OPEN__INIT;

	report(replication->engine, LOG_ALERT, 709005, NULL,
	       "Beginning configuration replication: Receiving from mate.");
	free(TAKE_PTR(replication->receive.config_text));
	replication->receive.config_size = 0;
	replication->receive.result.mode =
		replication_mode_text((enum sync_mode)input->message->sync_offer->mode);
	open.kek = input->message->sync_offer->kek;
	open.term = input->message->sync_offer->position->term;
	return replication_call_keeper(replication, IPC_STAGE_OPEN, &open.base, action,
				       on_stage_opened);
}

static int read_manifest(struct replication *replication, const struct sync_action *action)
{
	Asafo__Ipc__ManifestNext next = ASAFO__IPC__MANIFEST_NEXT__INIT;

	next.max_bytes = REPLICATION_BATCH;
	next.restart = action->is_seek;
	return replication_call_keeper(replication, IPC_MANIFEST_NEXT, &next.base, action,
				       on_manifest);
}

static int stage(struct replication *replication, const struct sync_action *action,
		 const struct replication_input *input)
{
	Asafo__Ipc__StageItems message = ASAFO__IPC__STAGE_ITEMS__INIT;

	message.batch = input->message->sync_items->batch;
	return replication_call_keeper(replication, IPC_STAGE_ITEMS, &message.base, action,
				       on_staged);
}

static int commit(struct replication *replication, const struct sync_action *action)
{
	Asafo__Ipc__StageCommit message = ASAFO__IPC__STAGE_COMMIT__INIT;
	struct engine_position place = replication_position(&action->message.place);
	Asafo__Record__Position position;

	replication_position_fill(&place, &position);
	message.position = &position;
	message.adopt_term = true;
	return replication_call_keeper(replication, IPC_STAGE_COMMIT, &message.base, action,
				       on_committed);
}

/* ---- the lines ---- */

static int keep_config(struct replication *replication, const struct replication_input *input)
{
	const ProtobufCBinaryData *text = &input->message->sync_config->text;
	struct replication_receive *receive = &replication->receive;

	free(receive->config_text);
	receive->config_size = 0;
	receive->config_text = malloc(text->len ? text->len : 1);
	if (!receive->config_text)
		return -ENOMEM;
	if (text->len > 0)
		memcpy(receive->config_text, text->data, text->len);
	receive->config_size = text->len;
	return 0;
}

static void apply_config(struct replication *replication, const struct sync_action *action)
{
	struct replication_receive *receive = &replication->receive;
	struct sync_event event;
	struct why why = {0};
	int r = 0;

	if (receive->config_text)
		r = replication_take_config(replication, receive->config_text, receive->config_size,
					    &why);
	free(TAKE_PTR(receive->config_text));
	receive->config_size = 0;
	event = replication_event(replication, SYNC_EVENT_APPLIED);
	event.serial = action->serial;
	event.code = r;
	replication_receive_feed(replication, &event, &(struct replication_input){.why = why.text});
}

/* ---- to the mate ---- */

static int send_request(struct replication *replication, const struct sync_message *message,
			const struct replication_input *input)
{
	Asafo__Wire__SyncRequest request = ASAFO__WIRE__SYNC_REQUEST__INIT;
	uint8_t digest[ENGINE_DIGEST_SIZE];

	request.id = message->id;
	request.position = ((const Asafo__Ipc__KeeperStatusReply *)input->reply)->position;
	if (engine_config_digest(replication->engine, NULL, digest) == 0)
		request.config_digest = (ProtobufCBinaryData){sizeof(digest), digest};
	request.reason = replication->receive.reason;
	request.can_resume = message->can_resume;
	request.session = message->session;
	request.items = message->items;
	return replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_REQUEST, &request);
}

static int send_manifest(struct replication *replication, const struct sync_message *message,
			 const struct replication_input *input)
{
	Asafo__Wire__SyncManifest manifest = ASAFO__WIRE__SYNC_MANIFEST__INIT;

	manifest.id = message->id;
	manifest.manifest = ((const Asafo__Ipc__ManifestReply *)input->reply)->manifest;
	manifest.is_last = message->is_last;
	return replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_MANIFEST, &manifest);
}

static int send_progress(struct replication *replication, const struct sync_message *message)
{
	Asafo__Wire__SyncProgress progress = ASAFO__WIRE__SYNC_PROGRESS__INIT;

	progress.id = message->id;
	progress.items = message->items;
	return replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_PROGRESS, &progress);
}

static int send_result(struct replication *replication, const struct sync_action *action,
		       const struct replication_input *input)
{
	const struct sync_message *message = &action->message;
	struct engine_position place = replication_position(&message->place);
	Asafo__Wire__SyncResult result = ASAFO__WIRE__SYNC_RESULT__INIT;
	Asafo__Record__Position position;
	uint8_t digest[ENGINE_DIGEST_SIZE];
	struct why why = {0};

	result.id = message->id;
	result.code = message->code;
	if (message->code < 0) {
		replication_cause(action->cause, message->code, input, &why);
		result.why = why.text;
	}
	if (message->has_place) {
		replication_position_fill(&place, &position);
		result.position = &position;
	}
	if (engine_config_digest(replication->engine, NULL, digest) == 0)
		result.config_digest = (ProtobufCBinaryData){sizeof(digest), digest};
	return replication_post(replication, ASAFO__WIRE__LINK__BODY_SYNC_RESULT, &result);
}

static int send_message(struct replication *replication, const struct sync_action *action,
			const struct replication_input *input)
{
	const struct sync_message *message = &action->message;

	if (message->type == SYNC_EVENT_REQUEST)
		return send_request(replication, message, input);
	if (message->type == SYNC_EVENT_MANIFEST)
		return send_manifest(replication, message, input);
	if (message->type == SYNC_EVENT_PROGRESS)
		return send_progress(replication, message);
	return send_result(replication, action, input);
}

/* ---- the steps ---- */

static void forget(struct replication_receive *receive)
{
	free(TAKE_PTR(receive->config_text));
	receive->config_size = 0;
	receive->result = (struct replication_result){0};
}

/* It had begun, and what came ended before its end. */
static bool is_incomplete(enum sync_cause cause)
{
	return cause == SYNC_CAUSE_LINK || cause == SYNC_CAUSE_NOT_RESUMED ||
	       cause == SYNC_CAUSE_TIMEOUT;
}

static void finish(struct replication *replication, const struct sync_action *action,
		   const struct replication_input *input)
{
	struct replication_receive *receive = &replication->receive;
	const struct sync_receiver *machine = &receive->machine;
	struct replication_result result = receive->result;

	result.code = action->code;
	result.at = time(NULL);
	result.ms = monotime_since(monotime_now(), receive->started_at) / MONOTIME_NS_PER_MS;
	replication_cause(action->cause, action->code, input, &result.why);
	if (replication_is_given_up(action->cause)) {
		/* With each planned switchover: nothing failed, and what was last received is so
		 * still. */
		log_line(LOG_INFO, "the replication from the mate: %s", result.why.text);
		forget(receive);
		return;
	}
	if (action->code < 0) {
		report(replication->engine, LOG_CRIT, 709007, NULL,
		       "Configuration replication failed: %s", result.why.text);
		if (is_incomplete(action->cause))
			report(replication->engine, LOG_ALERT, 105020, NULL,
			       "Incomplete/slow config replication");
	} else {
		result.term = machine->target.term;
		result.seq = machine->target.seq;
		memcpy(result.digest, machine->target.digest, sizeof(result.digest));
		report(replication->engine, LOG_ALERT, 709006, NULL,
		       "End Configuration Replication (STB): position %" PRIu64 "/%" PRIu64,
		       result.term, result.seq);
		if (result.mode && strcmp(result.mode, "equal") == 0)
			report(replication->engine, LOG_INFO, 709012, NULL,
			       "Skip configuration replication from mate as configuration on "
			       "Active "
			       "and Standby is matching");
		else
			report(replication->engine, LOG_INFO, 709011, NULL,
			       "Total time to sync the config time %" PRIu64 " ms", result.ms);
	}
	replication->last = replication->last_received = result;
	forget(receive);
}

static void tell(struct replication *replication, const struct sync_action *action)
{
	const struct sync_place *place = &action->message.place;

	engine_feed(replication->engine,
		    (struct fo_event){.type = action->tell,
				      .position = {.term = place->term,
						   .seq = place->seq,
						   .lineage = place->lineage,
						   .has_data = place->has_data}});
}

static void hold_link(struct replication *replication, bool is_held)
{
	if (replication->engine->pair.link)
		link_pause(replication->engine->pair.link, is_held);
}

static int ask_position(struct replication *replication, const struct sync_action *action)
{
	struct replication_receive *receive = &replication->receive;

	if (receive->machine.session == 0) {
		receive->started_at = monotime_now();
		receive->result = (struct replication_result){0};
	}
	return replication_call_keeper(replication, IPC_KEEPER_STATUS, NULL, action, on_position);
}

static int act_on_keeper(struct replication *replication, const struct sync_action *action,
			 const struct replication_input *input)
{
	switch ((int)action->type) {
	case SYNC_ACTION_KEEP_ORPHANS:
		return engine_keep_orphans(replication->engine);
	case SYNC_ACTION_ASK_POSITION:
		return ask_position(replication, action);
	case SYNC_ACTION_OPEN_STAGE:
		return open_stage(replication, action, input);
	case SYNC_ACTION_READ_MANIFEST:
		return read_manifest(replication, action);
	case SYNC_ACTION_STAGE:
		replication->receive.result.bytes += input->message->sync_items->batch.len;
		return stage(replication, action, input);
	case SYNC_ACTION_COMMIT:
		return commit(replication, action);
	case SYNC_ACTION_CLOSE_STAGE:
		replication_close(replication, IPC_STAGE_CLOSE);
		return 0;
	default:
		return 0;
	}
}

static int act(struct replication *replication, const struct sync_action *action,
	       const struct replication_input *input)
{
	switch ((int)action->type) {
	case SYNC_ACTION_SEND:
		return send_message(replication, action, input);
	case SYNC_ACTION_KEEP_CONFIG:
		return keep_config(replication, input);
	case SYNC_ACTION_APPLY_CONFIG:
		apply_config(replication, action);
		return 0;
	case SYNC_ACTION_HOLD_LINK:
	case SYNC_ACTION_RELEASE_LINK:
		hold_link(replication, action->type == SYNC_ACTION_HOLD_LINK);
		return 0;
	case SYNC_ACTION_PAUSED:
		log_line(LOG_WARNING,
			 "the replication waits for the failover link, for at most %u s",
			 SYNC_RESUME_MS / 1000);
		return 0;
	case SYNC_ACTION_RESUMED:
		replication->receive.result.resumed++;
		log_line(LOG_NOTICE, "the replication goes on behind %" PRIu64 " items",
			 action->message.items);
		return 0;
	case SYNC_ACTION_TELL:
		tell(replication, action);
		return 0;
	case SYNC_ACTION_FINISH:
		finish(replication, action, input);
		return 0;
	default:
		return act_on_keeper(replication, action, input);
	}
}

void replication_receive_feed(struct replication *replication, const struct sync_event *event,
			      const struct replication_input *input)
{
	static const struct replication_input none = {0};
	struct sync_receiver *machine = &replication->receive.machine;
	struct sync_update update;
	uint32_t serial;

	sync_receiver_step(machine, event, &update);
	serial = machine->serial;
	/* The machine may have stopped, while it was told, what the rest belongs to. */
	for (size_t i = 0; i < update.n_actions && machine->serial == serial; i++) {
		const struct sync_action *action = &update.actions[i];
		int r = act(replication, action, input ? input : &none);

		/* A link that is gone says so by itself. */
		if (r < 0 && !(action->type == SYNC_ACTION_SEND && r == ERR_CLOSED)) {
			struct sync_event failed =
				replication_event(replication, SYNC_EVENT_FAILED);

			failed.code = r;
			replication_receive_feed(replication, &failed, NULL);
			break;
		}
	}
	replication_arm(replication);
}

void replication_request(struct replication *replication, const char *reason, bool is_quiet)
{
	struct sync_event event = replication_event(replication, SYNC_EVENT_ASK);

	if (replication->receive.machine.state <= SYNC_RECEIVE_WANTED)
		(void)snprintf(replication->receive.reason, sizeof(replication->receive.reason),
			       "%s", reason);
	event.message.id = replication->next_id++ | UINT32_C(0x80000000);
	event.message.is_quiet = is_quiet;
	replication_receive_feed(replication, &event, NULL);
}

/* ---- from the mate ---- */

static void feed_message(struct replication *replication, enum sync_event_type type,
			 const struct sync_message *message, const Asafo__Wire__Link *link,
			 const char *why)
{
	struct sync_event event = replication_event(replication, type);

	event.message = *message;
	event.may_adopt = type != SYNC_EVENT_OFFER ||
			  fo_fsm_may_adopt(&replication->engine->fsm, message->place.lineage);
	replication_receive_feed(replication, &event,
				 &(struct replication_input){.message = link, .why = why});
}

static void take_offer(struct replication *replication, const Asafo__Wire__Link *link)
{
	const Asafo__Wire__SyncOffer *offer = link->sync_offer;
	struct engine_position place = engine_position_from(offer->position);
	struct sync_message message = {
		.id = offer->id,
		.code = offer->code,
		.session = offer->session,
		.is_resumed = offer->is_resumed,
		.is_config_equal = offer->is_config_equal,
		.mode = offer->mode < SYNC_MODE__MAX ? (enum sync_mode)offer->mode : SYNC_MODE__MAX,
		.has_place = offer->position != NULL,
		.place = replication_place(&place)};

	feed_message(replication, SYNC_EVENT_OFFER, &message, link, offer->why);
}

static void take_config(struct replication *replication, const Asafo__Wire__Link *link)
{
	const Asafo__Wire__SyncConfig *config = link->sync_config;
	struct sync_event event = replication_event(replication, SYNC_EVENT_CONFIG);
	struct why why = {0};

	if (replication->receive.machine.state != SYNC_RECEIVE_STAGING)
		return;
	event.message.id = config->id;
	event.code = replication_check_config(replication, (const char *)config->text.data,
					      config->text.len, &why);
	replication_receive_feed(replication, &event,
				 &(struct replication_input){.message = link, .why = why.text});
}

static void take_items(struct replication *replication, const Asafo__Wire__Link *link)
{
	const Asafo__Wire__SyncItems *items = link->sync_items;
	struct sync_message message = {.id = items->id,
				       .items = items->first,
				       .n_items = items->items,
				       .bytes = items->batch.len};

	feed_message(replication, SYNC_EVENT_ITEMS, &message, link, NULL);
}

static void take_done(struct replication *replication, const Asafo__Wire__Link *link)
{
	const Asafo__Wire__SyncDone *done = link->sync_done;
	struct engine_position place = engine_position_from(done->position);
	struct sync_message message = {.id = done->id,
				       .has_place = done->position != NULL,
				       .place = replication_place(&place)};

	feed_message(replication, SYNC_EVENT_DONE, &message, link, NULL);
}

static void take_start(struct replication *replication, const Asafo__Wire__Link *link)
{
	const Asafo__Wire__SyncStart *start = link->sync_start;
	bool is_ready = replication->engine->fsm.state == FO_STATE_STANDBY_READY;
	struct sync_message message = {.id = start->id,
				       .session = start->session,
				       .is_quiet = start->is_quiet && is_ready};

	(void)snprintf(replication->receive.reason, sizeof(replication->receive.reason), "%s",
		       start->reason);
	feed_message(replication, SYNC_EVENT_START, &message, link, NULL);
}

bool replication_receive_message(struct replication *replication, const Asafo__Wire__Link *message)
{
	struct sync_message ack = {0};

	switch ((int)message->body_case) {
	case ASAFO__WIRE__LINK__BODY_SYNC_START:
		take_start(replication, message);
		return true;
	case ASAFO__WIRE__LINK__BODY_SYNC_OFFER:
		take_offer(replication, message);
		return true;
	case ASAFO__WIRE__LINK__BODY_SYNC_CONFIG:
		take_config(replication, message);
		return true;
	case ASAFO__WIRE__LINK__BODY_SYNC_ITEMS:
		take_items(replication, message);
		return true;
	case ASAFO__WIRE__LINK__BODY_SYNC_DONE:
		take_done(replication, message);
		return true;
	case ASAFO__WIRE__LINK__BODY_SYNC_RESULT:
		ack.id = message->sync_result->id;
		if (!sync_receiver_expects_ack(&replication->receive.machine, ack.id))
			return false;
		feed_message(replication, SYNC_EVENT_ACK, &ack, message, NULL);
		return true;
	default:
		return false;
	}
}
