/* SPDX-License-Identifier: Apache-2.0 */
/* An operator's word: forced commands, maintenance, and what is answered to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fsm_world.h"

/* Of the mate that the active unit of this file has. */
static struct fo_mate_view standby_view(enum fo_state state, uint64_t seq)
{
	return (struct fo_mate_view){.state = state,
				     .term = 2,
				     .position = {.term = 2, .seq = seq},
				     .may_activate = state != FO_STATE_FAILED};
}

/* Active in term 2, with the position 2.9. */
static struct unit active_with_data(void)
{
	struct unit unit = active();

	feed(&unit,
	     (struct fo_event){.type = FO_EVENT_POSITION, .position = {.term = 2, .seq = 9}});
	return unit;
}

static void order(struct unit *unit, enum fo_event_type type, bool is_forced)
{
	feed(unit, (struct fo_event){.type = type, .is_forced = is_forced});
}

static void maintain(struct unit *unit, bool is_on)
{
	feed(unit, (struct fo_event){.type = FO_EVENT_OPERATOR_MAINTENANCE, .is_on = is_on});
}

/* ---- answers ---- */

static void a_command_for_the_role_that_a_unit_has_is_answered_and_does_nothing(void **state)
{
	struct unit one = active_with_data(), two = ready();

	(void)state;
	assert_int_equal(fo_fsm_ask(&one.fsm, true, false), FO_ANSWER_ALREADY);
	assert_int_equal(fo_fsm_ask(&two.fsm, false, true), FO_ANSWER_ALREADY);
	order(&one, FO_EVENT_OPERATOR_ACTIVE, true);
	assert_int_equal(one.update.n_actions, 0);
	order(&two, FO_EVENT_OPERATOR_STANDBY, true);
	assert_int_equal(two.update.n_actions, 0);
}

static void frozen_roles_stay_while_the_mate_serves(void **state)
{
	struct unit unit = ready();
	struct fo_event off = {.type = FO_EVENT_PARAMS, .params = unit.fsm.params};

	(void)state;
	off.params.is_enabled = false;
	feed(&unit, off);
	assert_int_equal(unit.fsm.state, FO_STATE_DISABLED);
	assert_int_equal(fo_fsm_ask(&unit.fsm, true, true), FO_ANSWER_OFF);
	order(&unit, FO_EVENT_OPERATOR_ACTIVE, true);
	assert_null(find(&unit, FO_ACTION_CLAIM));
	pass_ms(&unit, HOLD_MS);
	order(&unit, FO_EVENT_OPERATOR_ACTIVE, false);
	assert_non_null(find(&unit, FO_ACTION_CLAIM));
}

static void what_speaks_against_a_hand_over_is_named(void **state)
{
	struct unit unit = active_with_data();
	struct fo_mate_view mate = standby_view(FO_STATE_STANDBY_READY, 9);

	(void)state;
	assert_int_equal(fo_fsm_ask(&unit.fsm, false, true), FO_ANSWER_NO_MATE);
	hear(&unit, mate);
	assert_int_equal(fo_fsm_ask(&unit.fsm, false, false), FO_ANSWER_GO);
	hear(&unit, standby_view(FO_STATE_STANDBY_READY, 8));
	assert_int_equal(fo_fsm_ask(&unit.fsm, false, false), FO_ANSWER_NOT_LEVEL);
	hear(&unit, standby_view(FO_STATE_COLD_STANDBY, 9));
	assert_int_equal(fo_fsm_ask(&unit.fsm, false, false), FO_ANSWER_NOT_READY);
	assert_int_equal(fo_fsm_ask(&unit.fsm, false, true), FO_ANSWER_GO);
	mate.is_maintenance = true;
	hear(&unit, mate);
	assert_int_equal(fo_fsm_ask(&unit.fsm, false, true), FO_ANSWER_MAINTENANCE);
	mate = (struct fo_mate_view){.state = FO_STATE_COLD_STANDBY, .may_activate = true};
	hear(&unit, mate);
	assert_int_equal(fo_fsm_ask(&unit.fsm, false, true), FO_ANSWER_NO_DATA);
	order(&unit, FO_EVENT_OPERATOR_STANDBY, true);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
}

