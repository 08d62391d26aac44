/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An operator's word: `failover active`, `failover standby`, both with force, and maintenance. A
 * unit never claims on such a word alone while its mate is heard: it asks in its hellos, and the
 * mate releases, or steps back, before it answers. Force changes what counts as a reason to say no,
 * and nothing in that order.
 */
#include "fsm_step.h"

static const char *const ANSWER_TEXTS[FO_ANSWER__MAX] = {
	[FO_ANSWER_GO] = "it can be done",
	[FO_ANSWER_ALREADY] = "it is so already",
	[FO_ANSWER_NOT_STARTED] = "this unit is not in service",
	[FO_ANSWER_STORE_FAILED] = "this unit's certificate store is not usable",
	[FO_ANSWER_OFF] = "failover is off, which freezes the roles",
	[FO_ANSWER_NO_MATE] = "the mate is not heard: nobody would be active",
	[FO_ANSWER_NO_DATA] = "the standby holds nothing of what the active unit has: it would be "
			      "taken back at once",
	[FO_ANSWER_MAINTENANCE] = "the mate is in maintenance",
	[FO_ANSWER_NOT_READY] = "the standby is not Standby Ready: it would serve without what the "
				"active unit has",
	[FO_ANSWER_NOT_LEVEL] = "the standby lacks what was changed last",
};

const char *fo_answer_text(enum fo_answer answer)
{
	return (unsigned)answer < FO_ANSWER__MAX ? ANSWER_TEXTS[answer] : "unknown answer";
}

static bool is_empty(struct fo_position position)
{
	return position.term == 0 && position.seq == 0;
}

/* One that holds nothing beside one that holds something: an election would give it back. */
static bool is_mate_hollow(const struct fo_fsm *fsm)
{
	return fo_data_compare(fsm) > 0 ||
	       (is_empty(fsm->mate.position) && !is_empty(fsm->position));
}

static bool am_hollow(const struct fo_fsm *fsm)
{
	return fo_data_compare(fsm) < 0 ||
	       (is_empty(fsm->position) && !is_empty(fsm->mate.position));
}

static enum fo_answer ask_active(const struct fo_fsm *fsm, bool is_forced)
{
	/* Frozen roles stay what they are while the mate serves; where nobody does, the operator
	 * says who. */
	if (!fsm->params.is_enabled)
		return fo_mate_serves(fsm) ? FO_ANSWER_OFF : FO_ANSWER_GO;
	if (fsm->flags.is_store_failed)
		return FO_ANSWER_STORE_FAILED;
	if (fsm->flags.is_mate_heard && am_hollow(fsm))
		return FO_ANSWER_NO_DATA;
	if (is_forced || !fo_mate_serves(fsm))
		return FO_ANSWER_GO;
	if (fsm->state != FO_STATE_STANDBY_READY)
		return FO_ANSWER_NOT_READY;
	return fo_is_level(fsm) ? FO_ANSWER_GO : FO_ANSWER_NOT_LEVEL;
}

static enum fo_answer ask_standby(const struct fo_fsm *fsm, bool is_forced)
{
	if (!fsm->params.is_enabled)
		return FO_ANSWER_OFF;
	if (!fsm->flags.is_mate_heard || fsm->mate.state == FO_STATE_DISABLED)
		return FO_ANSWER_NO_MATE;
	if (is_mate_hollow(fsm))
		return FO_ANSWER_NO_DATA;
	if (fsm->mate.is_maintenance)
		return FO_ANSWER_MAINTENANCE;
	if (is_forced)
		return FO_ANSWER_GO;
	if (!fo_mate_is_ready(fsm))
		return FO_ANSWER_NOT_READY;
	return fo_is_level(fsm) ? FO_ANSWER_GO : FO_ANSWER_NOT_LEVEL;
}

enum fo_answer fo_fsm_ask(const struct fo_fsm *fsm, bool is_active, bool is_forced)
{
	if (!fsm->flags.is_started || fsm->flags.is_stopping)
		return FO_ANSWER_NOT_STARTED;
	if (is_active == (fsm->stage != FO_STAGE_NONE))
		return FO_ANSWER_ALREADY;
	return is_active ? ask_active(fsm, is_forced) : ask_standby(fsm, is_forced);
}

/* Long enough for a lost hello and an answer; short enough that nobody has forgotten the command.
 */
static uint64_t request_ms(const struct fo_fsm *fsm)
{
	uint64_t polls_ms = 2 * (uint64_t)fsm->params.poll_ms;

	return polls_ms > FO_RETRY_MIN_MS ? polls_ms : FO_RETRY_MIN_MS;
}

void fo_wish(struct fo_step *step, enum fo_reason reason)
{
	struct fo_fsm *fsm = step->fsm;

	fsm->flags.wants_active = true;
	fsm->wish = reason;
	fsm->timers.request = monotime_add_ms(step->event->at, request_ms(fsm));
	step->has_moved = true;
}

