/* SPDX-License-Identifier: Apache-2.0 */
/* Many at a time: of one address, of several, and before the keeper has said anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/monotime.h"
#include "front_harness.h"

#define HANDSHAKES 4
#define PLACES 6
#define STRANGER 0x7f000002u /* 127.0.0.2 */
#define OFFICE 0x7f000003u
#define SOMEBODY 0x7f000004u

static const struct front_limits narrow = {
	.session = {.handshake_ms = 20000,
		    .head_ms = 10000,
		    .idle_ms = 10000,
		    .body_ms = 10000,
		    .answer_ms = 10000,
		    .response_ms = 10000,
		    .close_ms = 1000},
	.connections = 100,
	.handshakes = HANDSHAKES,
	.waiting = {.places = PLACES, .wait_ms = 20000},
};

static char answer[32768];

#define POURERS 16
struct crowd {
	atomic_bool is_over;
	uint16_t port;
};

/* One that is served has come after all that were there before it: they were taken, too. */
static void is_served_to(const struct harness *harness, int fd)
{
	struct monotime end = monotime_add_ms(monotime_now(), HARNESS_WAIT_MS);
	struct client client;

	client_open_on(&client, fd, NULL, NULL);
	assert_int_equal(client.handshake, 0);
	/* Not for the end of somebody else's twenty seconds. */
	assert_false(monotime_reached(monotime_now(), end));
	client_say(&client, "GET / HTTP/1.1\r\nHost: gate\r\n\r\n");
	assert_int_equal(client_hear(&client, false, answer, sizeof(answer)), 200);
	assert_true(client_was_given(&client, harness_fingerprint(harness, "vpn")));
	client_close(&client);
}

static void others_are_served(const struct harness *harness)
{
	is_served_to(harness, client_tcp_from(SOMEBODY, harness->port));
}

static void flood(const struct harness *harness, uint32_t source, int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fds[i] = client_tcp_from(source, harness->port);
}

