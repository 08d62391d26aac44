/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is particular to each state: the table at the end has one handler a state and event. No
 * entry: there is nothing to be done beyond what note() in fsm.c did. A unit rests in none of the
 * states without a row.
 */
#include "fsm_step.h"

typedef void (*handler_fn)(struct fo_step *step);

/* ---- events that several states handle alike ---- */

static void on_enabled_change(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (fsm->params.is_enabled) {
		fo_activate_go(step);
		return;
	}
	/* `no failover` freezes the role: an active unit goes on, a standby one stays without
	 * addresses. */
	if (fo_is_standby_state(fsm->state))
		fo_push(step, (struct fo_action){.type = FO_ACTION_STOP_SYNC});
	/* One that was only about to be active is not: the mate hears that it does not stand any
	 * more, and goes on. */
	if (fsm->stage == FO_STAGE_WAITING && fsm->flags.is_mate_heard)
		fo_withdraw(step);
	fsm->flags.wants_active = false;
	fsm->flags.wants_mate_active = false;
	fsm->timers.retry = MONOTIME_NEVER;
	fo_enter(step, FO_STATE_DISABLED, FO_REASON_CONFIG_COMMAND);
}

static void on_progress(struct fo_step *step)
{
	fo_activate_go(step);
}

static void on_claimed(struct fo_step *step)
{
	fo_claimed(step);
}

static void on_term_failed(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	/* Another term's failure, such as the mate's: ours is still asked for. */
	if (fsm->stage == FO_STAGE_WAITING && fsm->terms.asked == 0)
		fo_activation_failed(step);
}

static void on_claim_failed(struct fo_step *step)
{
	if (step->fsm->stage == FO_STAGE_CLAIMING)
		fo_activation_failed(step);
}

static void on_store_failed(struct fo_step *step)
{
	fo_fail(step, FO_REASON_STORE_FAILED);
}

static void on_active_not_scheduled(struct fo_step *step)
{
	fo_withdraw(step);
	fo_negotiate(step, FO_REASON_NOT_SCHEDULED);
}

/* ---- Disabled ---- */

static void disabled_params(struct fo_step *step)
{
	static const enum fo_state STATES[] = {
		[FO_STAGE_WAITING] = FO_STATE_JUST_ACTIVE,
		[FO_STAGE_CLAIMING] = FO_STATE_ACTIVE_APPLYING_CONFIG,
		[FO_STAGE_CLAIMED] = FO_STATE_ACTIVE,
	};
	struct fo_fsm *fsm = step->fsm;

	if (!fsm->params.is_enabled)
		return;
	fsm->timers.retry = MONOTIME_NEVER;
	if (fsm->stage == FO_STAGE_NONE)
		fo_negotiate(step, FO_REASON_CONFIG_COMMAND);
	else
		fo_enter(step, STATES[fsm->stage], FO_REASON_CONFIG_COMMAND);
}

static void disabled_hello(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (fo_mate_serves(fsm))
		fsm->timers.retry = MONOTIME_NEVER;
	if (fsm->stage >= FO_STAGE_CLAIMING)
		(void)fo_contest(step);
}

static void disabled_tick(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (fsm->stage == FO_STAGE_NONE && monotime_reached(step->event->at, fsm->timers.retry))
		fo_activate(step, FO_REASON_NONE);
}

static void disabled_operator_active(struct fo_step *step)
{
	if (fo_fsm_ask(step->fsm, true, step->event->is_forced) == FO_ANSWER_GO)
		fo_activate(step, FO_REASON_CONFIG_COMMAND);
}

static void disabled_not_scheduled(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (fsm->stage < FO_STAGE_CLAIMING)
		return;
	fo_withdraw(step);
	/* A mate may have taken over meanwhile; a lone unit comes back at once. */
	fsm->timers.retry = step->event->at;
	if (fsm->timers.mate_heard.ns != 0)
		fsm->timers.retry = monotime_add_ms(step->event->at, fo_listen_ms(fsm));
}

/* ---- Negotiation ---- */

