/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The active's end. One batch is asked ahead of the link's queue and never more, so that a slow
 * standby costs a bounded amount of memory and never a wait. Success is the standby's digest being
 * equal to the snapshot's, nothing else. What the keeper answers to something that is void by now
 * carries an older serial.
 */
#include "core/sync.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

struct step {
	struct sync_sender *sender;
	const struct sync_event *event;
	struct sync_update *update;
};

typedef void (*handler_fn)(struct step *step);

static void push(struct step *step, struct sync_action action)
{
	assert(step->update->n_actions < SYNC_ACTIONS_MAX);
	step->update->actions[step->update->n_actions++] = action;
}

static void send(struct step *step, struct sync_message message)
{
	push(step, (struct sync_action){.type = SYNC_ACTION_SEND, .message = message});
}

static void touch(struct step *step)
{
	step->sender->deadline = monotime_add_ms(step->event->at, SYNC_TIMEOUT_MS);
}

/* What is asked of the keeper from here on is of another kind: older answers are void. */
static void turn(struct step *step)
{
	step->sender->serial++;
	step->sender->is_next_asked = false;
}

static bool has_snapshot(const struct sync_sender *sender)
{
	return sender->state >= SYNC_SEND_OPENING &&
	       (sender->state != SYNC_SEND_PAUSED || sender->session != 0);
}

static void finish(struct step *step, int code, enum sync_cause cause)
{
	struct sync_sender *sender = step->sender;

	if (has_snapshot(sender))
		push(step, (struct sync_action){.type = SYNC_ACTION_CLOSE_SNAPSHOT,
						.serial = sender->serial});
	turn(step);
	sender->state = SYNC_SEND_IDLE;
	sender->session = 0;
	sender->deadline = MONOTIME_NEVER;
	push(step, (struct sync_action){.type = SYNC_ACTION_FINISH,
					.code = code,
					.cause = cause,
					.is_again = sender->is_again});
	sender->is_again = false;
}

static void refuse(struct step *step, uint32_t id, int code, enum sync_cause cause)
{
	push(step,
	     (struct sync_action){.type = SYNC_ACTION_SEND,
				  .cause = cause,
				  .message = {.type = SYNC_EVENT_OFFER, .id = id, .code = code}});
}

/* The standby need not wait until it gives up by itself. */
static void fail(struct step *step, int code, enum sync_cause cause)
{
	struct sync_sender *sender = step->sender;

	if (sender->state >= SYNC_SEND_OPENING && sender->state != SYNC_SEND_PAUSED)
		refuse(step, sender->id, code, cause);
	finish(step, code, cause);
}

static void ask_batch(struct step *step, bool is_seek)
{
	struct sync_sender *sender = step->sender;

	if (sender->is_next_asked || (step->event->is_congested && !is_seek))
		return; /* WRITABLE comes */
	sender->is_next_asked = true;
	push(step, (struct sync_action){.type = SYNC_ACTION_ASK_BATCH,
					.serial = sender->serial,
					.is_seek = is_seek,
					.message = {.items = sender->items}});
}

static void begin(struct step *step, uint32_t id, bool is_quiet)
{
	struct sync_sender *sender = step->sender;

	sender->id = id;
	sender->is_quiet = is_quiet;
	sender->items = sender->taken = sender->total = sender->bytes = 0;
	sender->mode = SYNC_MODE_EQUAL;
	touch(step);
}

/* ---- a session begins ---- */

static void idle_push(struct step *step)
{
	const struct sync_message *message = &step->event->message;

	if (!step->event->is_active)
		return;
	begin(step, message->id, message->is_quiet);
	step->sender->state = SYNC_SEND_ASKED;
	send(step, (struct sync_message){.type = SYNC_EVENT_START,
					 .id = message->id,
					 .is_quiet = message->is_quiet});
}

static void busy_push(struct step *step)
{
	step->sender->is_again = true;
}

static void open_snapshot(struct step *step)
{
	struct sync_sender *sender = step->sender;

	turn(step);
	sender->id = sender->request.id;
	sender->state = SYNC_SEND_OPENING;
	sender->items = sender->taken = 0;
	sender->session = 0;
	sender->opened_at = step->event->at;
	touch(step);
	push(step, (struct sync_action){.type = SYNC_ACTION_OPEN_SNAPSHOT,
					.serial = sender->serial,
					.message = sender->request});
}

