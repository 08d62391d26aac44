/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include "ipc/channel.h"

/* What every child of the supervisor has in common: descriptor 3 is the channel to it. */
#define CHILD_SUPERVISOR_FD 3
/* A sign of life comes so often, unless the supervisor waits for less than three of them. */
#define CHILD_BEAT_MS 1500u
#define CHILD_BEAT_SHORT_MS 500u

/* Command line of a child, the same for all: asafo-NAME --instance N --state-dir D --run-dir R
 * --config F [--hooks-dir D --track-dir D] [--without-pam] [--short-beat] [--verbose]. */
struct child_options {
	unsigned instance;
	const char *state_dir; /* for the keeper: its own folder under the unit's state directory */
	const char *run_dir;
	/* Name of the startup-config, for messages and for the keeper to replace. */
	const char *config;
	/* The runner's: where the administrator's scripts are. */
	const char *hooks_dir, *track_dir;
	unsigned beat_ms;
	bool is_without_pam; /* the engine's: there is no process that asks PAM */
	bool is_verbose;
	bool is_unsandboxed; /* --no-sandbox: debuggers only; logged loudly */
};

struct child_ops {
	/* A channel to another process; FD is the child's now. An older channel to the same peer is
	 * dead. */
	void (*on_peer)(enum ipc_peer peer, unsigned instance, int fd, void *userdata);
	/* An open file: "master-key", "control" (a listening socket), "startup-config", or what a
	 * process in the same place had kept under NAME. FD is the child's now. */
	void (*on_credential)(const char *name, int fd, void *userdata);
	/* Finish in an orderly way, then sd_event_exit. The supervisor's death means the same. */
	void (*on_shutdown)(void *userdata);
};

struct child;

/* Parses argv. Errors: ERR_SYNTAX after a message on stderr. The strings are borrowed from ARGV. */
int child_options_parse(int argc, char **argv, struct child_options *ret_options);
/* Takes over descriptor 3. A timer tells the supervisor every BEAT_MS of OPTIONS that the loop
 * turns. */
int child_new(sd_event *event, const struct child_options *options, const struct child_ops *ops,
	      void *userdata, struct child **ret_child);
void child_free(struct child *child);
/* "Serving": the supervisor waits for every child's before it says READY=1. */
void child_ready(struct child *child, const char *text);
/* A sign of life beside those of the loop, of who waits for something slow outside of it. CHILD may
 * be NULL. Does not block. */
void child_beat(struct child *child);
/*
 * A front's listening socket outlives it: the supervisor keeps a copy of FD under NAME, and gives
 * it to the next process in this place by on_credential. Clients that come in between wait in its
 * queue. FD stays the caller's; what was kept under NAME before is let go. FD -1: that only.
 */
void child_keep(struct child *child, const char *name, int fd);
/* Text for `systemctl status` (STATUS=). */
void child_notify(struct child *child, const char *state);
/* Asks the supervisor to stop all of its children and to begin anew. */
void child_reload_service(struct child *child);
