/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standby's end. Everything is staged in the keeper and committed once. A commit that was begun
 * is not taken back: where the link is lost meanwhile, this unit asks again, and its place says
 * that it has everything. The machine hears of the stages (TELL), unless it stays Standby Ready.
 */
#include "core/sync.h"

#include <assert.h>

#include "base/err.h"

struct step {
	struct sync_receiver *receiver;
	const struct sync_event *event;
	struct sync_update *update;
};

typedef void (*handler_fn)(struct step *step);

static void push(struct step *step, struct sync_action action)
{
	assert(step->update->n_actions < SYNC_ACTIONS_MAX);
	step->update->actions[step->update->n_actions++] = action;
}

static void push_type(struct step *step, enum sync_action_type type)
{
	push(step, (struct sync_action){.type = type, .serial = step->receiver->serial});
}

static void send(struct step *step, struct sync_message message)
{
	push(step, (struct sync_action){.type = SYNC_ACTION_SEND, .message = message});
}

static void tell(struct step *step, enum fo_event_type type)
{
	struct sync_receiver *receiver = step->receiver;

	if (!receiver->is_quiet)
		push(step, (struct sync_action){.type = SYNC_ACTION_TELL,
						.tell = type,
						.message = {.place = receiver->target}});
}

static void touch(struct step *step)
{
	step->receiver->deadline = monotime_add_ms(step->event->at, SYNC_TIMEOUT_MS);
}

static bool has_stage(const struct sync_receiver *receiver)
{
	return receiver->state == SYNC_RECEIVE_STAGING || receiver->state == SYNC_RECEIVE_COMMIT ||
	       receiver->session != 0;
}

/* What is on its way from the keeper is void. */
static void drop(struct step *step)
{
	struct sync_receiver *receiver = step->receiver;

	if (has_stage(receiver))
		push_type(step, SYNC_ACTION_CLOSE_STAGE);
	if (receiver->is_held)
		push_type(step, SYNC_ACTION_RELEASE_LINK);
	*receiver = (struct sync_receiver){.serial = receiver->serial + 1,
					   .resumed = receiver->resumed,
					   .deadline = MONOTIME_NEVER};
}

/* IS_KNOWN: the active knows, or cannot be told. */
static void end_failed(struct step *step, int code, enum sync_cause cause, bool is_known)
{
	struct sync_receiver *receiver = step->receiver;
	bool is_quiet = receiver->is_quiet;

	if (!is_known && receiver->state != SYNC_RECEIVE_PAUSED)
		push(step, (struct sync_action){.type = SYNC_ACTION_SEND,
						.cause = cause,
						.message = {.type = SYNC_EVENT_RESULT,
							    .id = receiver->id,
							    .code = code}});
	drop(step);
	push(step, (struct sync_action){.type = SYNC_ACTION_FINISH, .code = code, .cause = cause});
	if (!is_quiet)
		tell(step, FO_EVENT_SYNC_FAILED);
}

static void fail(struct step *step, int code, enum sync_cause cause)
{
	end_failed(step, code, cause, false);
}

/* ---- asking ---- */

/* What is staged stays, and so does its session; what is owed a place aside goes there first. */
static void ask(struct step *step, uint32_t id)
{
	struct sync_receiver *receiver = step->receiver;

	receiver->serial++;
	receiver->id = id;
	receiver->state = SYNC_RECEIVE_ASKING;
	receiver->is_link_lost = false;
	touch(step);
	push_type(step,
		  step->event->must_keep ? SYNC_ACTION_KEEP_ORPHANS : SYNC_ACTION_ASK_POSITION);
}

static void start(struct step *step)
{
	const struct sync_message *message = &step->event->message;

	drop(step);
	step->receiver->is_quiet = message->is_quiet;
	ask(step, message->id);
}

static void want(struct step *step)
{
	const struct sync_message *message = &step->event->message;
	struct sync_receiver *receiver = step->receiver;

	if (step->event->is_link_up) {
		start(step);
		return;
	}
	drop(step);
	receiver->state = SYNC_RECEIVE_WANTED;
	receiver->id = message->id;
	receiver->is_quiet = message->is_quiet;
}

