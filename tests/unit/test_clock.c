/* SPDX-License-Identifier: Apache-2.0 */
/* How far the clocks of two units are apart, from what their hellos say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/clock.h"

#define MS UINT64_C(1000000)
#define NOW (UINT64_C(1700000000) * 1000 * MS)

/* A mate whose clock is SKEW_MS ahead sends its hello OUT_MS before it arrives; it had ours, which
 * took BACK_MS, for HELD_MS. */
static bool exchange(struct fo_clock *clock, int64_t skew_ms, uint64_t back_ms, uint64_t held_ms,
		     uint64_t out_ms)
{
	return fo_clock_take(clock, &(struct fo_clock_exchange){
					    .mate_realtime_ns = NOW - out_ms * MS +
								(uint64_t)(skew_ms * (int64_t)MS),
					    .mate_held_ns = held_ms * MS,
					    .round_ns = (back_ms + held_ms + out_ms) * MS,
					    .realtime_ns = NOW});
}

static void the_difference_is_known_to_half_of_the_round_trip(void **state)
{
	struct fo_clock clock = {0};

	(void)state;
	assert_true(exchange(&clock, 5000, 1, 90, 3));
	assert_in_range(clock.skew_ns, 4997 * (int64_t)MS, 5003 * (int64_t)MS);
	assert_int_equal(clock.uncertainty_ns, 2 * (int64_t)MS);
	assert_int_equal(clock.class, FO_CLOCK_AHEAD);
}

/* Whatever the delays, the truth lies within what is said to be uncertain. */
static void no_delay_makes_it_lie(void **state)
{
	(void)state;
	for (int64_t skew = -9000; skew <= 9000; skew += 1500) {
		struct fo_clock clock = {0};

		for (uint64_t i = 0; i < 200; i++) {
			int64_t error;

			(void)exchange(&clock, skew, i * 7 % 40, i * 13 % 100, i * 11 % 60);
			error = clock.skew_ns - skew * (int64_t)MS;
			assert_true(error <= clock.uncertainty_ns &&
				    -error <= clock.uncertainty_ns);
		}
		assert_true(clock.uncertainty_ns <= 50 * (int64_t)MS);
	}
}

static void a_slow_answer_is_no_wrong_clock(void **state)
{
	struct fo_clock clock = {0};

	(void)state;
	(void)exchange(&clock, 0, 10000, 0, 1);
	assert_int_equal(clock.class, FO_CLOCK_SAME);
}

static void two_seconds_are_a_difference_and_less_is_none(void **state)
{
	struct fo_clock clock = {0};

	(void)state;
	(void)exchange(&clock, 1990, 0, 0, 0);
	assert_int_equal(clock.class, FO_CLOCK_SAME);
	assert_true(exchange(&clock, -2000, 0, 0, 0));
	assert_int_equal(clock.class, FO_CLOCK_BEHIND);
	/* Around the limit it is said once. */
	for (int64_t i = 0; i < 100; i++)
		assert_false(exchange(&clock, -1950 - i % 2 * 100, 0, 0, 0));
	assert_true(exchange(&clock, -1790, 0, 0, 0));
	assert_int_equal(clock.class, FO_CLOCK_SAME);
}

static void a_clock_that_is_set_is_believed_at_once(void **state)
{
	struct fo_clock clock = {0};

	(void)state;
	for (int i = 0; i < 20; i++)
		(void)exchange(&clock, 3600000, 1, 50, 1);
	assert_int_equal(clock.class, FO_CLOCK_AHEAD);
	assert_true(exchange(&clock, 0, 1, 50, 1));
	assert_int_equal(clock.class, FO_CLOCK_SAME);
}

static void a_mate_may_say_anything(void **state)
{
	static const uint64_t words[] = {0, 1, NOW, UINT64_MAX / 2, UINT64_MAX / 2 + 1, UINT64_MAX};
	struct fo_clock clock = {0};

	(void)state;
	for (size_t i = 0; i < 6 * 6 * 6; i++) {
		(void)fo_clock_take(&clock,
				    &(struct fo_clock_exchange){.mate_realtime_ns = words[i % 6],
								.mate_held_ns = words[i / 6 % 6],
								.round_ns = words[i / 36],
								.realtime_ns = NOW});
		assert_true(clock.uncertainty_ns >= 0);
		assert_true(clock.n >= 1 && clock.n <= FO_CLOCK_SAMPLES);
	}
	/* An older version does not say how long it held ours: the bounds are wide, and right. */
	clock = (struct fo_clock){0};
	(void)fo_clock_take(&clock, &(struct fo_clock_exchange){.mate_realtime_ns = NOW,
								.round_ns = 100 * MS,
								.realtime_ns = NOW});
	assert_int_equal(clock.uncertainty_ns, 50 * (int64_t)MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_difference_is_known_to_half_of_the_round_trip),
		cmocka_unit_test(no_delay_makes_it_lie),
		cmocka_unit_test(a_slow_answer_is_no_wrong_clock),
		cmocka_unit_test(two_seconds_are_a_difference_and_less_is_none),
		cmocka_unit_test(a_clock_that_is_set_is_believed_at_once),
		cmocka_unit_test(a_mate_may_say_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