void fo_order_active(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	enum fo_answer answer = fo_fsm_ask(fsm, true, step->event->is_forced);
	bool has_listened = fsm->state == FO_STATE_FAILED || fsm->flags.has_listened;
	bool was_forced = fsm->flags.wants_active && fsm->flags.is_forced;

	if (answer != FO_ANSWER_GO && answer != FO_ANSWER_NOT_LEVEL)
		return;
	fsm->flags.wants_mate_active = false;
	fsm->flags.is_forced = was_forced || step->event->is_forced;
	fo_wish(step, FO_REASON_CONFIG_COMMAND);
	if (fsm->state == FO_STATE_NEGOTIATION && fsm->flags.is_mate_heard)
		fo_defer_election(step);
	if (fo_is_standby_state(fsm->state) || fsm->flags.is_mate_heard)
		return;
	/* Nobody is there, or a stranger whom the operator knows. */
	if (has_listened)
		fo_activate(step, FO_REASON_CONFIG_COMMAND);
	else
		fsm->timers.request = monotime_add_ms(fsm->timers.until, request_ms(fsm));
}

/* The state in which a unit waits for the other to go on: what it holds is what is served, or not.
 */
static enum fo_state waiting_state(const struct fo_fsm *fsm)
{
	return fo_mate_is_level(fsm) ? FO_STATE_STANDBY_READY : FO_STATE_COLD_STANDBY;
}

void fo_order_standby(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	bool is_forced = step->event->is_forced && !fo_mate_is_level(fsm);

	if (fo_fsm_ask(fsm, false, step->event->is_forced) != FO_ANSWER_GO)
		return;
	/* The command is said again with the next hello. */
	if (!step->event->is_forced && !fo_mate_is_prompt(fsm))
		return;
	fo_hand_over(step, waiting_state(fsm), FO_REASON_CONFIG_COMMAND);
	fsm->flags.is_forced = is_forced;
}

void fo_order_maintenance(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (!fsm->flags.is_maintenance)
		return;
	if (fsm->stage == FO_STAGE_CLAIMED && fo_mate_is_level(fsm))
		fo_hand_over(step, FO_STATE_STANDBY_READY, FO_REASON_CONFIG_COMMAND);
	else if (fsm->stage == FO_STAGE_WAITING && fsm->reason != FO_REASON_CONFIG_COMMAND) {
		fo_withdraw(step);
		fo_negotiate(step, FO_REASON_CONFIG_COMMAND);
	}
}

void fo_volunteer(struct fo_step *step, enum fo_reason reason)
{
	struct fo_fsm *fsm = step->fsm;

	if (!fsm->flags.is_maintenance)
		fo_activate(step, reason);
	else if (fsm->flags.wants_active)
		fo_activate(step, fsm->wish);
	else if (fsm->state != FO_STATE_NEGOTIATION)
		fo_negotiate(step, reason);
	else
		fsm->timers.until = monotime_add_ms(step->event->at, fo_listen_ms(fsm));
}

bool fo_grant(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	bool is_level = fo_mate_is_level(fsm);

	if (!fsm->mate.wants_active)
		return false;
	if (!fsm->mate.is_forced && !fo_mate_is_prompt(fsm))
		return false;
	/* By force only from this activation: the wish is not left over from before it. */
	if (!is_level &&
	    (!fsm->mate.is_forced || fsm->mate.term < fsm->terms.own || is_mate_hollow(fsm)))
		return false;
	fo_hand_over(step, waiting_state(fsm), FO_REASON_WANTS_ME_STANDBY);
	fsm->flags.is_forced = !is_level;
	return true;
}

bool fo_yield(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	struct monotime now = step->event->at;

	if (!fsm->mate.wants_active || !fsm->mate.is_forced || fo_mate_serves(fsm))
		return false;
	/* Two that are forced: an election, as ever. */
	if ((fsm->flags.wants_active && fsm->flags.is_forced) || is_mate_hollow(fsm))
		return false;
	step->has_moved = step->has_moved || !fsm->flags.wants_mate_active;
	fsm->flags.wants_mate_active = true;
	fsm->flags.wants_active = false;
	/* It may be claiming from now on, until it is heard or falls silent. */
	fsm->timers.mate_idle = now;
	if (fsm->state != FO_STATE_NEGOTIATION)
		return true;
	fsm->flags.is_outvoted = true;
	fsm->timers.elect = fsm->timers.until = monotime_add_ms(now, 2 * fo_listen_ms(fsm));
	return true;
}

bool fo_take_up(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	bool is_forced = fsm->mate.is_forced || (fsm->flags.wants_active && fsm->flags.is_forced);

	/* An older wish was from before this unit was active. */
	if (!fsm->mate.wants_mate_active || fo_mate_serves(fsm) || fsm->mate.term < fsm->term)
		return false;
	if (fsm->state != FO_STATE_STANDBY_READY && (!is_forced || am_hollow(fsm)))
		return false;
	if (fsm->flags.is_store_failed || (fsm->flags.is_maintenance && !fsm->flags.wants_active))
		return false;
	fo_activate(step, fsm->flags.wants_active ? fsm->wish : FO_REASON_WANTS_ME_ACTIVE);
	return true;
}
