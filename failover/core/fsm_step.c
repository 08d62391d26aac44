/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deeds of a unit. A term is made durable, then spoken of, then claimed in; leaving the active
 * states always begins with RELEASE, and until RELEASED comes back this unit's hellos go on to say
 * that it serves, so that a mate never takes over addresses that are still held.
 */
#include "fsm_step.h"

#include <assert.h>

bool fo_is_standby_state(enum fo_state state)
{
	return state >= FO_STATE_COLD_STANDBY && state <= FO_STATE_STANDBY_READY;
}

int fo_position_compare(struct fo_position a, struct fo_position b)
{
	if (a.term != b.term)
		return a.term < b.term ? -1 : 1;
	if (a.seq != b.seq)
		return a.seq < b.seq ? -1 : 1;
	return 0;
}

/* One that was replaced, or was set up alone. */
static bool is_other_history(const struct fo_fsm *fsm)
{
	uint64_t ours = fsm->position.lineage, theirs = fsm->mate.position.lineage;

	return ours != 0 && theirs != 0 && ours != theirs;
}

int fo_data_compare(const struct fo_fsm *fsm)
{
	return is_other_history(fsm) ? fsm->position.has_data - fsm->mate.position.has_data : 0;
}

bool fo_is_at_odds(const struct fo_fsm *fsm)
{
	return is_other_history(fsm) && fsm->position.has_data;
}

bool fo_is_level(const struct fo_fsm *fsm)
{
	uint64_t ours = fsm->position.config, theirs = fsm->mate.position.config;

	return !is_other_history(fsm) && (ours == theirs || ours == 0 || theirs == 0) &&
	       fo_position_compare(fsm->position, fsm->mate.position) == 0;
}

void fo_push(struct fo_step *step, struct fo_action action)
{
	assert(step->update->n_actions < FO_ACTIONS_MAX);
	step->update->actions[step->update->n_actions++] = action;
}

void fo_say(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	fo_push(step, (struct fo_action){.type = FO_ACTION_SEND_HELLO});
	fsm->timers.said = step->event->at;
	fsm->timers.next_hello = monotime_add_ms(step->event->at, fsm->params.poll_ms);
	step->has_moved = false;
}

void fo_enter(struct fo_step *step, enum fo_state to, enum fo_reason reason)
{
	struct fo_fsm *fsm = step->fsm;
	/* A unit that starts was not there before; an ASA's history says so, too. */
	bool is_start = step->event->type == FO_EVENT_START && fsm->state == FO_STATE_DISABLED;
	struct fo_action action = {.type = FO_ACTION_TRANSITION,
				   .from = is_start ? FO_STATE_NOT_DETECTED : fsm->state,
				   .to = to,
				   .reason = reason};

	if (fsm->state == to)
		return;
	fsm->state = to;
	fsm->reason = reason;
	step->has_moved = true;
	fo_push(step, action);
}

/* A row of the way up. A Disabled unit serves, too, but stays Disabled. */
static void enter_row(struct fo_step *step, enum fo_state to, enum fo_reason reason)
{
	if (step->fsm->params.is_enabled)
		fo_enter(step, to, reason);
}

static bool is_of_unit(uint64_t term, enum fo_unit unit)
{
	return term % 2 == (unit == FO_UNIT_PRIMARY ? 0 : 1);
}

/* Never one that was durable before: it may have been used by an earlier life. */
static uint64_t next_term(const struct fo_fsm *fsm)
{
	uint64_t floor = fsm->term > fsm->terms.promised ? fsm->term : fsm->terms.promised;

	return is_of_unit(floor + 1, fsm->params.unit) ? floor + 1 : floor + 2;
}

void fo_promise(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	uint64_t next = next_term(fsm);

	if (fsm->terms.ready > fsm->term || fsm->terms.asked >= next)
		return;
	if (!monotime_reached(step->event->at, fsm->timers.promise))
		return;
	fsm->terms.asked = next;
	fo_push(step, (struct fo_action){.type = FO_ACTION_PERSIST_TERM, .term = next});
}

