/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/vpn/sessiondb.h"
#include "ipc/channel.h"

/* A front of the engine of engine_world.h, played by the test, and what the mate says of sessions.
 * Session N has the cookie hash N, 0, 0... */
struct played_front {
	struct ipc_channel *channel;
	unsigned configs, resets, puts, gone, replies;
	uint32_t gone_reason;
	bool is_complete;
	int code; /* of the latest reply */
	uint8_t v4[4];
	uint32_t id, prefix;
	bool has_v6;
};
extern struct played_front front;

/* Instance 0, until it has the table. */
void played_front_attach(void);
/* Another one, whose messages count for the first; to be freed. */
struct ipc_channel *played_front_attach_as(unsigned instance);
void played_front_detach(void);
void played_front_log_in(unsigned number, const char *user);
/* ... and hears the answer. */
int played_front_login_code(unsigned number, const char *user);
void played_front_log_out(unsigned number);
void played_front_touch(unsigned number, bool is_connected, uint64_t received, uint64_t idle_ms);
/* Of a tunnel whose CONNECT was taken AGE_MS ago. */
void played_front_touch_by(struct ipc_channel *channel, unsigned number, bool is_connected,
			   uint64_t received, uint64_t idle_ms, uint64_t age_ms);
/* In the engine's table; NULL: it is not there. */
const struct session_record *session_find(unsigned number);

/* What the mate tells of a session of its own making. */
struct told {
	uint32_t end, client_port;
	uint64_t left_ms;
	bool is_whole;
	uint8_t v4, v6; /* the last byte; 0: none */
};

/* NUMBER 0: no session. */
void mate_says(unsigned number, const struct told *told);
void mate_tells(unsigned number, uint32_t end, uint64_t left_ms, bool is_whole);
/* The answer to a request on the control socket. */
const char *operator_asks(const char *request);
