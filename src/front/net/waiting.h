/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "front/net/sources.h"
#include "front/tls/snapshot.h"

/*
 * Connections of an address that has as many handshakes as it may: nothing of them is read, nothing
 * is kept but the descriptor, and each begins when one of its address ends. An office behind one
 * address comes back all at once when a unit takes over; a client that is refused instead stays
 * away for ten seconds. When the places run out, the address that has most of them gives one up, so
 * that a stranger's flood pushes out its own.
 */
struct waiting;

/* FD, the callee's, may begin its handshake on INTERFACE; it is counted in SOURCES already. */
typedef void (*waiting_begin_fn)(const char *interface, int fd, const struct source_key *source,
				 void *userdata);

struct waiting_limits {
	unsigned places;
	unsigned wait_ms; /* then it is closed */
};

/* SOURCES is borrowed for its life. Errors: -ENOMEM, -errno. */
int waiting_new(sd_event *event, const struct waiting_limits *limits, struct sources *sources,
		waiting_begin_fn begin, void *userdata, struct waiting **ret_waiting);
/* Closes those that wait. */
void waiting_free(struct waiting *waiting);
/* Somebody of this address waits: who comes now is behind him. */
bool waiting_has(const struct waiting *waiting, const struct source_key *source);
/* Takes over FD, and closes it where there is no place for it. */
void waiting_add(struct waiting *waiting, const char *interface, int fd,
		 const struct source_key *source);
/* A handshake of some address has ended: who may begin now does so soon, not from in here. */
void waiting_wake(struct waiting *waiting);
/* Nobody begins until it is false again; who waits too long is closed all the same. */
void waiting_pause(struct waiting *waiting, bool is_paused);
/* Something has run out: gives up one of the address that has most. False: nobody waits. */
bool waiting_shed(struct waiting *waiting);
/* The service ends: closes all of them. */
void waiting_clear(struct waiting *waiting);
