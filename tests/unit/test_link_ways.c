/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several links to the mate replication tries, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/link_ways.h"
#include "link_world.h"

static struct monotime at_ms(uint64_t ms)
{
	return (struct monotime){ms * MONOTIME_NS_PER_MS};
}

static void the_first_that_works_is_tried_first(void **state)
{
	struct link_ways ways;
	uint64_t delay_ms;

	(void)state;
	link_ways_init(&ways, 3);
	assert_int_equal(link_ways_choose(&ways, at_ms(5000), &delay_ms), 0);
	ways.is_usable[0] = false;
	assert_int_equal(link_ways_choose(&ways, at_ms(5000), &delay_ms), 1);
	/* Where none is known to work, any may. */
	ways.is_usable[1] = ways.is_usable[2] = false;
	assert_int_equal(link_ways_choose(&ways, at_ms(5000), &delay_ms), 0);
	assert_false(link_ways_has_other(&ways, 0));
}

static void each_is_tried_once_a_second_and_the_others_meanwhile(void **state)
{
	struct link_ways ways;
	unsigned tried[2] = {0};

	(void)state;
	link_ways_init(&ways, 2);
	for (uint64_t ms = 1000; ms < 11000;) {
		uint64_t delay_ms;
		size_t way = link_ways_choose(&ways, at_ms(ms), &delay_ms);

		if (way == LINK_WAY_NONE) {
			assert_in_range(delay_ms, 1, LINK_RETRY_MS);
			ms += delay_ms;
			continue;
		}
		tried[way]++;
		ways.tried_at[way] = at_ms(ms);
	}
	assert_int_equal(tried[0], 10);
	assert_int_equal(tried[1], 10);
}

static void one_that_is_being_tried_is_left_alone(void **state)
{
	struct link_ways ways;
	uint64_t delay_ms;

	(void)state;
	link_ways_init(&ways, 2);
	ways.is_busy[0] = true;
	assert_int_equal(link_ways_choose(&ways, at_ms(5000), &delay_ms), 1);
	ways.is_busy[1] = true;
	assert_int_equal(link_ways_choose(&ways, at_ms(5000), &delay_ms), LINK_WAY_NONE);
}

/* A second way between the two ends, over other addresses of loopback. */
static struct link_config two_ways(bool is_listener)
{
	struct link_config config = config_of(is_listener, 7);

	config.ways[1] = config.ways[0];
	set_address(&config.ways[1].local, is_listener ? "127.0.0.3" : "127.0.0.4", port);
	set_address(&config.ways[1].remote, is_listener ? "127.0.0.4" : "127.0.0.3", port);
	memcpy(config.ways[0].name, "first", 6);
	memcpy(config.ways[1].name, "second", 7);
	config.n_ways = 2;
	return config;
}

static void start_two_ways(struct end *a, struct end *b)
{
	struct link_config listener = two_ways(true), connector = two_ways(false);

	start(a, &listener);
	WAIT_FOR(a->downs == 1);
	start(b, &connector);
	WAIT_FOR(a->ups == 1 && b->ups == 1);
}

static void a_connection_moves_when_its_way_dies_and_stays(void **state)
{
	struct end a = {0}, b = {0};

	(void)state;
	start_two_ways(&a, &b);
	assert_string_equal(link_way_name(b.link), "first");
	assert_string_equal(link_way_name(a.link), "first");
	link_set_way(b.link, 0, false);
	WAIT_FOR(a.ups == 2 && b.ups == 2);
	assert_string_equal(link_way_name(b.link), "second");
	assert_string_equal(link_way_name(a.link), "second");
	link_set_way(b.link, 0, true);
	assert_int_equal(send_command(b.link, "still there"), 0);
	WAIT_FOR(a.messages == 1);
	assert_string_equal(link_way_name(b.link), "second");
	/* The only way that is left is not given up. */
	link_set_way(b.link, 0, false);
	link_set_way(b.link, 1, false);
	assert_int_equal(send_command(b.link, "and still"), 0);
	WAIT_FOR(a.messages == 2);
	assert_int_equal(b.ups, 2);
	stop(&a);
	stop(&b);
}

static void the_listener_may_give_a_way_up_too(void **state)
{
	struct end a = {0}, b = {0};

	(void)state;
	start_two_ways(&a, &b);
	link_set_way(a.link, 0, false);
	WAIT_FOR(a.ups == 2 && b.ups == 2);
	assert_true(link_is_up(a.link) && link_is_up(b.link));
	stop(&a);
	stop(&b);
}

static void a_way_that_nobody_answers_on_delays_the_next_by_little(void **state)
{
	struct link_config listener = two_ways(true), connector = two_ways(false);
	struct end a = {0}, b = {0};
	struct monotime begin = monotime_now();

	(void)state;
	/* 192.0.2.0/24 is nobody's (RFC 5737); what is sent there is not answered, or refused at
	 * once. */
	set_address(&connector.ways[0].remote, "192.0.2.1", port);
	memset(&connector.ways[0].local, 0, sizeof(connector.ways[0].local));
	start(&a, &listener);
	WAIT_FOR(a.downs == 1);
	start(&b, &connector);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	assert_true(monotime_since(monotime_now(), begin) < 2 * MONOTIME_NS_PER_SEC);
	assert_string_equal(link_way_name(b.link), "second");
	stop(&a);
	stop(&b);
}

static void a_mate_that_was_restarted_is_connected_to_anew(void **state)
{
	struct end a = {0}, b = {0};

	(void)state;
	start_two_ways(&a, &b);
	link_expect_boot(b.link, 11);
	assert_int_equal(send_command(b.link, "the same life"), 0);
	WAIT_FOR(a.messages == 1);
	link_expect_boot(b.link, 12);
	WAIT_FOR(b.ups == 2 && a.ups == 2);
	assert_int_equal(b.code, ERR_CLOSED);
	stop(&a);
	stop(&b);
}

/* Without a descriptor a connection waits in the kernel, and epoll would say so for ever. */
static void a_listener_without_descriptors_waits_instead_of_spinning(void **state)
{
	struct end a = {0}, b = {0};
	struct link_config listener = two_ways(true), connector = two_ways(false);
	struct rlimit before, none;
	struct monotime until;
	unsigned turns = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	start(&a, &listener);
	WAIT_FOR(a.downs == 1);
	start(&b, &connector);
	assert_true(sd_event_run(event, 100000) >= 0); /* it has its socket */
	none = before;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	until = monotime_add_ms(monotime_now(), 400);
	for (; !monotime_reached(monotime_now(), until); turns++)
		assert_true(sd_event_run(event, 50000) >= 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_in_range(turns, 1, 100);
	WAIT_FOR(a.ups >= 1 && b.ups >= 1 && link_is_up(a.link));
	stop(&a);
	stop(&b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, link_setup, link_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_that_works_is_tried_first),
		cmocka_unit_test(each_is_tried_once_a_second_and_the_others_meanwhile),
		cmocka_unit_test(one_that_is_being_tried_is_left_alone),
		TEST(a_connection_moves_when_its_way_dies_and_stays),
		TEST(the_listener_may_give_a_way_up_too),
		TEST(a_way_that_nobody_answers_on_delays_the_next_by_little),
		TEST(a_mate_that_was_restarted_is_connected_to_anew),
		TEST(a_listener_without_descriptors_waits_instead_of_spinning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
