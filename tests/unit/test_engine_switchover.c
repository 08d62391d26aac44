/* SPDX-License-Identifier: Apache-2.0 */
/* The words by which a role changes hands, where the network loses them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_world.h"

/* Less than half of the polltime: one hello at most is said within it because of that. */
#define LINES "failover polltime unit msec 500 holdtime 2\n"
#define SOON_MS 200u

/* Runs the loop for SOON_MS; returns how many hellos the mate was sent. */
static uint64_t hellos_soon(void)
{
	struct monotime until = monotime_add_ms(monotime_now(), SOON_MS);
	uint64_t before = world.mate.heard.counter;

	while (!monotime_reached(monotime_now(), until))
		assert_true(sd_event_run(world.event, 10000) >= 0);
	return world.mate.heard.counter - before;
}

static void hand_over(void)
{
	world_be_active(LINES);
	world.mate.says.view.hold_ms = 2000;
	world.mate.says.view.wants_active = true;
	WAIT_FOR(world.mate.heard.view.wants_mate_active && !world.mate.heard.view.is_serving);
}

static void a_release_is_said_again_until_the_mate_serves(void **state)
{
	(void)state;
	hand_over();
	/* After 4, 12, 28 ms and so on; the loop of a busy machine takes its time. */
	assert_true(hellos_soon() >= 4);
	/* The mate has heard it: there is nothing more to be said. */
	world.mate.says.view.state = FO_STATE_ACTIVE;
	world.mate.says.view.is_serving = true;
	world.mate.says.view.wants_active = false;
	world.mate.says.view.term = world.engine->fsm.term + 1;
	WAIT_FOR(!world.mate.heard.view.wants_mate_active);
	(void)hellos_soon(); /* what the change itself makes it say */
	assert_true(hellos_soon() <= 3);
}

/* Who asks, and who is asked in vain, must not flood the link. */
static void a_word_that_nobody_answers_is_said_ever_more_seldom(void **state)
{
	uint64_t first;

	(void)state;
	hand_over();
	first = hellos_soon();
	assert_in_range(first, 4, 12);
	assert_true(hellos_soon() <= 3);
}

static void a_wish_is_said_again_while_the_mate_serves(void **state)
{
	const struct fo_event event = {.type = FO_EVENT_OPERATOR_ACTIVE, .is_forced = true};

	(void)state;
	world_be_staging(LINES);
	world.mate.says.view.hold_ms = 2000;
	engine_feed(world.engine, event);
	WAIT_FOR(world.mate.heard.view.wants_active);
	assert_true(hellos_soon() >= 4);
	assert_true(world.mate.heard.view.wants_active);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_release_is_said_again_until_the_mate_serves),
		TEST(a_word_that_nobody_answers_is_said_ever_more_seldom),
		TEST(a_wish_is_said_again_while_the_mate_serves),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