static void an_empty_unit_is_not_made_active_beside_data_not_even_by_force(void **state)
{
	struct unit unit = started(PRIMARY);
	struct fo_mate_view mate = ACTIVE_MATE;

	(void)state;
	mate.position = (struct fo_position){.term = 3, .seq = 7};
	hear(&unit, mate);
	assert_int_equal(fo_fsm_ask(&unit.fsm, true, true), FO_ANSWER_NO_DATA);
	order(&unit, FO_EVENT_OPERATOR_ACTIVE, true);
	assert_false(fo_fsm_view(&unit.fsm).wants_active);
}

/* ---- by force ---- */

static void a_standby_that_is_not_ready_asks_by_force_only(void **state)
{
	struct unit unit = started(PRIMARY);

	(void)state;
	hear(&unit, ACTIVE_MATE);
	assert_int_equal(unit.fsm.state, FO_STATE_COLD_STANDBY);
	order(&unit, FO_EVENT_OPERATOR_ACTIVE, false);
	assert_false(fo_fsm_view(&unit.fsm).wants_active);
	order(&unit, FO_EVENT_OPERATOR_ACTIVE, true);
	assert_true(fo_fsm_view(&unit.fsm).wants_active && fo_fsm_view(&unit.fsm).is_forced);
	assert_non_null(find(&unit, FO_ACTION_SEND_HELLO));
	assert_null(find(&unit, FO_ACTION_CLAIM));
}

static void a_forced_unit_claims_only_when_the_active_has_released(void **state)
{
	struct unit unit = started(PRIMARY);
	struct fo_mate_view mate = ACTIVE_MATE;

	(void)state;
	hear(&unit, mate);
	durable(&unit);
	feed(&unit, (struct fo_event){.type = FO_EVENT_TERM_DURABLE, .term = 4});
	order(&unit, FO_EVENT_OPERATOR_ACTIVE, true);
	mate.state = FO_STATE_COLD_STANDBY;
	hear(&unit, mate);
	assert_null(find(&unit, FO_ACTION_CLAIM));
	mate.is_serving = false;
	hear(&unit, mate);
	assert_null(find(&unit, FO_ACTION_CLAIM));
	mate.wants_mate_active = true;
	hear(&unit, mate);
	assert_non_null(find(&unit, FO_ACTION_STOP_SYNC));
	assert_int_equal(find(&unit, FO_ACTION_CLAIM)->term, 4);
	assert_in(&unit, FO_STATE_ACTIVE_APPLYING_CONFIG, FO_REASON_CONFIG_COMMAND);
}

static void a_wish_from_before_its_activation_does_not_move_an_active_unit(void **state)
{
	struct unit unit = active_with_data();
	struct fo_mate_view mate = standby_view(FO_STATE_COLD_STANDBY, 5);

	(void)state;
	mate.wants_active = true;
	hear(&unit, mate);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	mate.is_forced = true;
	mate.term = 1;
	hear(&unit, mate);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	mate.term = 2;
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_WANTS_ME_STANDBY);
	assert_int_equal(unit.update.actions[0].type, FO_ACTION_RELEASE);
	assert_false(fo_fsm_view(&unit.fsm).wants_mate_active);
	feed_type(&unit, FO_EVENT_RELEASED);
	assert_true(fo_fsm_view(&unit.fsm).wants_mate_active);
	assert_non_null(find(&unit, FO_ACTION_SEND_HELLO));
}

