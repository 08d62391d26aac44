/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine in sentences, continued: hand-over, health, and what an operator asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fsm_world.h"

static void the_mate_is_told_to_take_over_only_after_the_release(void **state)
{
	struct unit unit = active();

	(void)state;
	hear(&unit, (struct fo_mate_view){
			    .state = FO_STATE_STANDBY_READY, .term = 2, .may_activate = true});
	hear(&unit, (struct fo_mate_view){.state = FO_STATE_STANDBY_READY,
					  .term = 2,
					  .may_activate = true,
					  .wants_active = true});
	assert_in(&unit, FO_STATE_STANDBY_READY, FO_REASON_WANTS_ME_STANDBY);
	assert_int_equal(unit.update.actions[0].type, FO_ACTION_RELEASE);
	/* A hello before that would only keep it busy. */
	assert_null(find(&unit, FO_ACTION_SEND_HELLO));
	assert_true(fo_fsm_view(&unit.fsm).is_serving);
	assert_false(fo_fsm_view(&unit.fsm).wants_mate_active);
	feed_type(&unit, FO_EVENT_RELEASED);
	assert_non_null(find(&unit, FO_ACTION_SEND_HELLO));
	assert_false(fo_fsm_view(&unit.fsm).is_serving);
	assert_true(fo_fsm_view(&unit.fsm).wants_mate_active);
}

static void a_release_that_takes_long_is_no_silence(void **state)
{
	struct unit unit = active();

	(void)state;
	hear(&unit, (struct fo_mate_view){
			    .state = FO_STATE_STANDBY_READY, .term = 2, .may_activate = true});
	hear(&unit, (struct fo_mate_view){.state = FO_STATE_STANDBY_READY,
					  .term = 2,
					  .may_activate = true,
					  .wants_active = true});
	assert_null(find(&unit, FO_ACTION_SEND_HELLO));
	pass_ms(&unit, unit.fsm.params.poll_ms);
	assert_non_null(find(&unit, FO_ACTION_SEND_HELLO));
	assert_true(fo_fsm_view(&unit.fsm).is_serving);
}

static void a_standby_that_lacks_something_is_not_handed_over_to(void **state)
{
	struct unit unit = active();

	(void)state;
	feed(&unit,
	     (struct fo_event){.type = FO_EVENT_POSITION, .position = {.term = 2, .seq = 9}});
	hear(&unit, (struct fo_mate_view){.state = FO_STATE_STANDBY_READY,
					  .term = 2,
					  .position = {.term = 2, .seq = 8},
					  .may_activate = true,
					  .wants_active = true});
	feed_type(&unit, FO_EVENT_OPERATOR_STANDBY);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
}

static void failover_active_asks_and_then_takes_over(void **state)
{
	struct unit unit = ready();
	struct fo_mate_view mate = {.state = FO_STATE_STANDBY_READY,
				    .term = 3,
				    .may_activate = true,
				    .wants_mate_active = true};

	(void)state;
	feed_type(&unit, FO_EVENT_OPERATOR_ACTIVE);
	assert_true(fo_fsm_view(&unit.fsm).wants_active);
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_ACTIVE_APPLYING_CONFIG, FO_REASON_CONFIG_COMMAND);
	assert_false(fo_fsm_view(&unit.fsm).wants_active);
}

static void a_request_that_nobody_heeds_ends(void **state)
{
	struct unit unit = ready();

	(void)state;
	feed_type(&unit, FO_EVENT_OPERATOR_ACTIVE);
	for (unsigned ms = 0; ms < 1000; ms += POLL_MS) {
		assert_true(fo_fsm_view(&unit.fsm).wants_active);
		hear(&unit, ACTIVE_MATE);
		pass_ms(&unit, POLL_MS);
	}
	assert_false(fo_fsm_view(&unit.fsm).wants_active);
}

static void a_handed_over_unit_proves_its_position(void **state)
{
	struct unit unit = active();
	struct fo_mate_view mate = {
		.state = FO_STATE_STANDBY_READY, .term = 2, .may_activate = true};

	(void)state;
	hear(&unit, mate);
	feed_type(&unit, FO_EVENT_OPERATOR_STANDBY);
	assert_in(&unit, FO_STATE_STANDBY_READY, FO_REASON_CONFIG_COMMAND);
	feed_type(&unit, FO_EVENT_RELEASED);
	mate = ACTIVE_MATE;
	mate.position.seq = 1;
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_STATE_CHECK);
}

static void a_mate_that_does_not_take_the_hand_over_is_not_waited_for(void **state)
{
	struct unit unit = active();
	struct fo_mate_view mate = {
		.state = FO_STATE_STANDBY_READY, .term = 2, .may_activate = true};

	(void)state;
	hear(&unit, mate);
	feed_type(&unit, FO_EVENT_OPERATOR_STANDBY);
	feed_type(&unit, FO_EVENT_RELEASED);
	for (unsigned ms = 0; ms < HOLD_MS; ms += POLL_MS) {
		hear(&unit, mate);
		pass_ms(&unit, POLL_MS);
	}
	assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_STATE_CHECK);
}

