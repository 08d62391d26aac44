/* SPDX-License-Identifier: Apache-2.0 */
/* What a unit does of its own will: health, preemption, and how often it may; and its timing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fsm_world.h"

#define DELAY_MS (20u * POLL_MS)

static const struct fo_mate_view READY_MATE = {
	.state = FO_STATE_STANDBY_READY, .term = 2, .may_activate = true};

static struct unit ready_to_preempt(void)
{
	struct unit unit = ready();
	struct fo_params params = PRIMARY;

	params.is_preempt = true;
	params.preempt_delay_ms = DELAY_MS;
	feed(&unit, (struct fo_event){.type = FO_EVENT_PARAMS, .params = params});
	return unit;
}

/* True if the unit asked to be active within MS; it hears MATE in time all the while. */
static bool asks_within(struct unit *unit, struct fo_mate_view mate, unsigned ms)
{
	for (unsigned passed = 0; passed < ms; passed += POLL_MS) {
		hear(unit, mate);
		pass_ms(unit, POLL_MS);
		if (fo_fsm_view(&unit->fsm).wants_active)
			return true;
	}
	return false;
}

static void a_ready_primary_preempts_after_its_delay(void **state)
{
	struct unit unit = ready_to_preempt();
	struct fo_mate_view mate = ACTIVE_MATE;

	(void)state;
	assert_false(asks_within(&unit, mate, DELAY_MS - POLL_MS));
	assert_true(asks_within(&unit, mate, 2 * POLL_MS));
	assert_false(fo_fsm_view(&unit.fsm).is_forced);
	mate.state = FO_STATE_STANDBY_READY;
	mate.is_serving = false;
	mate.wants_mate_active = true;
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_ACTIVE_APPLYING_CONFIG, FO_REASON_PREEMPT);
}

static void nobody_preempts_unless_asked_to(void **state)
{
	struct unit unit = ready();

	(void)state;
	assert_false(asks_within(&unit, ACTIVE_MATE, 10 * DELAY_MS));
}

static void a_reason_against_it_starts_the_delay_anew(void **state)
{
	struct unit unit = ready_to_preempt();

	(void)state;
	assert_false(asks_within(&unit, ACTIVE_MATE, DELAY_MS - 2 * POLL_MS));
	/* More than half a holdtime without a hello. */
	pass_ms(&unit, POLL_MS);
	assert_false(asks_within(&unit, ACTIVE_MATE, DELAY_MS - POLL_MS));
	assert_true(asks_within(&unit, ACTIVE_MATE, 2 * POLL_MS));
}

static void a_worse_or_lagging_primary_does_not_preempt(void **state)
{
	struct unit worse = ready_to_preempt(), lagging = ready_to_preempt();
	struct fo_mate_view mate = ACTIVE_MATE;

	(void)state;
	feed(&worse, (struct fo_event){.type = FO_EVENT_HEALTH, .health = {.score = 999}});
	assert_false(asks_within(&worse, mate, 2 * DELAY_MS));
	mate.position = (struct fo_position){.term = 3, .seq = 8};
	assert_false(asks_within(&lagging, mate, 2 * DELAY_MS));
	feed(&lagging, (struct fo_event){.type = FO_EVENT_POSITION, .position = mate.position});
	assert_true(fo_fsm_view(&lagging.fsm).wants_active);
}

static void an_operator_who_set_the_primary_aside_is_not_contradicted(void **state)
{
	struct fo_params params = PRIMARY;
	struct unit unit = active();
	struct fo_mate_view mate = ACTIVE_MATE;

	(void)state;
	params.is_preempt = true;
	feed(&unit, (struct fo_event){.type = FO_EVENT_PARAMS, .params = params});
	hear(&unit, READY_MATE);
	feed_type(&unit, FO_EVENT_OPERATOR_STANDBY);
	feed_type(&unit, FO_EVENT_RELEASED);
	assert_false(asks_within(&unit, mate, 20 * POLL_MS));
	assert_int_equal(unit.fsm.state, FO_STATE_STANDBY_READY);
	feed_type(&unit, FO_EVENT_OPERATOR_RESET);
	assert_true(asks_within(&unit, mate, 2 * POLL_MS));
}

