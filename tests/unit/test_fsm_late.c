/* SPDX-License-Identifier: Apache-2.0 */
/* A unit that is slower than its holdtime: what it asks of its mate, and what it allows itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fsm_world.h"

#define POLL 2u
#define HOLD 6u
#define LONGEST (FO_STRETCH_TIMES * HOLD)

static const struct fo_params FAST = {
	.unit = FO_UNIT_PRIMARY, .is_enabled = true, .poll_ms = POLL, .hold_ms = HOLD};

static struct fo_mate_view idle_mate(struct fo_stretch stretch)
{
	return (struct fo_mate_view){.state = FO_STATE_STANDBY_READY,
				     .health = {.score = FO_HEALTH_FULL},
				     .may_activate = true,
				     .stretch = stretch};
}

/* Serves alone, and did its work in no time. */
static struct unit fast(void)
{
	struct unit unit = started(FAST);

	pass_ms(&unit, LONGEST);
	durable(&unit);
	feed_type(&unit, FO_EVENT_CLAIMED);
	assert_in(&unit, FO_STATE_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
	return unit;
}

static void be_late(struct unit *unit, uint64_t ms)
{
	pass_ms(unit, POLL);
	pass_ms(unit, ms);
}

/* From Negotiation, with nobody there: claims, and is done after so long. */
static void serve_again(struct unit *unit, uint64_t work_ms)
{
	feed_type(unit, FO_EVENT_RELEASED);
	pass_ms(unit, LONGEST);
	durable(unit);
	assert_non_null(find(unit, FO_ACTION_CLAIM));
	unit->now = monotime_add_ms(unit->now, work_ms);
	feed_type(unit, FO_EVENT_CLAIMED);
}

static void a_unit_that_was_late_asks_for_a_holdtime_that_would_have_been_enough(void **state)
{
	static const struct {
		uint64_t late_ms;
		uint32_t expected_ms;
	} CASES[] = {{7, 12}, {11, 12}, {12, 24}, {20, 24}, {50, 96}, {95, 96}};

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct unit unit = fast();

		be_late(&unit, CASES[i].late_ms);
		assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NOT_SCHEDULED);
		assert_int_equal(fo_fsm_view(&unit.fsm).stretch.asked_ms, CASES[i].expected_ms);
		assert_non_null(find(&unit, FO_ACTION_STRETCHED));
		/* The mate is told in the same step. */
		assert_non_null(find(&unit, FO_ACTION_SEND_HELLO));
	}
}

static void a_unit_that_was_stopped_for_long_asks_for_nothing(void **state)
{
	struct unit unit = fast();

	(void)state;
	be_late(&unit, LONGEST + 1);
	assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NOT_SCHEDULED);
	assert_int_equal(fo_fsm_view(&unit.fsm).stretch.asked_ms, 0);
	assert_null(find(&unit, FO_ACTION_STRETCHED));
}

static void a_standby_that_was_late_asks_for_nothing(void **state)
{
	struct unit unit = started(FAST);

	(void)state;
	hear(&unit, ACTIVE_MATE);
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_ACTIVE_MATE);
	unit.now = monotime_add_ms(unit.now, 20);
	feed_type(&unit, FO_EVENT_NOT_SCHEDULED);
	assert_int_equal(fo_fsm_view(&unit.fsm).stretch.asked_ms, 0);
}

static void a_holdtime_of_half_a_second_is_not_stretched(void **state)
{
	struct unit unit = active();

	(void)state;
	be_late(&unit, HOLD_MS + 1);
	assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NOT_SCHEDULED);
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), HOLD_MS);
	assert_int_equal(fo_fsm_fence_ms(&unit.fsm), HOLD_MS);
}

static void a_claim_that_takes_longer_than_the_holdtime_fails_once_and_not_for_ever(void **state)
{
	struct unit unit = fast();

	(void)state;
	be_late(&unit, LONGEST + 1);
	serve_again(&unit, 40);
	assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NOT_SCHEDULED);
	serve_again(&unit, 40);
	assert_in(&unit, FO_STATE_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
	be_late(&unit, 40);
	assert_in(&unit, FO_STATE_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
	assert_int_equal(unit.fsm.late.count, 1);
}

static void who_hears_that_its_mate_was_late_waits_longer_for_it(void **state)
{
	struct unit unit = started(FAST);
	struct fo_mate_view mate = ACTIVE_MATE;

	(void)state;
	mate.stretch = (struct fo_stretch){.asked_ms = 24};
	pass_ms(&unit, 2 * POLL);
	hear(&unit, mate);
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), 24);
	assert_int_equal(fo_fsm_view(&unit.fsm).stretch.judged_ms, 24);
	pass_ms(&unit, 23);
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_ACTIVE_MATE);
	pass_ms(&unit, 1);
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_HELLO_NOT_HEARD);
}