static void negotiation_hello(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	struct monotime now = step->event->at;

	if (!fsm->flags.is_mate_heard)
		return;
	if (fo_mate_serves(fsm)) {
		if (fo_should_join(fsm))
			fo_join(step, FO_REASON_ACTIVE_MATE);
		else
			fo_volunteer(step, fo_takeover_reason(fsm));
		return;
	}
	if (fo_yield(step) || fo_take_up(step))
		return;
	fsm->flags.wants_mate_active = false;
	if (fsm->mate.state != FO_STATE_JUST_ACTIVE && fo_elects_me(fsm)) {
		if (monotime_reached(now, fsm->timers.elect))
			fo_activate(step, fsm->flags.wants_active ? fsm->wish
								  : FO_REASON_NO_ACTIVE_FOUND);
		return;
	}
	if (fsm->flags.is_outvoted)
		return;
	fsm->flags.is_outvoted = true;
	fsm->timers.until = monotime_add_ms(now, 2 * fo_listen_ms(fsm));
}

/*
 * Somebody is there who cannot be understood. Where it serves this unit does not; where neither
 * does the primary goes first. A unit that serves already goes on: anybody can send such a hello.
 */
static bool is_barred(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	struct monotime now = step->event->at;

	if (!fsm->flags.is_stranger_heard)
		return false;
	if (fsm->flags.is_stranger_serving) {
		fsm->timers.until = monotime_add_ms(now, fsm->params.poll_ms);
		return true;
	}
	if (fsm->params.unit == FO_UNIT_PRIMARY || fsm->flags.has_waited)
		return false;
	fsm->flags.has_waited = true;
	fsm->timers.until = monotime_add_ms(now, 2 * fo_listen_ms(fsm));
	return true;
}

static bool hears_serving_stranger(const struct fo_fsm *fsm)
{
	return fsm->flags.is_stranger_heard && fsm->flags.is_stranger_serving;
}

/*
 * A mate that is to be active has as long for it whenever its turn came: as the first of two that
 * start, as one that failed and tries again, as one that left maintenance while this unit waited
 * for another reason. One that goes on failing says so in between, and then it is this unit's turn;
 * and one that goes on dying has twice as long in all, since nobody serves meanwhile.
 */
static bool is_mate_first(const struct fo_step *step)
{
	const struct fo_fsm *fsm = step->fsm;
	const struct fo_timers *timers = &fsm->timers;
	uint64_t listen_ms = fo_listen_ms(fsm);

	return timers->mate_first.ns != MONOTIME_NEVER.ns &&
	       !monotime_reached(step->event->at,
				 monotime_min(monotime_add_ms(timers->mate_first, 2 * listen_ms),
					      monotime_add_ms(timers->mate_waited, 4 * listen_ms)));
}

static void negotiation_tick(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	/* The one that we waited for fell silent: the first period counts again. */
	if (fsm->flags.is_outvoted && !fsm->flags.is_mate_heard) {
		fsm->flags.is_outvoted = false;
		fsm->timers.until = step->event->at;
	}
	if (!monotime_reached(step->event->at, fsm->timers.until))
		return;
	fsm->flags.has_listened = true;
	/* The operator knows who the stranger is. */
	if (fsm->flags.wants_active && !fsm->flags.is_mate_heard)
		fo_activate(step, fsm->wish);
	else if (is_barred(step))
		return;
	/* It claims, or says in time that it cannot (waiting_tick): never both at once. */
	else if (fsm->flags.is_mate_heard &&
		 (fsm->mate.state == FO_STATE_JUST_ACTIVE || is_mate_first(step)))
		fsm->timers.until = monotime_add_ms(step->event->at, fsm->params.poll_ms);
	else
		fo_volunteer(step, FO_REASON_NO_ACTIVE_FOUND);
}

static void negotiation_not_scheduled(struct fo_step *step)
{
	fo_negotiate(step, FO_REASON_NOT_SCHEDULED);
}

/* ---- Cold Standby to Standby Ready ---- */

static enum fo_reason failing_reason(const struct fo_fsm *fsm)
{
	static const enum fo_reason REASONS[FO_CAUSE__MAX] = {
		[FO_CAUSE_INTERFACES] = FO_REASON_INTERFACE_CHECK,
		[FO_CAUSE_TRACK] = FO_REASON_TRACK_DOWN,
		[FO_CAUSE_SERVICE] = FO_REASON_SERVICE_FAILED,
	};
	enum fo_cause cause = fsm->health.cause;

	return (unsigned)cause < FO_CAUSE__MAX ? REASONS[cause] : FO_REASON_INTERFACE_CHECK;
}

static void standby_check_health(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (fo_mate_serves(fsm) && fo_is_worse(fsm))
		fo_fail(step, failing_reason(fsm));
}

