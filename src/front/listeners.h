/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/listener.h"
#include "front/report.h"

/* The set of listening addresses, brought in line with a snapshot by opening and closing only what
 * differs. */
struct listeners;

struct listeners_ops {
	void (*on_accept)(const char *interface, int fd, const struct sockaddr_storage *peer,
			  void *userdata);
	void (*on_starved)(int code, void *userdata);
};

/* A socket that listens at ENDPOINT is to outlive this process; FD -1: no more. Borrowed. */
typedef void (*listeners_keep_fn)(const char *endpoint, int fd, void *userdata);

int listeners_new(sd_event *event, const struct listeners_ops *ops, void *userdata,
		  struct listeners **ret_listeners);
void listeners_free(struct listeners *listeners);
/* Also tries again what could not be opened the last time. New ones are as paused as the others. */
void listeners_apply(struct listeners *listeners, const struct snapshot *snapshot);
/* From here on KEEP, which may be NULL, is told of each. */
void listeners_keep_with(struct listeners *listeners, listeners_keep_fn keep, void *userdata);
/* A socket that a front that died had kept, before the first snapshot: takes over FD. What that
 * snapshot does not want is closed. */
void listeners_inherit(struct listeners *listeners, const char *endpoint, int fd);
void listeners_close(struct listeners *listeners);
void listeners_pause(struct listeners *listeners, bool is_paused);
int listeners_report(const struct listeners *listeners, struct report *report);