/* The machine hears nothing of a quiet one: it gets its own. */
static void busy_ask(struct step *step)
{
	bool is_own = step->receiver->is_quiet || step->receiver->state == SYNC_RECEIVE_PAUSED;

	if (!step->event->message.is_quiet && is_own)
		want(step);
}

static void wanted_link_up(struct step *step)
{
	ask(step, step->receiver->id);
}

/* The active's own are small. */
static uint32_t next_id(const struct sync_receiver *receiver)
{
	return (receiver->id + UINT32_C(0x10000)) | UINT32_C(0x80000000);
}

/* Batches under way to the keeper are waited for: what it has taken is said exactly. */
static void paused_link_up(struct step *step)
{
	if (step->receiver->staging == 0)
		ask(step, next_id(step->receiver));
}

/* False: the keeper's answer is of another session, or it refused. */
static bool is_granted(struct step *step)
{
	const struct sync_event *event = step->event;

	if (event->serial != step->receiver->serial)
		return false;
	if (event->code < 0)
		fail(step, event->code, SYNC_CAUSE_KEEPER);
	return event->code >= 0;
}

static void asking_kept(struct step *step)
{
	if (is_granted(step))
		push_type(step, SYNC_ACTION_ASK_POSITION);
}

static void asking_position(struct step *step)
{
	const struct sync_event *event = step->event;
	struct sync_receiver *receiver = step->receiver;

	if (!is_granted(step))
		return;
	receiver->state = SYNC_RECEIVE_ASKED;
	touch(step);
	send(step, (struct sync_message){.type = SYNC_EVENT_REQUEST,
					 .id = receiver->id,
					 .session = receiver->session,
					 .items = receiver->items,
					 .can_resume = true,
					 .is_quiet = receiver->is_quiet,
					 .has_place = true,
					 .place = event->message.place});
}

/* ---- the offer ---- */

static void take_new(struct step *step)
{
	const struct sync_message *message = &step->event->message;
	struct sync_receiver *receiver = step->receiver;

	receiver->state = SYNC_RECEIVE_STAGING;
	receiver->session = message->session;
	receiver->target = message->place;
	receiver->items = receiver->bytes = 0;
	receiver->staging = receiver->n_batches = 0;
	receiver->is_done = false;
	receiver->has_config = message->is_config_equal;
	tell(step, FO_EVENT_SYNC_STARTED);
	push_type(step, SYNC_ACTION_OPEN_STAGE);
	tell(step, FO_EVENT_SYNC_FILES);
	if (message->is_config_equal)
		tell(step, FO_EVENT_SYNC_BULK);
	if (message->mode == SYNC_MODE_MANIFEST)
		push(step, (struct sync_action){.type = SYNC_ACTION_READ_MANIFEST,
						.serial = receiver->serial,
						.is_seek = true});
}

static void take_resumed(struct step *step)
{
	const struct sync_message *message = &step->event->message;
	struct sync_receiver *receiver = step->receiver;

	if (receiver->session == 0 || message->session != receiver->session ||
	    !sync_place_equal(&message->place, &receiver->target)) {
		fail(step, ERR_MALFORMED, SYNC_CAUSE_MALFORMED);
		return;
	}
	receiver->resumed++;
	receiver->state = SYNC_RECEIVE_STAGING;
	push(step, (struct sync_action){.type = SYNC_ACTION_RESUMED,
					.message = {.items = receiver->items}});
}

static void asked_offer(struct step *step)
{
	const struct sync_message *message = &step->event->message;
	struct sync_receiver *receiver = step->receiver;

	if (message->id != receiver->id)
		return;
	touch(step);
	if (message->code < 0 || !message->has_place || message->mode >= SYNC_MODE__MAX)
		end_failed(step, message->code < 0 ? message->code : ERR_MALFORMED, SYNC_CAUSE_MATE,
			   true);
	else if (!step->event->may_adopt)
		fail(step, ERR_DIFFERS, SYNC_CAUSE_HISTORY);
	else if (message->is_resumed)
		take_resumed(step);
	else
		take_new(step);
}

/* The active gave up in the middle. */
static void staging_offer(struct step *step)
{
	const struct sync_message *message = &step->event->message;

	if (message->id == step->receiver->id && message->code < 0)
		end_failed(step, message->code, SYNC_CAUSE_MATE, true);
}

