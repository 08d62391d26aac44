/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/why.h"
#include "folders.h"

/*
 * Starts the children of the table, joins them by socket pairs, and starts again what died. On the
 * engine's death the active addresses are withdrawn before anything else. Of what a child says it
 * reads "ready", "alive", a status text and "stop the service", nothing else.
 */
#define SUPERVISOR_FRONTS_MAX 64
#define SUPERVISOR_WATCHDOG_MS 5000
#define SUPERVISOR_SHUTDOWN_MS 3000
#define SUPERVISOR_KILLED_MS 1000 /* from SIGKILL to the end of who is not kept by the kernel */
/* What the loop returns where the service is to begin anew. */
#define SUPERVISOR_EXIT_RELOAD 75

struct supervisor_options {
	struct folders folders;
	const char *libexec_dir;
	unsigned n_fronts;    /* 1..SUPERVISOR_FRONTS_MAX */
	unsigned watchdog_ms; /* a child that is silent for so long is killed; 0: never */
	uid_t uid_base;	      /* 0: users by name */
	bool is_verbose;
	bool is_unsandboxed;
};

struct supervisor;

/* Checks programs and users, makes the folders and the control socket. OPTIONS are borrowed. Errors
 * with a sentence. */
int supervisor_new(sd_event *event, const struct supervisor_options *options,
		   struct supervisor **ret_supervisor, struct why *ret_why);
/* Kills what still runs. */
void supervisor_free(struct supervisor *supervisor);
/* Starts the children. Errors: -errno. */
int supervisor_start(struct supervisor *supervisor);
/*
 * Stops: the engine first, so that it releases its addresses and says goodbye while the others
 * still serve it, then the rest; each has SUPERVISOR_SHUTDOWN_MS, and then SUPERVISOR_KILLED_MS,
 * and is left behind where the kernel keeps it longer. The loop exits afterwards. A second call
 * kills at once.
 */
void supervisor_stop(struct supervisor *supervisor);
