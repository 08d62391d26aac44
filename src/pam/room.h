/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

/*
 * The PAM helper's room: what the auth helper asks is answered by a child for each question, which
 * runs the modules. Questions wait for a place, those of one client for few of them; a child has
 * its time. One that cannot even be killed (it waits for a disk that is not there) is answered for,
 * and keeps its place until it is gone: so there are never more of them than places.
 */
#define ROOM_PLACES 8
#define ROOM_PLACES_SOURCE 2 /* of one client's address */
#define ROOM_QUEUE_MAX 256   /* half of what the auth helper has: the others do without PAM */
#define ROOM_TIME_MS 8000    /* of a child */
#define ROOM_WAIT_MS 15000   /* for a place: who asked waits 20 s for all of it, and then is gone */

struct room;

struct room_options {
	const char *folder; /* of the services; NULL: the system's */
	unsigned time_ms, wait_ms;
	/* One line for the log, PRIORITY as in syslog(3). */
	void (*on_note)(int priority, const char *text, void *userdata);
	void *userdata;
};

/* Opens what it needs of files; SIGCHLD is blocked. OPTIONS are copied, what they point to is
 * borrowed. Errors: -ENOMEM, -errno. */
int room_new(sd_event *event, const struct room_options *options, struct room **ret_room);
void room_free(struct room *room);
/* The channel to the auth helper, taken over; what an older one asked is answered no more. Errors:
 * as ipc_channel_new. */
int room_auth_attach(struct room *room, int fd);
