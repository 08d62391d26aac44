/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine in sentences: what a unit does when something happens, seen in its actions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fsm_world.h"

static void a_unit_that_starts_was_not_detected_before(void **state)
{
	struct unit unit = started(PRIMARY);
	const struct fo_action *action = find(&unit, FO_ACTION_TRANSITION);

	(void)state;
	assert_non_null(action);
	assert_int_equal(action->from, FO_STATE_NOT_DETECTED);
	assert_int_equal(action->to, FO_STATE_NEGOTIATION);
}

static void a_unit_that_hears_nobody_becomes_active_after_the_holdtime(void **state)
{
	struct unit unit = started(PRIMARY);

	(void)state;
	assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NONE);
	pass_ms(&unit, HOLD_MS - 1);
	assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NONE);
	pass_ms(&unit, 1);
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
	assert_null(find(&unit, FO_ACTION_CLAIM));
	assert_false(fo_fsm_view(&unit.fsm).is_serving);
	durable(&unit);
	assert_in(&unit, FO_STATE_ACTIVE_APPLYING_CONFIG, FO_REASON_NO_ACTIVE_FOUND);
	assert_true(index_of(&unit, FO_ACTION_SEND_HELLO) < index_of(&unit, FO_ACTION_CLAIM));
	assert_int_equal(find(&unit, FO_ACTION_CLAIM)->term, 2);
	feed_type(&unit, FO_EVENT_CLAIMED);
	assert_in(&unit, FO_STATE_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
	assert_true(find(&unit, FO_ACTION_PERSIST_TERM)->is_activation);
}

static void terms_of_the_units_never_meet(void **state)
{
	struct fo_params params = PRIMARY;

	(void)state;
	for (uint64_t seen = 0; seen < 6; seen++) {
		for (enum fo_unit u = FO_UNIT_PRIMARY; u < FO_UNIT__MAX; u++) {
			struct unit unit = {.now = {MONOTIME_NS_PER_SEC}};
			const struct fo_action *action;

			params.unit = u;
			fo_fsm_init(&unit.fsm);
			feed(&unit, (struct fo_event){.type = FO_EVENT_START,
						      .params = params,
						      .boot = {.promised_term = seen}});
			pass_ms(&unit, HOLD_MS);
			action = find(&unit, FO_ACTION_PERSIST_TERM);
			assert_non_null(action);
			assert_true(action->term > seen && action->term <= seen + 2);
			assert_int_equal(action->term % 2, u == FO_UNIT_PRIMARY ? 0 : 1);
		}
	}
}

static void a_unit_that_hears_an_active_mate_joins_it(void **state)
{
	struct unit unit = started(PRIMARY);

	(void)state;
	hear(&unit, ACTIVE_MATE);
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_ACTIVE_MATE);
	assert_non_null(find(&unit, FO_ACTION_START_SYNC));
	assert_null(find(&unit, FO_ACTION_KEEP_ORPHANS));
	assert_int_equal(unit.update.actions[0].type, FO_ACTION_PERSIST_TERM);
	assert_int_equal(unit.update.actions[0].term, 3);
	assert_true(unit.update.actions[0].is_activation);
}

static void an_empty_replacement_that_went_active_first_gives_way_to_the_data(void **state)
{
	struct unit unit = {.now = {MONOTIME_NS_PER_SEC}};
	struct fo_mate_view mate = ACTIVE_MATE;

	(void)state;
	fo_fsm_init(&unit.fsm);
	feed(&unit, (struct fo_event){.type = FO_EVENT_START,
				      .params = PRIMARY,
				      .boot = {.promised_term = 40,
					       .activated_term = 40,
					       .position = {.term = 40, .seq = 77}}});
	mate.term = 1;
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_STATE_CHECK);
	durable(&unit);
	assert_int_equal(find(&unit, FO_ACTION_CLAIM)->term, 42);
}