static bool is_resumable(const struct step *step)
{
	const struct sync_message *message = &step->event->message;
	const struct sync_sender *sender = step->sender;

	return sender->state == SYNC_SEND_PAUSED && sender->session != 0 &&
	       message->session == sender->session && message->items <= sender->items &&
	       !monotime_reached(step->event->at,
				 monotime_add_ms(sender->opened_at, SYNC_SESSION_MS));
}

static void on_request(struct step *step)
{
	const struct sync_message *message = &step->event->message;
	struct sync_sender *sender = step->sender;

	if (!step->event->is_active) {
		refuse(step, message->id, ERR_NOT_ACTIVE, SYNC_CAUSE_NOT_ACTIVE);
		return;
	}
	if (sender->state == SYNC_SEND_IDLE)
		begin(step, message->id, message->is_quiet);
	sender->request = *message;
	sender->request.session = message->can_resume ? step->event->token : 0;
	if (!is_resumable(step)) {
		/* It asks anew: what was under way is void. */
		open_snapshot(step);
		return;
	}
	turn(step);
	sender->id = message->id;
	sender->state = SYNC_SEND_RESUMING;
	sender->items = sender->taken = message->items;
	touch(step);
	ask_batch(step, true);
}

static void offer(struct step *step, bool is_resumed)
{
	struct sync_sender *sender = step->sender;

	send(step, (struct sync_message){.type = SYNC_EVENT_OFFER,
					 .id = sender->id,
					 .session = sender->session,
					 .mode = sender->mode,
					 .is_resumed = is_resumed,
					 .is_config_equal = sender->request.is_config_equal,
					 .has_place = true,
					 .place = sender->target});
}

static void commit(struct step *step)
{
	struct sync_sender *sender = step->sender;

	sender->state = SYNC_SEND_COMMIT;
	send(step, (struct sync_message){.type = SYNC_EVENT_DONE,
					 .id = sender->id,
					 .has_place = true,
					 .place = sender->target});
	push(step, (struct sync_action){.type = SYNC_ACTION_REPORT});
}

static void opening_opened(struct step *step)
{
	const struct sync_message *message = &step->event->message;
	struct sync_sender *sender = step->sender;

	if (step->event->serial != sender->serial)
		return;
	if (step->event->code < 0) {
		fail(step, step->event->code, SYNC_CAUSE_KEEPER);
		return;
	}
	sender->target = message->place;
	sender->mode = message->mode;
	sender->session = sender->request.session;
	sender->total = message->n_items;
	touch(step);
	offer(step, false);
	if (!sender->request.is_config_equal)
		send(step, (struct sync_message){.type = SYNC_EVENT_CONFIG, .id = sender->id});
	if (message->mode == SYNC_MODE_MANIFEST) {
		sender->state = SYNC_SEND_MANIFEST;
		push(step, (struct sync_action){.type = SYNC_ACTION_REPORT});
	} else if (message->mode == SYNC_MODE_EQUAL) {
		commit(step);
	} else {
		sender->state = SYNC_SEND_ITEMS;
		ask_batch(step, false);
	}
}

static void manifest_manifest(struct step *step)
{
	const struct sync_message *message = &step->event->message;
	struct sync_sender *sender = step->sender;

	if (message->id != sender->id)
		return;
	touch(step);
	push(step, (struct sync_action){.type = SYNC_ACTION_GIVE_MANIFEST,
					.serial = sender->serial,
					.message = *message});
	if (message->is_last) {
		sender->state = SYNC_SEND_ITEMS;
		ask_batch(step, false);
	}
}

static void on_manifest_taken(struct step *step)
{
	const struct sync_event *event = step->event;

	if (event->serial == step->sender->serial && event->code < 0)
		fail(step, event->code, SYNC_CAUSE_KEEPER);
}

/* ---- items ---- */