/* ---- health ---- */

static void of_two_that_fail_alike_nobody_moves(void **state)
{
	struct unit one = active(), two = ready();
	struct fo_mate_view standby = READY_MATE, serving = ACTIVE_MATE;

	(void)state;
	standby.health = serving.health = fo_health_of_interfaces(2, 1);
	hear(&one, standby);
	fail_interfaces(&one, 2);
	assert_int_equal(one.fsm.state, FO_STATE_ACTIVE);
	hear(&two, serving);
	fail_interfaces(&two, 2);
	assert_int_equal(two.fsm.state, FO_STATE_STANDBY_READY);
}

static void a_lower_score_alone_is_no_reason_to_move(void **state)
{
	struct unit unit = active();

	(void)state;
	hear(&unit, READY_MATE);
	feed(&unit, (struct fo_event){.type = FO_EVENT_HEALTH, .health = {.score = 980}});
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	assert_non_null(find(&unit, FO_ACTION_SEND_HELLO));
}

static void a_unit_that_cannot_serve_hands_over_and_is_not_elected(void **state)
{
	struct fo_health dead_front = {.score = FO_HEALTH_FULL - FO_HEALTH_FRONT,
				       .is_failing = true};
	struct unit one = active(), two = started(PRIMARY);
	struct fo_mate_view mate = READY_MATE;

	(void)state;
	/* However many interfaces the other lost. */
	mate.health = fo_health_of_interfaces(250, 1);
	hear(&one, mate);
	feed(&one, (struct fo_event){.type = FO_EVENT_HEALTH, .health = dead_front});
	assert_in(&one, FO_STATE_STANDBY_READY, FO_REASON_INTERFACE_CHECK);
	feed(&two, (struct fo_event){.type = FO_EVENT_HEALTH, .health = dead_front});
	mate.state = FO_STATE_NEGOTIATION;
	stand_beside(&two, mate);
	assert_int_equal(two.fsm.state, FO_STATE_NEGOTIATION);
}

static void who_gets_better_hears_a_fresh_hello_before_it_is_elected(void **state)
{
	struct unit unit = started(PRIMARY);
	struct fo_mate_view mate = {.state = FO_STATE_NEGOTIATION, .may_activate = true};

	(void)state;
	fail_interfaces(&unit, 1);
	stand_beside(&unit, mate);
	assert_int_equal(unit.fsm.state, FO_STATE_NEGOTIATION);
	fail_interfaces(&unit, 0);
	hear(&unit, mate);
	assert_int_equal(unit.fsm.state, FO_STATE_NEGOTIATION);
	pass_ms(&unit, 2 * POLL_MS);
	hear(&unit, mate);
	assert_int_equal(unit.fsm.state, FO_STATE_JUST_ACTIVE);
}

/* ---- flapping ---- */

/* Hands over for an interface, and gets the role back. */
static void go_and_come_back(struct unit *unit)
{
	struct fo_mate_view mate = READY_MATE;
	uint64_t theirs;

	mate.term = unit->fsm.term;
	hear(unit, mate);
	fail_interfaces(unit, 1);
	if (unit->fsm.state == FO_STATE_ACTIVE)
		return;
	feed_type(unit, FO_EVENT_RELEASED);
	fail_interfaces(unit, 0);
	theirs = unit->fsm.term + 1;
	mate = ACTIVE_MATE;
	mate.term = theirs;
	hear(unit, mate);
	durable(unit);
	feed(unit, (struct fo_event){.type = FO_EVENT_TERM_DURABLE, .term = theirs + 1});
	mate.state = FO_STATE_STANDBY_READY;
	mate.is_serving = false;
	mate.wants_mate_active = true;
	hear(unit, mate);
	feed_type(unit, FO_EVENT_CLAIMED);
	assert_int_equal(unit->fsm.state, FO_STATE_ACTIVE);
}

