/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP as a client meets it, over TLS. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "front_harness.h"

static struct harness harness;
static char answer[65536];

static int start(void **state)
{
	struct front_limits limits = harness_patient;

	(void)state;
	/* Longer than any test waits for anything. */
	limits.session.close_ms = 6 * HARNESS_WAIT_MS;
	harness_start(&harness, NULL, &limits);
	harness_bind(&harness, "vpn");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	harness_stop(&harness);
	return 0;
}

/* One request on a connection of its own; the status. */
static int once(const char *request, bool is_head)
{
	struct client client;
	int status;

	client_open(&client, harness.port, NULL, NULL);
	assert_int_equal(client.handshake, 0);
	client_say(&client, request);
	status = client_hear(&client, is_head, answer, sizeof(answer));
	client_close(&client);
	return status;
}

static void the_page_says_which_gateway_it_is_and_carries_its_armour(void **state)
{
	(void)state;
	assert_int_equal(once("GET / HTTP/1.1\r\nHost: gate\r\n\r\n", false), 200);
	assert_non_null(strstr(answer, "gate-1.example.org"));
	assert_non_null(strstr(answer, "Content-Type: text/html; charset=utf-8\r\n"));
	assert_non_null(strstr(answer, "Strict-Transport-Security: max-age="));
	assert_non_null(
		strstr(answer, "Content-Security-Policy: default-src 'none'; style-src 'sha256-"));
	assert_non_null(strstr(answer, "X-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(answer, "Referrer-Policy: no-referrer\r\n"));
	assert_non_null(strstr(answer, "Cache-Control: no-store\r\n"));
	assert_null(strstr(answer, "<script"));
	assert_null(strstr(answer, "http://"));
	assert_null(strstr(answer, "https://"));
	assert_null(strstr(answer, "self-signed"));
}

static void http_1_0_without_host_is_answered_and_closed(void **state)
{
	struct client client;

	(void)state;
	client_open(&client, harness.port, NULL, NULL);
	client_say(&client, "GET /healthz HTTP/1.0\r\n\r\n");
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 503);
	assert_non_null(strstr(answer, "Connection: close\r\n"));
	assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
	assert_true(client_is_closed(&client));
	client_close(&client);
}

static void head_tells_the_length_and_sends_no_body(void **state)
{
	struct client client;

	(void)state;
	client_open(&client, harness.port, NULL, NULL);
	client_say(&client,
		   "HEAD / HTTP/1.1\r\nHost: g\r\n\r\nGET /healthz HTTP/1.1\r\nHost: g\r\n\r\n");
	assert_int_equal(client_hear(&client, true, answer, sizeof(answer)), 200);
	assert_true(strtoul(strstr(answer, "Content-Length: ") + 16, NULL, 10) > 1000);
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 503);
	client_close(&client);
}

static void errors_have_their_status(void **state)
{
	static const struct {
		const char *request;
		int status;
	} cases[] = {
		{"GET /nothing HTTP/1.1\r\nHost: g\r\n\r\n", 404},
		{"GET //etc/passwd HTTP/1.1\r\nHost: g\r\n\r\n", 404},
		{"GET /?a=b HTTP/1.1\r\nHost: g\r\n\r\n", 200},
		{"GET https://g:443/healthz HTTP/1.1\r\nHost: g\r\n\r\n", 503},
		{"POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 0\r\n\r\n", 405},
		{"DELETE /nothing HTTP/1.1\r\nHost: g\r\n\r\n", 405},
		{"OPTIONS * HTTP/1.1\r\nHost: g\r\n\r\n", 405},
		{"GET / HTTP/1.1\r\n\r\n", 400},
		{"GET / HTTP/2.0\r\nHost: g\r\n\r\n", 505},
		{"GET / HTTP/1.1\nHost: g\n\n", 400},
		{"POST / HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
		{"BREW / HTTP/1.1\r\nHost: g\r\n\r\n", 501},
		{"POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 70000\r\n\r\n", 413},
		{"POST / HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		{"POST / HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n", 413},
		{"POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
		 405},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (once(cases[i].request, false) != cases[i].status)
			fail_msg("%s gave %.40s", cases[i].request, answer);
		assert_non_null(strstr(answer, "Content-Security-Policy: default-src 'none'"));
		if (cases[i].status == 405)
			assert_non_null(strstr(answer, "Allow: GET, HEAD\r\n"));
	}
}

static void pipelined_requests_are_answered_in_order_and_bodies_are_dropped(void **state)
{
	struct client client;

	(void)state;
	client_open(&client, harness.port, NULL, NULL);
	client_say(&client, "POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 28\r\n\r\nGET /smuggled "
			    "HTTP/1.1\r\n\r\n.."
			    "GET /one HTTP/1.1\r\nHost: g\r\n\r\n"
			    "POST / HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n"
			    "5;x=y\r\nhello\r\n0\r\nTrailer: z\r\n\r\n"
			    "\r\nGET / HTTP/1.1\r\nHost: g\r\n\r\n"
			    "GET /healthz HTTP/1.1\r\nHost: g\r\nConnection: x, close\r\n\r\n"
			    "GET /after HTTP/1.1\r\nHost: g\r\n\r\n");
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 405);
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 404);
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 405);
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 200);
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 503);
	assert_true(client_is_closed(&client));
	client_close(&client);
}