static void on_stage_opened(struct step *step)
{
	(void)is_granted(step);
}

static void staging_manifest_read(struct step *step)
{
	const struct sync_event *event = step->event;
	struct sync_receiver *receiver = step->receiver;

	if (!is_granted(step))
		return;
	touch(step);
	send(step, (struct sync_message){.type = SYNC_EVENT_MANIFEST,
					 .id = receiver->id,
					 .bytes = event->message.bytes,
					 .is_last = event->message.is_last});
	if (!event->message.is_last)
		push_type(step, SYNC_ACTION_READ_MANIFEST);
}

static void staging_config(struct step *step)
{
	const struct sync_event *event = step->event;
	struct sync_receiver *receiver = step->receiver;

	if (event->message.id != receiver->id)
		return;
	touch(step);
	/* What cannot be applied is known before anything is committed. */
	if (event->code < 0) {
		fail(step, event->code, SYNC_CAUSE_REFUSED);
		return;
	}
	receiver->has_config = true;
	push_type(step, SYNC_ACTION_KEEP_CONFIG);
	tell(step, FO_EVENT_SYNC_BULK);
}

/* ---- items and commit ---- */

static void commit(struct step *step)
{
	struct sync_receiver *receiver = step->receiver;

	if (!step->event->is_standby || step->event->must_keep) {
		fail(step, ERR_NOT_READY, SYNC_CAUSE_NOT_STANDBY);
		return;
	}
	receiver->state = SYNC_RECEIVE_COMMIT;
	touch(step);
	push(step, (struct sync_action){.type = SYNC_ACTION_COMMIT,
					.serial = receiver->serial,
					.message = {.has_place = true, .place = receiver->target}});
}

static void staging_items(struct step *step)
{
	const struct sync_message *message = &step->event->message;
	struct sync_receiver *receiver = step->receiver;

	if (message->id != receiver->id || receiver->is_done)
		return;
	/* One without sessions does not count. */
	if (receiver->session != 0 && message->items != receiver->items) {
		fail(step, ERR_MALFORMED, SYNC_CAUSE_MALFORMED);
		return;
	}
	touch(step);
	receiver->items += message->n_items;
	receiver->bytes += message->bytes;
	receiver->staging++;
	push(step, (struct sync_action){.type = SYNC_ACTION_STAGE,
					.serial = receiver->serial,
					.message = {.items = receiver->items}});
	/* The disk is slower than the link: what is too much waits on the active, not here. */
	if (receiver->staging >= SYNC_AHEAD_MAX && !receiver->is_held) {
		receiver->is_held = true;
		push_type(step, SYNC_ACTION_HOLD_LINK);
	}
}

/* False as of is_granted. */
static bool take_staged(struct step *step)
{
	struct sync_receiver *receiver = step->receiver;

	if (receiver->staging == 0 || !is_granted(step))
		return false;
	receiver->staging--;
	if (receiver->is_held && receiver->staging <= SYNC_AHEAD_MAX / 2) {
		receiver->is_held = false;
		push_type(step, SYNC_ACTION_RELEASE_LINK);
	}
	return true;
}

static void staging_staged(struct step *step)
{
	struct sync_receiver *receiver = step->receiver;

	if (!take_staged(step))
		return;
	touch(step);
	if (receiver->session != 0 &&
	    (++receiver->n_batches % SYNC_PROGRESS_EVERY == 0 || receiver->staging == 0))
		send(step, (struct sync_message){.type = SYNC_EVENT_PROGRESS,
						 .id = receiver->id,
						 .items = step->event->message.items});
	if (receiver->staging == 0 && receiver->is_done)
		commit(step);
}

static void paused_staged(struct step *step)
{
	if (take_staged(step) && step->receiver->staging == 0 && step->event->is_link_up)
		ask(step, next_id(step->receiver));
}

static void staging_done(struct step *step)
{
	const struct sync_message *message = &step->event->message;
	struct sync_receiver *receiver = step->receiver;

	if (message->id != receiver->id)
		return;
	if (!message->has_place || !sync_place_equal(&message->place, &receiver->target)) {
		fail(step, ERR_MALFORMED, SYNC_CAUSE_MALFORMED);
		return;
	}
	touch(step);
	receiver->is_done = true;
	if (receiver->staging == 0)
		commit(step);
}

