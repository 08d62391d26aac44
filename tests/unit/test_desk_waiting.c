/* SPDX-License-Identifier: Apache-2.0 */
/* The portal of a unit that does not know all sessions yet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "front_office.h"

static struct harness harness;
static struct office office;
static char answer[65536];

static int start(void **state)
{
	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_bind(&harness, "vpn");
	harness_role(&harness, "active", 3);
	office_start(&office, &harness);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	office_stop(&office);
	harness_stop(&harness);
	return 0;
}

/* With the cookie of a session that nobody knows. */
static int ask(const char *line, const char *body)
{
	char request[1024];
	struct client client;
	int status;

	(void)snprintf(request, sizeof(request),
		       "%s HTTP/1.1\r\nHost: gate:8443\r\n"
		       "Cookie: webvpn=0123456789abcdef0123456789abcdef0123456789abcdef"
		       "0123456789abcdef\r\n"
		       "Content-Type: application/x-www-form-urlencoded\r\n"
		       "Content-Length: %zu\r\n\r\n%s",
		       line, strlen(body), body);
	client_open(&client, harness.port, NULL, NULL);
	assert_int_equal(client.handshake, 0);
	client_say(&client, request);
	status = client_hear(&client, false, answer, sizeof(answer));
	client_close(&client);
	return status;
}

static void a_unit_that_lacks_sessions_says_later_and_not_no(void **state)
{
	(void)state;
	office_complete(&office, false);
	assert_int_equal(ask("GET /", ""), 503);
	assert_non_null(strstr(answer, "You stay logged in"));
	assert_int_equal(ask("POST /logout", ""), 503);
	office_complete(&office, true);
	assert_int_equal(ask("GET /", ""), 200);
	assert_non_null(strstr(answer, "name=\"password\""));
	assert_int_equal(ask("POST /logout", ""), 303);
}

static void who_does_not_want_to_wait_for_it_logs_in_anew(void **state)
{
	(void)state;
	office_complete(&office, false);
	assert_int_equal(ask("GET /", ""), 503);
	assert_non_null(strstr(answer, "<a class=\"button\" href=\"/?anew\">"));
	assert_int_equal(ask("GET /?anew", ""), 200);
	assert_non_null(strstr(answer, "name=\"password\""));
	assert_null(strstr(answer, "http-equiv"));
	assert_int_equal(ask("GET /?other", ""), 503);
	assert_int_equal(ask("POST /auth", "username=anna&password=right"), 303);
	assert_non_null(strstr(answer, "Set-Cookie: webvpn="));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_unit_that_lacks_sessions_says_later_and_not_no,
						start, stop),
		cmocka_unit_test_setup_teardown(who_does_not_want_to_wait_for_it_logs_in_anew,
						start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
