/* SPDX-License-Identifier: Apache-2.0 */
/* When fronts test themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "front/testpace.h"

#define MS MONOTIME_NS_PER_MS

/* On a wakeup that comes LATE_MS after its time. */
static struct monotime late(struct monotime at, unsigned late_ms)
{
	return monotime_add_ms(at, late_ms);
}

static void a_front_that_is_well_asks_each_second_and_never_beside_the_other(void **state)
{
	struct monotime even = {123456 * MS}, odd = even;

	(void)state;
	even = testpace_next(even, 0, true);
	odd = testpace_next(odd, 1, true);
	for (unsigned i = 0; i < 20; i++) {
		struct monotime next = testpace_next(late(even, i * 12), 0, true);

		assert_int_equal(monotime_since(next, even), 1000 * MS);
		even = next;
		next = testpace_next(late(odd, i * 12), 1, true);
		assert_int_equal(monotime_since(next, odd), 1000 * MS);
		odd = next;
		assert_int_equal(monotime_since(even, odd) + monotime_since(odd, even), 500 * MS);
	}
}

static void a_front_that_is_not_well_asks_each_half_second(void **state)
{
	struct monotime at = testpace_next((struct monotime){123456 * MS}, 3, false);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct monotime next = testpace_next(late(at, i * 12), 3, false);

		assert_int_equal(monotime_since(next, at), 500 * MS);
		at = next;
	}
	/* After a stop with the others again, and not at once for each that was missed. */
	assert_int_equal(monotime_since(testpace_next(late(at, 7100), 3, false), at), 7500 * MS);
}

static void a_front_shakes_hands_each_four_seconds_and_two_of_them_each_two(void **state)
{
	struct monotime at[2] = {{98765 * MS}, {98765 * MS}}, tested[2] = {{0}, {0}};
	uint64_t turns[2] = {testpace_turn(at[0], 0), testpace_turn(at[1], 1)};
	unsigned n_tests[2] = {0, 0};

	(void)state;
	for (unsigned i = 0; i < 80; i++) {
		unsigned instance = i % 2;
		uint64_t turn;

		at[instance] = testpace_next(at[instance], instance, true);
		turn = testpace_turn(at[instance], instance);
		if (turn == turns[instance])
			continue;
		turns[instance] = turn;
		if (n_tests[instance]++ > 0)
			assert_int_equal(monotime_since(at[instance], tested[instance]), 4000 * MS);
		tested[instance] = at[instance];
		if (n_tests[0] > 1 && n_tests[1] > 1)
			assert_in_range(monotime_since(tested[0], tested[1]) +
						monotime_since(tested[1], tested[0]),
					1500 * MS, 2500 * MS);
	}
	assert_in_range(n_tests[0], 9, 10);
	assert_in_range(n_tests[1], 9, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_front_that_is_well_asks_each_second_and_never_beside_the_other),
		cmocka_unit_test(a_front_that_is_not_well_asks_each_half_second),
		cmocka_unit_test(a_front_shakes_hands_each_four_seconds_and_two_of_them_each_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
