/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of a path: loss, latency, and the bounds on what a flood may cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "failover/path_stats.h"

static struct monotime at_ms(uint64_t ms)
{
	return (struct monotime){ms * MONOTIME_NS_PER_MS};
}

static void hear(struct path_stats *stats, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i <= to; i++)
		path_stats_heard(stats, 7, i, at_ms(i));
}

static void what_does_not_come_is_lost(void **state)
{
	struct path_stats stats = {0};

	(void)state;
	hear(&stats, 11, 20);
	hear(&stats, 31, 40);
	assert_int_equal(stats.received, 20);
	assert_int_equal(path_stats_lost(&stats, stats.newest), 10);
	assert_int_equal(path_stats_recent_loss(&stats, stats.newest), 333);
}

static void what_comes_late_or_twice_is_counted_once(void **state)
{
	struct path_stats stats = {0};

	(void)state;
	hear(&stats, 1, 5);
	hear(&stats, 7, 10);
	hear(&stats, 6, 6);
	hear(&stats, 6, 8);
	assert_int_equal(stats.received, 10);
	assert_int_equal(path_stats_lost(&stats, stats.newest), 0);
	assert_int_equal(path_stats_recent_loss(&stats, stats.newest), 0);
	/* What was said before the first one that came was not lost here. */
	hear(&stats, 100, 110);
	hear(&stats, 0, 0);
	assert_int_equal(path_stats_lost(&stats, stats.newest), 89);
}

static void a_silent_path_loses_what_comes_on_the_others(void **state)
{
	struct path_stats stats = {0};

	(void)state;
	hear(&stats, 1, 100);
	assert_int_equal(path_stats_recent_loss(&stats, 200), 500);
	assert_int_equal(path_stats_lost(&stats, 200), 100);
	assert_int_equal(path_stats_recent_loss(&stats, 100 + PATH_WINDOW), 1000);
	/* Nothing ever came: there is nothing to compare. */
	stats = (struct path_stats){0};
	assert_int_equal(path_stats_recent_loss(&stats, 200), 0);
	assert_int_equal(path_stats_lost(&stats, 200), 0);
}

static void losses_that_were_cleared_are_not_counted_again(void **state)
{
	struct path_stats stats = {0};

	(void)state;
	hear(&stats, 1, 100);
	hear(&stats, 111, 120);
	assert_int_equal(path_stats_lost(&stats, stats.newest), 10);
	path_stats_clear_losses(&stats);
	assert_int_equal(path_stats_lost(&stats, stats.newest), 0);
	assert_int_equal(path_stats_recent_loss(&stats, stats.newest), 0);
	hear(&stats, 105, 105); /* late, and of before */
	hear(&stats, 122, 122);
	assert_int_equal(path_stats_lost(&stats, stats.newest), 1);
}

static void the_recent_loss_forgets(void **state)
{
	struct path_stats stats = {0};

	(void)state;
	for (uint64_t i = 1; i <= 1000; i += 2)
		path_stats_heard(&stats, 7, i, at_ms(i));
	assert_in_range(path_stats_recent_loss(&stats, stats.newest), 490, 510);
	hear(&stats, 1001, 1000 + PATH_WINDOW);
	assert_int_equal(path_stats_recent_loss(&stats, stats.newest), 0);
	assert_int_equal(path_stats_lost(&stats, stats.newest), 500);
	/* A gap wider than the window leaves nothing of it behind. */
	path_stats_heard(&stats, 7, 100000, at_ms(100000));
	assert_int_equal(path_stats_recent_loss(&stats, stats.newest), 999);
}

static void a_new_boot_of_the_mate_begins_to_count_anew(void **state)
{
	struct path_stats stats = {0};

	(void)state;
	hear(&stats, 5000, 5010);
	path_stats_heard(&stats, 8, 3, at_ms(6000));
	path_stats_heard(&stats, 8, 4, at_ms(6001));
	assert_int_equal(stats.received, 13);
	assert_int_equal(path_stats_lost(&stats, stats.newest), 0);
	assert_int_equal(path_stats_recent_loss(&stats, stats.newest), 0);
}

/* The arithmetic against a plain list of what came. */
static void any_order_of_arrival_adds_up(void **state)
{
	unsigned seed = 4711;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct path_stats stats = {0};
		bool came[800] = {false};
		uint64_t first = 0, newest = 0, received = 0, expected;

		for (uint64_t i = 100; i < 700; i++) {
			uint64_t counter = i + (uint64_t)rand_r(&seed) % 40;

			if (rand_r(&seed) % 3 == 0)
				continue;
			path_stats_heard(&stats, 7, counter, at_ms(i));
			first = first ? first : counter;
			newest = counter > newest ? counter : newest;
			received += counter >= first && !came[counter];
			came[counter] = came[counter] || counter >= first;
		}
		expected = newest - first + 1 - received;
		assert_int_equal(stats.received, received);
		assert_int_equal(path_stats_lost(&stats, stats.newest), expected);
		assert_int_equal(path_stats_recent_loss(&stats, stats.newest),
				 expected * 1000 / (newest - first + 1));
	}
}

static void the_median_is_not_moved_by_one_that_was_slow(void **state)
{
	struct path_stats stats = {0};

	(void)state;
	assert_int_equal(path_stats_median_us(&stats), 0);
	assert_int_equal(path_stats_last_us(&stats), 0);
	for (uint32_t i = 0; i < 2 * PATH_RTTS; i++)
		path_stats_round_trip(&stats, 100 + i % 5);
	path_stats_round_trip(&stats, 900000);
	assert_in_range(path_stats_median_us(&stats), 101, 103);
	assert_int_equal(path_stats_last_us(&stats), 900000);
	assert_int_equal(stats.rtt_min_us, 100);
}

static void a_bucket_gives_its_burst_and_then_its_rate(void **state)
{
	struct path_bucket bucket;
	unsigned n = 0;

	(void)state;
	path_bucket_init(&bucket, 100, 10, at_ms(1000));
	for (uint64_t ms = 1000; ms < 2000; ms++)
		for (int i = 0; i < 1000; i++)
			n += path_bucket_take(&bucket, at_ms(ms));
	assert_in_range(n, 10 + 99, 10 + 100);
	assert_false(path_bucket_take(&bucket, at_ms(1999)));
	/* However long nobody asks: no more than the burst. */
	assert_int_equal(path_bucket_level(&bucket, at_ms(1000000000)), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_does_not_come_is_lost),
		cmocka_unit_test(what_comes_late_or_twice_is_counted_once),
		cmocka_unit_test(a_silent_path_loses_what_comes_on_the_others),
		cmocka_unit_test(losses_that_were_cleared_are_not_counted_again),
		cmocka_unit_test(the_recent_loss_forgets),
		cmocka_unit_test(a_new_boot_of_the_mate_begins_to_count_anew),
		cmocka_unit_test(any_order_of_arrival_adds_up),
		cmocka_unit_test(the_median_is_not_moved_by_one_that_was_slow),
		cmocka_unit_test(a_bucket_gives_its_burst_and_then_its_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
