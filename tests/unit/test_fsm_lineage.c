/* SPDX-License-Identifier: Apache-2.0 */
/* A unit was replaced: whose data are the pair's, whatever the terms say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fsm_world.h"

#define OURS 0x0a
#define THEIRS 0x0b

static const struct fo_position FULL = {.term = 2, .seq = 7, .lineage = OURS, .has_data = true};
static const struct fo_position EMPTY = {.term = 1, .seq = 1, .lineage = OURS};

static struct unit booted(struct fo_position position)
{
	struct unit unit = {.now = {MONOTIME_NS_PER_SEC}};

	fo_fsm_init(&unit.fsm);
	feed(&unit, (struct fo_event){.type = FO_EVENT_START,
				      .params = PRIMARY,
				      .boot = {.promised_term = position.term,
					       .activated_term = position.term,
					       .position = position}});
	return unit;
}

/* Alone, so that it is active: in term 4 (FULL) or 2 (EMPTY). */
static struct unit active_with(struct fo_position position)
{
	struct unit unit = booted(position);

	pass_ms(&unit, HOLD_MS);
	durable(&unit);
	feed_type(&unit, FO_EVENT_CLAIMED);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	return unit;
}

/* Of the other history; position TERM.SEQ, active in TERM. */
static struct fo_mate_view active_mate(uint64_t term, uint64_t seq, bool has_data)
{
	struct fo_mate_view mate = ACTIVE_MATE;

	mate.term = term;
	mate.position = (struct fo_position){
		.term = term, .seq = seq, .lineage = THEIRS, .has_data = has_data};
	return mate;
}

static void data_take_over_from_an_empty_replacement_in_a_newer_term(void **state)
{
	struct unit unit = booted(FULL);

	(void)state;
	hear(&unit, active_mate(3, 1, false));
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_MATE_EMPTY);
	feed(&unit, (struct fo_event){.type = FO_EVENT_TERM_DURABLE, .term = 4});
	assert_int_equal(find(&unit, FO_ACTION_CLAIM)->term, 4);
}

static void a_mate_that_does_not_say_its_lineage_counts_as_the_same(void **state)
{
	struct unit unit = booted(FULL);
	struct fo_mate_view mate = active_mate(3, 1, false);

	(void)state;
	mate.position.lineage = 0;
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_ACTIVE_MATE);
}

static void an_empty_unit_joins_the_data_whatever_the_terms(void **state)
{
	struct unit unit = booted((struct fo_position){.term = 8, .seq = 1, .lineage = OURS});

	(void)state;
	hear(&unit, active_mate(3, 7, true));
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_ACTIVE_MATE);
	assert_null(find(&unit, FO_ACTION_KEEP_ORPHANS));
	/* ... and stays until it has them. */
	hear(&unit, active_mate(3, 7, true));
	assert_int_equal(unit.fsm.state, FO_STATE_COLD_STANDBY);
}

static void active_with_data_it_does_not_give_way_to_an_empty_mate_in_a_newer_term(void **state)
{
	struct unit unit = active_with(FULL);
	struct fo_mate_view mate = active_mate(7, 1, false);

	(void)state;
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_MATE_EMPTY);
	assert_non_null(find(&unit, FO_ACTION_RELEASE));
	assert_null(find(&unit, FO_ACTION_START_SYNC));
	feed_type(&unit, FO_EVENT_RELEASED);
	feed(&unit, (struct fo_event){.type = FO_EVENT_TERM_DURABLE, .term = 8});
	assert_int_equal(find(&unit, FO_ACTION_CLAIM)->term, 8);
	feed_type(&unit, FO_EVENT_CLAIMED);
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_ACTIVE, FO_REASON_MATE_EMPTY);
}

static void active_and_empty_it_gives_way_to_the_newer_term_of_the_data(void **state)
{
	struct unit unit = active_with(EMPTY);

	(void)state;
	hear(&unit, active_mate(3, 7, true));
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_OLDER_TERM);
}