static void standby_hears_active(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	fsm->flags.wants_mate_active = false;
	if (!fo_is_mate_newer(fsm)) {
		fo_volunteer(step, fo_takeover_reason(fsm));
		return;
	}
	if (fo_is_at_odds(fsm) && fsm->mate.position.lineage != fsm->joined_lineage) {
		/* It was replaced since. */
		fo_join(step, FO_REASON_OTHER_HISTORY);
		return;
	}
	if (fsm->flags.is_handed_over) {
		fsm->flags.is_handed_over = false;
		if (fsm->state != FO_STATE_STANDBY_READY || !fo_is_level(fsm))
			fo_join(step, FO_REASON_STATE_CHECK);
	}
	standby_check_health(step);
}

static void standby_hears_idle(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	bool is_mate_lost = fsm->mate.state == FO_STATE_NEGOTIATION ||
			    (!fsm->mate.may_activate && !fo_state_is_active(fsm->mate.state));

	if (fo_yield(step) || fo_take_up(step))
		return;
	/* What it said before it heard that it should take over decides nothing: a holdtime is its
	 * own. */
	if (is_mate_lost && !fsm->flags.wants_mate_active && fo_elects_me(fsm))
		fo_activate(step, fsm->flags.wants_active ? fsm->wish : FO_REASON_STATE_CHECK);
}

static void standby_hello(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (!fsm->flags.is_mate_heard) {
		fo_volunteer(step, FO_REASON_LEAVING);
		return;
	}
	if (fo_mate_serves(fsm))
		standby_hears_active(step);
	else
		standby_hears_idle(step);
	if (fo_is_standby_state(fsm->state))
		fo_promise(step);
}

static void standby_tick(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	struct monotime now = step->event->at;

	if (!fsm->flags.is_mate_heard) {
		if (hears_serving_stranger(fsm))
			fo_negotiate(step, FO_REASON_COMMUNICATION_FAILURE);
		else
			fo_volunteer(step, FO_REASON_HELLO_NOT_HEARD);
		return;
	}
	if (monotime_reached(now, monotime_add_ms(fsm->timers.mate_idle, fo_fsm_hold_ms(fsm)))) {
		fo_negotiate(step, FO_REASON_STATE_CHECK);
		return;
	}
	if (fsm->state == FO_STATE_COLD_STANDBY && monotime_reached(now, fsm->timers.retry)) {
		fo_push(step, (struct fo_action){.type = FO_ACTION_START_SYNC});
		fsm->timers.retry = monotime_add_ms(now, FO_SYNC_ANSWER_MS);
	}
	fo_promise(step);
}

static void sync_started(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	/* Asked for by the active unit: `write standby`. */
	if (fsm->state == FO_STATE_STANDBY_READY)
		fo_enter(step, FO_STATE_COLD_STANDBY, FO_REASON_WRITE_STANDBY);
	else if (fsm->flags.is_handed_over)
		/* By force, and the one that serves now was quicker with its data than with its
		 * word. */
		fo_push(step, (struct fo_action){.type = FO_ACTION_KEEP_ORPHANS,
						 .term = fsm->position.term});
	fsm->flags.is_handed_over = false;
	fo_enter(step, FO_STATE_SYNC_CONFIG, fsm->reason);
}

static void sync_files(struct fo_step *step)
{
	fo_enter(step, FO_STATE_SYNC_FILE_SYSTEM, step->fsm->reason);
}

static void sync_bulk(struct fo_step *step)
{
	fo_enter(step, FO_STATE_BULK_SYNC, step->fsm->reason);
}

static void sync_done(struct fo_step *step)
{
	fo_enter(step, FO_STATE_STANDBY_READY, step->fsm->reason);
}

static void sync_failed(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	fo_enter(step, FO_STATE_COLD_STANDBY, FO_REASON_SYNC_FAILED);
	fsm->timers.retry = monotime_add_ms(step->event->at, fo_sync_retry_ms(fsm));
}

/* ---- Just Active, waiting ---- */

static void waiting_hello(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	bool is_rival =
		fsm->mate.state == FO_STATE_NEGOTIATION || fsm->mate.state == FO_STATE_JUST_ACTIVE;

	if (!fsm->flags.is_mate_heard)
		return;
	if (fo_mate_serves(fsm) && fo_should_join(fsm))
		fo_join(step, FO_REASON_ACTIVE_MATE);
	else if (!fo_mate_serves(fsm) && is_rival && !fo_elects_me(fsm)) {
		fo_withdraw(step);
		fo_negotiate(step, FO_REASON_STATE_CHECK);
	}
}