static void take_batch(struct step *step)
{
	const struct sync_message *batch = &step->event->message;
	struct sync_sender *sender = step->sender;

	touch(step);
	if (batch->n_items > 0 || batch->bytes > 0) {
		send(step, (struct sync_message){.type = SYNC_EVENT_ITEMS,
						 .id = sender->id,
						 .items = sender->items,
						 .n_items = batch->n_items,
						 .bytes = batch->bytes});
		sender->items += batch->n_items;
		sender->bytes += batch->bytes;
		/* The snapshot's own number is an estimate: of what differs, it may be more. */
		if (sender->items > sender->total)
			sender->total = sender->items;
		push(step, (struct sync_action){.type = SYNC_ACTION_REPORT});
	}
	if (batch->is_last)
		commit(step);
	else
		ask_batch(step, false);
}

static void items_batch(struct step *step)
{
	struct sync_sender *sender = step->sender;

	if (step->event->serial != sender->serial || !sender->is_next_asked)
		return;
	sender->is_next_asked = false;
	if (step->event->code < 0)
		fail(step, step->event->code, SYNC_CAUSE_KEEPER);
	else
		take_batch(step);
}

/* The keeper still has the snapshot, or the session begins anew. */
static void resuming_batch(struct step *step)
{
	struct sync_sender *sender = step->sender;

	if (step->event->serial != sender->serial || !sender->is_next_asked)
		return;
	sender->is_next_asked = false;
	if (step->event->code < 0) {
		open_snapshot(step);
		return;
	}
	sender->resumed++;
	sender->state = SYNC_SEND_ITEMS;
	push(step, (struct sync_action){.type = SYNC_ACTION_RESUMED,
					.message = {.items = sender->items}});
	/* Lines that changed since were sent as a command when the link came up. */
	offer(step, true);
	take_batch(step);
}

static void items_writable(struct step *step)
{
	ask_batch(step, false);
}

static void on_progress(struct step *step)
{
	const struct sync_message *message = &step->event->message;
	struct sync_sender *sender = step->sender;

	if (message->id != sender->id || message->items > sender->items ||
	    message->items < sender->taken)
		return;
	touch(step);
	sender->taken = message->items;
	push(step, (struct sync_action){.type = SYNC_ACTION_REPORT});
}

/* ---- the end ---- */

static void on_result(struct step *step)
{
	const struct sync_message *message = &step->event->message;
	struct sync_sender *sender = step->sender;

	if (message->id != sender->id)
		return;
	if (message->code < 0 || !message->has_place) {
		finish(step, message->code < 0 ? message->code : ERR_MALFORMED, SYNC_CAUSE_MATE);
		return;
	}
	if (sender->state != SYNC_SEND_COMMIT ||
	    !sync_place_equal(&message->place, &sender->target)) {
		finish(step, ERR_DIFFERS, SYNC_CAUSE_DIFFERS);
		return;
	}
	if (!message->is_config_equal) {
		finish(step, ERR_DIFFERS, SYNC_CAUSE_CONFIG);
		return;
	}
	sender->taken = sender->items;
	send(step, (struct sync_message){.type = SYNC_EVENT_ACK,
					 .id = message->id,
					 .has_place = true,
					 .place = message->place,
					 .is_config_equal = true});
	finish(step, 0, SYNC_CAUSE_NONE);
}

static void early_link_down(struct step *step)
{
	finish(step, ERR_CLOSED, SYNC_CAUSE_LINK);
}

static void on_link_down(struct step *step)
{
	struct sync_sender *sender = step->sender;

	if (sender->session == 0) {
		finish(step, ERR_CLOSED, SYNC_CAUSE_LINK);
		return;
	}
	turn(step);
	sender->state = SYNC_SEND_PAUSED;
	sender->deadline = monotime_add_ms(step->event->at, SYNC_RESUME_MS);
	push(step, (struct sync_action){.type = SYNC_ACTION_PAUSED});
}

static void on_role(struct step *step)
{
	/* What is committed over there is as true as before; its answer is on the way. */
	if (!step->event->is_active && step->sender->state != SYNC_SEND_COMMIT)
		fail(step, ERR_NOT_ACTIVE, SYNC_CAUSE_ROLE);
}

static void on_tick(struct step *step)
{
	if (monotime_reached(step->event->at, step->sender->deadline))
		fail(step, ERR_TIMEOUT, SYNC_CAUSE_TIMEOUT);
}

/* A standby that kept nothing need not ask by itself; one that did does. */
static void paused_link_up(struct step *step)
{
	struct sync_sender *sender = step->sender;

	send(step, (struct sync_message){.type = SYNC_EVENT_START,
					 .id = sender->id,
					 .session = sender->session,
					 .is_quiet = sender->is_quiet});
}

