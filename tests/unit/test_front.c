/* SPDX-License-Identifier: Apache-2.0 */
/* What a client and an operator see of the front: certificates, bindings, a keeper or an engine
 * that goes away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/monotime.h"
#include "front_harness.h"

static const struct front_limits limits = {
	.session = {.handshake_ms = 300,
		    .head_ms = 300,
		    .idle_ms = 5000,
		    .body_ms = 300,
		    .response_ms = 2000,
		    .close_ms = 300},
	.connections = 8,
	.handshakes = 4,
	.waiting = {.places = 100, .wait_ms = 10000},
};

static char answer[32768];

static int ask(struct client *client, const char *request)
{
	client_say(client, request);
	return client_hear(client, false, answer, sizeof(answer));
}

static int get(struct client *client, const char *path)
{
	char request[256];

	(void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: gate\r\n\r\n", path);
	return ask(client, request);
}

static void is_served(const struct harness *harness, const char *server_name, const char *priority,
		      const char *trustpoint)
{
	struct client client;

	client_open(&client, harness->port, server_name, priority);
	assert_int_equal(client.handshake, 0);
	assert_true(client_was_given(&client, harness_fingerprint(harness, trustpoint)));
	assert_int_equal(get(&client, "/"), 200);
	client_close(&client);
}

static void the_bound_certificate_is_served_for_every_kind_of_key(void **state)
{
	static const char *const versions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.2",
					       "NORMAL:-VERS-ALL:+VERS-TLS1.3"};
	static const gnutls_pk_algorithm_t kinds[] = {GNUTLS_PK_RSA, GNUTLS_PK_ECDSA,
						      GNUTLS_PK_EDDSA_ED25519};
	struct harness harness;

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	for (size_t i = 0; i < 3; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "tp%zu", i);
		harness_trustpoint_make(&harness, name, kinds[i]);
		harness_bind(&harness, name);
		for (size_t j = 0; j < 2; j++)
			is_served(&harness, NULL, versions[j], name);
	}
	/* RSA with PKCS#1 v1.5, which reaches an external signer as an encoded DigestInfo. */
	harness_bind(&harness, "tp0");
	is_served(&harness, NULL, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-SIGN-ALL:+SIGN-RSA-SHA256",
		  "tp0");
	is_served(&harness, NULL, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-SIGN-ALL:+SIGN-RSA-SHA512",
		  "tp0");
	harness_stop(&harness);
}

static void the_server_name_selects_the_binding(void **state)
{
	struct harness harness;
	struct harness_config config = {.interfaces = {"outside"},
					.bindings = {{"vpn", "outside", ""},
						     {"web", "", "Web.Example.org"},
						     {"wild", "outside", "*.example.net"}}};

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_trustpoint_make(&harness, "web", GNUTLS_PK_ECDSA);
	harness_trustpoint_make(&harness, "wild", GNUTLS_PK_ECDSA);
	config.ports[0] = harness.port;
	harness_configure(&harness, &config);
	harness_wait_served(&harness, "outside", "web.example.org",
			    harness_fingerprint(&harness, "web"));
	is_served(&harness, NULL, NULL, "vpn");
	is_served(&harness, "web.example.org", NULL, "web");
	is_served(&harness, "WEB.example.ORG", NULL, "web");
	is_served(&harness, "a.example.net", NULL, "wild");
	is_served(&harness, "a.b.example.net", NULL, "vpn");
	is_served(&harness, "other.example.org", NULL, "vpn");
	harness_stop(&harness);
}

static void another_binding_does_not_drop_an_open_connection(void **state)
{
	struct harness harness;
	struct client client;

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_trustpoint_make(&harness, "new", GNUTLS_PK_ECDSA);
	harness_bind(&harness, "vpn");
	client_open(&client, harness.port, NULL, NULL);
	assert_int_equal(get(&client, "/"), 200);
	harness_bind(&harness, "new");
	assert_int_equal(get(&client, "/"), 200);
	assert_true(client_was_given(&client, harness_fingerprint(&harness, "vpn")));
	is_served(&harness, NULL, NULL, "new");
	assert_int_equal(get(&client, "/"), 200);
	client_close(&client);
	harness_stop(&harness);
}

