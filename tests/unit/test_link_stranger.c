/* SPDX-License-Identifier: Apache-2.0 */
/* One end of the failover link, and what it makes of strangers and of mates of another release. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/link_conn.h"
#include "failover/link_socket.h"
#include "link_world.h"

static int stranger(void)
{
	struct sockaddr_storage to, from;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	set_address(&from, "127.0.0.2", 0);
	set_address(&to, "127.0.0.1", port);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(struct sockaddr_in)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(struct sockaddr_in)), 0);
	return fd;
}

static void strangers_harm_nothing(void **state)
{
	struct end a = {0}, b = {0};
	int fds[24];

	(void)state;
	start_pair(&a, &b, 7, 7);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		uint8_t garbage[3000];

		fds[i] = stranger();
		srand((unsigned)i);
		for (size_t j = 0; j < sizeof(garbage); j++)
			garbage[j] = (uint8_t)rand();
		if (i % 2)
			(void)!send(fds[i], garbage, 1 + (size_t)rand() % sizeof(garbage),
				    MSG_NOSIGNAL);
		assert_true(sd_event_run(event, 1000) >= 0);
	}
	assert_int_equal(send_command(a.link, "config"), 0);
	WAIT_FOR(b.messages == 1);
	assert_int_equal(a.downs, 1);
	/* Half-open ones do not keep the mate out, either. */
	stop(&b);
	WAIT_FOR(!link_is_up(a.link));
	struct link_config config = config_of(false, 7);
	start(&b, &config);
	WAIT_FOR(a.ups == 2 && b.ups == 2);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		(void)close(fds[i]);
	stop(&a);
	stop(&b);
}

static void a_silent_connection_is_closed_after_its_time(void **state)
{
	struct end a = {0};
	struct link_config config = config_of(true, 7);
	struct monotime begin;
	uint8_t byte;
	int fd;

	(void)state;
	start(&a, &config);
	WAIT_FOR(a.downs == 1);
	fd = stranger();
	begin = monotime_now();
	WAIT_FOR(recv(fd, &byte, 1, MSG_DONTWAIT) == 0);
	assert_true(monotime_since(monotime_now(), begin) < 4 * MONOTIME_NS_PER_SEC);
	(void)close(fd);
	stop(&a);
}

/* A mate of another release, made of the link's own parts: it says what the test wants said. */
struct foreigner {
	struct link_conn *conn;
	struct link_keys *keys;
	uint32_t version, oldest;
	bool says_hello;
	bool is_closed;
};

static void foreigner_ready(struct link_conn *conn, void *userdata)
{
	struct foreigner *foreigner = userdata;
	Asafo__Wire__LinkHello hello = ASAFO__WIRE__LINK_HELLO__INIT;
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;
	Asafo__Wire__SyncDone done = ASAFO__WIRE__SYNC_DONE__INIT;

	hello.version = foreigner->version;
	hello.oldest_version = foreigner->oldest;
	hello.unit = 2;
	message.body_case = ASAFO__WIRE__LINK__BODY_HELLO;
	message.hello = &hello;
	if (!foreigner->says_hello) {
		message.body_case = ASAFO__WIRE__LINK__BODY_SYNC_DONE;
		message.sync_done = &done;
	}
	assert_int_equal(link_conn_send(conn, &message), 0);
}

static void foreigner_frame(struct link_conn *conn, const uint8_t *data, size_t size,
			    void *userdata)
{
	(void)conn;
	(void)data;
	(void)size;
	(void)userdata;
}

static void foreigner_drained(struct link_conn *conn, void *userdata)
{
	(void)conn;
	(void)userdata;
}

static void foreigner_closed(struct link_conn *conn, int code, const char *why, void *userdata)
{
	struct foreigner *foreigner = userdata;

	(void)conn;
	(void)code;
	(void)why;
	foreigner->is_closed = true;
}

static const struct link_conn_ops foreigner_ops = {foreigner_ready, foreigner_frame,
						   foreigner_drained, foreigner_closed};

static void foreigner_meets(struct foreigner *foreigner, struct end *end)
{
	struct link_config config = config_of(false, 7);
	struct why why;
	int fd = -1;

	assert_int_equal(link_keys_new("asafo-link", config.psk, &foreigner->keys), 0);
	assert_int_equal(link_socket_connect(&config.ways[0], &fd, &why), 0);
	assert_int_equal(link_conn_new(event, fd, false, foreigner->keys, &foreigner_ops, foreigner,
				       &foreigner->conn),
			 0);
	WAIT_FOR(foreigner->is_closed && end->downs == 2);
	link_conn_free(foreigner->conn);
	link_keys_free(foreigner->keys);
}

static void another_protocol_version_is_named(void **state)
{
	struct end a = {0};
	struct link_config config = config_of(true, 7);
	struct foreigner newer = {.version = 9, .oldest = 7, .says_hello = true};

	(void)state;
	start(&a, &config);
	WAIT_FOR(a.downs == 1);
	foreigner_meets(&newer, &a);
	assert_int_equal(a.code, ERR_VERSION);
	assert_non_null(strstr(a.why, "7 to 9"));
	assert_non_null(strstr(a.why, "1 to 2"));
	assert_int_equal(a.ups, 0);
	stop(&a);
}

static void a_newer_mate_that_still_speaks_our_version_is_taken(void **state)
{
	struct end a = {0};
	struct link_config config = config_of(true, 7);
	struct foreigner newer = {.version = 9, .oldest = 1, .says_hello = true};
	struct why why;
	int fd = -1;

	(void)state;
	start(&a, &config);
	WAIT_FOR(a.downs == 1);
	config = config_of(false, 7);
	assert_int_equal(link_keys_new("asafo-link", config.psk, &newer.keys), 0);
	assert_int_equal(link_socket_connect(&config.ways[0], &fd, &why), 0);
	assert_int_equal(
		link_conn_new(event, fd, false, newer.keys, &foreigner_ops, &newer, &newer.conn),
		0);
	WAIT_FOR(a.ups == 1);
	assert_int_equal(link_mate_version(a.link), 9);
	stop(&a);
	link_conn_free(newer.conn);
	link_keys_free(newer.keys);
}

static void a_mate_that_does_not_begin_with_its_version_is_malformed(void **state)
{
	struct end a = {0};
	struct link_config config = config_of(true, 7);
	struct foreigner rude = {0};

	(void)state;
	start(&a, &config);
	WAIT_FOR(a.downs == 1);
	foreigner_meets(&rude, &a);
	assert_int_equal(a.code, ERR_MALFORMED);
	assert_int_equal(a.messages, 0);
	stop(&a);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, link_setup, link_teardown)
	const struct CMUnitTest tests[] = {
		TEST(strangers_harm_nothing),
		TEST(a_silent_connection_is_closed_after_its_time),
		TEST(another_protocol_version_is_named),
		TEST(a_newer_mate_that_still_speaks_our_version_is_taken),
		TEST(a_mate_that_does_not_begin_with_its_version_is_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
