/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failover/engine/fetchplan.h"

#define DAY 86400

static void a_newer_one_is_wanted_at_half_of_its_time(void **state)
{
	(void)state;
	assert_int_equal(fetchplan_due(1000, 1000 + 6 * DAY, 0), 1000 + 3 * DAY);
	for (uint32_t jitter = 0; jitter < 5000; jitter += 7) {
		int64_t due = fetchplan_due(0, 10 * DAY, jitter);

		assert_in_range(due, 5 * DAY, 5 * DAY + DAY / 2);
	}
	assert_int_equal(fetchplan_due(0, 60, 999), 32);
}

static void a_responder_with_nothing_newer_is_asked_again_before_the_end(void **state)
{
	(void)state;
	assert_int_equal(fetchplan_again(1000 + 400, 1000), 100);
	assert_int_equal(fetchplan_again(1000 + 3 * DAY, 1000), FETCHPLAN_RETRY_MAX_S);
	assert_int_equal(fetchplan_again(1000, 1000), FETCHPLAN_RETRY_MIN_S);
	assert_int_equal(fetchplan_again(1000, 5000), FETCHPLAN_RETRY_MIN_S);
}

static void failures_are_further_and_further_apart(void **state)
{
	int64_t before = 0;

	(void)state;
	assert_int_equal(fetchplan_after_failure(1, false, 0), FETCHPLAN_RETRY_MIN_S);
	assert_int_equal(fetchplan_after_failure(2, false, 0), 2 * FETCHPLAN_RETRY_MIN_S);
	for (unsigned failures = 1; failures < 20; failures++) {
		int64_t after = fetchplan_after_failure(failures, false, 0);

		assert_true(after >= before);
		assert_true(fetchplan_after_failure(failures, false, 999) > after);
		assert_true(fetchplan_after_failure(failures, false, 999) <= after + after / 4);
		before = after;
	}
	assert_int_equal(before, FETCHPLAN_RETRY_MAX_S);
	assert_int_equal(fetchplan_after_failure(UINT32_MAX, false, 0), FETCHPLAN_RETRY_MAX_S);
}

static void nobody_without_a_staple_is_left_so_for_an_hour(void **state)
{
	(void)state;
	assert_int_equal(fetchplan_after_failure(1, true, 0), FETCHPLAN_RETRY_MIN_S);
	assert_int_equal(fetchplan_after_failure(5, true, 0), 16 * FETCHPLAN_RETRY_MIN_S);
	assert_int_equal(fetchplan_after_failure(6, true, 0), FETCHPLAN_PRESSING_MAX_S);
	assert_int_equal(fetchplan_after_failure(UINT32_MAX, true, 0), FETCHPLAN_PRESSING_MAX_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_newer_one_is_wanted_at_half_of_its_time),
		cmocka_unit_test(a_responder_with_nothing_newer_is_asked_again_before_the_end),
		cmocka_unit_test(failures_are_further_and_further_apart),
		cmocka_unit_test(nobody_without_a_staple_is_left_so_for_an_hour),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