static void of_two_that_start_the_newer_data_win_then_health_then_the_primary(void **state)
{
	static const struct {
		uint64_t seq;
		uint32_t failed_interfaces;
		bool may_activate;
		enum fo_state expected;
	} CASES[] = {
		{5, 0, true, FO_STATE_JUST_ACTIVE}, {6, 0, true, FO_STATE_NEGOTIATION},
		{4, 0, true, FO_STATE_JUST_ACTIVE}, {5, 1, true, FO_STATE_JUST_ACTIVE},
		{6, 1, true, FO_STATE_NEGOTIATION}, {6, 0, false, FO_STATE_JUST_ACTIVE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct unit unit = {.now = {MONOTIME_NS_PER_SEC}};

		fo_fsm_init(&unit.fsm);
		feed(&unit, (struct fo_event){.type = FO_EVENT_START,
					      .params = PRIMARY,
					      .boot = {.position = {.term = 2, .seq = 5}}});
		stand_beside(&unit,
			     (struct fo_mate_view){.state = FO_STATE_NEGOTIATION,
						   .position = {.term = 2, .seq = CASES[i].seq},
						   .health = fo_health_of_interfaces(
							   CASES[i].failed_interfaces, 1),
						   .may_activate = CASES[i].may_activate});
		assert_int_equal(unit.fsm.state, CASES[i].expected);
	}
}

static void the_loser_of_an_election_does_not_wait_for_ever(void **state)
{
	struct unit unit = started(PRIMARY);
	struct fo_mate_view mate = {.state = FO_STATE_NEGOTIATION,
				    .may_activate = true,
				    .position = {.term = 1, .seq = 1}};

	(void)state;
	for (unsigned ms = 0; ms < 2 * HOLD_MS; ms += POLL_MS) {
		hear(&unit, mate);
		assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NONE);
		pass_ms(&unit, POLL_MS);
	}
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
}

/* It could not make its claim durable, say, and is well again just when the loser's patience ends.
 */
static void the_loser_waits_for_a_winner_that_tries_again(void **state)
{
	struct unit unit = started(PRIMARY);
	struct fo_mate_view mate = {.state = FO_STATE_NEGOTIATION,
				    .may_activate = true,
				    .position = {.term = 1, .seq = 1}};

	(void)state;
	for (unsigned ms = 0; ms < 2 * HOLD_MS - 2 * POLL_MS; ms += POLL_MS) {
		hear(&unit, mate);
		pass_ms(&unit, POLL_MS);
	}
	mate.state = FO_STATE_FAILED;
	hear(&unit, mate);
	pass_ms(&unit, POLL_MS);
	mate.state = FO_STATE_NEGOTIATION;
	for (unsigned ms = 0; ms < 2 * HOLD_MS; ms += POLL_MS) {
		hear(&unit, mate);
		assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NONE);
		pass_ms(&unit, POLL_MS);
	}
	pass_ms(&unit, 2 * POLL_MS);
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
}

/* Neither may serve for long; then this unit may, and just before it would go on the mate may, too,
 * which has the newer data. */
static void the_loser_waits_for_a_winner_that_leaves_maintenance_after_it(void **state)
{
	struct unit unit = started(PRIMARY);
	struct fo_mate_view mate = {.state = FO_STATE_NEGOTIATION,
				    .is_maintenance = true,
				    .position = {.term = 1, .seq = 1}};

	(void)state;
	feed(&unit, (struct fo_event){.type = FO_EVENT_OPERATOR_MAINTENANCE, .is_on = true});
	for (unsigned ms = 0; ms < 10 * HOLD_MS; ms += POLL_MS) {
		hear(&unit, mate);
		pass_ms(&unit, POLL_MS);
	}
	feed(&unit, (struct fo_event){.type = FO_EVENT_OPERATOR_MAINTENANCE});
	pass_ms(&unit, 3 * POLL_MS / 2);
	mate.is_maintenance = false;
	mate.may_activate = true;
	for (unsigned ms = 0; ms < 2 * HOLD_MS; ms += POLL_MS) {
		hear(&unit, mate);
		assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NONE);
		pass_ms(&unit, POLL_MS);
	}
	pass_ms(&unit, POLL_MS);
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
}

