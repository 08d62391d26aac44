/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include "ipc/child.h"
#include "walls.h"

/*
 * What the processes that have one room each do alike: they read their command line, open their
 * log, make their room on a loop, take the channel to the supervisor, go behind their walls, and
 * only then are ready for what others send.
 */
struct program {
	struct child_options options;
	sd_event *event;
	struct child *child;
	void *room; /* set by room_new */
};

struct program_ops {
	const char *name;    /* in the log */
	const char *waiting; /* what for, once it is ready: `systemctl status` has it */
	enum sandbox_profile profile;
	const struct sandbox_paths *paths;
	/* Errors: any; they are logged, and the process ends. */
	int (*room_new)(struct program *program);
	/* After a failure, too: the room may be NULL then. */
	void (*room_free)(struct program *program);
	struct child_ops child; /* the userdata is the program */
};

/* The life of a process, from main's arguments to its exit status: 2 for a wrong command line. */
int program_run(int argc, char **argv, const struct program_ops *ops);

/* For a room's on_note: what it says goes to the log. */
void program_on_note(int priority, const char *text, void *program);
/* For child_ops.on_shutdown, of a room that has nothing to end first. */
void program_on_shutdown(void *program);
