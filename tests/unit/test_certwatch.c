/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates that end: when an alert is due, and what the operator reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "certstore/store/record.pb-c.h"
#include "engine_world.h"
#include "failover/engine/certwatch.h"

#define DAY INT64_C(86400)

static void an_alert_is_due_when_the_date_says_so(void **state)
{
	static const struct {
		int64_t left_s, turn;
	} CASES[] = {
		{61 * DAY, -1}, {60 * DAY + 1, -1}, {60 * DAY, 0}, {54 * DAY, 0},
		{53 * DAY, 1},	{4 * DAY, 8},	    {0, 8},	   {-1, 9},
		{-3 * DAY, 10}, {-10 * DAY, 11},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		assert_int_equal(certwatch_turn(1000 * DAY, 1000 * DAY - CASES[i].left_s, 60, 7),
				 CASES[i].turn);
}

/* What the keeper is to list, one after the other. */
static void put_trustpoint(const char *name, int64_t left_s)
{
	Asafo__Record__TrustpointPublic trustpoint = ASAFO__RECORD__TRUSTPOINT_PUBLIC__INIT;
	uint8_t packed[256];

	trustpoint.name = (char *)(uintptr_t)name;
	trustpoint.not_before = 1;
	trustpoint.not_after = (int64_t)time(NULL) + left_s;
	assert_true(asafo__record__trustpoint_public__get_packed_size(&trustpoint) <
		    sizeof(packed));
	buf_clear(&world.keeper.listed);
	assert_int_equal(buf_append(&world.keeper.listed, packed,
				    asafo__record__trustpoint_public__pack(&trustpoint, packed)),
			 0);
}

static void search(void)
{
	unsigned asked = world.keeper.asked[IPC_LIST];

	certwatch_search(world.engine);
	WAIT_FOR(world.keeper.asked[IPC_LIST] == asked + 1 &&
		 !world.engine->certwatch.is_searching);
}

static void what_ends_soon_is_a_trouble_until_it_is_renewed(void **state)
{
	struct why why;

	(void)state;
	world_be_active("");
	put_trustpoint("vpn", 12 * DAY + 60);
	search();
	assert_true(certwatch_trouble(world.engine, 0, &why));
	assert_non_null(strstr(why.text, "the certificate of trustpoint vpn expires in 12 days ("));
	assert_false(certwatch_trouble(world.engine, 1, &why));
	put_trustpoint("vpn", -DAY);
	search();
	assert_true(certwatch_trouble(world.engine, 0, &why));
	assert_non_null(strstr(why.text, "the certificate of trustpoint vpn has expired ("));
	buf_clear(&world.keeper.listed);
	search();
	assert_false(certwatch_trouble(world.engine, 0, &why));
}

static void each_alert_is_said_once(void **state)
{
	const uint64_t *alerts;

	(void)state;
	world_be_active("");
	alerts = &world.engine->certwatch.alerts;
	put_trustpoint("vpn", 12 * DAY + 60);
	search();
	assert_int_equal(*alerts, 1);
	search();
	assert_int_equal(*alerts, 1);
	/* A week later its turn has come again. */
	world.engine->certwatch.ends[0].turn--;
	search();
	assert_int_equal(*alerts, 2);
	/* Another certificate under the name. */
	put_trustpoint("vpn", 13 * DAY);
	search();
	assert_int_equal(*alerts, 3);
}

/* The clock was forty years ahead when the store was searched last, 10 s ago. */
static void what_was_found_by_a_wrong_clock_is_judged_anew_when_it_is_set(void **state)
{
	struct certwatch *watch;
	unsigned asked;
	struct why why;

	(void)state;
	world_be_active("");
	watch = &world.engine->certwatch;
	put_trustpoint("vpn", -DAY);
	search();
	assert_true(certwatch_trouble(world.engine, 0, &why));
	asked = world.keeper.asked[IPC_LIST];
	buf_clear(&world.keeper.listed);
	watch->searched_at.ns -= 11 * MONOTIME_NS_PER_SEC;
	watch->searched_realtime -= 11;
	watch->ticked_at = (struct monotime){0};
	certwatch_tick(world.engine);
	assert_int_equal(world.keeper.asked[IPC_LIST], asked);
	assert_false(watch->is_searching);
	watch->searched_realtime += 40 * 365 * DAY;
	WAIT_FOR(world.keeper.asked[IPC_LIST] == asked + 1 && !watch->is_searching);
	assert_false(certwatch_trouble(world.engine, 0, &why));
	certwatch_tick(world.engine);
	assert_false(watch->is_searching);
}

static void three_are_named_and_the_rest_is_counted(void **state)
{
	struct why why;

	(void)state;
	world_be_active("");
	put_trustpoint("late", 50 * DAY);
	search();
	assert_int_equal(world.engine->certwatch.n_ends, 1);
	world.engine->certwatch.n_ends = 5;
	for (size_t i = 1; i < 5; i++)
		world.engine->certwatch.ends[i] = world.engine->certwatch.ends[0];
	assert_true(certwatch_trouble(world.engine, 3, &why));
	assert_non_null(strstr(why.text, "the certificates of 2 more trustpoints"));
	assert_false(certwatch_trouble(world.engine, 4, &why));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alert_is_due_when_the_date_says_so),
		TEST(what_ends_soon_is_a_trouble_until_it_is_renewed),
		TEST(each_alert_is_said_once),
		TEST(what_was_found_by_a_wrong_clock_is_judged_anew_when_it_is_set),
		TEST(three_are_named_and_the_rest_is_counted),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