static void commit_committed(struct step *step)
{
	const struct sync_event *event = step->event;
	struct sync_receiver *receiver = step->receiver;

	if (event->serial != receiver->serial)
		return;
	receiver->session = 0; /* the keeper let go of the stage, in either case */
	if (event->code < 0 || !event->message.has_place) {
		fail(step, event->code < 0 ? event->code : ERR_MALFORMED, SYNC_CAUSE_KEEPER);
		return;
	}
	receiver->target = event->message.place;
	push_type(step, SYNC_ACTION_APPLY_CONFIG);
}

static void pause_for(struct step *step)
{
	struct sync_receiver *receiver = step->receiver;

	receiver->state = SYNC_RECEIVE_PAUSED;
	receiver->is_held = false; /* it was that connection's */
	receiver->is_done = false;
	receiver->deadline = monotime_add_ms(step->event->at, SYNC_RESUME_MS);
	push_type(step, SYNC_ACTION_PAUSED);
}

static void commit_applied(struct step *step)
{
	struct sync_receiver *receiver = step->receiver;

	if (step->event->serial != receiver->serial)
		return;
	if (step->event->code < 0) {
		fail(step, step->event->code, SYNC_CAUSE_REFUSED);
	} else if (!receiver->is_link_lost) {
		receiver->state = SYNC_RECEIVE_ACKNOWLEDGE;
		touch(step);
		send(step, (struct sync_message){.type = SYNC_EVENT_RESULT,
						 .id = receiver->id,
						 .has_place = true,
						 .place = receiver->target});
	} else if (step->event->is_link_up) {
		ask(step, next_id(receiver));
	} else {
		pause_for(step);
	}
}

/* The active acknowledged our digest: this unit is what it says it is. */
static void acknowledge_ack(struct step *step)
{
	struct sync_receiver *receiver = step->receiver;
	struct sync_place target = receiver->target;
	bool is_quiet = receiver->is_quiet;

	if (step->event->message.id != receiver->id)
		return;
	drop(step);
	receiver->target = target;
	push(step, (struct sync_action){.type = SYNC_ACTION_FINISH});
	tell(step, FO_EVENT_POSITION);
	if (!is_quiet)
		tell(step, FO_EVENT_SYNC_DONE);
}

/* ---- what interrupts ---- */

static void asking_link_down(struct step *step)
{
	struct sync_receiver *receiver = step->receiver;

	if (receiver->session == 0) {
		end_failed(step, ERR_CLOSED, SYNC_CAUSE_LINK, true);
		return;
	}
	receiver->serial++;
	pause_for(step);
}

/* Answers to batches that are under way still count. */
static void staging_link_down(struct step *step)
{
	struct sync_receiver *receiver = step->receiver;

	if (receiver->session == 0) {
		end_failed(step, ERR_CLOSED, SYNC_CAUSE_LINK, true);
		return;
	}
	pause_for(step);
	if (receiver->has_config)
		return;
	/* Without the lines there is nothing to go on with: it is asked anew. */
	push_type(step, SYNC_ACTION_CLOSE_STAGE);
	receiver->session = 0;
	receiver->staging = 0;
	receiver->serial++;
}

static void commit_link_down(struct step *step)
{
	step->receiver->is_link_lost = true;
}

static void on_start(struct step *step)
{
	uint64_t session = step->event->message.session;

	if (session != 0 && session == step->receiver->session)
		return; /* it asks for that by itself */
	if (step->event->is_standby)
		start(step);
	else if (!step->event->is_active)
		push(step, (struct sync_action){.type = SYNC_ACTION_SEND,
						.cause = SYNC_CAUSE_NOT_STANDBY,
						.message = {.type = SYNC_EVENT_RESULT,
							    .id = step->event->message.id,
							    .code = ERR_NOT_READY}});
}

static void wanted_role(struct step *step)
{
	if (step->event->is_active)
		drop(step);
}