static void of_two_that_start_data_beat_everything(void **state)
{
	static const struct {
		bool has_data, mate_has_data;
		enum fo_state expected;
	} CASES[] = {
		{true, false, FO_STATE_JUST_ACTIVE},
		{false, true, FO_STATE_NEGOTIATION},
		/* Nothing against nothing, data against data: the position, as ever. */
		{true, true, FO_STATE_NEGOTIATION},
		{false, false, FO_STATE_NEGOTIATION},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct fo_position position = FULL;
		struct fo_mate_view mate = active_mate(9, 9, CASES[i].mate_has_data);
		struct unit unit;

		position.has_data = CASES[i].has_data;
		unit = booted(position);
		fail_interfaces(&unit, 1);
		mate.state = FO_STATE_NEGOTIATION;
		mate.is_serving = false;
		stand_beside(&unit, mate);
		assert_int_equal(unit.fsm.state, CASES[i].expected);
	}
}

static void of_two_histories_the_older_one_is_kept_aside_whole(void **state)
{
	struct unit unit = booted(FULL);
	const struct fo_action *keep;

	(void)state;
	hear(&unit, active_mate(3, 7, true));
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_OTHER_HISTORY);
	keep = find(&unit, FO_ACTION_KEEP_ORPHANS);
	assert_non_null(keep);
	assert_true(keep->is_everything);
	assert_true(index_of(&unit, FO_ACTION_KEEP_ORPHANS) <
		    index_of(&unit, FO_ACTION_START_SYNC));
	assert_true(fo_fsm_may_adopt(&unit.fsm, THEIRS));
	/* The later position stays with the unit that has it. */
	unit = booted((struct fo_position){.term = 6, .lineage = OURS, .has_data = true});
	hear(&unit, active_mate(3, 7, true));
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_STATE_CHECK);
}

/* The standby of an active mate with the same history. */
static struct unit standby(void)
{
	struct unit unit = booted(FULL);
	struct fo_mate_view mate = active_mate(3, 8, true);

	mate.position.lineage = OURS;
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_ACTIVE_MATE);
	return unit;
}

static void a_standby_takes_nothing_from_a_mate_that_was_replaced_meanwhile(void **state)
{
	struct unit unit = standby();

	(void)state;
	assert_true(fo_fsm_may_adopt(&unit.fsm, OURS));
	assert_true(fo_fsm_may_adopt(&unit.fsm, 0));
	assert_false(fo_fsm_may_adopt(&unit.fsm, THEIRS));
	hear(&unit, active_mate(5, 1, true));
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_ACTIVE_MATE);
	assert_true(find(&unit, FO_ACTION_KEEP_ORPHANS)->is_everything);
	assert_non_null(find(&unit, FO_ACTION_START_SYNC));
	assert_true(fo_fsm_may_adopt(&unit.fsm, THEIRS));
	/* Once is enough. */
	hear(&unit, active_mate(5, 2, true));
	assert_null(find(&unit, FO_ACTION_KEEP_ORPHANS));
	unit = standby();
	hear(&unit, active_mate(5, 1, false));
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_MATE_EMPTY);
	assert_false(fo_fsm_may_adopt(&unit.fsm, THEIRS));
}

static void a_switchover_waits_until_the_standby_is_of_the_same_history(void **state)
{
	struct unit unit = active_with(FULL);
	struct fo_mate_view mate = {.state = FO_STATE_STANDBY_READY,
				    .may_activate = true,
				    .wants_active = true,
				    .position = FULL};

	(void)state;
	mate.position.lineage = THEIRS;
	hear(&unit, mate);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	mate.position.lineage = OURS;
	hear(&unit, mate);
	assert_in(&unit, FO_STATE_STANDBY_READY, FO_REASON_WANTS_ME_STANDBY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_take_over_from_an_empty_replacement_in_a_newer_term),
		cmocka_unit_test(a_mate_that_does_not_say_its_lineage_counts_as_the_same),
		cmocka_unit_test(an_empty_unit_joins_the_data_whatever_the_terms),
		cmocka_unit_test(
			active_with_data_it_does_not_give_way_to_an_empty_mate_in_a_newer_term),
		cmocka_unit_test(active_and_empty_it_gives_way_to_the_newer_term_of_the_data),
		cmocka_unit_test(of_two_that_start_data_beat_everything),
		cmocka_unit_test(of_two_histories_the_older_one_is_kept_aside_whole),
		cmocka_unit_test(a_standby_takes_nothing_from_a_mate_that_was_replaced_meanwhile),
		cmocka_unit_test(a_switchover_waits_until_the_standby_is_of_the_same_history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
