/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include "front/net/waiting.h"
#include "front/session/session.h"
#include "front/tunnel/tunnels.h"
#include "ipc/type.h"

/*
 * The front's room: listens where the engine says, serves what is bound there with the keeper's
 * certificates and signatures, and tells the engine what it really does.
 */
struct front;

struct front_limits {
	struct session_limits session;
	struct tunnels_limits tunnels;
	unsigned connections;	       /* at most, over all */
	unsigned handshakes;	       /* at most, of one source address at a time */
	struct waiting_limits waiting; /* of those that come beyond these */
};
extern const struct front_limits front_limits_default;

struct front_ops {
	/* One line for the log, PRIORITY as in syslog(3). */
	void (*on_note)(int priority, const char *text, void *userdata);
	/* May be NULL: see listeners_keep_fn. */
	void (*on_keep)(const char *endpoint, int fd, void *userdata);
};

/* INSTANCE tells the fronts of a unit apart. OPS and LIMITS are borrowed for the front's life.
 * Errors: -ENOMEM, -errno, ERR_CRYPTO. */
int front_new(sd_event *event, unsigned instance, const struct front_limits *limits,
	      const struct front_ops *ops, void *userdata, struct front **ret_front);
void front_free(struct front *front);
/*
 * A channel to the engine or the keeper: takes over FD, and lets go of an older one. Other peers
 * are refused (ERR_DENIED). Established connections go on in any case.
 */
int front_peer_set(struct front *front, enum ipc_peer peer, int fd);
/* Before it has a peer: a listening socket that the process before this one had kept. Takes over
 * FD.
 */
void front_inherit(struct front *front, const char *endpoint, int fd);
/* Listens no more and says close_notify to everyone. */
void front_stop(struct front *front);
