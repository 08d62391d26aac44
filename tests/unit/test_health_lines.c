/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines that move the score of both units: every order in which the units read them and hear, or
 * do not hear, each other's words, with two real state machines. No unit may change its role for
 * them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/health.h"
#include "fsm_world.h"

#define DEPTH 9
#define LINES_BEFORE 1u
#define LINES_AFTER 2u

struct side {
	struct unit unit;
	struct health_lines lines;
	struct fo_health is, said;
	uint64_t config, mates_config;
	struct fo_mate_view word; /* on its way to the mate */
	bool is_word_under_way;
};

struct pair {
	struct side active, standby;
};

struct change {
	struct fo_health before, after;
};

static void take_note(struct side *side)
{
	if (!find(&side->unit, FO_ACTION_SEND_HELLO))
		return;
	side->word = fo_fsm_view(&side->unit.fsm);
	side->is_word_under_way = true;
}

static void side_feed(struct side *side, struct fo_event event)
{
	feed(&side->unit, event);
	take_note(side);
}

/* As the engine does. */
static void tell_health(struct side *side)
{
	struct fo_health now = side->is;

	if (!health_lines_settle(&side->lines, side->config == side->mates_config, side->unit.now))
		now = health_lines_say(&side->is, &side->said, fo_fsm_is_active(&side->unit.fsm),
				       side->unit.fsm.state == FO_STATE_FAILED);
	if (now.score == side->said.score && now.is_failing == side->said.is_failing &&
	    now.is_unsettled == side->said.is_unsettled)
		return;
	side->said = now;
	side_feed(side, (struct fo_event){.type = FO_EVENT_HEALTH, .health = now});
}

static struct fo_position position_of(uint64_t config)
{
	return (struct fo_position){.term = 1, .seq = 1, .config = config};
}

static void read_lines(struct side *side, const struct change *change)
{
	side->config = LINES_AFTER;
	side->is = change->after;
	health_lines_read(&side->lines, side->unit.now);
	tell_health(side);
	side_feed(side, (struct fo_event){.type = FO_EVENT_POSITION,
					  .position = position_of(side->config)});
}

static void deliver(struct side *from, struct side *to)
{
	from->is_word_under_way = false;
	to->mates_config = from->word.position.config;
	side_feed(to, (struct fo_event){.type = FO_EVENT_HELLO, .mate = from->word});
	tell_health(to);
}

static void poll(struct side *side)
{
	side->word = fo_fsm_view(&side->unit.fsm);
	side->is_word_under_way = true;
}