static void a_renewed_trustpoint_is_served_as_soon_as_the_keeper_says_so(void **state)
{
	struct harness harness;
	struct client client;

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_bind(&harness, "vpn");
	client_open(&client, harness.port, NULL, NULL);
	assert_int_equal(get(&client, "/"), 200);
	harness_trustpoint_make(&harness, "vpn", GNUTLS_PK_RSA);
	harness_keeper_changed(&harness);
	harness_wait_served(&harness, "outside", "", harness_fingerprint(&harness, "vpn"));
	is_served(&harness, NULL, NULL, "vpn");
	assert_int_equal(get(&client, "/"), 200);
	client_close(&client);
	harness_stop(&harness);
}

static bool is_fallback_for_loss(const Asafo__Ipc__FrontReport *report)
{
	return report->n_served == 1 && report->served[0]->is_fallback &&
	       strcmp(report->served[0]->trustpoint, "vpn") == 0 &&
	       strstr(report->served[0]->why, "not in the store");
}

static void
a_bound_trustpoint_that_is_gone_leads_to_the_fallback_and_the_report_says_why(void **state)
{
	struct harness harness;
	struct client client;

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_bind(&harness, "vpn");
	harness_trustpoint_remove(&harness, "vpn");
	harness_keeper_changed(&harness);
	harness_wait_report(&harness, is_fallback_for_loss);
	client_open(&client, harness.port, NULL, NULL);
	assert_true(client_was_given(&client, harness_fingerprint(&harness, "")));
	assert_int_equal(get(&client, "/"), 200);
	assert_non_null(strstr(answer, "self-signed"));
	client_close(&client);
	harness_stop(&harness);
}

static void without_a_binding_the_fallback_is_served_and_reported(void **state)
{
	struct harness harness;

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_bind(&harness, NULL);
	assert_true(harness.report->served[0]->is_fallback);
	assert_string_equal(harness.report->served[0]->why, "no trustpoint is bound here");
	is_served(&harness, NULL, NULL, "");
	harness_stop(&harness);
}

static void without_a_keeper_handshakes_fail_with_an_alert_and_open_connections_go_on(void **state)
{
	struct harness harness;
	struct client client, late;

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_bind(&harness, "vpn");
	client_open(&client, harness.port, NULL, NULL);
	assert_int_equal(get(&client, "/"), 200);
	harness_keeper_leave(&harness);
	client_open(&late, harness.port, NULL, NULL);
	assert_true(late.handshake < 0);
	assert_true(late.alert >= 0);
	client_close(&late);
	assert_int_equal(get(&client, "/"), 200);
	harness_trustpoint_make(&harness, "vpn", GNUTLS_PK_ECDSA);
	harness_keeper_return(&harness);
	harness_wait_served(&harness, "outside", "", harness_fingerprint(&harness, "vpn"));
	is_served(&harness, NULL, NULL, "vpn");
	assert_int_equal(get(&client, "/"), 200);
	client_close(&client);
	harness_stop(&harness);
}

static void
a_keeper_that_does_not_answer_costs_one_handshake_its_time_and_not_the_next(void **state)
{
	struct harness harness;
	struct client client;
	struct monotime before;

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_bind(&harness, "vpn");
	harness_keeper_mute(&harness, true);
	client_open(&client, harness.port, NULL, NULL);
	assert_true(client.alert >= 0);
	client_close(&client);
	before = monotime_now();
	client_open(&client, harness.port, NULL, NULL);
	assert_true(client.alert >= 0);
	assert_true(monotime_since(monotime_now(), before) < MONOTIME_NS_PER_SEC);
	client_close(&client);
	harness_stop(&harness);
}

/* Asks until that is the answer, each time on a connection of its own: one connection may only ask
 * so often, and the front has the news from its engine when it has it. */
static void healthz_becomes(const struct harness *harness, int status, const char *text)
{
	struct client client;
	bool is_reached;

	do {
		client_open(&client, harness->port, NULL, NULL);
		is_reached = get(&client, "/healthz") == status && strstr(answer, text);
		client_close(&client);
	} while (!is_reached);
}

