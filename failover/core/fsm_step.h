/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "core/fsm.h"

/*
 * What the state handlers (fsm.c) are made of: each function here is one thing that a unit does,
 * with the actions that belong to it in their only right order. Private to the state machine.
 */

/* One step under way. */
struct fo_step {
	struct fo_fsm *fsm;
	const struct fo_event *event;
	struct fo_update *update;
	bool has_moved;	      /* a transition since the last SEND_HELLO */
	bool is_handing_over; /* RELEASE is among the actions, and the mate waits for RELEASED: the
				 hello that says so comes next, and one before it only keeps the
				 mate busy */
	bool is_mate_back;    /* its first hello after a silence of a holdtime, or after an
				 activation that was not heard of, be it over or not, or as a new
				 standby */
};

/* Terms beyond this are nobody's: adding to them cannot wrap. */
#define FO_TERM_MAX (UINT64_C(1) << 62)

#define FO_RETRY_MIN_MS 1000u
#define FO_RETRY_MAX_MS 15000u
/* How long a START_SYNC may go without any answer before it is said again. */
#define FO_SYNC_ANSWER_MS 5000u

bool fo_is_standby_state(enum fo_state state);
/* Below 0: A is older than B; 0: the same place; above 0: newer. */
int fo_position_compare(struct fo_position a, struct fo_position b);
/* Terms of two histories say nothing about each other; data against none does: above 0 if only this
 * unit has any. 0: they decide. */
int fo_data_compare(const struct fo_fsm *fsm);
/* This unit has data, and the mate's store is of another history. */
bool fo_is_at_odds(const struct fo_fsm *fsm);
/* The mate's store holds what ours holds. */
bool fo_is_level(const struct fo_fsm *fsm);

void fo_push(struct fo_step *step, struct fo_action action);
void fo_say(struct fo_step *step);
void fo_enter(struct fo_step *step, enum fo_state to, enum fo_reason reason);

/* Asks for the next term of ours to be made durable, unless one is or is being. */
void fo_promise(struct fo_step *step);
/* Starts an activation, or goes on with one that waits. */
void fo_activate(struct fo_step *step, enum fo_reason reason);
void fo_activate_go(struct fo_step *step);
void fo_claimed(struct fo_step *step);
/* RELEASE, if there is anything to release. Always the first thing on the way out of the active
 * states. */
void fo_withdraw(struct fo_step *step);
/* The activation cannot be finished: give up for a while. */
void fo_activation_failed(struct fo_step *step);

/*
 * In Negotiation: this unit has become eligible, or better, and the mate may not know. It may elect
 * itself meanwhile, by what it heard last; hellos of it that are under way may be from before that,
 * too. So a fresh one is waited for.
 */
void fo_defer_election(struct fo_step *step);
void fo_negotiate(struct fo_step *step, enum fo_reason reason);
/* Becomes the standby of the active mate that is heard. */
void fo_join(struct fo_step *step, enum fo_reason reason);
void fo_fail(struct fo_step *step, enum fo_reason reason);
/* Releases and tells the mate to take over; is TO (Standby Ready, Cold Standby or Failed) itself.
 */
void fo_hand_over(struct fo_step *step, enum fo_state to, enum fo_reason reason);
/* The mate serves while this unit does: one of them gives way. True if the mate serves. */
bool fo_contest(struct fo_step *step);

/* The active mate's activation is not older than our data, nor is it that of an empty replacement.
 */
bool fo_is_mate_newer(const struct fo_fsm *fsm);
/* ... and its data are no earlier state of ours: be its standby. For a unit that does not replicate
 * from it. */
bool fo_should_join(const struct fo_fsm *fsm);
/* Why this unit becomes active although the mate is. */
enum fo_reason fo_takeover_reason(const struct fo_fsm *fsm);
/* Of two that could become active: is it this unit? */
bool fo_elects_me(const struct fo_fsm *fsm);
bool fo_mate_serves(const struct fo_fsm *fsm);
/* Heard, and it waits for nothing but our word. */
bool fo_mate_is_ready(const struct fo_fsm *fsm);
/* ... and its activation would wait for no disk. */
bool fo_mate_is_prompt(const struct fo_fsm *fsm);
/* Ready, and what was acknowledged here is there, too. */
bool fo_mate_is_level(const struct fo_fsm *fsm);
/* This unit would become active if it were its turn. */
bool fo_may_activate(const struct fo_fsm *fsm);
/* Reason enough to hand over, and the mate is better. */
bool fo_is_worse(const struct fo_fsm *fsm);
/* A failed activation waits to be tried again. */
bool fo_is_retry_pending(const struct fo_fsm *fsm);
uint64_t fo_listen_ms(const struct fo_fsm *fsm);
/* How long an activation may wait for its term and the last release while the mate is heard. */
uint64_t fo_progress_ms(const struct fo_fsm *fsm);
uint64_t fo_sync_retry_ms(const struct fo_fsm *fsm);

/* fsm_order.c: an operator's word, and what the units say to each other because of it. */
void fo_order_active(struct fo_step *step);
void fo_order_standby(struct fo_step *step);
void fo_order_maintenance(struct fo_step *step);
/* Asks the active mate to hand over, for a while. */
void fo_wish(struct fo_step *step, enum fo_reason reason);
/* fo_activate, but for a unit in maintenance: it waits. For what a unit does of itself. */
void fo_volunteer(struct fo_step *step, enum fo_reason reason);
/* Hands over to a mate that asks for it. True if it did. */
bool fo_grant(struct fo_step *step);
/* Goes on for an idle mate that asks to be active by force. True if it asks. */
bool fo_yield(struct fo_step *step);
/* Becomes active if the idle mate says that it is this unit's turn. */
bool fo_take_up(struct fo_step *step);

/* fsm_wish.c: what a unit does of its own will, and how often. */
void fo_count_change(struct fo_step *step, enum fo_reason reason);
/* After every event: preemption. */
void fo_review(struct fo_step *step);
struct monotime fo_preempt_deadline(const struct fo_fsm *fsm);

/* fsm_late.c: the stretched holdtime. */
/* START, NOT_SCHEDULED. */
void fo_go_blind(struct fo_step *step);
/* This unit was silent for longer than its fence. */
void fo_count_late(struct fo_step *step);
/* The mate's hello was heard. */
void fo_note_stretch(struct fo_step *step);
/* For our own. */
struct fo_stretch fo_stretch_said(const struct fo_fsm *fsm);
/* After every event: less is asked for after a while. */
void fo_review_late(struct fo_step *step);
/* The configured holdtime is good enough, says the operator. */
void fo_forget_late(struct fo_step *step);

/* fsm_state.c: what the state does with the event. */
void fo_state_handle(struct fo_step *step);