static bool is_open(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static size_t count_open(const int *fds, size_t n)
{
	size_t open = 0;

	for (size_t i = 0; i < n; i++)
		open += is_open(fds[i]) ? 1 : 0;
	return open;
}

static void all_close(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
}

/* Its end of the stream says that the front has let it go. */
static void hang_up(int fd)
{
	char byte;

	(void)shutdown(fd, SHUT_WR);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	(void)close(fd);
}

static void who_comes_beyond_the_handshakes_of_his_address_begins_when_one_ends(void **state)
{
	struct harness harness;
	int slow[HANDSHAKES], waiting[2];

	(void)state;
	harness_start(&harness, NULL, &narrow);
	harness_bind(&harness, "vpn");
	flood(&harness, OFFICE, slow, HANDSHAKES);
	flood(&harness, OFFICE, waiting, 2);
	others_are_served(&harness);
	assert_int_equal(count_open(waiting, 2), 2);
	hang_up(slow[0]);
	is_served_to(&harness, waiting[0]);
	is_served_to(&harness, waiting[1]);
	all_close(slow + 1, HANDSHAKES - 1);
	harness_stop(&harness);
}

static void who_waits_longer_than_may_be_is_let_go(void **state)
{
	struct front_limits hasty = narrow;
	struct harness harness;
	int slow[HANDSHAKES], waiting;
	char byte;

	(void)state;
	hasty.waiting.wait_ms = 200;
	harness_start(&harness, NULL, &hasty);
	harness_bind(&harness, "vpn");
	flood(&harness, OFFICE, slow, HANDSHAKES);
	flood(&harness, OFFICE, &waiting, 1);
	assert_int_equal(recv(waiting, &byte, 1, 0), 0);
	(void)close(waiting);
	assert_int_equal(count_open(slow, HANDSHAKES), HANDSHAKES);
	all_close(slow, HANDSHAKES);
	harness_stop(&harness);
}

static void a_flood_of_one_address_pushes_out_its_own_and_nobody_else(void **state)
{
	enum { FLOOD = 50 };
	struct harness harness;
	int strange[FLOOD], slow[HANDSHAKES], waiting[2];

	(void)state;
	harness_start(&harness, NULL, &narrow);
	harness_bind(&harness, "vpn");
	flood(&harness, STRANGER, strange, FLOOD);
	others_are_served(&harness);
	assert_int_equal(count_open(strange, FLOOD), HANDSHAKES + PLACES);
	flood(&harness, OFFICE, slow, HANDSHAKES);
	flood(&harness, OFFICE, waiting, 2);
	others_are_served(&harness);
	assert_int_equal(count_open(waiting, 2), 2);
	assert_int_equal(count_open(strange, FLOOD), HANDSHAKES + PLACES - 2);
	all_close(strange, FLOOD);
	hang_up(slow[0]);
	is_served_to(&harness, waiting[0]);
	is_served_to(&harness, waiting[1]);
	all_close(slow + 1, HANDSHAKES - 1);
	harness_stop(&harness);
}

static bool has_served_two(const Asafo__Ipc__FrontReport *report)
{
	return report->handshakes == 2;
}

static void who_hung_up_while_he_waited_takes_no_place(void **state)
{
	static const uint8_t hello[] = {22, 3, 1, 1, 0, 1}; /* the first bytes of one */
	struct harness harness;
	int slow[HANDSHAKES], gone[3], last;

	(void)state;
	harness_start(&harness, NULL, &narrow);
	harness_bind(&harness, "vpn");
	flood(&harness, OFFICE, slow, HANDSHAKES);
	flood(&harness, OFFICE, gone, 3);
	flood(&harness, OFFICE, &last, 1);
	others_are_served(&harness);
	/* Behind its hello, which nobody reads before the turn comes. */
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(send(gone[i], hello, sizeof(hello), 0), sizeof(hello));
	all_close(gone, 3);
	hang_up(slow[0]);
	is_served_to(&harness, last);
	harness_wait_report(&harness, has_served_two);
	assert_int_equal(harness.report->handshake_failures, 1); /* the slow one's */
	all_close(slow + 1, HANDSHAKES - 1);
	harness_stop(&harness);
}

static bool is_of_another(const Asafo__Ipc__FrontReport *report)
{
	return report->n_served == 1 && strcmp(report->served[0]->trustpoint, "other") == 0;
}

/* The engine says nothing new, the front itself looks each second: that must not begin the wait
 * for the keeper anew. */
static void a_keeper_that_says_nothing_is_waited_for_once(void **state)
{
	struct harness_config config = {.interfaces = {"outside"},
					.bindings = {{"other", "outside", ""}}};
	struct harness harness;

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_bind(&harness, "vpn");
	(void)pthread_mutex_lock(&harness.keeper.lock);
	config.ports[0] = harness.port;
	harness_configure(&harness, &config);
	harness_wait_report(&harness, is_of_another);
	assert_true(harness.report->served[0]->is_fallback);
	(void)pthread_mutex_unlock(&harness.keeper.lock);
	harness_stop(&harness);
}

struct one_of_many {
	struct client client;
	int fd;
};

static void *hands_are_shaken(void *userdata)
{
	struct one_of_many *one = userdata;

	client_open_on(&one->client, one->fd, NULL, NULL);
	return NULL;
}

/* The engine's messages are taken in order: with the role there is what was said before. */
static void wait_active(struct harness *harness, struct client *client)
{
	harness_role(harness, "active", 7);
	do {
		client_say(client, "GET /healthz HTTP/1.1\r\nHost: gate\r\n\r\n");
		(void)client_hear(client, false, answer, sizeof(answer));
	} while (!strstr(answer, "\"role\":\"active\""));
}

static void who_waits_begins_when_the_keeper_has_said_what_is_served(void **state)
{
	struct harness_config config = {.interfaces = {"outside"},
					.bindings = {{"other", "outside", ""}}};
	struct harness harness;
	int slow[HANDSHAKES];
	struct one_of_many one;
	struct client open;
	struct monotime soon;
	pthread_t thread;

	(void)state;
	harness_start(&harness, NULL, &narrow);
	harness_trustpoint_make(&harness, "other", GNUTLS_PK_ECDSA);
	harness_bind(&harness, "vpn");
	client_open_on(&open, client_tcp_from(SOMEBODY, harness.port), NULL, NULL);
	flood(&harness, OFFICE, slow, HANDSHAKES);
	one.fd = client_tcp_from(OFFICE, harness.port);
	/* Its hello is there long before the others' answers. */
	assert_int_equal(pthread_create(&thread, NULL, hands_are_shaken, &one), 0);
	others_are_served(&harness);
	config.ports[0] = harness.port;
	(void)pthread_mutex_lock(&harness.keeper.lock);
	soon = monotime_add_ms(monotime_now(), 1000);
	harness_configure(&harness, &config);
	wait_active(&harness, &open);
	hang_up(slow[0]);
	wait_active(&harness, &open);
	(void)pthread_mutex_unlock(&harness.keeper.lock);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* The front waits two seconds for the keeper, and no longer. */
	assert_true(monotime_reached(monotime_now(), soon) ||
		    client_was_given(&one.client, harness_fingerprint(&harness, "other")));
	client_close(&one.client);
	client_close(&open);
	all_close(slow + 1, HANDSHAKES - 1);
	harness_stop(&harness);
}

/* As fast as they are answered, a hundred at a time. */
static void *requests_pour(void *userdata)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: gate\r\n\r\n";
	const struct crowd *crowd = userdata;
	char bytes[16384];
	char many[99 * sizeof(request)] = "";
	char *end = many;

	for (int i = 0; i < 99; i++)
		end = stpcpy(end, request);
	while (!atomic_load(&crowd->is_over)) {
		struct client client;
		int fd = client_tcp_try(INADDR_LOOPBACK, crowd->port);
		ssize_t n = 1;

		if (fd < 0)
			continue; /* there may be no port left for a moment */
		client_open_on(&client, fd, NULL, NULL);
		if (client.handshake == 0)
			n = gnutls_record_send(client.session, many, (size_t)(end - many));
		(void)shutdown(client.fd, SHUT_WR);
		while (n > 0)
			n = gnutls_record_recv(client.session, bytes, sizeof(bytes));
		client_close(&client);
	}
	return NULL;
}

