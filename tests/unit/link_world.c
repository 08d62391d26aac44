/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "link_world.h"

sd_event *event;
uint16_t port;

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

int send_command(struct link *link, const char *kind)
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

int send_items(struct link *link, size_t size)
{
	static uint8_t bytes[LINK_MESSAGE_MAX];
	Asafo__Wire__SyncItems items = ASAFO__WIRE__SYNC_ITEMS__INIT;
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;

	items.batch = (ProtobufCBinaryData){size, bytes};
	message.body_case = ASAFO__WIRE__LINK__BODY_SYNC_ITEMS;
	message.sync_items = &items;
	return link_send(link, &message);
}

void pump(struct end *end)
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

void set_address(struct sockaddr_storage *address, const char *text, uint16_t at_port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(at_port)};

	assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
	memset(address, 0, sizeof(*address));
	memcpy(address, &in, sizeof(in));
}

struct link_config config_of(bool is_listener, uint8_t key)
{
	struct link_config config = {.is_listener = is_listener,
				     .unit = is_listener ? 1 : 2,
				     .boot = is_listener ? 11 : 22,
				     .n_ways = 1,
				     .psk_identity = "asafo-link"};

	set_address(&config.ways[0].local, is_listener ? "127.0.0.1" : "127.0.0.2", port);
	set_address(&config.ways[0].remote, is_listener ? "127.0.0.2" : "127.0.0.1", port);
	memset(config.psk, key, sizeof(config.psk));
	return config;
}

void start(struct end *end, const struct link_config *config)
{
	assert_int_equal(link_new(event, config, &ops, end, &end->link), 0);
}

void start_pair(struct end *listener, struct end *connector, uint8_t key_a, uint8_t key_b)
{
	struct link_config a = config_of(true, key_a), b = config_of(false, key_b);

	start(listener, &a);
	WAIT_FOR(listener->downs == 1); /* it listens */
	start(connector, &b);
}

void stop(struct end *end)
{
	link_free(end->link);
	end->link = NULL;
}

int link_setup(void **state)
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

int link_teardown(void **state)
{
	(void)state;
	event = sd_event_unref(event);
	return 0;
}