static void on_role(struct step *step)
{
	if (step->event->is_active)
		fail(step, ERR_CLOSED, SYNC_CAUSE_ROLE);
}

static void on_stop(struct step *step)
{
	fail(step, ERR_CLOSED, SYNC_CAUSE_STOPPED);
}

static void on_tick(struct step *step)
{
	if (!monotime_reached(step->event->at, step->receiver->deadline))
		return;
	if (step->receiver->state == SYNC_RECEIVE_PAUSED)
		fail(step, ERR_CLOSED, SYNC_CAUSE_NOT_RESUMED);
	else
		fail(step, ERR_TIMEOUT, SYNC_CAUSE_TIMEOUT);
}

static void on_failed(struct step *step)
{
	fail(step, step->event->code < 0 ? step->event->code : ERR_CLOSED, SYNC_CAUSE_KEEPER);
}

/* From Asking on. */
#define BUSY_HANDLERS                                                                              \
	[SYNC_EVENT_START] = on_start, [SYNC_EVENT_STOP] = on_stop, [SYNC_EVENT_ROLE] = on_role,   \
	[SYNC_EVENT_FAILED] = on_failed, [SYNC_EVENT_KEEPER_GONE] = on_failed,                     \
	[SYNC_EVENT_TICK] = on_tick, [SYNC_EVENT_ASK] = busy_ask

static const handler_fn HANDLERS[SYNC_RECEIVE__MAX][SYNC_EVENT__MAX] = {
	[SYNC_RECEIVE_IDLE] = {[SYNC_EVENT_ASK] = want, [SYNC_EVENT_START] = on_start},
	[SYNC_RECEIVE_WANTED] = {[SYNC_EVENT_ASK] = want,
				 [SYNC_EVENT_START] = on_start,
				 [SYNC_EVENT_LINK_UP] = wanted_link_up,
				 [SYNC_EVENT_ROLE] = wanted_role,
				 [SYNC_EVENT_STOP] = drop},
	[SYNC_RECEIVE_ASKING] = {BUSY_HANDLERS, [SYNC_EVENT_KEPT] = asking_kept,
				 [SYNC_EVENT_POSITION] = asking_position,
				 [SYNC_EVENT_LINK_DOWN] = asking_link_down},
	[SYNC_RECEIVE_ASKED] = {BUSY_HANDLERS, [SYNC_EVENT_OFFER] = asked_offer,
				[SYNC_EVENT_LINK_DOWN] = asking_link_down},
	[SYNC_RECEIVE_STAGING] =
		{BUSY_HANDLERS, [SYNC_EVENT_OFFER] = staging_offer,
		 [SYNC_EVENT_STAGE_OPENED] = on_stage_opened,
		 [SYNC_EVENT_MANIFEST_READ] = staging_manifest_read,
		 [SYNC_EVENT_CONFIG] = staging_config, [SYNC_EVENT_ITEMS] = staging_items,
		 [SYNC_EVENT_STAGED] = staging_staged, [SYNC_EVENT_DONE] = staging_done,
		 [SYNC_EVENT_LINK_DOWN] = staging_link_down},
	[SYNC_RECEIVE_COMMIT] =
		{BUSY_HANDLERS, [SYNC_EVENT_COMMITTED] = commit_committed,
		 [SYNC_EVENT_APPLIED] = commit_applied, [SYNC_EVENT_LINK_DOWN] = commit_link_down},
	[SYNC_RECEIVE_ACKNOWLEDGE] = {BUSY_HANDLERS, [SYNC_EVENT_ACK] = acknowledge_ack,
				      [SYNC_EVENT_LINK_DOWN] = pause_for},
	[SYNC_RECEIVE_PAUSED] =
		{BUSY_HANDLERS, [SYNC_EVENT_STAGE_OPENED] = on_stage_opened,
		 [SYNC_EVENT_STAGED] = paused_staged, [SYNC_EVENT_LINK_UP] = paused_link_up},
};

void sync_receiver_step(struct sync_receiver *receiver, const struct sync_event *event,
			struct sync_update *ret_update)
{
	struct step step = {receiver, event, ret_update};
	handler_fn handler = HANDLERS[receiver->state][event->type];

	ret_update->n_actions = 0;
	if (handler)
		handler(&step);
}
