/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/link.h"
#include "failover/link_conn.h"
#include "failover/link_listen.h"
#include "failover/link_ways.h"

/* What link.c and link_about.c share. Nobody else includes it. */

#define NEW_MAX 8u
#define PEERS_MAX (NEW_MAX + 2) /* and the mate, and a pairing */
#define SOFTWARE_MAX 32

enum peer_state {
	PEER_STATE_NONE,
	PEER_STATE_NEW,
	PEER_STATE_UP,
	PEER_STATE_PAIRING,
};

struct peer {
	struct link *link;
	struct link_conn *conn;
	enum peer_state state;
	size_t way;
	bool has_asked; /* pairing: the request came */
	uint64_t order; /* of arrival */
};

struct link {
	sd_event *event;
	struct link_config config; /* without its key */
	const struct link_ops *ops;
	void *userdata;
	struct link_keys *keys;
	struct link_listen *listen;
	sd_event_source *retry;
	struct link_ways ways;
	struct peer peers[PEERS_MAX];
	struct peer *up;
	uint64_t next_order;
	int down_code;
	struct why down_why;
	char mate_software[SOFTWARE_MAX];
	uint32_t mate_version;
	uint64_t mate_boot;
	uint64_t sent, received; /* of connections that are gone */
	bool is_delivering_pairing, is_freed;
	unsigned depth; /* callbacks on the stack */
};
