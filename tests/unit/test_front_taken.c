/* SPDX-License-Identifier: Apache-2.0 */
/* A session whose cookie two clients have. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
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
	harness_start(&harness, NULL, &limits);
	harness_bind(&harness, "vpn");
	device = tunnel_vpn_start(&harness);
	tunnel_table_send(&harness, &(struct tunnel_table){.numbers = {1}, .is_reset = true});
	tunnel_role(&harness, "active", 5);
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

#define TEST(name, start) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_comes_while_another_has_just_connected_waits_for_a_moment, start),
		TEST(nobody_waits_for_one_that_has_left, start_patient),
		TEST(nor_for_one_that_is_there_for_longer, start_patient),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