static void a_unit_that_flaps_makes_no_more_changes_of_its_own_for_a_while(void **state)
{
	struct unit unit = active();
	struct fo_mate_view mate = READY_MATE;

	(void)state;
	for (unsigned i = 0; i < FO_FLAP_CHANGES; i++) {
		go_and_come_back(&unit);
		assert_int_equal(unit.fsm.flap.count, 0);
	}
	go_and_come_back(&unit);
	assert_int_equal(unit.fsm.flap.count, 1);
	assert_true(fo_fsm_is_suspended(&unit.fsm, unit.now));
	go_and_come_back(&unit);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	assert_true(unit.fsm.health.is_failing);
	/* An operator is obeyed all the same. */
	mate.term = unit.fsm.term;
	mate.wants_active = true;
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_STANDBY_READY, FO_REASON_WANTS_ME_STANDBY);
	/* ... and a lost mate is taken over from. */
	feed_type(&unit, FO_EVENT_RELEASED);
	pass_ms(&unit, HOLD_MS);
	assert_true(fo_state_is_active(unit.fsm.state));
}

static void a_suspension_doubles_and_is_bounded(void **state)
{
	uint64_t lengths_s[] = {30, 60, 120, 240, 480, 600, 600};
	struct unit unit = active();

	(void)state;
	for (size_t i = 0; i < sizeof(lengths_s) / sizeof(lengths_s[0]); i++) {
		for (unsigned n = 0; n <= FO_FLAP_CHANGES; n++)
			go_and_come_back(&unit);
		assert_int_equal(unit.fsm.flap.count, i + 1);
		assert_int_equal(monotime_since(unit.fsm.flap.until, unit.now),
				 lengths_s[i] * MONOTIME_NS_PER_SEC);
		fail_interfaces(&unit, 0);
		for (uint64_t ms = 0; ms < lengths_s[i] * 1000; ms += POLL_MS)
			pass_ms(&unit, POLL_MS);
	}
	for (uint64_t ms = 0; ms < FO_FLAP_MAX_MS; ms += POLL_MS)
		pass_ms(&unit, POLL_MS);
	assert_int_equal(unit.fsm.flap.count, 0);
}

static void changes_far_apart_are_no_flapping(void **state)
{
	struct unit unit = active();

	(void)state;
	for (unsigned i = 0; i < 3 * FO_FLAP_CHANGES; i++) {
		go_and_come_back(&unit);
		for (unsigned ms = 0; ms < FO_FLAP_WITHIN_MS / FO_FLAP_CHANGES; ms += POLL_MS)
			pass_ms(&unit, POLL_MS);
	}
	assert_int_equal(unit.fsm.flap.count, 0);
}

/* ---- timing ---- */

static void an_active_that_was_silent_for_longer_than_a_holdtime_steps_down_first(void **state)
{
	struct unit in_time = active(), late = active();

	(void)state;
	in_time.now = monotime_add_ms(in_time.now, HOLD_MS);
	hear(&in_time, READY_MATE);
	assert_int_equal(in_time.fsm.state, FO_STATE_ACTIVE);
	late.now.ns += HOLD_MS * MONOTIME_NS_PER_MS + 1;
	hear(&late, READY_MATE);
	assert_int_equal(late.update.actions[0].type, FO_ACTION_RELEASE);
	assert_in(&late, FO_STATE_NEGOTIATION, FO_REASON_NOT_SCHEDULED);
}

/* It took over, and gave back, before its word of either came through. */
static void an_active_announces_again_where_the_mate_had_a_later_term(void **state)
{
	struct unit unit = active();
	struct fo_mate_view mate = READY_MATE;

	(void)state;
	hear(&unit, mate);
	hear(&unit, mate);
	assert_null(find(&unit, FO_ACTION_ANNOUNCE));
	mate.term = 3;
	hear(&unit, mate);
	assert_non_null(find(&unit, FO_ACTION_ANNOUNCE));
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	hear(&unit, mate);
	assert_null(find(&unit, FO_ACTION_ANNOUNCE));
}