/* A standby's replication is forgotten; its wishes, too. */
static void leave_standby(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (fo_is_standby_state(fsm->state) && fsm->state != FO_STATE_STANDBY_READY)
		fo_push(step, (struct fo_action){.type = FO_ACTION_STOP_SYNC});
	fsm->flags.wants_active = false;
	fsm->flags.wants_mate_active = false;
	fsm->flags.is_forced = false;
	fsm->flags.is_handed_over = false;
	fsm->flags.is_outvoted = false;
	fsm->timers.retry = MONOTIME_NEVER;
	fsm->joined_lineage = 0;
}

void fo_activate(struct fo_step *step, enum fo_reason reason)
{
	struct fo_fsm *fsm = step->fsm;
	bool is_ordered = reason == FO_REASON_CONFIG_COMMAND || fsm->mate.is_forced;

	fsm->tolerated = is_ordered && fo_is_worse(fsm) ? fsm->health.score : FO_HEALTH_FULL + 1;
	leave_standby(step);
	fsm->flags.is_set_aside = false;
	fsm->stage = FO_STAGE_WAITING;
	fsm->timers.promise = step->event->at;
	fsm->timers.until = monotime_add_ms(step->event->at, fo_progress_ms(fsm));
	enter_row(step, FO_STATE_JUST_ACTIVE, reason);
	fo_activate_go(step);
	fo_count_change(step, reason);
}

void fo_activate_go(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (fsm->stage != FO_STAGE_WAITING)
		return;
	if (fsm->terms.ready <= fsm->term) {
		fo_promise(step);
		return;
	}
	if (!fsm->flags.is_released)
		return;
	fsm->terms.own = fsm->terms.ready;
	fsm->terms.ready = 0;
	fsm->term = fsm->terms.own;
	fsm->stage = FO_STAGE_CLAIMING;
	fsm->flags.is_released = false;
	fsm->flags.is_contested = fo_mate_serves(fsm);
	enter_row(step, FO_STATE_ACTIVE_DRAIN, fsm->reason);
	enter_row(step, FO_STATE_ACTIVE_APPLYING_CONFIG, fsm->reason);
	fo_say(step);
	fo_push(step, (struct fo_action){.type = FO_ACTION_CLAIM, .term = fsm->terms.own});
}

void fo_claimed(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (fsm->stage != FO_STAGE_CLAIMING)
		return;
	fsm->stage = FO_STAGE_CLAIMED;
	enter_row(step, FO_STATE_ACTIVE_CONFIG_APPLIED, fsm->reason);
	enter_row(step, FO_STATE_ACTIVE, fsm->reason);
	fo_push(step, (struct fo_action){.type = FO_ACTION_PERSIST_TERM,
					 .term = fsm->terms.own,
					 .is_activation = true});
}

void fo_withdraw(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (fsm->stage >= FO_STAGE_CLAIMING)
		fo_push(step, (struct fo_action){.type = FO_ACTION_RELEASE});
	fsm->stage = FO_STAGE_NONE;
	fsm->flags.is_contested = false;
}

void fo_activation_failed(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	uint64_t hold_ms =
		fsm->params.hold_ms > FO_RETRY_MIN_MS ? fsm->params.hold_ms : FO_RETRY_MIN_MS;

	fo_withdraw(step);
	enter_row(step, FO_STATE_FAILED, FO_REASON_PROGRESSION_FAILED);
	fsm->timers.retry = monotime_add_ms(step->event->at,
					    hold_ms < FO_RETRY_MAX_MS ? hold_ms : FO_RETRY_MAX_MS);
}

void fo_defer_election(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	struct monotime now = step->event->at;
	struct monotime until = monotime_add_ms(now, fo_listen_ms(fsm));

	fsm->timers.elect = monotime_add_ms(now, 2 * (uint64_t)fsm->params.poll_ms);
	if (monotime_reached(until, fsm->timers.until))
		fsm->timers.until = until;
}

void fo_negotiate(struct fo_step *step, enum fo_reason reason)
{
	struct fo_fsm *fsm = step->fsm;
	struct monotime now = step->event->at;

	fsm->flags.has_listened = fo_is_standby_state(fsm->state) && !fsm->flags.is_mate_heard;
	leave_standby(step);
	fsm->flags.has_waited = false;
	fsm->timers.mate_first = MONOTIME_NEVER;
	fsm->timers.mate_waited = MONOTIME_NEVER;
	fsm->timers.until = now;
	fo_defer_election(step);
	fo_enter(step, FO_STATE_NEGOTIATION, reason);
	if (fsm->flags.is_store_failed)
		fo_fail(step, FO_REASON_STORE_FAILED);
}