static void a_unit_with_failed_interfaces_hands_over_to_a_healthier_one(void **state)
{
	struct unit unit = active();
	struct fo_mate_view mate = {.state = FO_STATE_STANDBY_READY,
				    .term = 2,
				    .health = fo_health_of_interfaces(1, 1),
				    .may_activate = true};

	(void)state;
	hear(&unit, mate);
	fail_interfaces(&unit, 1);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	mate.health = fo_health_of_interfaces(0, 1);
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_STANDBY_READY, FO_REASON_INTERFACE_CHECK);
}

static void a_standby_with_failed_interfaces_fails_and_recovers(void **state)
{
	struct unit unit = ready();

	(void)state;
	fail_interfaces(&unit, 1);
	assert_in(&unit, FO_STATE_FAILED, FO_REASON_INTERFACE_CHECK);
	assert_false(fo_fsm_view(&unit.fsm).may_activate);
	fail_interfaces(&unit, 0);
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_INTERFACE_OK);
	assert_non_null(find(&unit, FO_ACTION_START_SYNC));
}

static void fail_by(struct unit *unit, uint32_t score, enum fo_cause cause)
{
	feed(unit, (struct fo_event){.type = FO_EVENT_HEALTH,
				     .health = {.score = score,
						.is_failing = score < FO_HEALTH_FULL,
						.cause = cause}});
}

static void what_is_no_interface_has_a_reason_of_its_own(void **state)
{
	static const struct {
		enum fo_cause cause;
		enum fo_reason reason;
	} CASES[] = {{FO_CAUSE_TRACK, FO_REASON_TRACK_DOWN},
		     {FO_CAUSE_SERVICE, FO_REASON_SERVICE_FAILED}};

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct unit unit = ready(), serving = active();

		fail_by(&unit, 500, CASES[i].cause);
		assert_in(&unit, FO_STATE_FAILED, CASES[i].reason);
		fail_by(&unit, FO_HEALTH_FULL, FO_CAUSE_INTERFACES);
		assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_HEALTH_OK);
		fail_by(&serving, 500, CASES[i].cause);
		hear(&serving, (struct fo_mate_view){.state = FO_STATE_STANDBY_READY,
						     .term = 2,
						     .health = fo_health_of_interfaces(0, 1),
						     .may_activate = true});
		assert_in(&serving, FO_STATE_STANDBY_READY, CASES[i].reason);
	}
}

static void a_bad_active_is_better_than_none(void **state)
{
	struct unit unit = ready();

	(void)state;
	fail_interfaces(&unit, 1);
	pass_ms(&unit, HOLD_MS);
	assert_in(&unit, FO_STATE_ACTIVE_APPLYING_CONFIG, FO_REASON_HELLO_NOT_HEARD);
}

static void failover_reset_brings_a_failed_unit_back(void **state)
{
	struct unit unit = ready();

	(void)state;
	fail_interfaces(&unit, 1);
	feed_type(&unit, FO_EVENT_OPERATOR_RESET);
	assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_CONFIG_COMMAND);
}

static void a_standby_without_a_store_is_not_eligible_until_it_is_back(void **state)
{
	struct unit unit = ready();

	(void)state;
	feed_type(&unit, FO_EVENT_STORE_FAILED);
	assert_in(&unit, FO_STATE_FAILED, FO_REASON_STORE_FAILED);
	pass_ms(&unit, 10 * HOLD_MS);
	assert_int_equal(unit.fsm.state, FO_STATE_FAILED);
	feed_type(&unit, FO_EVENT_STORE_OK);
	assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_STATE_CHECK);
}

static void an_active_without_a_store_stays_unless_somebody_is_ready(void **state)
{
	struct unit unit = active();

	(void)state;
	feed_type(&unit, FO_EVENT_STORE_FAILED);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	hear(&unit, (struct fo_mate_view){.state = FO_STATE_STANDBY_READY, .may_activate = true});
	assert_in(&unit, FO_STATE_FAILED, FO_REASON_STORE_FAILED);
	assert_non_null(find(&unit, FO_ACTION_RELEASE));
}

static void a_claim_that_fails_is_released_and_tried_again_later(void **state)
{
	struct unit unit = started(PRIMARY);

	(void)state;
	pass_ms(&unit, HOLD_MS);
	durable(&unit);
	feed_type(&unit, FO_EVENT_CLAIM_FAILED);
	assert_int_equal(unit.update.actions[0].type, FO_ACTION_RELEASE);
	assert_in(&unit, FO_STATE_FAILED, FO_REASON_PROGRESSION_FAILED);
	feed_type(&unit, FO_EVENT_RELEASED);
	pass_ms(&unit, 999);
	assert_int_equal(unit.fsm.state, FO_STATE_FAILED);
	pass_ms(&unit, 1);
	assert_int_equal(unit.fsm.state, FO_STATE_NEGOTIATION);
}

