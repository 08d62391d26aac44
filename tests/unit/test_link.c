/* SPDX-License-Identifier: Apache-2.0 */
/* Two ends of the failover link in one process and one loop, over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "failover/link.h"
#include "failover/link_conn.h"
#include "failover/link_socket.h"

#define WAIT_MS 8000
#define BULK_MESSAGES 360u
#define BULK_SIZE (128u * 1024)

struct end {
	struct link *link;
	struct end *peer;
	unsigned ups, downs, messages, writable;
	uint64_t payload;
	int code;
	char why[WHY_TEXT_MAX];
	bool frees_on_message, frees_on_up, frees_on_down, answers_pairing;
	unsigned pair_requests, pair_replies;
	size_t to_send;
	char last[64];
};

static sd_event *event;
static uint16_t port;

static void on_up(struct link *link, void *userdata)
{
	struct end *end = userdata;

	end->ups++;
	if (end->frees_on_up) {
		end->link = NULL;
		link_free(link);
	}
}

static void on_down(struct link *link, int code, const char *why, void *userdata)
{
	struct end *end = userdata;

	end->downs++;
	end->code = code;
	(void)snprintf(end->why, sizeof(end->why), "%s", why);
	if (end->frees_on_down) {
		end->link = NULL;
		link_free(link);
	}
}

static void answer(struct link *link)
{
	Asafo__Wire__PairReply reply = ASAFO__WIRE__PAIR_REPLY__INIT;
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;
	uint8_t sealed[] = {1, 2, 3};

	reply.sealed = (ProtobufCBinaryData){sizeof(sealed), sealed};
	message.body_case = ASAFO__WIRE__LINK__BODY_PAIR_REPLY;
	message.pair_reply = &reply;
	assert_int_equal(link_reply_pairing(link, &message), 0);
}

static void on_message(struct link *link, const Asafo__Wire__Link *message, void *userdata)
{
	struct end *end = userdata;

	end->messages++;
	if (message->body_case == ASAFO__WIRE__LINK__BODY_SYNC_ITEMS)
		end->payload += message->sync_items->batch.len;
	if (message->body_case == ASAFO__WIRE__LINK__BODY_COMMAND)
		(void)snprintf(end->last, sizeof(end->last), "%s", message->command->kind);
	if (message->body_case == ASAFO__WIRE__LINK__BODY_PAIR_REQUEST) {
		assert_true(link_is_pairing(link));
		end->pair_requests++;
		if (end->answers_pairing)
			answer(link);
	}
	if (message->body_case == ASAFO__WIRE__LINK__BODY_PAIR_REPLY)
		end->pair_replies++;
	if (end->frees_on_message) {
		end->link = NULL;
		link_free(link);
	}
}

static int send_command(struct link *link, const char *kind)
{
	Asafo__Wire__Command command = ASAFO__WIRE__COMMAND__INIT;
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;
	char text[64];

	(void)snprintf(text, sizeof(text), "%s", kind);
	command.kind = text;
	message.body_case = ASAFO__WIRE__LINK__BODY_COMMAND;
	message.command = &command;
	return link_send(link, &message);
}

static int send_items(struct link *link, size_t size)
{
	static uint8_t bytes[LINK_MESSAGE_MAX];
	Asafo__Wire__SyncItems items = ASAFO__WIRE__SYNC_ITEMS__INIT;
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;

	items.batch = (ProtobufCBinaryData){size, bytes};
	message.body_case = ASAFO__WIRE__LINK__BODY_SYNC_ITEMS;
	message.sync_items = &items;
	return link_send(link, &message);
}

static void pump(struct end *end)
{
	while (end->to_send > 0) {
		int r = send_items(end->link, BULK_SIZE);

		if (r == ERR_BUSY)
			return;
		assert_int_equal(r, 0);
		end->to_send--;
	}
}

static void on_writable(struct link *link, void *userdata)
{
	struct end *end = userdata;

	(void)link;
	end->writable++;
	pump(end);
}

static const struct link_ops ops = {on_up, on_down, on_message, on_writable};

/* Runs the loop until CONDITION. */
#define WAIT_FOR(condition)                                                                        \
	do {                                                                                       \
		struct monotime until_ = monotime_add_ms(monotime_now(), WAIT_MS);                 \
		while (!(condition)) {                                                             \
			if (monotime_reached(monotime_now(), until_))                              \
				fail_msg("did not come: %s", #condition);                          \
			assert_true(sd_event_run(event, 50000) >= 0);                              \
		}                                                                                  \
	} while (0)

static void set_address(struct sockaddr_storage *address, const char *text, uint16_t at_port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(at_port)};

	assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
	memset(address, 0, sizeof(*address));
	memcpy(address, &in, sizeof(in));
}

static struct link_config config_of(bool is_listener, uint8_t key)
{
	struct link_config config = {.is_listener = is_listener,
				     .unit = is_listener ? 1 : 2,
				     .boot = is_listener ? 11 : 22,
				     .psk_identity = "asafo-link"};