/* It served in an older term than ours, and every word of that was lost or overtaken: what is heard
 * before it and after it is a standby. */
static void an_active_announces_again_once_where_the_mate_served_unheard(void **state)
{
	struct unit unit = active();
	struct fo_mate_view mate = READY_MATE;

	(void)state;
	mate.state = FO_STATE_COLD_STANDBY;
	mate.served_term = 1;
	hear(&unit, mate);
	hear(&unit, mate);
	assert_null(find(&unit, FO_ACTION_ANNOUNCE));
	mate.served_term = 3;
	hear(&unit, mate);
	assert_non_null(find(&unit, FO_ACTION_ANNOUNCE));
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	for (unsigned i = 0; i < 20; i++) {
		pass_ms(&unit, POLL_MS);
		assert_null(find(&unit, FO_ACTION_ANNOUNCE));
		hear(&unit, mate);
		assert_null(find(&unit, FO_ACTION_ANNOUNCE));
	}
	/* An older release does not say, and is no reason to say anything either. */
	mate.served_term = 0;
	hear(&unit, mate);
	assert_null(find(&unit, FO_ACTION_ANNOUNCE));
}

static void a_claim_that_the_mate_was_heard_in_is_announced_at_its_start_and_its_end(void **state)
{
	struct unit unit = active();
	struct fo_mate_view mate = READY_MATE;

	(void)state;
	hear(&unit, mate);
	mate.is_serving = true;
	mate.state = FO_STATE_ACTIVE;
	mate.term = mate.served_term = 1;
	hear(&unit, mate);
	assert_non_null(find(&unit, FO_ACTION_ANNOUNCE));
	mate.is_serving = false;
	mate.state = FO_STATE_COLD_STANDBY;
	mate.term = 2;
	hear(&unit, mate);
	assert_non_null(find(&unit, FO_ACTION_ANNOUNCE));
	hear(&unit, mate);
	assert_null(find(&unit, FO_ACTION_ANNOUNCE));
}

static void a_unit_that_gave_way_says_in_which_term_it_served(void **state)
{
	struct unit unit = active(), standby = ready();

	(void)state;
	assert_int_equal(fo_fsm_view(&unit.fsm).served_term, 2);
	hear(&unit, ACTIVE_MATE);
	assert_int_equal(unit.fsm.state, FO_STATE_COLD_STANDBY);
	feed_type(&unit, FO_EVENT_RELEASED);
	assert_false(fo_fsm_view(&unit.fsm).is_serving);
	assert_int_equal(fo_fsm_view(&unit.fsm).term, 3);
	assert_int_equal(fo_fsm_view(&unit.fsm).served_term, 2);
	assert_int_equal(fo_fsm_view(&standby.fsm).served_term, 0);
}

static void a_hand_over_waits_for_no_tick(void **state)
{
	struct unit one = active(), two = ready();
	struct fo_mate_view mate = READY_MATE;

	(void)state;
	feed_type(&two, FO_EVENT_OPERATOR_ACTIVE);
	assert_non_null(find(&two, FO_ACTION_SEND_HELLO));
	hear(&one, mate);
	mate.wants_active = true;
	hear(&one, mate);
	assert_int_equal(one.update.actions[0].type, FO_ACTION_RELEASE);
	feed_type(&one, FO_EVENT_RELEASED);
	assert_non_null(find(&one, FO_ACTION_SEND_HELLO));
	mate = fo_fsm_view(&one.fsm);
	mate.term = 3;
	hear(&two, mate);
	assert_non_null(find(&two, FO_ACTION_CLAIM));
}

static void a_ready_standby_says_at_once_where_it_is(void **state)
{
	struct unit unit = ready();

	(void)state;
	feed(&unit,
	     (struct fo_event){.type = FO_EVENT_POSITION, .position = {.term = 3, .seq = 2}});
	assert_non_null(find(&unit, FO_ACTION_SEND_HELLO));
}

