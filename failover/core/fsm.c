/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The failover state machine. What every state does alike (taking note of what an event says) comes
 * first, in note(); then the table at the end of this file has one handler a state and event. No
 * entry: nothing to be done.
 */
#include "core/fsm.h"

#include "fsm_step.h"

/* At milliseconds there is nothing to be saved. */

static uint64_t clamp_term(uint64_t term)
{
	return term < FO_TERM_MAX ? term : FO_TERM_MAX;
}

static struct fo_params sane_params(struct fo_params params)
{
	params.unit = params.unit == FO_UNIT_PRIMARY ? FO_UNIT_PRIMARY : FO_UNIT_SECONDARY;
	params.poll_ms = params.poll_ms ? params.poll_ms : 1;
	params.hold_ms = params.hold_ms ? params.hold_ms : 1;
	return params;
}

static uint64_t max_term(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ---- the same in every state ---- */

static void note_position(struct fo_step *step, struct fo_position position)
{
	struct fo_fsm *fsm = step->fsm;

	fsm->position = position;
	fsm->position.term = clamp_term(position.term);
	fsm->term = max_term(fsm->term, fsm->position.term);
	/* The active may wait for it, to hand over. */
	if (fsm->state == FO_STATE_STANDBY_READY)
		step->has_moved = true;
}

static void note_health(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	struct fo_health health = step->event->health;

	if (health.score > FO_HEALTH_FULL)
		health.score = FO_HEALTH_FULL;
	/* The mate decides by it: it is said at once. */
	if (health.score != fsm->health.score || health.is_failing != fsm->health.is_failing)
		step->has_moved = true;
	/* It was better for a while: what follows is news. */
	if (health.score > fsm->tolerated)
		fsm->tolerated = FO_HEALTH_FULL + 1;
	if (fsm->state == FO_STATE_NEGOTIATION && health.score > fsm->health.score)
		fo_defer_election(step);
	fsm->health = health;
}

static void note_maintenance(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	step->has_moved = fsm->flags.is_maintenance != step->event->is_on;
	fsm->flags.is_maintenance = step->event->is_on;
	if (step->event->is_on)
		return;
	fsm->flags.is_set_aside = false;
	if (fsm->state == FO_STATE_NEGOTIATION)
		fo_defer_election(step);
}

static void note_reset(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	fo_forget_late(step);
	fsm->flap = (struct fo_flap){0};
	fsm->flags.is_set_aside = false;
}

/* A standby that starts over: what it was in between may have been lost on the way. */
static bool has_begun_anew(const struct fo_fsm *fsm, enum fo_state state)
{
	enum fo_state before = fsm->mate.state;

	return fo_is_standby_state(state) &&
	       (!fo_is_standby_state(before) ||
		(before == FO_STATE_STANDBY_READY && state != FO_STATE_STANDBY_READY));
}

/* Between two of its words, each of which says that it is a standby. */
static bool has_served(const struct fo_fsm *fsm, uint64_t served_term)
{
	return served_term != 0 && served_term != fsm->mate.served_term;
}

/*
 * Whose own poll would be due within half a polltime polls now, so that both units' words are one
 * wakeup for either, and not two. It is never an answer to an answer: that comes at once, and half
 * a polltime has not passed.
 */
static void note_together(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	uint32_t poll_ms = fsm->params.poll_ms;
	struct monotime now = step->event->at;

	if (poll_ms >= FO_TOGETHER_MIN_MS && fsm->timers.next_hello.ns > now.ns &&
	    monotime_reached(now, monotime_add_ms(fsm->timers.said, poll_ms / 2)))
		fsm->timers.next_hello = now;
}

static void note_hello(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	step->is_mate_back = !fsm->flags.is_mate_heard || step->event->is_mate_new ||
			     step->event->mate.term > fsm->term ||
			     has_begun_anew(fsm, step->event->mate.state) ||
			     has_served(fsm, step->event->mate.served_term);
	/* A gap of half a holdtime is not yet a loss, but nothing to build upon. */
	if (monotime_reached(step->event->at,
			     monotime_add_ms(fsm->timers.mate_heard, fo_fsm_hold_ms(fsm) / 2 + 1)))
		fsm->timers.preempt = MONOTIME_NEVER;
	/* What it was before that stands for nothing. */
	if (step->is_mate_back)
		fsm->timers.mate_first = MONOTIME_NEVER;
	fsm->mate = step->event->mate;
	fsm->mate.term = clamp_term(fsm->mate.term);
	fsm->mate.position.term = clamp_term(fsm->mate.position.term);
	fo_note_stretch(step);
	fsm->timers.mate_heard = step->event->at;
	note_together(step);
	fsm->flags.is_stranger_heard = false;
	fsm->flags.is_mate_heard = !fsm->mate.is_leaving || fsm->mate.is_serving;
	if (fo_mate_serves(fsm))
		fsm->timers.mate_idle = MONOTIME_NEVER;
	else if (fsm->timers.mate_idle.ns == MONOTIME_NEVER.ns)
		fsm->timers.mate_idle = step->event->at;
	if (fsm->mate.term <= fsm->term)
		return;
	fsm->term = fsm->mate.term;
	fo_push(step, (struct fo_action){.type = FO_ACTION_PERSIST_TERM,
					 .term = fsm->term,
					 .is_activation = true});
}

static void note_stranger(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	fsm->flags.is_stranger_heard = true;
	fsm->flags.is_stranger_serving = step->event->is_stranger_serving;
	fsm->timers.stranger_heard = step->event->at;
}

static void note_durable(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	uint64_t term = step->event->term;
	bool is_asked = term != 0 && term == fsm->terms.asked;

	fsm->terms.promised = max_term(fsm->terms.promised, is_asked ? term : clamp_term(term));
	if (!is_asked)
		return;
	fsm->terms.asked = 0;
	fsm->terms.ready = term;
	/* The active may be waiting for that (fo_mate_is_prompt). */
	step->has_moved = step->has_moved || fo_is_standby_state(fsm->state);
}

static void note_term_failed(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (step->event->term != fsm->terms.asked)
		return;
	fsm->terms.asked = 0;
	fsm->timers.promise = monotime_add_ms(step->event->at, fo_sync_retry_ms(fsm));
}

static void note_params(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	enum fo_unit unit = fsm->params.unit;
	uint32_t hold_ms = fsm->params.hold_ms;

	fsm->params = sane_params(step->event->params);
	if (fsm->params.hold_ms != hold_ms)
		fo_forget_late(step);
	fsm->timers.next_hello = step->event->at;
	if (fsm->params.unit == unit)
		return;
	/* The other unit's terms are not ours to use. */
	fsm->terms.ready = 0;
	fsm->terms.asked = 0;
}

/* This unit stood still: what it did not hear says nothing of the mate. */
static void note_not_scheduled(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	fo_count_late(step);
	fo_go_blind(step);
	if (fsm->flags.is_mate_heard)
		fsm->timers.mate_heard = step->event->at;
	if (fsm->timers.mate_idle.ns != MONOTIME_NEVER.ns)
		fsm->timers.mate_idle = step->event->at;
	fsm->timers.stranger_heard = step->event->at;
}

static void stop(struct fo_step *step)
{
	fo_say(step);
	fo_push(step, (struct fo_action){.type = FO_ACTION_STOPPED});
	step->fsm->flags.is_stopped = true;
}

static void note_released(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (fsm->stage >= FO_STAGE_CLAIMING || fsm->flags.is_released)
		return;
	fsm->flags.is_released = true;
	if (fsm->flags.is_stopping)
		stop(step);
	else
		step->has_moved = true; /* the mate waits for this */
}

static void note_tick(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	struct monotime silent = monotime_add_ms(fsm->timers.mate_heard, fo_fsm_hold_ms(fsm));

	if (fsm->flags.is_mate_heard && monotime_reached(step->event->at, silent))
		fsm->flags.is_mate_heard = false;
	silent = monotime_add_ms(fsm->timers.stranger_heard, fo_fsm_hold_ms(fsm));
	if (monotime_reached(step->event->at, silent))
		fsm->flags.is_stranger_heard = false;
	if (monotime_reached(step->event->at, fsm->timers.next_hello))
		step->has_moved = true;
	if (fsm->flags.wants_active && monotime_reached(step->event->at, fsm->timers.request))
		fsm->flags.wants_active = false;
}

static void note_store_ok(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	fsm->flags.is_store_failed = false;
	fsm->timers.promise = step->event->at;
	if (fsm->term > 0)
		fo_push(step, (struct fo_action){.type = FO_ACTION_PERSIST_TERM,
						 .term = fsm->term,
						 .is_activation = true});
}

/*
 * Whatever changed it: the mate's word, or its silence, or what became of this unit. The time that
 * the mate has to go on begins when it is its turn, and anew when that was not so in between: not
 * when it began to negotiate, which may be long ago, for a unit in maintenance say; and not when
 * this unit did. A mate that dies before it serves, again and again, begins anew each time: how
 * long it has been waited for in all is another time.
 */
static void note_election(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	struct fo_timers *timers = &fsm->timers;
	bool is_mate_elected = fsm->state == FO_STATE_NEGOTIATION && fsm->flags.is_mate_heard &&
			       fsm->mate.may_activate && !fo_elects_me(fsm);
	bool is_mate_first = is_mate_elected && fsm->mate.state == FO_STATE_NEGOTIATION;
	bool is_mate_waited =
		is_mate_first || (is_mate_elected && fsm->mate.state == FO_STATE_JUST_ACTIVE);

	if (!is_mate_first)
		timers->mate_first = MONOTIME_NEVER;
	else if (timers->mate_first.ns == MONOTIME_NEVER.ns)
		timers->mate_first = step->event->at;
	if (!is_mate_waited)
		timers->mate_waited = MONOTIME_NEVER;
	else if (timers->mate_waited.ns == MONOTIME_NEVER.ns)
		timers->mate_waited = step->event->at;
}

static void note_event(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	const struct fo_event *event = step->event;

	if (event->type == FO_EVENT_HELLO)
		note_hello(step);
	else if (event->type == FO_EVENT_STRANGER)
		note_stranger(step);
	else if (event->type == FO_EVENT_TICK)
		note_tick(step);
	else if (event->type == FO_EVENT_TERM_DURABLE)
		note_durable(step);
	else if (event->type == FO_EVENT_TERM_FAILED)
		note_term_failed(step);
	else if (event->type == FO_EVENT_POSITION || event->type == FO_EVENT_SYNC_DONE)
		note_position(step, event->position);
	else if (event->type == FO_EVENT_HEALTH)
		note_health(step);
	else if (event->type == FO_EVENT_OPERATOR_MAINTENANCE)
		note_maintenance(step);
	else if (event->type == FO_EVENT_OPERATOR_RESET)
		note_reset(step);
	else if (event->type == FO_EVENT_RELEASED)
		note_released(step);
	else if (event->type == FO_EVENT_PARAMS)
		note_params(step);
	else if (event->type == FO_EVENT_NOT_SCHEDULED)
		note_not_scheduled(step);
	else if (event->type == FO_EVENT_STORE_FAILED)
		fsm->flags.is_store_failed = true;
	else if (event->type == FO_EVENT_STORE_OK)
		note_store_ok(step);
}

static void note(struct fo_step *step)
{
	note_event(step);
	note_election(step);
}

static void start(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	const struct fo_boot *boot = &step->event->boot;

	fsm->flags.is_started = true;
	fsm->params = sane_params(step->event->params);
	note_position(step, boot->position);
	fsm->term = max_term(fsm->term, clamp_term(boot->activated_term));
	fsm->terms.promised = max_term(fsm->term, clamp_term(boot->promised_term));
	fsm->timers.next_hello = step->event->at;
	fo_go_blind(step);
	if (fsm->params.is_enabled)
		fo_negotiate(step, FO_REASON_NONE);
	else
		fo_activate(step, FO_REASON_NONE);
}

static void shut_down(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	fsm->flags.is_stopping = true;
	fsm->timers.retry = MONOTIME_NEVER;
	fo_withdraw(step);
	if (fo_is_standby_state(fsm->state))
		fo_push(step, (struct fo_action){.type = FO_ACTION_STOP_SYNC});
	fo_enter(step, FO_STATE_DISABLED, FO_REASON_NONE);
	if (fsm->flags.is_released)
		stop(step);
}

/* ---- the interface ---- */

struct fo_health fo_health_of_interfaces(uint32_t failed, uint32_t policy)
{
	uint32_t most = FO_HEALTH_FRONT - 1;
	uint32_t taken = failed < most / FO_HEALTH_INTERFACE ? failed * FO_HEALTH_INTERFACE : most;

	return (struct fo_health){.score = FO_HEALTH_FULL - taken,
				  .failed_interfaces = failed,
				  .is_failing = failed > 0 && failed >= policy};
}

void fo_fsm_init(struct fo_fsm *ret_fsm)
{
	*ret_fsm = (struct fo_fsm){
		.state = FO_STATE_DISABLED,
		.params = sane_params((struct fo_params){0}),
		.mate = {.state = FO_STATE_NOT_DETECTED, .health = {.score = FO_HEALTH_FULL}},
		.health = {.score = FO_HEALTH_FULL},
		.tolerated = FO_HEALTH_FULL + 1,
		.flags = {.is_released = true},
		.timers = {.mate_first = MONOTIME_NEVER,
			   .mate_waited = MONOTIME_NEVER,
			   .mate_idle = MONOTIME_NEVER,
			   .retry = MONOTIME_NEVER,
			   .preempt = MONOTIME_NEVER,
			   .until = MONOTIME_NEVER},
	};
}

static void take(struct fo_step *step)
{
	note(step);
	if (!step->fsm->flags.is_stopping)
		fo_state_handle(step);
}

/*
 * While this unit serves, at most its fence (a holdtime) lies between two of its hellos; or the
 * mate may have taken over. That is measured from the hello and not from the last turn of the loop:
 * a unit that stood still just before a hello was due is silent for a polltime longer than it
 * slept.
 */
bool fo_fsm_has_overslept(const struct fo_fsm *fsm, struct monotime now)
{
	struct monotime latest = monotime_add_ms(fsm->timers.said, fo_fsm_fence_ms(fsm));

	return fsm->stage >= FO_STAGE_CLAIMING && now.ns > latest.ns;
}

static void wake(struct fo_step *step)
{
	const struct fo_event *event = step->event;
	struct fo_event woken = {.type = FO_EVENT_NOT_SCHEDULED, .at = event->at};

	step->event = &woken;
	take(step);
	step->event = event;
}

void fo_fsm_step(struct fo_fsm *fsm, const struct fo_event *event, struct fo_update *ret_update)
{
	struct fo_step step = {.fsm = fsm, .event = event, .update = ret_update};
	uint32_t fence_ms = fo_fsm_fence_ms(fsm);

	*ret_update = (struct fo_update){0};
	if ((unsigned)event->type >= FO_EVENT__MAX || fsm->flags.is_stopped)
		return;
	if (!fsm->flags.is_started && event->type == FO_EVENT_START)
		start(&step);
	else if (!fsm->flags.is_started || event->type == FO_EVENT_START)
		return;
	else if (event->type == FO_EVENT_SHUTDOWN && !fsm->flags.is_stopping)
		shut_down(&step);
	else {
		if (event->type != FO_EVENT_NOT_SCHEDULED && fo_fsm_has_overslept(fsm, event->at))
			wake(&step);
		take(&step);
		fo_review(&step);
		fo_review_late(&step);
	}
	step.has_moved = step.has_moved && !step.is_handing_over;
	/* What was silence in time may not be any more: it ends here. */
	if ((step.has_moved || fo_fsm_fence_ms(fsm) < fence_ms) && !fsm->flags.is_stopped)
		fo_say(&step);
}

static struct monotime state_deadline(const struct fo_fsm *fsm)
{
	struct monotime idle = MONOTIME_NEVER;

	if (fsm->flags.is_mate_heard)
		idle = monotime_add_ms(fsm->timers.mate_idle, fo_fsm_hold_ms(fsm));
	if (fsm->state == FO_STATE_NEGOTIATION ||
	    (fsm->state == FO_STATE_JUST_ACTIVE && fsm->flags.is_mate_heard))
		return fsm->timers.until;
	if (fsm->state == FO_STATE_DISABLED && fsm->stage == FO_STAGE_NONE)
		return fsm->timers.retry;
	if (fsm->state == FO_STATE_COLD_STANDBY)
		return monotime_min(fsm->timers.retry, idle);
	if (fo_is_standby_state(fsm->state))
		return idle;
	if (fsm->state == FO_STATE_FAILED && !fsm->flags.is_store_failed)
		return fo_is_retry_pending(fsm) ? fsm->timers.retry : idle;
	return MONOTIME_NEVER;
}

struct monotime fo_fsm_deadline(const struct fo_fsm *fsm)
{
	struct monotime deadline;

	if (!fsm->flags.is_started || fsm->flags.is_stopped)
		return MONOTIME_NEVER;
	deadline = monotime_min(fsm->timers.next_hello, state_deadline(fsm));
	if (fsm->flags.is_mate_heard)
		deadline = monotime_min(
			deadline, monotime_add_ms(fsm->timers.mate_heard, fo_fsm_hold_ms(fsm)));
	if (fsm->flags.wants_active)
		deadline = monotime_min(deadline, fsm->timers.request);
	return monotime_min(deadline, fo_preempt_deadline(fsm));
}

struct fo_mate_view fo_fsm_view(const struct fo_fsm *fsm)
{
	bool is_serving = fsm->stage >= FO_STAGE_CLAIMING || !fsm->flags.is_released;

	return (struct fo_mate_view){
		.state = fsm->state,
		.term = is_serving ? fsm->terms.own : fsm->term,
		.position = fsm->position,
		.health = fsm->health,
		.hold_ms = fsm->params.hold_ms,
		.may_activate = fo_may_activate(fsm),
		.is_leaving = fsm->flags.is_stopping && fsm->flags.is_released,
		.is_maintenance = fsm->flags.is_maintenance,
		.is_term_pending = fo_is_standby_state(fsm->state) && fsm->terms.ready <= fsm->term,
		.wants_active = fsm->flags.wants_active,
		.wants_mate_active = fsm->flags.wants_mate_active && fsm->flags.is_released,
		.is_forced = fsm->flags.is_forced,
		.is_serving = is_serving,
		.served_term = fsm->terms.own,
		.stretch = fo_stretch_said(fsm),
	};
}

bool fo_fsm_is_active(const struct fo_fsm *fsm)
{
	return fsm->stage >= FO_STAGE_CLAIMING;
}

bool fo_fsm_may_adopt(const struct fo_fsm *fsm, uint64_t lineage)
{
	if (!fsm->position.has_data || fsm->position.lineage == 0 || lineage == 0 ||
	    lineage == fsm->position.lineage)
		return true;
	return fo_is_standby_state(fsm->state) && lineage == fsm->joined_lineage;
}