	set_address(&config.local, is_listener ? "127.0.0.1" : "127.0.0.2", port);
	set_address(&config.remote, is_listener ? "127.0.0.2" : "127.0.0.1", port);
	memset(config.psk, key, sizeof(config.psk));
	return config;
}

static void start(struct end *end, const struct link_config *config)
{
	assert_int_equal(link_new(event, config, &ops, end, &end->link), 0);
}

static void start_pair(struct end *listener, struct end *connector, uint8_t key_a, uint8_t key_b)
{
	struct link_config a = config_of(true, key_a), b = config_of(false, key_b);

	start(listener, &a);
	WAIT_FOR(listener->downs == 1); /* it listens */
	start(connector, &b);
}

static void stop(struct end *end)
{
	link_free(end->link);
	end->link = NULL;
}

/* A port that is free now: two tests at once do not meet. */
static int setup(void **state)
{
	struct sockaddr_storage address;
	struct sockaddr_in bound;
	socklen_t size = sizeof(bound);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	set_address(&address, "127.0.0.1", 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(bound)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &size), 0);
	port = ntohs(bound.sin_port);
	(void)close(fd);
	return sd_event_new(&event);
}

static int teardown(void **state)
{
	(void)state;
	event = sd_event_unref(event);
	return 0;
}

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

static void units_with_one_key_come_up_and_talk(void **state)
{
	struct end a = {0}, b = {0};

	(void)state;
	start_pair(&a, &b, 7, 7);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	assert_true(link_is_up(a.link) && link_is_up(b.link));
	assert_int_equal(link_mate_version(b.link), LINK_VERSION);
	assert_true(strlen(link_mate_software(a.link)) > 0);
	assert_int_equal(send_command(a.link, "config"), 0);
	assert_int_equal(send_command(b.link, "write-memory"), 0);
	WAIT_FOR(a.messages == 1 && b.messages == 1);
	assert_string_equal(b.last, "config");
	assert_string_equal(a.last, "write-memory");
	assert_true(link_bytes_sent(a.link) > 0 && link_bytes_received(a.link) > 0);
	stop(&a);
	stop(&b);
}

static void units_with_different_keys_both_say_so(void **state)
{
	struct end a = {0}, b = {0};

	(void)state;
	start_pair(&a, &b, 7, 8);
	WAIT_FOR(a.code == ERR_INTEGRITY && b.code == ERR_INTEGRITY);
	assert_non_null(strstr(a.why, "failover key"));
	assert_non_null(strstr(b.why, "failover key"));
	assert_int_equal(a.ups + b.ups, 0);
	stop(&a);
	stop(&b);
}

static void both_units_primary_is_refused_with_a_sentence(void **state)
{
	struct end a = {0}, b = {0};
	struct link_config config = config_of(true, 7);

	(void)state;
	start(&a, &config);
	WAIT_FOR(a.downs == 1);
	config = config_of(false, 7);
	config.unit = 1;
	start(&b, &config);
	WAIT_FOR(a.code == ERR_EXISTS && b.code == ERR_EXISTS);
	assert_non_null(strstr(b.why, "failover lan unit"));
	stop(&a);
	stop(&b);
}

static void a_bulk_arrives_whole_and_the_queue_is_bounded(void **state)
{
	struct end a = {.to_send = BULK_MESSAGES}, b = {0};
	struct monotime begin;
	double seconds;

	(void)state;
	start_pair(&a, &b, 7, 7);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	begin = monotime_now();
	pump(&a);
	assert_true(a.to_send > 0);
	assert_true(link_queued(a.link) <= LINK_QUEUE_MAX);
	WAIT_FOR(b.messages == BULK_MESSAGES);
	seconds = (double)monotime_since(monotime_now(), begin) / 1e9;
	assert_int_equal(b.payload, (uint64_t)BULK_MESSAGES * BULK_SIZE);
	assert_true(a.writable > 0);
	print_message("# %.0f MB/s of payload, both ends in one thread\n",
		      (double)b.payload / 1e6 / seconds);
	assert_int_equal(send_items(a.link, LINK_MESSAGE_MAX), ERR_TOO_LARGE);
	stop(&a);
	stop(&b);
}

static void a_paused_reader_fills_the_senders_queue(void **state)
{
	struct end a = {.to_send = BULK_MESSAGES}, b = {0};

	(void)state;
	start_pair(&a, &b, 7, 7);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	link_pause(b.link, true);
	pump(&a);
	WAIT_FOR(b.messages >= 1); /* the trickle */
	assert_true(a.to_send > 0);
	link_pause(b.link, false);
	WAIT_FOR(b.messages == BULK_MESSAGES);
	stop(&a);
	stop(&b);
}

