/* SPDX-License-Identifier: Apache-2.0 */
/* A session whose cookie two clients have. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/monotime.h"
#include "front_tunnel.h"

#define SETTLE_MS 1500

static struct harness harness;
static struct front_limits limits;
static int device = -1;
static char answer[TUNNEL_TEXT_MAX];

static int start_with(unsigned settle_ms)
{
	limits = harness_patient;
	limits.tunnels = (struct tunnels_limits){.dpd_ms = 60000,
						 .role_ms = 100,
						 .hold_ms = 60000,
						 .settle_ms = settle_ms,
						 .end_ms = 10000};
	device = tunnel_front_start(&harness, &limits,
				    &(struct tunnel_table){.numbers = {1}, .is_reset = true});
	return 0;
}

static int start(void **state)
{
	(void)state;
	return start_with(SETTLE_MS);
}

/* For longer than a client waits for an answer. */
static int start_patient(void **state)
{
	(void)state;
	return start_with(6 * HARNESS_WAIT_MS);
}

static int stop(void **state)
{
	(void)state;
	harness_stop(&harness);
	(void)close(TAKE_FD(device));
	return 0;
}

/* Until the front has heard the engine: a session of another number, which comes after. */
static void table_take(const struct tunnel_table *table)
{
	struct client client;

	tunnel_table_send(&harness, table);
	tunnel_table_send(&harness, &(struct tunnel_table){.numbers = {3}});
	tunnel_open(&client, &harness, 3);
	client_close(&client);
}

static void who_comes_while_another_has_just_connected_waits_for_a_moment(void **state)
{
	struct monotime began = monotime_now();
	struct client client;

	(void)state;
	table_take(&(struct tunnel_table){.numbers = {1}, .owner = 2});
	tunnel_ask(&client, &harness, 1, "");
	assert_int_equal(tunnel_answer(&client, answer), 200);
	assert_true(monotime_since(monotime_now(), began) >=
		    (SETTLE_MS - 100) * MONOTIME_NS_PER_MS);
	client_close(&client);
}

static void nobody_waits_for_one_that_has_left(void **state)
{
	struct client client;
	struct pollfd ready = {.events = POLLIN};

	(void)state;
	table_take(&(struct tunnel_table){.numbers = {1}, .owner = 2});
	tunnel_ask(&client, &harness, 1, "");
	ready.fd = client.fd;
	assert_int_equal(poll(&ready, 1, 100), 0);
	tunnel_table_send(&harness, &(struct tunnel_table){.numbers = {1}});
	assert_int_equal(tunnel_answer(&client, answer), 200);
	client_close(&client);
}

static void nor_for_one_that_is_there_for_longer(void **state)
{
	struct client client;

	(void)state;
	table_take(&(struct tunnel_table){.numbers = {1}, .owner = 2, .is_late = true});
	tunnel_ask(&client, &harness, 1, "");
	assert_int_equal(tunnel_answer(&client, answer), 200);
	client_close(&client);
}

static void nor_does_it_take_the_place_before_the_engine_has_told_of_it(void **state)
{
	struct monotime began;
	struct client first, second;

	(void)state;
	began = monotime_now();
	tunnel_open(&first, &harness, 1);
	tunnel_ask(&second, &harness, 1, "");
	assert_int_equal(tunnel_answer(&second, answer), 200);
	assert_true(monotime_since(monotime_now(), began) >= SETTLE_MS * MONOTIME_NS_PER_MS);
	client_close(&first);
	client_close(&second);
}

/* What it asks is there before anything that another one asks from here on. */
static void ask_at_once(struct client *client)
{
	int yes = 1;

	tunnel_ask(client, &harness, 1, "");
	assert_int_equal(setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)), 0);
}

static void of_two_that_wait_only_the_later_one_is_served(void **state)
{
	struct client first, second;

	(void)state;
	table_take(&(struct tunnel_table){.numbers = {1}, .owner = 2});
	ask_at_once(&first);
	tunnel_ask(&second, &harness, 1, "");
	assert_int_equal(tunnel_answer(&first, answer), 503);
	assert_non_null(strstr(answer, "came later"));
	tunnel_table_send(&harness, &(struct tunnel_table){.numbers = {1}});
	assert_int_equal(tunnel_answer(&second, answer), 200);
	client_close(&first);
	client_close(&second);
}

static void that_is_so_when_both_wait_for_the_unit_to_take_over(void **state)
{
	struct client first, second;

	(void)state;
	tunnel_table_send(&harness, &(struct tunnel_table){.numbers = {1}});
	tunnel_role(&harness, "standby", 6);
	ask_at_once(&first);
	ask_at_once(&second);
	/* Another request that is answered: both are held by then. */
	tunnel_role(&harness, "standby", 6);
	tunnel_role(&harness, "active", 7);
	assert_int_equal(tunnel_answer(&first, answer), 503);
	assert_non_null(strstr(answer, "came later"));
	assert_int_equal(tunnel_answer(&second, answer), 200);
	client_close(&first);
	client_close(&second);
}

static void who_waits_goes_on_waiting_when_it_is_taken_once_more(void **state)
{
	struct client client;
	struct pollfd ready = {.events = POLLIN};

	(void)state;
	table_take(&(struct tunnel_table){.numbers = {1}, .owner = 2});
	tunnel_ask(&client, &harness, 1, "");
	ready.fd = client.fd;
	assert_int_equal(poll(&ready, 1, SETTLE_MS / 2), 0);
	tunnel_table_send(&harness, &(struct tunnel_table){.numbers = {1}, .owner = 3});
	assert_int_equal(tunnel_answer(&client, answer), 200);
	client_close(&client);
}

static void who_waits_for_another_reason_does_so_for_as_long_as_ever(void **state)
{
	struct client client;
	struct pollfd ready = {.events = POLLIN};

	(void)state;
	tunnel_role(&harness, "standby", 6);
	tunnel_table_send(&harness, &(struct tunnel_table){.numbers = {1}, .owner = 2});
	tunnel_ask(&client, &harness, 1, "");
	ready.fd = client.fd;
	assert_int_equal(poll(&ready, 1, SETTLE_MS + 500), 0);
	tunnel_role(&harness, "active", 7);
	assert_int_equal(tunnel_answer(&client, answer), 200);
	client_close(&client);
}

#define TEST(name, start) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_comes_while_another_has_just_connected_waits_for_a_moment, start),
		TEST(nobody_waits_for_one_that_has_left, start_patient),
		TEST(nor_for_one_that_is_there_for_longer, start_patient),
		TEST(nor_does_it_take_the_place_before_the_engine_has_told_of_it, start),
		TEST(of_two_that_wait_only_the_later_one_is_served, start_patient),
		TEST(that_is_so_when_both_wait_for_the_unit_to_take_over, start_patient),
		TEST(who_waits_goes_on_waiting_when_it_is_taken_once_more, start),
		TEST(who_waits_for_another_reason_does_so_for_as_long_as_ever, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