/* It may have counted its own time anew for the same reason. */
static void a_turn_that_was_this_units_in_between_gives_the_mate_its_time_again(void **state)
{
	struct unit unit = started(PRIMARY);
	struct fo_mate_view mate = {.state = FO_STATE_NEGOTIATION, .may_activate = true};

	(void)state;
	fail_interfaces(&unit, 1);
	for (unsigned ms = 0; ms < 2 * HOLD_MS - POLL_MS; ms += POLL_MS) {
		hear(&unit, mate);
		pass_ms(&unit, POLL_MS);
	}
	fail_interfaces(&unit, 0);
	pass_ms(&unit, POLL_MS);
	fail_interfaces(&unit, 1);
	for (unsigned ms = 0; ms < 2 * HOLD_MS; ms += POLL_MS) {
		hear(&unit, mate);
		assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NONE);
		pass_ms(&unit, POLL_MS);
	}
	pass_ms(&unit, POLL_MS);
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
}

/* Within a holdtime, so that it was heard all the while: it has to listen first, as any other. */
static void the_loser_waits_for_a_winner_that_was_restarted(void **state)
{
	struct unit unit = started(PRIMARY);
	struct fo_mate_view mate = {.state = FO_STATE_NEGOTIATION,
				    .may_activate = true,
				    .health = {.score = FO_HEALTH_FULL},
				    .position = {.term = 1, .seq = 1}};

	(void)state;
	for (unsigned ms = 0; ms < 2 * HOLD_MS - POLL_MS; ms += POLL_MS) {
		hear(&unit, mate);
		pass_ms(&unit, POLL_MS);
	}
	feed(&unit, (struct fo_event){.type = FO_EVENT_HELLO, .mate = mate, .is_mate_new = true});
	for (unsigned ms = 0; ms < 2 * HOLD_MS; ms += POLL_MS) {
		assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NONE);
		hear(&unit, mate);
		pass_ms(&unit, POLL_MS);
	}
	pass_ms(&unit, POLL_MS);
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
}

/* How long UNIT waits for a mate that dies before it serves, and is there again before it is silent
 * for a holdtime. */
static unsigned beside_one_that_dies_ms(struct unit *unit, struct fo_mate_view mate)
{
	unsigned ms = 0;

	for (; unit->fsm.state != FO_STATE_JUST_ACTIVE && !fo_fsm_is_active(&unit->fsm); ms++) {
		bool is_new = ms % (HOLD_MS * 3 / 2) == 0;

		assert_true(ms < 20 * HOLD_MS);
		if (is_new || ms % POLL_MS == 0)
			feed(unit, (struct fo_event){.type = FO_EVENT_HELLO,
						     .mate = mate,
						     .is_mate_new = is_new});
		pass_ms(unit, 1);
	}
	return ms;
}

static void a_winner_that_dies_again_and_again_is_not_waited_for_without_end(void **state)
{
	struct unit starts = started(PRIMARY), stood_by = ready();
	struct fo_mate_view mate = {.state = FO_STATE_NEGOTIATION,
				    .may_activate = true,
				    .term = 3,
				    .health = {.score = FO_HEALTH_FULL},
				    .position = {.term = 3, .seq = 1}};

	(void)state;
	assert_in_range(beside_one_that_dies_ms(&starts, mate), 2 * HOLD_MS, 4 * HOLD_MS + POLL_MS);
	/* What served until then was its mate: a holdtime before it negotiates. */
	assert_in_range(beside_one_that_dies_ms(&stood_by, mate), 2 * HOLD_MS,
			5 * HOLD_MS + 2 * POLL_MS);
}

static void the_loser_waits_for_a_winner_that_is_about_to_begin(void **state)
{
	struct unit unit = started(PRIMARY);
	struct fo_mate_view mate = {.state = FO_STATE_JUST_ACTIVE,
				    .may_activate = true,
				    .position = {.term = 1, .seq = 1}};

	(void)state;
	for (unsigned ms = 0; ms < 10 * HOLD_MS; ms += POLL_MS) {
		hear(&unit, mate);
		pass_ms(&unit, POLL_MS);
		assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NONE);
	}
	mate.state = FO_STATE_FAILED;
	mate.may_activate = false;
	pass_ms(&unit, 2 * POLL_MS);
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
}

