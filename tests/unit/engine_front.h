/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/vpn/sessiondb.h"
#include "ipc/channel.h"
#include "ipc/loginproof.h"

/* A front of the engine of engine_world.h, played by the test, and what the mate says of sessions.
 * Session N has the cookie hash N, 0, 0... */
struct played_front {
	struct ipc_channel *channel;
	unsigned configs, resets, puts, gone, replies;
	uint32_t gone_reason;
	bool is_complete;
	uint8_t tag[32]; /* of the session that was put last */
	int code;	 /* of the latest reply */
	uint8_t v4[4];
	uint32_t id, prefix;
	bool has_v6;
};
extern struct played_front front;

/* Instance 0, until it has the table, and an auth helper beside it. */
void played_front_attach(void);
/* Another helper in the place of the one before, until it has the engine's key; its end. */
void played_helper_attach(void);
void played_helper_detach(void);
/* Another one, whose messages count for the first; to be freed. */
struct ipc_channel *played_front_attach_as(unsigned instance);
void played_front_detach(void);
void played_front_log_in(unsigned number, const char *user);
/* What a front asks for, with whatever it has for a proof. */
struct asked {
	unsigned number;
	const char *user, *group, *policy;
	uint8_t client; /* the last byte of its address */
};
struct loginproof played_helper_vouch(const struct asked *asked, struct monotime at);
void played_front_ask(const struct asked *asked, const struct loginproof *proof);
/* ... and hears the answer. */
int played_front_asked_code(const struct asked *asked, const struct loginproof *proof);
/* ... and hears the answer. */
int played_front_login_code(unsigned number, const char *user);
void played_front_log_out(unsigned number);
void played_front_touch(unsigned number, bool is_connected, uint64_t received, uint64_t idle_ms);
/* Of a tunnel whose CONNECT was taken AGE_MS ago. */
void played_front_touch_by(struct ipc_channel *channel, unsigned number, bool is_connected,
			   uint64_t received, uint64_t idle_ms, uint64_t age_ms);
/* Touches, and asks to end, whatever session has this hash. */
void played_front_claim(const uint8_t hash[static 32]);
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