static void check(const struct pair *pair)
{
	assert_in(&pair->active.unit, FO_STATE_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
	assert_int_equal(pair->standby.unit.fsm.state, FO_STATE_STANDBY_READY);
}

/* Everybody reads and hears everything in the end. */
static void finish(struct pair *pair, const struct change *change)
{
	struct side *active = &pair->active, *standby = &pair->standby;

	if (active->config != LINES_AFTER)
		read_lines(active, change);
	check(pair);
	if (standby->config != LINES_AFTER)
		read_lines(standby, change);
	check(pair);
	for (int i = 0; i < 3; i++) {
		poll(active);
		deliver(active, standby);
		check(pair);
		poll(standby);
		deliver(standby, active);
		check(pair);
	}
	assert_int_equal(active->said.score, change->after.score);
	assert_int_equal(active->said.is_failing, change->after.is_failing);
	assert_int_equal(standby->said.score, change->after.score);
	assert_int_equal(standby->said.is_failing, change->after.is_failing);
}

enum move {
	MOVE_ACTIVE_READS,
	MOVE_STANDBY_READS,
	MOVE_ACTIVE_HEARD,
	MOVE_STANDBY_HEARD,
	MOVE_ACTIVE_LOST,
	MOVE_STANDBY_LOST,
	MOVE_ACTIVE_POLLS,
	MOVE_STANDBY_POLLS,
	MOVE__MAX,
};

/* False: there is nothing of that kind to be done. */
static bool do_move(struct pair *pair, enum move move, const struct change *change)
{
	bool is_of_active = move % 2 == 0;
	struct side *side = is_of_active ? &pair->active : &pair->standby;
	struct side *mate = is_of_active ? &pair->standby : &pair->active;

	if (move <= MOVE_STANDBY_READS) {
		if (side->config == LINES_AFTER || (!is_of_active && mate->config != LINES_AFTER))
			return false;
		read_lines(side, change);
		return true;
	}
	if (side->is_word_under_way == (move >= MOVE_ACTIVE_POLLS))
		return false;
	if (move <= MOVE_STANDBY_HEARD)
		deliver(side, mate);
	else if (move <= MOVE_STANDBY_LOST)
		side->is_word_under_way = false;
	else
		poll(side);
	return true;
}

static void explore(const struct pair *pair, const struct change *change, int depth)
{
	check(pair);
	for (unsigned move = 0; move < MOVE__MAX && depth > 0; move++) {
		struct pair next = *pair;

		if (do_move(&next, (enum move)move, change))
			explore(&next, change, depth - 1);
	}
	if (depth == 0) {
		struct pair end = *pair;

		finish(&end, change);
	}
}

static struct side new_side(struct unit unit, const struct change *change)
{
	struct side side = {.unit = unit,
			    .is = change->before,
			    .said = change->before,
			    .config = LINES_BEFORE,
			    .mates_config = LINES_BEFORE};

	side_feed(&side, (struct fo_event){.type = FO_EVENT_POSITION,
					   .position = position_of(LINES_BEFORE)});
	return side;
}

/* A secondary that is active, and a primary that is Standby Ready, with the same score. */
static struct pair new_pair(const struct change *change, bool is_preempt)
{
	struct fo_params primary = PRIMARY, secondary = PRIMARY;
	struct fo_event health = {.type = FO_EVENT_HEALTH, .health = change->before};
	struct pair pair;
	struct unit unit;

	primary.is_preempt = is_preempt;
	secondary.unit = FO_UNIT_SECONDARY;
	unit = started(secondary);
	pass_ms(&unit, HOLD_MS);
	durable(&unit);
	feed_type(&unit, FO_EVENT_CLAIMED);
	pair.active = new_side(unit, change);
	feed(&pair.active.unit, health);
	pair.standby = new_side(started(primary), change);
	feed(&pair.standby.unit, health);
	pair.standby.unit.now = pair.active.unit.now;
	poll(&pair.active);
	deliver(&pair.active, &pair.standby);
	durable(&pair.standby.unit);
	for (int i = FO_EVENT_SYNC_STARTED; i <= FO_EVENT_SYNC_BULK; i++)
		feed_type(&pair.standby.unit, (enum fo_event_type)i);
	side_feed(&pair.standby, (struct fo_event){.type = FO_EVENT_SYNC_DONE,
						   .position = position_of(LINES_BEFORE)});
	poll(&pair.standby);
	deliver(&pair.standby, &pair.active);
	pair.active.is_word_under_way = pair.standby.is_word_under_way = false;
	check(&pair);
	return pair;
}

static void try_change(struct fo_health before, struct fo_health after)
{
	const struct change change = {before, after};
	struct pair pair = new_pair(&change, false);

	explore(&pair, &change, DEPTH);
	/* A primary that preempts stays where it is only for what fails. */
	if (!before.is_failing || !after.is_failing)
		return;
	pair = new_pair(&change, true);
	explore(&pair, &change, DEPTH);
}

static struct fo_health failing(uint32_t score)
{
	return (struct fo_health){.score = score, .is_failing = true, .cause = FO_CAUSE_TRACK};
}

static struct fo_health well(void)
{
	return (struct fo_health){.score = FO_HEALTH_FULL};
}

static void lines_that_make_both_units_fail_move_neither(void **state)
{
	(void)state;
	try_change(well(), failing(950));
}

static void lines_that_make_both_units_worse_move_neither(void **state)
{
	(void)state;
	try_change(failing(950), failing(900));
}

static void lines_that_make_both_units_better_move_neither(void **state)
{
	(void)state;
	try_change(failing(900), failing(950));
}

static void lines_that_make_both_units_well_move_neither(void **state)
{
	(void)state;
	try_change(failing(950), well());
}

static void a_mate_that_never_reads_them_is_waited_for_a_second(void **state)
{
	const struct change change = {well(), failing(950)};
	struct pair pair = new_pair(&change, false);
	struct side *active = &pair.active;

	(void)state;
	read_lines(active, &change);
	poll(&pair.standby);
	deliver(&pair.standby, active);
	check(&pair);
	active->unit.now = monotime_add_ms(active->unit.now, HEALTH_LINES_MAX_MS - 1);
	tell_health(active);
	assert_int_equal(active->said.is_failing, false);
	active->unit.now = monotime_add_ms(active->unit.now, 1);
	tell_health(active);
	assert_int_equal(active->said.is_failing, true);
}

static void what_fails_after_both_have_read_them_counts_at_once(void **state)
{
	const struct change change = {well(), well()};
	struct pair pair = new_pair(&change, false);

	(void)state;
	finish(&pair, &change);
	pair.active.is = failing(990);
	tell_health(&pair.active);
	assert_in(&pair.active.unit, FO_STATE_STANDBY_READY, FO_REASON_TRACK_DOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_that_make_both_units_fail_move_neither),
		cmocka_unit_test(lines_that_make_both_units_worse_move_neither),
		cmocka_unit_test(lines_that_make_both_units_better_move_neither),
		cmocka_unit_test(lines_that_make_both_units_well_move_neither),
		cmocka_unit_test(a_mate_that_never_reads_them_is_waited_for_a_second),
		cmocka_unit_test(what_fails_after_both_have_read_them_counts_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