static void a_winner_whose_term_does_not_become_durable_gives_up_while_the_loser_waits(void **state)
{
	struct unit unit = started(PRIMARY);
	struct fo_mate_view mate = {.state = FO_STATE_NEGOTIATION, .may_activate = true};

	(void)state;
	hear(&unit, mate);
	for (unsigned ms = 0; unit.fsm.state == FO_STATE_NEGOTIATION && ms < HOLD_MS; ms++) {
		pass_ms(&unit, 1);
		hear(&unit, mate);
	}
	for (unsigned ms = POLL_MS; ms < 1000; ms += POLL_MS) {
		assert_int_equal(unit.fsm.state, FO_STATE_JUST_ACTIVE);
		hear(&unit, mate);
		pass_ms(&unit, POLL_MS);
	}
	hear(&unit, mate);
	pass_ms(&unit, POLL_MS);
	assert_in(&unit, FO_STATE_FAILED, FO_REASON_PROGRESSION_FAILED);
	assert_false(fo_fsm_view(&unit.fsm).may_activate);
}

static void a_standby_takes_over_at_once_since_its_term_was_promised(void **state)
{
	struct unit unit = ready();

	(void)state;
	pass_ms(&unit, HOLD_MS - 1);
	assert_int_equal(unit.fsm.state, FO_STATE_STANDBY_READY);
	pass_ms(&unit, 1);
	assert_in(&unit, FO_STATE_ACTIVE_APPLYING_CONFIG, FO_REASON_HELLO_NOT_HEARD);
	assert_int_equal(find(&unit, FO_ACTION_CLAIM)->term, 4);
	assert_true(fo_fsm_is_active(&unit.fsm));
}

static void only_a_tick_makes_silence_of_a_gap(void **state)
{
	struct unit unit = ready();

	(void)state;
	unit.now = monotime_add_ms(unit.now, 10 * HOLD_MS);
	hear(&unit, ACTIVE_MATE);
	feed_type(&unit, FO_EVENT_TICK);
	assert_int_equal(unit.fsm.state, FO_STATE_STANDBY_READY);
}

static void a_mate_that_leaves_is_replaced_at_once(void **state)
{
	struct unit unit = ready();

	(void)state;
	hear(&unit,
	     (struct fo_mate_view){.state = FO_STATE_DISABLED, .term = 3, .is_leaving = true});
	assert_in(&unit, FO_STATE_ACTIVE_APPLYING_CONFIG, FO_REASON_LEAVING);
}

static void a_newer_activation_of_the_mate_is_learned_and_promised_past(void **state)
{
	struct unit unit = ready();
	struct fo_mate_view mate = ACTIVE_MATE;

	(void)state;
	mate.term = 7;
	hear(&unit, mate);
	assert_int_equal(unit.update.n_actions, 2);
	assert_int_equal(unit.update.actions[0].term, 7);
	assert_true(unit.update.actions[0].is_activation);
	assert_int_equal(unit.update.actions[1].term, 8);
	assert_false(unit.update.actions[1].is_activation);
}

static void write_standby_shows_the_ladder_again(void **state)
{
	struct unit unit = ready();

	(void)state;
	feed_type(&unit, FO_EVENT_SYNC_STARTED);
	assert_int_equal(unit.update.actions[0].to, FO_STATE_COLD_STANDBY);
	assert_int_equal(unit.update.actions[0].reason, FO_REASON_WRITE_STANDBY);
	assert_in(&unit, FO_STATE_SYNC_CONFIG, FO_REASON_WRITE_STANDBY);
}

static void a_failed_replication_is_tried_again_after_a_second(void **state)
{
	struct unit unit = started(PRIMARY);

	(void)state;
	hear(&unit, ACTIVE_MATE);
	feed_type(&unit, FO_EVENT_SYNC_STARTED);
	feed_type(&unit, FO_EVENT_SYNC_FAILED);
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_SYNC_FAILED);
	for (unsigned ms = 0; ms < 1000; ms += POLL_MS) {
		assert_null(find(&unit, FO_ACTION_START_SYNC));
		hear(&unit, ACTIVE_MATE);
		pass_ms(&unit, POLL_MS);
	}
	assert_non_null(find(&unit, FO_ACTION_START_SYNC));
}

static void of_two_actives_the_older_term_gives_way_and_keeps_its_orphans(void **state)
{
	struct unit unit = active();
	struct fo_mate_view mate = ACTIVE_MATE;

	(void)state;
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_OLDER_TERM);
	assert_true(index_of(&unit, FO_ACTION_RELEASE) < index_of(&unit, FO_ACTION_TRANSITION));
	assert_int_equal(find(&unit, FO_ACTION_KEEP_ORPHANS)->term, 2);
	assert_true(index_of(&unit, FO_ACTION_KEEP_ORPHANS) <
		    index_of(&unit, FO_ACTION_START_SYNC));
	assert_false(fo_fsm_is_active(&unit.fsm));
}