static void without_an_engine_connections_are_served_but_the_role_is_unknown(void **state)
{
	struct harness harness;
	struct client client;

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_bind(&harness, "vpn");
	client_open(&client, harness.port, NULL, NULL);
	assert_int_equal(get(&client, "/healthz"), 503);
	assert_non_null(strstr(answer, "\"role\":\"unknown\""));
	harness_role(&harness, "active", 41);
	healthz_becomes(&harness, 200, "active");
	assert_int_equal(get(&client, "/healthz"), 200);
	assert_non_null(strstr(answer, "\"role\":\"active\""));
	assert_non_null(strstr(answer, "\"term\":41"));
	assert_non_null(strstr(answer, "\"digest\":\"abcd00"));
	assert_non_null(strstr(answer, "\"hostname\":\"gate-1.example.org\""));
	assert_int_equal(get(&client, "/"), 200);
	assert_null(strstr(answer, "<u>"));
	assert_non_null(strstr(answer, "&lt;u&gt;&amp;&quot;first&quot; unit"));
	harness_engine_leave(&harness);
	healthz_becomes(&harness, 503, "unknown");
	assert_int_equal(get(&client, "/healthz"), 503);
	is_served(&harness, NULL, NULL, "vpn");
	harness_engine_return(&harness);
	harness_role(&harness, "standby", 42);
	healthz_becomes(&harness, 503, "\"role\":\"standby\"");
	assert_int_equal(get(&client, "/healthz"), 503);
	assert_non_null(strstr(answer, "\"role\":\"standby\""));
	client_close(&client);
	harness_stop(&harness);
}

#define TLS12_SHA1_ONLY                                                                            \
	"NORMAL:-VERS-ALL:+VERS-TLS1.2:-SIGN-ALL:+SIGN-RSA-SHA1:+SIGN-ECDSA-SHA1:"                 \
	"%VERIFY_ALLOW_SIGN_WITH_SHA1"

static void weak_clients_are_refused_with_an_alert(void **state)
{
	static const char *const weak[] = {
		"NORMAL:-VERS-ALL:+VERS-TLS1.1",
		"NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC:+AES-256-CBC",
		"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA",
		TLS12_SHA1_ONLY,
	};
	struct harness harness;
	struct harness_config config = {.interfaces = {"outside"},
					.bindings = {{"vpn", "outside", ""}},
					.minimum_tls = "tlsv1.3"};
	struct client client;

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_bind(&harness, "vpn");
	for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
		client_open(&client, harness.port, NULL, weak[i]);
		assert_true(client.alert >= 0);
		client_close(&client);
	}
	config.ports[0] = harness.port;
	harness_configure(&harness, &config);
	harness_wait_served(&harness, "outside", "", harness_fingerprint(&harness, "vpn"));
	client_open(&client, harness.port, NULL, "NORMAL:-VERS-ALL:+VERS-TLS1.2");
	assert_true(client.alert >= 0);
	client_close(&client);
	is_served(&harness, NULL, NULL, "vpn");
	harness_stop(&harness);
}

static void garbage_on_the_port_is_refused_and_the_next_client_is_served(void **state)
{
	static const char *const garbage[] = {"GET / HTTP/1.0\r\n\r\n", "\x16\x03\x01\xff\xff",
					      "\x80\x01\x02\x03\x04",
					      "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"};
	struct harness harness;

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_bind(&harness, "vpn");
	for (size_t i = 0; i < 4; i++) {
		int fd = client_tcp(harness.port);
		size_t size = i == 3 ? 10 : strlen(garbage[i]);
		char bytes[64];

		assert_int_equal(send(fd, garbage[i], size, MSG_NOSIGNAL), (ssize_t)size);
		(void)shutdown(fd, SHUT_WR);
		while (recv(fd, bytes, sizeof(bytes), 0) > 0)
			;
		(void)close(fd);
		is_served(&harness, NULL, NULL, "vpn");
	}
	harness_stop(&harness);
}