/* A mate that was outvoted waits for this unit, but not for ever: who cannot begin says so before
 * the other begins. */
static void waiting_tick(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (fsm->flags.is_mate_heard && monotime_reached(step->event->at, fsm->timers.until))
		fo_activation_failed(step);
}

/* ---- Active Applying Config, Active ---- */

static void applying_hello(struct fo_step *step)
{
	(void)fo_contest(step);
}

/* Reasons of this unit's own to hand over to a ready standby. */
static void active_check(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (!fo_mate_is_prompt(fsm))
		return;
	if (fsm->flags.is_store_failed)
		fo_hand_over(step, FO_STATE_FAILED, FO_REASON_STORE_FAILED);
	else if (fo_is_worse(fsm) && fsm->health.score < fsm->tolerated &&
		 !fo_fsm_is_suspended(fsm, step->event->at))
		fo_hand_over(step,
			     fo_is_level(fsm) ? FO_STATE_STANDBY_READY : FO_STATE_COLD_STANDBY,
			     failing_reason(fsm));
}

static void active_hello(struct fo_step *step)
{
	if (fo_contest(step))
		return;
	if (!fo_grant(step))
		active_check(step);
}

static void active_tick(struct fo_step *step)
{
	/* A rival that fell silent leaves its traces in the neighbours' caches. */
	if (step->fsm->flags.is_contested && !step->fsm->flags.is_mate_heard)
		(void)fo_contest(step);
}

/* ---- Failed ---- */

/* Back as a standby once nothing is wrong any more and there is an active mate. */
static void failed_check(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	bool is_interface =
		fsm->reason != FO_REASON_TRACK_DOWN && fsm->reason != FO_REASON_SERVICE_FAILED;

	if (fsm->flags.is_store_failed || fo_is_retry_pending(fsm) || fo_is_worse(fsm))
		return;
	if (fo_mate_serves(fsm) && fo_should_join(fsm))
		fo_join(step, is_interface ? FO_REASON_INTERFACE_OK : FO_REASON_HEALTH_OK);
	else if (fo_mate_serves(fsm))
		fo_negotiate(step, FO_REASON_STATE_CHECK);
}

static void failed_hello(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (fo_mate_serves(fsm))
		fsm->flags.wants_mate_active = false;
	else if (fsm->flags.is_mate_heard && (fo_yield(step) || fo_take_up(step)))
		return;
	failed_check(step);
}

static void failed_tick(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	struct monotime now = step->event->at;
	struct monotime idle = monotime_add_ms(fsm->timers.mate_idle, fo_fsm_hold_ms(fsm));

	if (fsm->flags.is_store_failed)
		return;
	if (fo_is_retry_pending(fsm)) {
		if (monotime_reached(now, fsm->timers.retry))
			fo_negotiate(step, FO_REASON_STATE_CHECK);
		return;
	}
	/* A bad active is better than none. */
	if (!fsm->flags.is_mate_heard && !hears_serving_stranger(fsm))
		fo_volunteer(step, FO_REASON_HELLO_NOT_HEARD);
	else if (fsm->flags.is_mate_heard && monotime_reached(now, idle))
		fo_negotiate(step, FO_REASON_STATE_CHECK);
}

static void failed_reset(struct fo_step *step)
{
	fo_negotiate(step, FO_REASON_CONFIG_COMMAND);
}

static void failed_store_ok(struct fo_step *step)
{
	if (!fo_is_retry_pending(step->fsm) && !fo_is_worse(step->fsm))
		fo_negotiate(step, FO_REASON_STATE_CHECK);
}

#define STANDBY_HANDLERS                                                                           \
	[FO_EVENT_HELLO] = standby_hello, [FO_EVENT_TICK] = standby_tick,                          \
	[FO_EVENT_HEALTH] = standby_check_health, [FO_EVENT_STORE_FAILED] = on_store_failed,       \
	[FO_EVENT_SYNC_STARTED] = sync_started, [FO_EVENT_PARAMS] = on_enabled_change,             \
	[FO_EVENT_OPERATOR_ACTIVE] = fo_order_active

#define SYNCING_HANDLERS                                                                           \
	STANDBY_HANDLERS, [FO_EVENT_SYNC_DONE] = sync_done, [FO_EVENT_SYNC_FAILED] = sync_failed