static void a_mate_that_comes_back_makes_the_active_announce_again(void **state)
{
	struct unit unit = active();
	struct fo_mate_view mate = {
		.state = FO_STATE_STANDBY_READY, .term = 2, .may_activate = true};

	(void)state;
	hear(&unit, mate);
	assert_non_null(find(&unit, FO_ACTION_ANNOUNCE));
	hear(&unit, mate);
	assert_null(find(&unit, FO_ACTION_ANNOUNCE));
}

static void a_mate_that_begins_anew_makes_the_active_announce_again(void **state)
{
	struct unit unit = active();
	struct fo_mate_view mate = {.state = FO_STATE_NEGOTIATION, .term = 2, .may_activate = true};

	(void)state;
	hear(&unit, mate);
	hear(&unit, mate);
	assert_null(find(&unit, FO_ACTION_ANNOUNCE));
	mate.state = FO_STATE_COLD_STANDBY;
	hear(&unit, mate);
	assert_non_null(find(&unit, FO_ACTION_ANNOUNCE));
	mate.state = FO_STATE_STANDBY_READY;
	hear(&unit, mate);
	assert_null(find(&unit, FO_ACTION_ANNOUNCE));
	mate.state = FO_STATE_BULK_SYNC;
	hear(&unit, mate);
	assert_non_null(find(&unit, FO_ACTION_ANNOUNCE));
}

static void of_two_actives_the_newer_term_announces_again(void **state)
{
	struct unit unit = active();
	struct fo_mate_view mate = ACTIVE_MATE;

	(void)state;
	mate.term = 1;
	hear(&unit, mate);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	assert_non_null(find(&unit, FO_ACTION_ANNOUNCE));
	assert_non_null(find(&unit, FO_ACTION_SEND_HELLO));
	hear(&unit, mate);
	assert_null(find(&unit, FO_ACTION_ANNOUNCE));
	mate.is_serving = false;
	mate.state = FO_STATE_COLD_STANDBY;
	hear(&unit, mate);
	assert_non_null(find(&unit, FO_ACTION_ANNOUNCE));
}

static void a_silent_standby_does_not_disturb_the_active(void **state)
{
	struct unit unit = active();

	(void)state;
	hear(&unit, (struct fo_mate_view){.state = FO_STATE_STANDBY_READY, .may_activate = true});
	for (unsigned ms = 0; ms < 10 * HOLD_MS; ms += POLL_MS)
		pass_ms(&unit, POLL_MS);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	assert_int_equal(unit.update.n_actions, 1);
	assert_int_equal(unit.update.actions[0].type, FO_ACTION_SEND_HELLO);
}

static void an_active_that_stood_still_releases_before_anything_else(void **state)
{
	struct unit unit = active();

	(void)state;
	unit.now = monotime_add_ms(unit.now, 5 * HOLD_MS);
	feed_type(&unit, FO_EVENT_NOT_SCHEDULED);
	assert_int_equal(unit.update.actions[0].type, FO_ACTION_RELEASE);
	assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NOT_SCHEDULED);
}

static void a_standby_that_stood_still_does_not_steal(void **state)
{
	struct unit unit = ready();

	(void)state;
	unit.now = monotime_add_ms(unit.now, 5 * HOLD_MS);
	feed_type(&unit, FO_EVENT_NOT_SCHEDULED);
	pass_ms(&unit, HOLD_MS - 1);
	assert_int_equal(unit.fsm.state, FO_STATE_STANDBY_READY);
}

/* Its own hello, to be said at once: a tick then says it. */
static bool polls_now(const struct unit *unit)
{
	return monotime_reached(unit->now, fo_fsm_deadline(&unit->fsm));
}