static void who_does_not_go_on_is_let_go(void **state)
{
	struct harness harness;
	struct client client;
	char byte;
	int fd;

	(void)state;
	harness_start(&harness, NULL, &limits);
	harness_bind(&harness, "vpn");
	fd = client_tcp(harness.port);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	(void)close(fd);
	client_open(&client, harness.port, NULL, NULL);
	assert_true(client_is_closed(&client));
	client_close(&client);
	client_open(&client, harness.port, NULL, NULL);
	assert_int_equal(ask(&client, "GET / HT"), 408);
	assert_true(client_is_closed(&client));
	client_close(&client);
	client_open(&client, harness.port, NULL, NULL);
	assert_int_equal(ask(&client, "GET / HTTP/1.1\r\nHost: g\r\nContent-Length: 5\r\n\r\nabc"),
			 408);
	client_close(&client);
	harness_stop(&harness);
}

static void a_hello_that_does_not_end_is_not_kept(void **state)
{
	static const uint8_t first[] = {0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff};
	static uint8_t record[5 + 0x4000] = {0x16, 3, 1, 0x40, 0};
	struct timeval limit = {.tv_sec = HARNESS_WAIT_MS / 1000};
	struct harness harness;
	size_t sent = 0;
	ssize_t n = 0;
	uint8_t byte;
	int fd;

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_bind(&harness, "vpn");
	fd = client_tcp(harness.port);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
	while (n >= 0 && sent < (16u << 20)) {
		memcpy(record, first, sizeof(first));
		if (sent > 0)
			memset(record + 5, 0, sizeof(first) - 5);
		n = send(fd, record, sizeof(record), MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
	}
	/* What the kernel holds is a few megabytes; then the connection has ended. */
	assert_true(sent < (16u << 20));
	assert_true(recv(fd, &byte, 1, 0) >= 0 || errno != EAGAIN);
	(void)close(fd);
	is_served(&harness, NULL, NULL, "vpn");
	harness_stop(&harness);
}

static void when_places_run_out_an_idle_connection_makes_room(void **state)
{
	struct harness harness;
	struct client clients[8];

	(void)state;
	harness_start(&harness, NULL, &limits);
	harness_bind(&harness, "vpn");
	for (size_t i = 0; i < 8; i++) {
		client_open(&clients[i], harness.port, NULL, NULL);
		assert_int_equal(get(&clients[i], "/healthz"), 503);
	}
	is_served(&harness, NULL, NULL, "vpn");
	assert_true(client_is_closed(&clients[0]));
	assert_int_equal(get(&clients[7], "/healthz"), 503);
	for (size_t i = 0; i < 8; i++)
		client_close(&clients[i]);
	harness_stop(&harness);
}

static void when_places_run_out_the_slowest_makes_room(void **state)
{
	struct front_limits patient = harness_patient;
	struct harness harness;
	struct client clients[8];
	int fd;

	(void)state;
	patient.connections = 8;
	harness_start(&harness, NULL, &patient);
	harness_bind(&harness, "vpn");
	for (size_t i = 0; i < 8; i++) {
		client_open(&clients[i], harness.port, NULL, NULL);
		assert_int_equal(clients[i].handshake, 0);
		client_say(&clients[i], "GET /healthz HTTP/1.1\r\nHost: ga");
	}
	is_served(&harness, NULL, NULL, "vpn");
	assert_int_equal(client_hear(&clients[0], false, answer, sizeof(answer)), 0);
	/* The place is free again: one who says nothing at all takes it. */
	fd = client_tcp(harness.port);
	is_served(&harness, NULL, NULL, "vpn");
	assert_int_equal(ask(&clients[7], "te\r\n\r\n"), 503);
	(void)close(fd);
	for (size_t i = 0; i < 8; i++)
		client_close(&clients[i]);
	harness_stop(&harness);
}

static void a_stream_of_warnings_ends_the_connection(void **state)
{
	struct harness harness;
	struct client client;

	(void)state;
	harness_start(&harness, NULL, &limits);
	harness_bind(&harness, "vpn");
	client_open(&client, harness.port, NULL, "NORMAL:-VERS-ALL:+VERS-TLS1.2");
	assert_int_equal(client.handshake, 0);
	assert_int_equal(
		gnutls_alert_send(client.session, GNUTLS_AL_WARNING, GNUTLS_A_USER_CANCELED), 0);
	assert_int_equal(get(&client, "/healthz"), 503);
	for (int i = 0; i < 8; i++)
		(void)gnutls_alert_send(client.session, GNUTLS_AL_WARNING, GNUTLS_A_USER_CANCELED);
	(void)gnutls_record_send(client.session, "GET /healthz HTTP/1.1\r\n", 23);
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 0);
	client_close(&client);
	is_served(&harness, NULL, NULL, "vpn");
	harness_stop(&harness);
}

