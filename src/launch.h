/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/why.h"
#include "table.h"

/* What a child is started with. Everything is borrowed for the call. */
struct launch {
	const char *program;	 /* full name */
	const char *const *argv; /* ends with NULL */
	const struct table_row *row;
	struct table_user user;
	int channel_fd;	 /* becomes descriptor 3; stays the caller's here */
	int lifeline_fd; /* becomes LIFELINE_FD; likewise; -1: none */
};

/*
 * Starts a program that has descriptors 0 (/dev/null), 1, 2, 3 and its lifeline only, its own
 * process group, its row's user and capabilities (those that this process has) and nothing else of
 * root, and that is killed when this process dies. What cannot be set up in the child is logged
 * there and ends it with exit code 127. Errors: -errno of fork.
 */
int launch_child(const struct launch *launch, pid_t *ret_pid);
/* Gives up every capability that the supervisor and its children do not need. Errors: -errno. No-op
 * without root. */
int launch_drop_capabilities(struct why *ret_why);
