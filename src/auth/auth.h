/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include "ipc/type.h"

/*
 * The auth helper's room: "is this user's password right?", asked by the fronts, answered with the
 * users that the engine sends. One password at a time, the channels in between; what does not fit
 * into the queue is told so at once.
 */
#define AUTH_QUEUE_MAX 512 /* with those that PAM is asked about */
#define AUTH_QUEUE_SOURCE_MAX                                                                      \
	64 /* of one client's address, behind which there may be an office                         \
	    */

struct auth;

struct auth_ops {
	/* One line for the log, PRIORITY as in syslog(3). */
	void (*on_note)(int priority, const char *text, void *userdata);
	/* A message that an ASA has too, with its NUMBER (doc/log.md). */
	void (*on_event)(int severity, unsigned number, const char *text, void *userdata);
};

/* OPS is borrowed for the room's life. Errors: -ENOMEM, -errno, ERR_CRYPTO. */
int auth_new(sd_event *event, const struct auth_ops *ops, void *userdata, struct auth **ret_auth);
void auth_free(struct auth *auth);
/* A channel to the engine or to front INSTANCE: takes over FD, and lets go of an older one. Other
 * peers are refused (ERR_DENIED). */
int auth_peer_set(struct auth *auth, enum ipc_peer peer, unsigned instance, int fd);