static void the_fence_of_a_unit_is_never_beyond_what_its_mate_waits_for(void **state)
{
	struct unit unit = fast();

	(void)state;
	be_late(&unit, 20);
	serve_again(&unit, 0);
	/* Nobody is there who could take over. */
	assert_int_equal(fo_fsm_fence_ms(&unit.fsm), 24);
	/* Somebody is who does not know, or is of an older release. */
	hear(&unit, idle_mate((struct fo_stretch){0}));
	assert_int_equal(fo_fsm_fence_ms(&unit.fsm), HOLD);
	hear(&unit, idle_mate((struct fo_stretch){.judged_ms = 12}));
	assert_int_equal(fo_fsm_fence_ms(&unit.fsm), 12);
	hear(&unit, idle_mate((struct fo_stretch){.judged_ms = 24}));
	assert_int_equal(fo_fsm_fence_ms(&unit.fsm), 24);
	/* The same work awaits both: what the mate asks for is allowed here, too. */
	hear(&unit, idle_mate((struct fo_stretch){.asked_ms = 48, .judged_ms = 48}));
	assert_int_equal(fo_fsm_fence_ms(&unit.fsm), 48);
	assert_int_equal(fo_fsm_view(&unit.fsm).stretch.asked_ms, 24);
}

static void a_word_that_was_held_back_stretches_no_fence(void **state)
{
	struct unit unit = fast();
	struct fo_event event = {.type = FO_EVENT_HELLO,
				 .mate = idle_mate((struct fo_stretch){.judged_ms = 24}),
				 .age_ms = FO_STRETCH_FRESH_MS - 1};

	(void)state;
	event.mate.health.score = FO_HEALTH_FULL;
	be_late(&unit, 20);
	serve_again(&unit, 0);
	feed(&unit, event);
	assert_int_equal(fo_fsm_fence_ms(&unit.fsm), 24);
	event.age_ms = FO_STRETCH_FRESH_MS;
	feed(&unit, event);
	assert_int_equal(fo_fsm_fence_ms(&unit.fsm), HOLD);
	event.age_ms = UINT32_MAX;
	feed(&unit, event);
	assert_int_equal(fo_fsm_fence_ms(&unit.fsm), HOLD);
}

static void who_asked_waits_until_the_mates_fence_is_lower_again(void **state)
{
	struct unit unit = started(FAST);
	struct fo_mate_view mate = ACTIVE_MATE;

	(void)state;
	pass_ms(&unit, 2 * POLL);
	mate.stretch = (struct fo_stretch){.fence_ms = 48};
	hear(&unit, mate);
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), 48);
	mate.stretch = (struct fo_stretch){.fence_ms = 24};
	hear(&unit, mate);
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), 24);
}

static void a_mate_does_not_keep_this_unit_waiting_for_ever(void **state)
{
	struct unit unit = started(FAST);
	struct fo_mate_view mate = ACTIVE_MATE;

	(void)state;
	mate.stretch = (struct fo_stretch){
		.asked_ms = UINT32_MAX, .fence_ms = UINT32_MAX, .judged_ms = UINT32_MAX};
	hear(&unit, mate);
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), LONGEST);
	assert_int_equal(fo_fsm_fence_ms(&unit.fsm), LONGEST);
}

static void who_stood_still_judges_by_the_longest_until_it_hears_the_mate_afresh(void **state)
{
	struct unit unit = started(FAST);

	(void)state;
	pass_ms(&unit, 2 * POLL);
	hear(&unit, ACTIVE_MATE);
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), HOLD);
	unit.now = monotime_add_ms(unit.now, 20);
	feed_type(&unit, FO_EVENT_NOT_SCHEDULED);
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), LONGEST);
	hear(&unit, ACTIVE_MATE);
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), LONGEST);
	pass_ms(&unit, 2 * POLL);
	hear(&unit, ACTIVE_MATE);
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), HOLD);
}

static void a_quiet_unit_asks_for_less_and_then_for_nothing(void **state)
{
	struct unit unit = fast();

	(void)state;
	be_late(&unit, 20);
	assert_int_equal(fo_fsm_view(&unit.fsm).stretch.asked_ms, 24);
	pass_ms(&unit, FO_STRETCH_QUIET_MS);
	assert_int_equal(fo_fsm_view(&unit.fsm).stretch.asked_ms, 12);
	assert_non_null(find(&unit, FO_ACTION_STRETCHED));
	/* The mate may not have heard it yet. */
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), 24);
	pass_ms(&unit, FO_STRETCH_KEEP_MS);
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), 12);
	pass_ms(&unit, FO_STRETCH_QUIET_MS);
	pass_ms(&unit, FO_STRETCH_KEEP_MS);
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), HOLD);
	assert_int_equal(unit.fsm.late.count, 0);
}

