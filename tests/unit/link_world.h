/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/monotime.h"
#include "base/why.h"
#include "failover/link.h"
#include "wait.h"

/* Two ends of the failover link in one process and one loop, over loopback. All of it asserts. */
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

extern sd_event *event;
extern uint16_t port;

#define WAIT_FOR(condition) WAIT_ON(event, condition)

/* Fixture: a loop, and a port that is free now, so that two tests at once do not meet. */
int link_setup(void **state);
int link_teardown(void **state);

int send_command(struct link *link, const char *kind);
int send_items(struct link *link, size_t size);
/* Sends what is left of end->to_send, as far as the queue takes it. */
void pump(struct end *end);
void set_address(struct sockaddr_storage *address, const char *text, uint16_t at_port);
struct link_config config_of(bool is_listener, uint8_t key);
void start(struct end *end, const struct link_config *config);
/* The listener listens before the other one starts. */
void start_pair(struct end *listener, struct end *connector, uint8_t key_a, uint8_t key_b);
void stop(struct end *end);
