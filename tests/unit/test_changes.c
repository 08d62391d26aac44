/* SPDX-License-Identifier: Apache-2.0 */
/* What the log is told of things that come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "failover/engine/changes.h"

static struct changes changes;
static char more[PACE_TEXT_MAX];

static int begin(void **state)
{
	(void)state;
	changes = (struct changes){0};
	return 0;
}

static struct monotime at(uint64_t ms)
{
	return (struct monotime){(1000000 + ms) * MONOTIME_NS_PER_MS};
}

static bool take(const char *name, bool is_up, uint64_t ms)
{
	return changes_take(&changes, CHANGE_LINK_CARRIER, name, CHANGE_STATE, is_up, at(ms), more);
}

/* Returns how many of N changes, a millisecond apart, were said; the last one leaves it down. */
static unsigned flap(const char *name, unsigned n, uint64_t ms)
{
	unsigned said = 0;

	for (unsigned i = n; i > 0; i--)
		said += take(name, i % 2 == 0, ms + n - i);
	return said;
}

static void a_few_changes_are_said_each(void **state)
{
	(void)state;
	assert_int_equal(flap("fover", PACE_LINES, 0), PACE_LINES);
	assert_string_equal(more, "");
	assert_null(changes_due(&changes, at(3 * PACE_MS), more));
}

static void a_state_that_is_no_change_is_not_said_again(void **state)
{
	(void)state;
	assert_true(take("fover", false, 0));
	assert_false(take("fover", false, 1));
	assert_true(take("fover", true, 2));
	assert_true(changes_take(&changes, CHANGE_LINK_CARRIER, "fover", CHANGE_NEWS, true, at(3),
				 more));
}

static void of_a_thousand_the_first_are_said_then_their_number_with_the_state(void **state)
{
	const struct change *change;

	(void)state;
	assert_int_equal(flap("fover", 1000, 0), PACE_LINES);
	assert_null(changes_due(&changes, at(PACE_MS - 1), more));
	change = changes_due(&changes, at(PACE_MS), more);
	assert_non_null(change);
	assert_string_equal(change->name, "fover");
	assert_false(change->is_up);
	assert_string_equal(more, " (and 989 more before it)");
	assert_null(changes_due(&changes, at(PACE_MS), more));
	assert_null(changes_due(&changes, at(3 * PACE_MS), more));
	assert_true(take("fover", true, 4 * PACE_MS));
	assert_string_equal(more, "");
}

static void one_that_never_rests_is_said_so_often_and_no_more(void **state)
{
	unsigned said = 0;

	(void)state;
	for (unsigned i = 0; i < 6 * PACE_MS; i++) {
		said += take("fover", i % 2 == 0, i);
		said += changes_due(&changes, at(i), more) != NULL;
	}
	assert_int_equal(said, 6 * PACE_LINES);
}

static void who_is_restless_silences_nobody_else(void **state)
{
	(void)state;
	(void)flap("fover", 1000, 0);
	assert_true(take("state", false, 1000));
	assert_true(changes_take(&changes, CHANGE_HELLOS4, "fover", CHANGE_STATE, false, at(1000),
				 more));
}

static void what_somebody_else_tells_of_is_remembered(void **state)
{
	(void)state;
	assert_true(take("fover", false, 0));
	assert_false(changes_take(&changes, CHANGE_LINK_CARRIER, "fover", CHANGE_QUIET, true, at(1),
				  more));
	assert_true(take("fover", false, 2));
	assert_null(changes_due(&changes, at(3 * PACE_MS), more));
}

static void names_without_end_make_room_for_each_other(void **state)
{
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 3 * CHANGES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "if%u", i);
		assert_true(take(name, false, i));
	}
	assert_int_equal(changes.n, CHANGES_MAX);
	assert_false(take(name, false, 3 * CHANGES_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, begin)
		TEST(a_few_changes_are_said_each),
		TEST(a_state_that_is_no_change_is_not_said_again),
		TEST(of_a_thousand_the_first_are_said_then_their_number_with_the_state),
		TEST(one_that_never_rests_is_said_so_often_and_no_more),
		TEST(who_is_restless_silences_nobody_else),
		TEST(what_somebody_else_tells_of_is_remembered),
		TEST(names_without_end_make_room_for_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