static void paused_tick(struct step *step)
{
	if (monotime_reached(step->event->at, step->sender->deadline))
		finish(step, ERR_CLOSED, SYNC_CAUSE_NOT_RESUMED);
}

static void on_keeper_gone(struct step *step)
{
	fail(step, ERR_CLOSED, SYNC_CAUSE_KEEPER);
}

/* The snapshot went with it; who asked for the session gets an ordinary one. */
static void paused_keeper_gone(struct step *step)
{
	step->sender->session = 0;
}

static void on_failed(struct step *step)
{
	fail(step, step->event->code, SYNC_CAUSE_KEEPER);
}

/* In every state but Idle. */
#define BUSY_HANDLERS                                                                              \
	[SYNC_EVENT_PUSH] = busy_push, [SYNC_EVENT_REQUEST] = on_request,                          \
	[SYNC_EVENT_RESULT] = on_result, [SYNC_EVENT_ROLE] = on_role,                              \
	[SYNC_EVENT_FAILED] = on_failed

static const handler_fn HANDLERS[SYNC_SEND__MAX][SYNC_EVENT__MAX] = {
	[SYNC_SEND_IDLE] = {[SYNC_EVENT_PUSH] = idle_push, [SYNC_EVENT_REQUEST] = on_request},
	[SYNC_SEND_ASKED] = {BUSY_HANDLERS, [SYNC_EVENT_LINK_DOWN] = early_link_down,
			     [SYNC_EVENT_TICK] = on_tick},
	[SYNC_SEND_OPENING] =
		{BUSY_HANDLERS, [SYNC_EVENT_OPENED] = opening_opened,
		 [SYNC_EVENT_LINK_DOWN] = early_link_down, [SYNC_EVENT_TICK] = on_tick,
		 [SYNC_EVENT_KEEPER_GONE] = on_keeper_gone},
	[SYNC_SEND_MANIFEST] =
		{BUSY_HANDLERS, [SYNC_EVENT_MANIFEST] = manifest_manifest,
		 [SYNC_EVENT_MANIFEST_TAKEN] = on_manifest_taken,
		 [SYNC_EVENT_LINK_DOWN] = early_link_down, [SYNC_EVENT_TICK] = on_tick,
		 [SYNC_EVENT_KEEPER_GONE] = on_keeper_gone},
	[SYNC_SEND_ITEMS] =
		{BUSY_HANDLERS, [SYNC_EVENT_BATCH] = items_batch,
		 [SYNC_EVENT_MANIFEST_TAKEN] = on_manifest_taken,
		 [SYNC_EVENT_WRITABLE] = items_writable, [SYNC_EVENT_PROGRESS] = on_progress,
		 [SYNC_EVENT_LINK_DOWN] = on_link_down, [SYNC_EVENT_TICK] = on_tick,
		 [SYNC_EVENT_KEEPER_GONE] = on_keeper_gone},
	[SYNC_SEND_COMMIT] = {BUSY_HANDLERS, [SYNC_EVENT_PROGRESS] = on_progress,
			      [SYNC_EVENT_LINK_DOWN] = on_link_down, [SYNC_EVENT_TICK] = on_tick},
	[SYNC_SEND_PAUSED] =
		{BUSY_HANDLERS, [SYNC_EVENT_LINK_UP] = paused_link_up,
		 [SYNC_EVENT_TICK] = paused_tick, [SYNC_EVENT_KEEPER_GONE] = paused_keeper_gone},
	[SYNC_SEND_RESUMING] = {BUSY_HANDLERS, [SYNC_EVENT_BATCH] = resuming_batch,
				[SYNC_EVENT_LINK_DOWN] = on_link_down, [SYNC_EVENT_TICK] = on_tick,
				[SYNC_EVENT_KEEPER_GONE] = on_keeper_gone},
};

void sync_sender_step(struct sync_sender *sender, const struct sync_event *event,
		      struct sync_update *ret_update)
{
	struct step step = {sender, event, ret_update};
	handler_fn handler = HANDLERS[sender->state][event->type];

	ret_update->n_actions = 0;
	if (handler)
		handler(&step);
}