static void a_head_that_comes_a_byte_at_a_time_is_a_head(void **state)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: gate\r\n\r\n";
	struct client client;

	(void)state;
	client_open(&client, harness.port, NULL, NULL);
	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		const char byte[2] = {request[i], '\0'};

		client_say(&client, byte);
	}
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 503);
	client_close(&client);
}

static void a_request_in_one_segment_with_a_key_update_is_answered(void **state)
{
	struct client client;
	int on = 1, off = 0;

	(void)state;
	client_open(&client, harness.port, NULL, NULL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(setsockopt(client.fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)), 0);
		assert_int_equal(gnutls_session_key_update(client.session, 0), 0);
		client_say(&client, "GET /healthz HTTP/1.1\r\nHost: gate\r\n\r\n");
		assert_int_equal(setsockopt(client.fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off)),
				 0);
		assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 503);
	}
	client_close(&client);
}

static void a_head_without_end_is_refused(void **state)
{
	struct client client;
	char line[1024];

	(void)state;
	(void)memset(line, 'a', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	client_open(&client, harness.port, NULL, NULL);
	client_say(&client, "GET / HTTP/1.1\r\nHost: g\r\nX: ");
	for (size_t i = 0; i < 9; i++)
		client_say(&client, line);
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 431);
	assert_true(client_is_closed(&client));
	client_close(&client);
}

static void a_connection_serves_a_hundred_requests(void **state)
{
	struct client client;

	(void)state;
	client_open(&client, harness.port, NULL, NULL);
	for (int i = 1; i <= 100; i++) {
		client_say(&client, "GET /healthz HTTP/1.1\r\nHost: gate\r\n\r\n");
		assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 503);
		assert_int_equal(strstr(answer, "Connection: close") != NULL, i == 100);
	}
	assert_true(client_is_closed(&client));
	client_close(&client);
}

static bool has_one(const Asafo__Ipc__FrontReport *report)
{
	return report->connections == 1;
}

static bool has_none(const Asafo__Ipc__FrontReport *report)
{
	return report->connections == 0;
}

static void who_has_said_goodbye_is_not_waited_for(void **state)
{
	struct client client;

	(void)state;
	client_open(&client, harness.port, NULL, NULL);
	client_say(&client, "GET /healthz HTTP/1.1\r\nHost: gate\r\n\r\n");
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 503);
	harness_wait_report(&harness, has_one);
	assert_int_equal(gnutls_bye(client.session, GNUTLS_SHUT_WR), 0);
	assert_true(client_is_closed(&client));
	/* Its own end of the connection is still open. */
	harness_wait_report(&harness, has_none);
	client_close(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_says_which_gateway_it_is_and_carries_its_armour),
		cmocka_unit_test(http_1_0_without_host_is_answered_and_closed),
		cmocka_unit_test(head_tells_the_length_and_sends_no_body),
		cmocka_unit_test(errors_have_their_status),
		cmocka_unit_test(pipelined_requests_are_answered_in_order_and_bodies_are_dropped),
		cmocka_unit_test(a_head_that_comes_a_byte_at_a_time_is_a_head),
		cmocka_unit_test(a_request_in_one_segment_with_a_key_update_is_answered),
		cmocka_unit_test(a_head_without_end_is_refused),
		cmocka_unit_test(a_connection_serves_a_hundred_requests),
		cmocka_unit_test(who_has_said_goodbye_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
