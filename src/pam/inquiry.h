/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One question, in a process of its own: what a child of the room does. */
struct inquiry {
	const char *service, *user;
	const char *folder;    /* of the services; NULL: the system's */
	const uint8_t *client; /* its address, CLIENT_SIZE bytes */
	size_t client_size;
	int password_fd; /* the password with its NUL, to be read at once */
	int answer_fd;	 /* takes a PamCheckReply, in one write */
	int null_fd;	 /* /dev/null, for reading and writing */
	unsigned time_s; /* then it is over by itself */
};

/* Leaves the parent's descriptors, group and signals, asks the modules and answers. PARENT: who
 * forked; the process does not outlive it. Returns the exit code. */
int inquiry_run(const struct inquiry *inquiry, pid_t parent);
