/* SPDX-License-Identifier: Apache-2.0 */
/* Clients whose connection is lost on the way, and what engine, log and client hear of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "front_tunnel.h"

static struct harness harness;
static struct front_limits limits;
static int device = -1;
static char answer[TUNNEL_TEXT_MAX];
static char notes[] = "/tmp/asafo-notes-XXXXXX";

static int start_with(const struct tunnel_table *table, unsigned dpd_ms)
{
	limits = harness_patient;
	limits.tunnels = (struct tunnels_limits){
		.dpd_ms = dpd_ms, .role_ms = 100, .hold_ms = 300, .end_ms = 10000, .settle_ms = 1};
	device = tunnel_front_start(&harness, &limits, table);
	return 0;
}

static int start(void **state)
{
	(void)state;
	return start_with(&(struct tunnel_table){.numbers = {1, 2}, .is_reset = true}, 60000);
}

static int start_nervous(void **state)
{
	(void)state;
	return start_with(&(struct tunnel_table){.numbers = {1, 2}, .is_reset = true}, 3000);
}

static int start_with_v4(void **state)
{
	int fd = mkstemp(notes);

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(setenv("HARNESS_NOTES", notes, 1), 0);
	return start_with(
		&(struct tunnel_table){.numbers = {1}, .is_reset = true, .is_v4_only = true},
		60000);
}

static int stop(void **state)
{
	(void)state;
	harness_stop(&harness);
	(void)close(TAKE_FD(device));
	return 0;
}

static int stop_with_v4(void **state)
{
	(void)unsetenv("HARNESS_NOTES");
	(void)unlink(notes);
	return stop(state);
}

/* ---- tests ---- */

static void who_comes_back_and_is_lost_before_the_answer_is_not_connected(void **state)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct client first, second;
	uint64_t dropped;
	int status;

	(void)state;
	tunnel_open(&first, &harness, 1);
	tunnel_wait_touch(&harness, 1, true, &dropped);
	client_open(&second, harness.port, NULL, NULL);
	assert_int_equal(second.handshake, 0);
	client_say(&second, "GET /+webvpn+/nothing HTTP/1.1\r\nHost: gate\r\n\r\n");
	assert_int_equal(client_hear(&second, false, answer, sizeof(answer)), 404);
	/* The front finds the request and the reset at once: the tunnel of before is cut for the
	 * one, and the answer does not get out for the other. */
	assert_int_equal(kill(harness.pid, SIGSTOP), 0);
	assert_int_equal(waitpid(harness.pid, &status, WUNTRACED), harness.pid);
	tunnel_connect(&second, 1, "");
	assert_int_equal(setsockopt(second.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	client_close(&second);
	assert_int_equal(kill(harness.pid, SIGCONT), 0);
	tunnel_wait_touch(&harness, 1, false, &dropped);
	client_close(&first);
}

static unsigned times_noted(const char *text)
{
	_cleanup_fclose_ FILE *file = fopen(notes, "re");
	char line[1024];
	unsigned n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, text) != NULL;
	return n;
}

static void the_log_names_a_session_without_an_address_of_its_clients_family(void **state)
{
	struct client client;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		tunnel_ask(&client, &harness, 1, "X-CSTP-Address-Type: IPv6\r\n");
		assert_int_equal(tunnel_answer(&client, answer), 503);
		client_close(&client);
	}
	/* Once: it asks again and again. */
	assert_int_equal(times_noted("<4> session 1 (alice): the client takes IPv6 only"), 1);
}

static void say_something(const struct datagrams *datagrams)
{
	const uint8_t record[1] = {CSTP_DPD_RESPONSE};

	assert_int_equal(gnutls_record_send(datagrams->session, record, 1), 1);
}

static void packets_go_by_tls_as_soon_as_datagrams_are_in_doubt(void **state)
{
	struct datagrams datagrams;
	struct client client;

	(void)state;
	datagrams_establish(&datagrams, &harness, &client);
	say_something(&datagrams);
	/* By TLS, too: else that way is the next one to be lost. */
	tunnel_say(&client, CSTP_DPD_RESPONSE, NULL, 0);
	tunnel_wait_protocol(&harness, "DTLSv1.2 ");
	/* It answers neither the first question nor the second. */
	tunnel_wait_protocol(&harness, "TLS");
	/* That was no verdict: who is heard again goes on with the same keys. */
	say_something(&datagrams);
	tunnel_wait_protocol(&harness, "DTLSv1.2 ");
	datagrams_close(&datagrams);
	client_close(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			who_comes_back_and_is_lost_before_the_answer_is_not_connected, start, stop),
		cmocka_unit_test_setup_teardown(
			the_log_names_a_session_without_an_address_of_its_clients_family,
			start_with_v4, stop_with_v4),
		cmocka_unit_test_setup_teardown(packets_go_by_tls_as_soon_as_datagrams_are_in_doubt,
						start_nervous, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