static void a_mate_that_goes_is_noticed_and_comes_back(void **state)
{
	struct end a = {0}, b = {0};
	struct link_config config = config_of(false, 7);

	(void)state;
	start_pair(&a, &b, 7, 7);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	assert_int_equal(send_command(b.link, "last words"), 0);
	stop(&b);
	WAIT_FOR(!link_is_up(a.link));
	assert_string_equal(a.last, "last words");
	assert_int_equal(a.code, ERR_CLOSED);
	assert_int_equal(send_command(a.link, "config"), ERR_CLOSED);
	start(&b, &config);
	WAIT_FOR(a.ups == 2 && b.ups == 2);
	/* A second one with the key is the mate after a reboot that nobody noticed. */
	struct end c = {0};
	start(&c, &config);
	WAIT_FOR(a.ups == 3 && c.ups == 1);
	assert_true(link_is_up(a.link));
	stop(&b);
	stop(&c);
	stop(&a);
}

static void a_connector_without_a_mate_says_so_and_keeps_trying(void **state)
{
	struct end a = {0}, b = {0};
	struct link_config config = config_of(false, 7);

	(void)state;
	start(&b, &config);
	WAIT_FOR(b.code == -ECONNREFUSED);
	assert_non_null(strstr(b.why, "127.0.0.1"));
	config = config_of(true, 7);
	start(&a, &config);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	assert_int_equal(b.downs, 1);
	stop(&a);
	stop(&b);
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

static void freeing_inside_callbacks_is_safe(void **state)
{
	struct end a = {0}, b = {.frees_on_message = true};
	struct end c = {0}, d = {.frees_on_up = true};
	struct end e = {0}, f = {.frees_on_down = true};

	(void)state;
	start_pair(&a, &b, 7, 7);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	assert_int_equal(send_command(a.link, "one"), 0);
	assert_int_equal(send_command(a.link, "two"), 0);
	WAIT_FOR(!b.link);
	assert_int_equal(b.messages, 1);
	WAIT_FOR(!link_is_up(a.link));
	stop(&a);
	start_pair(&c, &d, 7, 7);
	WAIT_FOR(!d.link);
	stop(&c);
	start_pair(&e, &f, 7, 8);
	WAIT_FOR(!f.link);
	stop(&e);
}

static void ask_for_the_key(struct end *end)
{
	Asafo__Wire__PairRequest request = ASAFO__WIRE__PAIR_REQUEST__INIT;
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;

	message.body_case = ASAFO__WIRE__LINK__BODY_PAIR_REQUEST;
	message.pair_request = &request;
	assert_int_equal(link_send(end->link, &message), 0);
}

static void a_unit_with_the_code_is_paired_and_gets_nothing_else(void **state)
{
	struct end a = {.answers_pairing = true}, b = {0};
	struct link_config config = config_of(true, 7);
	uint8_t code[LINK_PSK_SIZE];

	(void)state;
	memset(code, 0x55, sizeof(code));
	start(&a, &config);
	WAIT_FOR(a.downs == 1);
	config = config_of(false, 0x55);
	(void)snprintf(config.psk_identity, sizeof(config.psk_identity), "asafo-pair-0102");
	start(&b, &config);
	WAIT_FOR(b.code == ERR_INTEGRITY); /* no offer yet */
	assert_non_null(strstr(b.why, "pairing code"));
	assert_int_equal(link_offer_pairing(a.link, "asafo-pair-0102", code), 0);
	WAIT_FOR(b.ups == 1);
	assert_false(link_is_up(a.link));
	ask_for_the_key(&b);
	WAIT_FOR(b.pair_replies == 1);
	assert_int_equal(a.pair_requests, 1);
	/* It is closed after its answer; another question than that one closes it, too. */
	WAIT_FOR(b.ups == 2);
	assert_int_equal(send_command(b.link, "config"), 0);
	WAIT_FOR(!link_is_up(b.link));
	assert_int_equal(a.messages, 1);
	assert_int_equal(a.ups, 0);
	assert_int_equal(link_offer_pairing(a.link, NULL, NULL), 0);
	WAIT_FOR(b.code == ERR_INTEGRITY);
	stop(&a);
	stop(&b);
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
	assert_int_equal(link_socket_connect(&config, &fd, &why), 0);
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
	assert_non_null(strstr(a.why, "1 to 1"));
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
	assert_int_equal(link_socket_connect(&config, &fd, &why), 0);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(units_with_one_key_come_up_and_talk),
		TEST(units_with_different_keys_both_say_so),
		TEST(both_units_primary_is_refused_with_a_sentence),
		TEST(a_bulk_arrives_whole_and_the_queue_is_bounded),
		TEST(a_paused_reader_fills_the_senders_queue),
		TEST(a_mate_that_goes_is_noticed_and_comes_back),
		TEST(a_connector_without_a_mate_says_so_and_keeps_trying),
		TEST(strangers_harm_nothing),
		TEST(a_silent_connection_is_closed_after_its_time),
		TEST(freeing_inside_callbacks_is_safe),
		TEST(another_protocol_version_is_named),
		TEST(a_newer_mate_that_still_speaks_our_version_is_taken),
		TEST(a_mate_that_does_not_begin_with_its_version_is_malformed),
		TEST(a_unit_with_the_code_is_paired_and_gets_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