static void what_a_forced_hand_over_leaves_behind_is_kept(void **state)
{
	struct unit unit = active_with_data();
	struct fo_mate_view mate = standby_view(FO_STATE_BULK_SYNC, 5);

	(void)state;
	hear(&unit, mate);
	order(&unit, FO_EVENT_OPERATOR_STANDBY, false);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	order(&unit, FO_EVENT_OPERATOR_STANDBY, true);
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_CONFIG_COMMAND);
	feed_type(&unit, FO_EVENT_RELEASED);
	mate = ACTIVE_MATE;
	mate.position = (struct fo_position){.term = 2, .seq = 5};
	hear(&unit, mate);
	assert_non_null(find(&unit, FO_ACTION_KEEP_ORPHANS));
	assert_true(index_of(&unit, FO_ACTION_KEEP_ORPHANS) <
		    index_of(&unit, FO_ACTION_START_SYNC));
}

static void it_is_kept_even_where_the_data_are_quicker_than_the_word(void **state)
{
	struct unit unit = active_with_data();

	(void)state;
	hear(&unit, standby_view(FO_STATE_BULK_SYNC, 5));
	order(&unit, FO_EVENT_OPERATOR_STANDBY, true);
	feed_type(&unit, FO_EVENT_SYNC_STARTED);
	assert_int_equal(find(&unit, FO_ACTION_KEEP_ORPHANS)->term, 2);
}

static void a_failed_unit_that_was_forced_active_is_not_contradicted_at_once(void **state)
{
	struct unit unit = ready();
	struct fo_mate_view mate = ACTIVE_MATE;

	(void)state;
	fail_interfaces(&unit, 1);
	assert_int_equal(unit.fsm.state, FO_STATE_FAILED);
	order(&unit, FO_EVENT_OPERATOR_ACTIVE, true);
	mate.state = FO_STATE_STANDBY_READY;
	mate.is_serving = false;
	mate.wants_mate_active = true;
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_ACTIVE_APPLYING_CONFIG, FO_REASON_CONFIG_COMMAND);
	feed_type(&unit, FO_EVENT_CLAIMED);
	mate.term = 4;
	mate.wants_mate_active = false;
	hear(&unit, mate);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	fail_interfaces(&unit, 2);
	assert_in(&unit, FO_STATE_STANDBY_READY, FO_REASON_INTERFACE_CHECK);
}

/* What the forced one said before it claims may be all that is heard of it for a while. */
static void an_idle_unit_steps_back_for_a_forced_one_before_it_answers(void **state)
{
	struct unit unit = started(PRIMARY);
	struct fo_mate_view mate = {.state = FO_STATE_NEGOTIATION,
				    .may_activate = true,
				    .wants_active = true,
				    .is_forced = true};

	(void)state;
	pass_ms(&unit, 2 * POLL_MS);
	hear(&unit, mate);
	assert_int_equal(unit.fsm.state, FO_STATE_NEGOTIATION);
	assert_true(fo_fsm_view(&unit.fsm).wants_mate_active);
	assert_non_null(find(&unit, FO_ACTION_SEND_HELLO));
	mate.wants_active = mate.is_forced = false;
	for (unsigned ms = 0; ms < 2 * HOLD_MS - POLL_MS; ms += POLL_MS) {
		pass_ms(&unit, POLL_MS);
		hear(&unit, mate);
		assert_int_equal(unit.fsm.state, FO_STATE_NEGOTIATION);
	}
	pass_ms(&unit, POLL_MS);
	hear(&unit, mate);
	assert_int_equal(unit.fsm.state, FO_STATE_JUST_ACTIVE);
}

/* ---- maintenance ---- */

static void a_unit_in_maintenance_does_not_take_over_from_a_lost_mate(void **state)
{
	struct unit unit = ready();

	(void)state;
	maintain(&unit, true);
	assert_true(fo_fsm_view(&unit.fsm).is_maintenance);
	assert_false(fo_fsm_view(&unit.fsm).may_activate);
	pass_ms(&unit, HOLD_MS);
	assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_HELLO_NOT_HEARD);
	for (unsigned i = 0; i < 10; i++)
		pass_ms(&unit, HOLD_MS);
	assert_int_equal(unit.fsm.state, FO_STATE_NEGOTIATION);
	feed_type(&unit, FO_EVENT_OPERATOR_ACTIVE);
	assert_in(&unit, FO_STATE_ACTIVE_APPLYING_CONFIG, FO_REASON_CONFIG_COMMAND);
}