static void a_hello_that_comes_within_half_a_polltime_of_ours_is_met_by_ours(void **state)
{
	struct unit unit = ready();

	(void)state;
	pass_ms(&unit, POLL_MS);
	assert_non_null(find(&unit, FO_ACTION_SEND_HELLO));
	unit.now = monotime_add_ms(unit.now, POLL_MS / 2 - 1);
	hear(&unit, ACTIVE_MATE);
	assert_false(polls_now(&unit));
	unit.now = monotime_add_ms(unit.now, 1);
	hear(&unit, ACTIVE_MATE);
	assert_true(polls_now(&unit));
	pass_ms(&unit, 0);
	assert_non_null(find(&unit, FO_ACTION_SEND_HELLO));
	/* What answers it says nothing more. */
	hear(&unit, ACTIVE_MATE);
	assert_false(polls_now(&unit));
	pass_ms(&unit, 0);
	assert_null(find(&unit, FO_ACTION_SEND_HELLO));
	pass_ms(&unit, POLL_MS - 1);
	assert_null(find(&unit, FO_ACTION_SEND_HELLO));
	pass_ms(&unit, 1);
	assert_non_null(find(&unit, FO_ACTION_SEND_HELLO));
}

static void at_milliseconds_a_unit_polls_by_its_own_clock(void **state)
{
	struct unit unit = ready();
	struct fo_params params = unit.fsm.params;

	(void)state;
	params.poll_ms = 5;
	params.hold_ms = 15;
	feed(&unit, (struct fo_event){.type = FO_EVENT_PARAMS, .params = params});
	pass_ms(&unit, 5);
	unit.now = monotime_add_ms(unit.now, 4);
	hear(&unit, ACTIVE_MATE);
	assert_false(polls_now(&unit));
	pass_ms(&unit, 1);
	assert_non_null(find(&unit, FO_ACTION_SEND_HELLO));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_unit_that_starts_was_not_detected_before),
		cmocka_unit_test(a_unit_that_hears_nobody_becomes_active_after_the_holdtime),
		cmocka_unit_test(terms_of_the_units_never_meet),
		cmocka_unit_test(a_unit_that_hears_an_active_mate_joins_it),
		cmocka_unit_test(an_empty_replacement_that_went_active_first_gives_way_to_the_data),
		cmocka_unit_test(of_two_that_start_the_newer_data_win_then_health_then_the_primary),
		cmocka_unit_test(the_loser_of_an_election_does_not_wait_for_ever),
		cmocka_unit_test(the_loser_waits_for_a_winner_that_tries_again),
		cmocka_unit_test(the_loser_waits_for_a_winner_that_leaves_maintenance_after_it),
		cmocka_unit_test(
			a_turn_that_was_this_units_in_between_gives_the_mate_its_time_again),
		cmocka_unit_test(the_loser_waits_for_a_winner_that_was_restarted),
		cmocka_unit_test(a_winner_that_dies_again_and_again_is_not_waited_for_without_end),
		cmocka_unit_test(the_loser_waits_for_a_winner_that_is_about_to_begin),
		cmocka_unit_test(
			a_winner_whose_term_does_not_become_durable_gives_up_while_the_loser_waits),
		cmocka_unit_test(a_standby_takes_over_at_once_since_its_term_was_promised),
		cmocka_unit_test(only_a_tick_makes_silence_of_a_gap),
		cmocka_unit_test(a_mate_that_leaves_is_replaced_at_once),
		cmocka_unit_test(a_newer_activation_of_the_mate_is_learned_and_promised_past),
		cmocka_unit_test(write_standby_shows_the_ladder_again),
		cmocka_unit_test(a_failed_replication_is_tried_again_after_a_second),
		cmocka_unit_test(of_two_actives_the_older_term_gives_way_and_keeps_its_orphans),
		cmocka_unit_test(a_mate_that_comes_back_makes_the_active_announce_again),
		cmocka_unit_test(a_mate_that_begins_anew_makes_the_active_announce_again),
		cmocka_unit_test(of_two_actives_the_newer_term_announces_again),
		cmocka_unit_test(a_silent_standby_does_not_disturb_the_active),
		cmocka_unit_test(an_active_that_stood_still_releases_before_anything_else),
		cmocka_unit_test(a_standby_that_stood_still_does_not_steal),
		cmocka_unit_test(a_hello_that_comes_within_half_a_polltime_of_ours_is_met_by_ours),
		cmocka_unit_test(at_milliseconds_a_unit_polls_by_its_own_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