static void an_operator_ends_it_with_reset_or_other_timers(void **state)
{
	struct fo_params slower = FAST;

	(void)state;
	slower.hold_ms = 50;
	for (int i = 0; i < 2; i++) {
		struct unit unit = fast();

		be_late(&unit, 20);
		feed(&unit, (struct fo_event){.type = i ? FO_EVENT_PARAMS : FO_EVENT_OPERATOR_RESET,
					      .params = slower});
		assert_int_equal(fo_fsm_view(&unit.fsm).stretch.asked_ms, 0);
		assert_non_null(find(&unit, FO_ACTION_STRETCHED));
	}
}

static void a_mate_that_was_not_told_of_a_shorter_holdtime_is_judged_by_its_own(void **state)
{
	struct fo_params slow = FAST;
	struct fo_mate_view mate = {.state = FO_STATE_STANDBY_READY, .term = 2, .hold_ms = 1000};
	struct unit unit;

	(void)state;
	slow.poll_ms = 200;
	slow.hold_ms = 1000;
	unit = started(slow);
	hear(&unit, mate);
	pass_ms(&unit, 150);
	feed(&unit, (struct fo_event){.type = FO_EVENT_PARAMS, .params = FAST});
	for (int i = 0; i < 10; i++)
		pass_ms(&unit, POLL);
	assert_true(unit.fsm.flags.is_mate_heard);
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), 1000);
	/* What it does itself goes by the new one at once. */
	assert_int_equal(fo_fsm_fence_ms(&unit.fsm), HOLD);
	mate.hold_ms = HOLD;
	hear(&unit, mate);
	pass_ms(&unit, FO_STRETCH_KEEP_MS);
	assert_false(unit.fsm.flags.is_mate_heard);
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), HOLD);
}

static void a_mate_says_no_holdtime_that_cannot_be_configured(void **state)
{
	struct unit unit = started(FAST);

	(void)state;
	hear(&unit, (struct fo_mate_view){.state = FO_STATE_STANDBY_READY, .hold_ms = UINT32_MAX});
	assert_int_equal(fo_fsm_hold_ms(&unit.fsm), FO_HOLD_MAX_MS);
}

static void a_breath_counts_as_a_hello_and_comes_too_late_after_the_fence(void **state)
{
	struct unit unit = fast();

	(void)state;
	pass_ms(&unit, POLL);
	assert_false(fo_fsm_breathe(&unit.fsm, unit.now));
	for (int i = 0; i < 20; i++) {
		unit.now = monotime_add_ms(unit.now, POLL);
		assert_true(fo_fsm_breathe(&unit.fsm, unit.now));
	}
	pass_ms(&unit, HOLD);
	assert_in(&unit, FO_STATE_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
	unit.now = monotime_add_ms(unit.now, HOLD + 1);
	assert_false(fo_fsm_breathe(&unit.fsm, unit.now));
	feed_type(&unit, FO_EVENT_TICK);
	assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NOT_SCHEDULED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_unit_that_was_late_asks_for_a_holdtime_that_would_have_been_enough),
		cmocka_unit_test(a_unit_that_was_stopped_for_long_asks_for_nothing),
		cmocka_unit_test(a_standby_that_was_late_asks_for_nothing),
		cmocka_unit_test(a_holdtime_of_half_a_second_is_not_stretched),
		cmocka_unit_test(
			a_claim_that_takes_longer_than_the_holdtime_fails_once_and_not_for_ever),
		cmocka_unit_test(who_hears_that_its_mate_was_late_waits_longer_for_it),
		cmocka_unit_test(the_fence_of_a_unit_is_never_beyond_what_its_mate_waits_for),
		cmocka_unit_test(a_word_that_was_held_back_stretches_no_fence),
		cmocka_unit_test(who_asked_waits_until_the_mates_fence_is_lower_again),
		cmocka_unit_test(a_mate_does_not_keep_this_unit_waiting_for_ever),
		cmocka_unit_test(
			who_stood_still_judges_by_the_longest_until_it_hears_the_mate_afresh),
		cmocka_unit_test(a_quiet_unit_asks_for_less_and_then_for_nothing),
		cmocka_unit_test(an_operator_ends_it_with_reset_or_other_timers),
		cmocka_unit_test(
			a_mate_that_was_not_told_of_a_shorter_holdtime_is_judged_by_its_own),
		cmocka_unit_test(a_mate_says_no_holdtime_that_cannot_be_configured),
		cmocka_unit_test(a_breath_counts_as_a_hello_and_comes_too_late_after_the_fence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