static void all_rows_of_a_promotion_bear_its_reason(void **state)
{
	static const enum fo_state ROWS[] = {
		FO_STATE_STANDBY_READY,		FO_STATE_JUST_ACTIVE,
		FO_STATE_ACTIVE_DRAIN,		FO_STATE_ACTIVE_APPLYING_CONFIG,
		FO_STATE_ACTIVE_CONFIG_APPLIED, FO_STATE_ACTIVE,
	};
	struct unit unit = ready();
	size_t n = 0;

	(void)state;
	pass_ms(&unit, HOLD_MS);
	for (unsigned i = 0; i < 2; i++) {
		for (size_t j = 0; j < unit.update.n_actions; j++) {
			const struct fo_action *action = &unit.update.actions[j];

			if (action->type != FO_ACTION_TRANSITION)
				continue;
			assert_int_equal(action->from, ROWS[n]);
			assert_int_equal(action->to, ROWS[++n]);
			assert_int_equal(action->reason, FO_REASON_HELLO_NOT_HEARD);
		}
		feed_type(&unit, FO_EVENT_CLAIMED);
	}
	assert_int_equal(n, 5);
}

static void a_unit_that_was_about_to_serve_when_failover_went_off_does_not(void **state)
{
	struct unit unit = started(PRIMARY);
	struct fo_params params = PRIMARY;
	uint64_t term;

	(void)state;
	stand_beside(&unit, (struct fo_mate_view){.state = FO_STATE_NEGOTIATION});
	assert_int_equal(unit.fsm.state, FO_STATE_JUST_ACTIVE);
	term = find(&unit, FO_ACTION_PERSIST_TERM)->term;
	params.is_enabled = false;
	feed(&unit, (struct fo_event){.type = FO_EVENT_PARAMS, .params = params});
	feed(&unit, (struct fo_event){.type = FO_EVENT_TERM_DURABLE, .term = term});
	assert_null(find(&unit, FO_ACTION_CLAIM));
	assert_false(fo_fsm_is_active(&unit.fsm));
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(a_ready_primary_preempts_after_its_delay),
		cmocka_unit_test(nobody_preempts_unless_asked_to),
		cmocka_unit_test(a_reason_against_it_starts_the_delay_anew),
		cmocka_unit_test(a_worse_or_lagging_primary_does_not_preempt),
		cmocka_unit_test(an_operator_who_set_the_primary_aside_is_not_contradicted),
		cmocka_unit_test(of_two_that_fail_alike_nobody_moves),
		cmocka_unit_test(a_lower_score_alone_is_no_reason_to_move),
		cmocka_unit_test(a_unit_that_cannot_serve_hands_over_and_is_not_elected),
		cmocka_unit_test(who_gets_better_hears_a_fresh_hello_before_it_is_elected),
		cmocka_unit_test(a_unit_that_flaps_makes_no_more_changes_of_its_own_for_a_while),
		cmocka_unit_test(a_suspension_doubles_and_is_bounded),
		cmocka_unit_test(changes_far_apart_are_no_flapping),
		cmocka_unit_test(
			an_active_that_was_silent_for_longer_than_a_holdtime_steps_down_first),
		cmocka_unit_test(an_active_announces_again_once_where_the_mate_served_unheard),
		cmocka_unit_test(
			a_claim_that_the_mate_was_heard_in_is_announced_at_its_start_and_its_end),
		cmocka_unit_test(a_unit_that_gave_way_says_in_which_term_it_served),
		cmocka_unit_test(a_hand_over_waits_for_no_tick),
		cmocka_unit_test(an_active_announces_again_where_the_mate_had_a_later_term),
		cmocka_unit_test(a_ready_standby_says_at_once_where_it_is),
		cmocka_unit_test(all_rows_of_a_promotion_bear_its_reason),
		cmocka_unit_test(a_unit_that_was_about_to_serve_when_failover_went_off_does_not),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