static bool has_two(const Asafo__Ipc__FrontReport *report)
{
	return report->n_listening == 2 && report->n_failed == 0;
}

static bool has_one_and_a_failure(const Asafo__Ipc__FrontReport *report)
{
	return report->n_listening == 1 && report->n_failed == 1 &&
	       strstr(report->failed[0], "in use");
}

static void a_new_configuration_touches_only_what_changed(void **state)
{
	struct harness harness;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct harness_config config = {.interfaces = {"outside", "inside"},
					.bindings = {{"vpn", "outside", ""}}};
	struct client client;
	socklen_t size = sizeof(in);
	int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_bind(&harness, "vpn");
	client_open(&client, harness.port, NULL, NULL);
	config.ports[0] = harness.port;
	assert_int_equal(bind(taken, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(taken, 1), 0);
	assert_int_equal(getsockname(taken, (struct sockaddr *)&in, &size), 0);
	config.ports[1] = ntohs(in.sin_port);
	harness_configure(&harness, &config);
	harness_wait_report(&harness, has_one_and_a_failure);
	(void)close(taken);
	harness_configure(&harness, &config);
	harness_wait_report(&harness, has_two);
	assert_int_equal(get(&client, "/"), 200);
	harness_bind(&harness, "vpn");
	assert_int_equal(harness.report->n_listening, 1);
	assert_int_equal(get(&client, "/"), 200);
	client_close(&client);
	is_served(&harness, NULL, NULL, "vpn");
	harness_stop(&harness);
}

static void the_program_serves_from_within_its_sandbox(void **state)
{
	struct harness harness;

	(void)state;
	harness_start(&harness, FRONT_PROGRAM, NULL);
	harness_trustpoint_make(&harness, "rsa", GNUTLS_PK_RSA);
	harness_bind(&harness, "vpn");
	is_served(&harness, NULL, NULL, "vpn");
	harness_bind(&harness, "rsa");
	is_served(&harness, "gate.example.org", NULL, "rsa");
	harness_keeper_leave(&harness);
	harness_engine_leave(&harness);
	harness_keeper_return(&harness);
	harness_engine_return(&harness);
	harness_bind(&harness, "vpn");
	is_served(&harness, NULL, NULL, "vpn");
	harness_stop(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bound_certificate_is_served_for_every_kind_of_key),
		cmocka_unit_test(the_server_name_selects_the_binding),
		cmocka_unit_test(another_binding_does_not_drop_an_open_connection),
		cmocka_unit_test(a_renewed_trustpoint_is_served_as_soon_as_the_keeper_says_so),
		cmocka_unit_test(
			a_bound_trustpoint_that_is_gone_leads_to_the_fallback_and_the_report_says_why),
		cmocka_unit_test(without_a_binding_the_fallback_is_served_and_reported),
		cmocka_unit_test(
			without_a_keeper_handshakes_fail_with_an_alert_and_open_connections_go_on),
		cmocka_unit_test(
			a_keeper_that_does_not_answer_costs_one_handshake_its_time_and_not_the_next),
		cmocka_unit_test(without_an_engine_connections_are_served_but_the_role_is_unknown),
		cmocka_unit_test(weak_clients_are_refused_with_an_alert),
		cmocka_unit_test(garbage_on_the_port_is_refused_and_the_next_client_is_served),
		cmocka_unit_test(who_does_not_go_on_is_let_go),
		cmocka_unit_test(a_hello_that_does_not_end_is_not_kept),
		cmocka_unit_test(when_places_run_out_an_idle_connection_makes_room),
		cmocka_unit_test(when_places_run_out_the_slowest_makes_room),
		cmocka_unit_test(a_stream_of_warnings_ends_the_connection),
		cmocka_unit_test(a_new_configuration_touches_only_what_changed),
		cmocka_unit_test(the_program_serves_from_within_its_sandbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