static void a_lone_firewall_serves_without_failover(void **state)
{
	struct fo_params params = PRIMARY;
	struct unit unit;

	(void)state;
	params.is_enabled = false;
	unit = started(params);
	durable(&unit);
	assert_int_equal(unit.fsm.state, FO_STATE_DISABLED);
	assert_non_null(find(&unit, FO_ACTION_CLAIM));
	feed_type(&unit, FO_EVENT_CLAIMED);
	assert_true(fo_fsm_is_active(&unit.fsm));
	params.is_enabled = true;
	feed(&unit, (struct fo_event){.type = FO_EVENT_PARAMS, .params = params});
	assert_in(&unit, FO_STATE_ACTIVE, FO_REASON_CONFIG_COMMAND);
	assert_null(find(&unit, FO_ACTION_RELEASE));
}

static void no_failover_freezes_the_role(void **state)
{
	struct unit one = active(), two = ready();
	struct fo_params params = PRIMARY;

	(void)state;
	params.is_enabled = false;
	feed(&one, (struct fo_event){.type = FO_EVENT_PARAMS, .params = params});
	assert_in(&one, FO_STATE_DISABLED, FO_REASON_CONFIG_COMMAND);
	assert_true(fo_fsm_is_active(&one.fsm));
	assert_true(fo_fsm_view(&one.fsm).is_serving);
	feed(&two, (struct fo_event){.type = FO_EVENT_PARAMS, .params = params});
	pass_ms(&two, 100 * HOLD_MS);
	assert_false(fo_fsm_is_active(&two.fsm));
	feed_type(&two, FO_EVENT_OPERATOR_ACTIVE);
	assert_true(fo_fsm_is_active(&two.fsm));
	assert_int_equal(two.fsm.state, FO_STATE_DISABLED);
}

static void a_shutdown_releases_says_so_and_stops(void **state)
{
	struct unit unit = active();

	(void)state;
	feed_type(&unit, FO_EVENT_SHUTDOWN);
	assert_int_equal(unit.update.actions[0].type, FO_ACTION_RELEASE);
	assert_null(find(&unit, FO_ACTION_STOPPED));
	assert_false(fo_fsm_view(&unit.fsm).is_leaving);
	feed_type(&unit, FO_EVENT_RELEASED);
	assert_true(index_of(&unit, FO_ACTION_SEND_HELLO) < index_of(&unit, FO_ACTION_STOPPED));
	assert_true(fo_fsm_view(&unit.fsm).is_leaving);
	assert_int_equal(fo_fsm_deadline(&unit.fsm).ns, MONOTIME_NEVER.ns);
}

static void every_state_and_reason_has_a_text(void **state)
{
	(void)state;
	for (enum fo_state s = 0; s < FO_STATE__MAX; s++)
		assert_string_not_equal(fo_state_text(s), "Unknown");
	for (enum fo_reason r = 0; r < FO_REASON__MAX; r++)
		assert_string_not_equal(fo_reason_text(r), "Unknown reason");
	for (enum fo_answer a = 0; a < FO_ANSWER__MAX; a++)
		assert_non_null(fo_answer_text(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mate_is_told_to_take_over_only_after_the_release),
		cmocka_unit_test(a_release_that_takes_long_is_no_silence),
		cmocka_unit_test(a_standby_that_lacks_something_is_not_handed_over_to),
		cmocka_unit_test(failover_active_asks_and_then_takes_over),
		cmocka_unit_test(a_request_that_nobody_heeds_ends),
		cmocka_unit_test(a_handed_over_unit_proves_its_position),
		cmocka_unit_test(a_mate_that_does_not_take_the_hand_over_is_not_waited_for),
		cmocka_unit_test(a_unit_with_failed_interfaces_hands_over_to_a_healthier_one),
		cmocka_unit_test(a_standby_with_failed_interfaces_fails_and_recovers),
		cmocka_unit_test(what_is_no_interface_has_a_reason_of_its_own),
		cmocka_unit_test(a_bad_active_is_better_than_none),
		cmocka_unit_test(failover_reset_brings_a_failed_unit_back),
		cmocka_unit_test(a_standby_without_a_store_is_not_eligible_until_it_is_back),
		cmocka_unit_test(an_active_without_a_store_stays_unless_somebody_is_ready),
		cmocka_unit_test(a_claim_that_fails_is_released_and_tried_again_later),
		cmocka_unit_test(a_lone_firewall_serves_without_failover),
		cmocka_unit_test(no_failover_freezes_the_role),
		cmocka_unit_test(a_shutdown_releases_says_so_and_stops),
		cmocka_unit_test(every_state_and_reason_has_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