static const handler_fn HANDLERS[FO_STATE__MAX][FO_EVENT__MAX] = {
	[FO_STATE_DISABLED] = {[FO_EVENT_HELLO] = disabled_hello,
			       [FO_EVENT_TICK] = disabled_tick,
			       [FO_EVENT_TERM_DURABLE] = on_progress,
			       [FO_EVENT_RELEASED] = on_progress,
			       [FO_EVENT_TERM_FAILED] = on_term_failed,
			       [FO_EVENT_CLAIMED] = on_claimed,
			       [FO_EVENT_CLAIM_FAILED] = on_claim_failed,
			       [FO_EVENT_NOT_SCHEDULED] = disabled_not_scheduled,
			       [FO_EVENT_OPERATOR_ACTIVE] = disabled_operator_active,
			       [FO_EVENT_PARAMS] = disabled_params},
	[FO_STATE_NEGOTIATION] = {[FO_EVENT_HELLO] = negotiation_hello,
				  [FO_EVENT_TICK] = negotiation_tick,
				  [FO_EVENT_NOT_SCHEDULED] = negotiation_not_scheduled,
				  [FO_EVENT_OPERATOR_ACTIVE] = fo_order_active,
				  [FO_EVENT_STORE_FAILED] = on_store_failed,
				  [FO_EVENT_PARAMS] = on_enabled_change},
	[FO_STATE_COLD_STANDBY] = {STANDBY_HANDLERS, [FO_EVENT_SYNC_FAILED] = sync_failed},
	[FO_STATE_SYNC_CONFIG] = {SYNCING_HANDLERS, [FO_EVENT_SYNC_FILES] = sync_files,
				  [FO_EVENT_SYNC_BULK] = sync_bulk},
	[FO_STATE_SYNC_FILE_SYSTEM] = {SYNCING_HANDLERS, [FO_EVENT_SYNC_BULK] = sync_bulk},
	[FO_STATE_BULK_SYNC] = {SYNCING_HANDLERS},
	[FO_STATE_STANDBY_READY] = {STANDBY_HANDLERS},
	[FO_STATE_JUST_ACTIVE] = {[FO_EVENT_HELLO] = waiting_hello,
				  [FO_EVENT_TICK] = waiting_tick,
				  [FO_EVENT_OPERATOR_MAINTENANCE] = fo_order_maintenance,
				  [FO_EVENT_TERM_DURABLE] = on_progress,
				  [FO_EVENT_RELEASED] = on_progress,
				  [FO_EVENT_TERM_FAILED] = on_term_failed,
				  [FO_EVENT_NOT_SCHEDULED] = on_active_not_scheduled,
				  [FO_EVENT_STORE_FAILED] = on_store_failed,
				  [FO_EVENT_PARAMS] = on_enabled_change},
	[FO_STATE_ACTIVE_APPLYING_CONFIG] = {[FO_EVENT_HELLO] = applying_hello,
					     [FO_EVENT_TICK] = active_tick,
					     [FO_EVENT_CLAIMED] = on_claimed,
					     [FO_EVENT_CLAIM_FAILED] = on_claim_failed,
					     [FO_EVENT_NOT_SCHEDULED] = on_active_not_scheduled,
					     [FO_EVENT_PARAMS] = on_enabled_change},
	[FO_STATE_ACTIVE] = {[FO_EVENT_HELLO] = active_hello,
			     [FO_EVENT_TICK] = active_tick,
			     [FO_EVENT_HEALTH] = active_check,
			     [FO_EVENT_STORE_FAILED] = active_check,
			     [FO_EVENT_NOT_SCHEDULED] = on_active_not_scheduled,
			     [FO_EVENT_OPERATOR_STANDBY] = fo_order_standby,
			     [FO_EVENT_OPERATOR_MAINTENANCE] = fo_order_maintenance,
			     [FO_EVENT_PARAMS] = on_enabled_change},
	[FO_STATE_FAILED] = {[FO_EVENT_HELLO] = failed_hello,
			     [FO_EVENT_TICK] = failed_tick,
			     [FO_EVENT_HEALTH] = failed_check,
			     [FO_EVENT_OPERATOR_RESET] = failed_reset,
			     [FO_EVENT_OPERATOR_ACTIVE] = fo_order_active,
			     [FO_EVENT_STORE_OK] = failed_store_ok,
			     [FO_EVENT_PARAMS] = on_enabled_change},
};

void fo_state_handle(struct fo_step *step)
{
	handler_fn handler = HANDLERS[step->fsm->state][step->event->type];

	if (handler)
		handler(step);
}