/* Whether this unit may hold what the active mate does not, or will not after a replication. */
static bool has_orphans(const struct fo_fsm *fsm)
{
	int compared = fo_position_compare(fsm->position, fsm->mate.position);

	if (compared == 0 || fsm->position.term == 0 || fsm->position.term >= fsm->mate.term)
		return false;
	return compared > 0 || fsm->mate.position.seq < fsm->position.seq ||
	       is_of_unit(fsm->position.term, fsm->params.unit);
}

void fo_join(struct fo_step *step, enum fo_reason reason)
{
	struct fo_fsm *fsm = step->fsm;
	struct monotime now = step->event->at;
	bool was_serving = fsm->stage >= FO_STAGE_CLAIMING;
	bool is_everything = fo_is_at_odds(fsm);

	fo_withdraw(step);
	leave_standby(step);
	if (is_everything || was_serving || has_orphans(fsm)) {
		uint64_t term = was_serving ? fsm->terms.own : fsm->position.term;

		fo_push(step, (struct fo_action){.type = FO_ACTION_KEEP_ORPHANS,
						 .term = term,
						 .is_everything = is_everything});
	}
	if (is_everything)
		reason = FO_REASON_OTHER_HISTORY;
	fsm->joined_lineage = fsm->mate.position.lineage;
	fsm->timers.mate_idle = fo_mate_serves(fsm) ? MONOTIME_NEVER : now;
	fo_enter(step, FO_STATE_COLD_STANDBY, reason);
	fo_say(step);
	fo_push(step, (struct fo_action){.type = FO_ACTION_START_SYNC});
	fsm->timers.retry = monotime_add_ms(now, FO_SYNC_ANSWER_MS);
	fo_promise(step);
}

void fo_fail(struct fo_step *step, enum fo_reason reason)
{
	struct fo_fsm *fsm = step->fsm;

	fo_withdraw(step);
	leave_standby(step);
	fsm->timers.mate_idle = fo_mate_serves(fsm) ? MONOTIME_NEVER : step->event->at;
	fo_enter(step, FO_STATE_FAILED, reason);
}

void fo_hand_over(struct fo_step *step, enum fo_state to, enum fo_reason reason)
{
	struct fo_fsm *fsm = step->fsm;

	step->is_handing_over = fsm->stage >= FO_STAGE_CLAIMING;
	fo_withdraw(step);
	leave_standby(step);
	fsm->flags.wants_mate_active = true;
	fsm->flags.is_handed_over = to != FO_STATE_FAILED;
	fsm->flags.is_set_aside =
		reason == FO_REASON_CONFIG_COMMAND || reason == FO_REASON_WANTS_ME_STANDBY;
	fsm->timers.mate_idle = step->event->at;
	fo_enter(step, to, reason);
	fo_count_change(step, reason);
	fo_promise(step);
}

bool fo_contest(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	/* A mate that comes back may have served meanwhile, and given way before its word of that
	 * came through. */
	bool is_ended = (fsm->flags.is_contested || step->is_mate_back) && !fo_mate_serves(fsm);
	bool is_lost = fsm->mate.term > fsm->terms.own ||
		       (fsm->mate.term == fsm->terms.own && fsm->params.unit != FO_UNIT_PRIMARY);

	if (fo_mate_serves(fsm) && is_lost) {
		if (fo_data_compare(fsm) > 0) {
			/* Ours must be the newer term of the two. */
			fo_withdraw(step);
			fo_activate(step, FO_REASON_MATE_EMPTY);
		} else if (fsm->params.is_enabled)
			fo_join(step, FO_REASON_OLDER_TERM);
		else
			fo_withdraw(step);
		return true;
	}
	/* The neighbours' caches hold what the mate announced last: at the start and at the end. */
	if (is_ended || (fo_mate_serves(fsm) && !fsm->flags.is_contested)) {
		if (fsm->stage == FO_STAGE_CLAIMED)
			fo_push(step, (struct fo_action){.type = FO_ACTION_ANNOUNCE});
		fo_say(step);
	}
	fsm->flags.is_contested = fo_mate_serves(fsm);
	return fsm->flags.is_contested;
}

