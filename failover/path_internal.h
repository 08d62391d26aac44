/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "failover/path.h"
#include "failover/path_socket.h"
#include "failover/path_stats.h"
#include "failover/path_wake.h"

/* What path.c, path_show.c and path_wake.c share. */

#define BATCH 16
#define DATAGRAM_MAX 1024
#define SENT_RING 512 /* hellos whose time of sending is remembered */
/* More than two rounds of a mate with as many paths as there may be: it has no such one. */
#define PATH_UNNAMED_MAX (2u * HELLO_PATHS_MAX / HELLO_REPORTS_MAX)

struct path {
	struct path_set *set;
	size_t index;
	struct path_config config;
	uint32_t key;	       /* the same on both units */
	unsigned device_index; /* that the socket is bound to; 0: none is open */
	struct path_socket sock;
	bool is_muted;		    /* by a flood: read at drains only, as far as the bucket goes */
	struct monotime deaf_since; /* the mate hears nothing of us here; 0: it does */
	unsigned unnamed;	    /* hellos of the mate since one that told of this path */
	struct path_wake wake;
	enum path_state state;
	struct path_stats stats;
	struct path_bucket reads, strangers;
	struct monotime joined_at; /* lost, and its group joined again, last */
	uint64_t sent, send_errors, datagrams;
	uint64_t uncounted; /* received before the statistics were cleared */
	int last_error;
};

struct sent {
	uint64_t counter;
	struct monotime at;
};

struct path_set {
	sd_event *event;
	path_datagram_fn on_datagram;
	path_state_fn on_state;
	path_read_fn on_read;
	void *userdata;
	struct path *paths;
	size_t n_paths;
	int raw_fd; /* of all paths: path_socket_init */
	struct rtnl *rtnl;
	int poll_fd; /* what can be read */
	int wake_fd; /* ... and is a reason to wake up */
	sd_event_source *io;
	bool is_gathering; /* path_set_gather */
	size_t next_report;
	uint32_t hold_ms;
	uint64_t newest; /* of the mate's boot, on any path */
	uint64_t boot;
	uint64_t judged;     /* the newest that path_wake_judge has looked at */
	uint64_t named_boot; /* of the mate that path.unnamed is about */
	struct sent sent[SENT_RING];
	bool is_freed;
	unsigned depth; /* callbacks on the stack */
	uint8_t buffers[BATCH][DATAGRAM_MAX];
	struct sockaddr_storage senders[BATCH];
};

/* So long a silence is a loss: the holdtime, but for the shortest ones. */
uint64_t path_set_hold_ns(const struct path_set *set);
/* After sockets were read: which of them are a reason to wake up from now on. */
void path_wake_judge(struct path_set *set);
/* The socket of PATH, which is open and not muted, is read again. Errors: -errno. */
int path_wake_watch(struct path *path);
/* It is closed, or muted. */
void path_wake_forget(struct path *path);