static void the_end_of_maintenance_makes_a_lone_unit_active(void **state)
{
	struct unit unit = started(PRIMARY);

	(void)state;
	maintain(&unit, true);
	pass_ms(&unit, HOLD_MS);
	pass_ms(&unit, HOLD_MS);
	assert_int_equal(unit.fsm.state, FO_STATE_NEGOTIATION);
	maintain(&unit, false);
	pass_ms(&unit, HOLD_MS);
	assert_int_equal(unit.fsm.state, FO_STATE_JUST_ACTIVE);
}

static void maintenance_of_the_active_hands_over_where_nothing_is_lost(void **state)
{
	struct unit unit = active_with_data();

	(void)state;
	hear(&unit, standby_view(FO_STATE_STANDBY_READY, 8));
	maintain(&unit, true);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	hear(&unit, standby_view(FO_STATE_STANDBY_READY, 9));
	maintain(&unit, true);
	assert_in(&unit, FO_STATE_STANDBY_READY, FO_REASON_CONFIG_COMMAND);
}

static void an_active_does_not_hand_over_to_a_mate_in_maintenance_unless_it_asks(void **state)
{
	struct unit unit = active_with_data();
	struct fo_mate_view mate = standby_view(FO_STATE_STANDBY_READY, 9);

	(void)state;
	mate.is_maintenance = true;
	mate.may_activate = false;
	hear(&unit, mate);
	fail_interfaces(&unit, 1);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	mate.wants_active = mate.may_activate = true;
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_STANDBY_READY, FO_REASON_WANTS_ME_STANDBY);
}

static void of_two_in_maintenance_neither_serves_until_one_is_told_to(void **state)
{
	struct unit unit = started(PRIMARY);
	struct fo_mate_view mate = {.state = FO_STATE_NEGOTIATION, .is_maintenance = true};

	(void)state;
	maintain(&unit, true);
	for (unsigned ms = 0; ms < 10 * HOLD_MS; ms += POLL_MS) {
		hear(&unit, mate);
		pass_ms(&unit, POLL_MS);
	}
	assert_int_equal(unit.fsm.state, FO_STATE_NEGOTIATION);
	feed_type(&unit, FO_EVENT_OPERATOR_ACTIVE);
	hear(&unit, mate);
	assert_int_equal(unit.fsm.state, FO_STATE_NEGOTIATION);
	pass_ms(&unit, 2 * POLL_MS);
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_CONFIG_COMMAND);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(
			a_command_for_the_role_that_a_unit_has_is_answered_and_does_nothing),
		cmocka_unit_test(frozen_roles_stay_while_the_mate_serves),
		cmocka_unit_test(what_speaks_against_a_hand_over_is_named),
		cmocka_unit_test(an_empty_unit_is_not_made_active_beside_data_not_even_by_force),
		cmocka_unit_test(a_standby_that_is_not_ready_asks_by_force_only),
		cmocka_unit_test(a_forced_unit_claims_only_when_the_active_has_released),
		cmocka_unit_test(a_wish_from_before_its_activation_does_not_move_an_active_unit),
		cmocka_unit_test(what_a_forced_hand_over_leaves_behind_is_kept),
		cmocka_unit_test(it_is_kept_even_where_the_data_are_quicker_than_the_word),
		cmocka_unit_test(a_failed_unit_that_was_forced_active_is_not_contradicted_at_once),
		cmocka_unit_test(an_idle_unit_steps_back_for_a_forced_one_before_it_answers),
		cmocka_unit_test(a_unit_in_maintenance_does_not_take_over_from_a_lost_mate),
		cmocka_unit_test(the_end_of_maintenance_makes_a_lone_unit_active),
		cmocka_unit_test(maintenance_of_the_active_hands_over_where_nothing_is_lost),
		cmocka_unit_test(
			an_active_does_not_hand_over_to_a_mate_in_maintenance_unless_it_asks),
		cmocka_unit_test(of_two_in_maintenance_neither_serves_until_one_is_told_to),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
