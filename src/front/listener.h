/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include "front/tls/snapshot.h"

/*
 * One listening address. It is bound whether or not the kernel has the address yet (ip(7)
 * IP_FREEBIND), so that a takeover finds it ready, and shared with the other fronts (SO_REUSEPORT).
 */
struct listener;

/* A connection came in; FD is the callee's, non-blocking. */
typedef void (*listener_accept_fn)(struct listener *listener, int fd,
				   const struct sockaddr_storage *peer, void *userdata);
/* accept failed for lack of something (descriptors, memory): the caller pauses for a while. */
typedef void (*listener_starved_fn)(struct listener *listener, int code, void *userdata);

struct listener_ops {
	listener_accept_fn on_accept;
	listener_starved_fn on_starved;
};

/*
 * Accepts nothing before listener_pause(listener, false). INHERITED, a socket of a front that died,
 * or -1, is the callee's, and used where it fits. Errors: -errno with a sentence.
 */
int listener_open(sd_event *event, const struct snapshot_listen *where, int inherited,
		  const struct listener_ops *ops, void *userdata, struct listener **ret_listener,
		  struct why *ret_why);
void listener_free(struct listener *listener);
/* While paused, connections wait in the kernel's queue. */
void listener_pause(struct listener *listener, bool is_paused);
/* Borrowed. */
int listener_fd(const struct listener *listener);
const struct snapshot_listen *listener_where(const struct listener *listener);
/* The address stays, what the operator calls its interface changes. */
void listener_rename(struct listener *listener, const struct snapshot_listen *where);