static bool is_any(const Asafo__Ipc__FrontReport *report)
{
	return report->n_listening > 0;
}

static void a_front_that_is_kept_busy_reports_all_the_same(void **state)
{
	struct harness harness;
	struct crowd crowd = {.is_over = false};
	pthread_t threads[POURERS];

	(void)state;
	harness_start(&harness, NULL, &harness_patient);
	harness_bind(&harness, "vpn");
	crowd.port = harness.port;
	for (size_t i = 0; i < POURERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, requests_pour, &crowd), 0);
	/* Two of them are of before, at the most. */
	for (int i = 0; i < 6; i++)
		harness_wait_report(&harness, is_any);
	atomic_store(&crowd.is_over, true);
	for (size_t i = 0; i < POURERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	harness_stop(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			who_comes_beyond_the_handshakes_of_his_address_begins_when_one_ends),
		cmocka_unit_test(who_waits_longer_than_may_be_is_let_go),
		cmocka_unit_test(a_flood_of_one_address_pushes_out_its_own_and_nobody_else),
		cmocka_unit_test(who_hung_up_while_he_waited_takes_no_place),
		cmocka_unit_test(a_keeper_that_says_nothing_is_waited_for_once),
		cmocka_unit_test(who_waits_begins_when_the_keeper_has_said_what_is_served),
		cmocka_unit_test(a_front_that_is_kept_busy_reports_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