bool fo_is_mate_newer(const struct fo_fsm *fsm)
{
	int data = fo_data_compare(fsm);

	return data < 0 || (data == 0 && fsm->position.term <= fsm->mate.term);
}

enum fo_reason fo_takeover_reason(const struct fo_fsm *fsm)
{
	return fo_data_compare(fsm) > 0 ? FO_REASON_MATE_EMPTY : FO_REASON_STATE_CHECK;
}

bool fo_should_join(const struct fo_fsm *fsm)
{
	bool is_behind = fo_position_compare(fsm->mate.position, fsm->position) < 0;
	bool is_empty = fsm->mate.position.term == 0 && fsm->mate.position.seq == 0;

	/* A replacement counts its terms anew: ours may be no newer than its own, and yet it lacks
	 * ours. */
	if (fo_data_compare(fsm) == 0 && is_behind &&
	    (is_empty || fsm->position.term == fsm->mate.term))
		return false;
	return fo_is_mate_newer(fsm);
}

bool fo_elects_me(const struct fo_fsm *fsm)
{
	int compared = fo_position_compare(fsm->position, fsm->mate.position);
	bool is_standby = fo_is_standby_state(fsm->state);

	if (!fo_may_activate(fsm) || !fsm->mate.may_activate)
		return fo_may_activate(fsm);
	if (fo_data_compare(fsm) != 0)
		return fo_data_compare(fsm) > 0;
	if (compared != 0)
		return compared > 0;
	if (fsm->health.score != fsm->mate.health.score)
		return fsm->health.score > fsm->mate.health.score;
	/* One that was there all the time is preferred to one that starts or slept. */
	if (is_standby != fo_is_standby_state(fsm->mate.state))
		return is_standby;
	return fsm->params.unit == FO_UNIT_PRIMARY;
}

bool fo_mate_serves(const struct fo_fsm *fsm)
{
	return fsm->flags.is_mate_heard && fsm->mate.is_serving;
}

bool fo_mate_is_ready(const struct fo_fsm *fsm)
{
	return fsm->flags.is_mate_heard && fsm->mate.state == FO_STATE_STANDBY_READY &&
	       fsm->mate.may_activate && !fsm->mate.is_serving;
}

bool fo_mate_is_prompt(const struct fo_fsm *fsm)
{
	return fo_mate_is_ready(fsm) && !fsm->mate.is_term_pending;
}

bool fo_mate_is_level(const struct fo_fsm *fsm)
{
	return fo_mate_is_ready(fsm) && fo_is_level(fsm);
}

bool fo_may_activate(const struct fo_fsm *fsm)
{
	const struct fo_flags *flags = &fsm->flags;

	if (!fsm->params.is_enabled || flags->is_stopping || flags->is_store_failed)
		return false;
	return fsm->state != FO_STATE_FAILED &&
	       (!flags->is_maintenance || flags->wants_active || fsm->stage != FO_STAGE_NONE);
}

bool fo_is_worse(const struct fo_fsm *fsm)
{
	return fsm->health.is_failing && fsm->health.score < fsm->mate.health.score;
}

uint64_t fo_listen_ms(const struct fo_fsm *fsm)
{
	uint64_t polls_ms = 3 * (uint64_t)fsm->params.poll_ms;

	uint64_t hold_ms = fo_fsm_hold_ms(fsm);

	return hold_ms > polls_ms ? hold_ms : polls_ms;
}

uint64_t fo_progress_ms(const struct fo_fsm *fsm)
{
	uint64_t listen_ms = fo_listen_ms(fsm);

	return listen_ms > 1000 ? listen_ms : 1000;
}

uint64_t fo_sync_retry_ms(const struct fo_fsm *fsm)
{
	uint64_t ms = fsm->params.poll_ms > 1000 ? fsm->params.poll_ms : 1000;

	return ms < FO_RETRY_MAX_MS ? ms : FO_RETRY_MAX_MS;
}

bool fo_is_retry_pending(const struct fo_fsm *fsm)
{
	return fsm->timers.retry.ns != MONOTIME_NEVER.ns;
}
