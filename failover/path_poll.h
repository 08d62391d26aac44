/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "failover/core/hello.h"

/*
 * Which of the paths' sockets have something: one epoll of their own, which is one source of the
 * loop. The copies of a hello come on all paths within some microseconds; they cost one turn of the
 * loop, and a look into all sockets is one call.
 */

/* Errors: -errno. */
int path_poll_open(int *ret_fd);
/* FD is the socket of path INDEX. Errors: -errno. */
int path_poll_watch(int poll_fd, int fd, size_t index);
/* Not any more; nothing where it was not watched, or is -1. Before FD is closed. */
void path_poll_forget(int poll_fd, int fd);
/* Sets those of RET_READY that have something, and leaves the others alone; returns how many. Does
 * not wait. */
size_t path_poll_ready(int poll_fd, bool ret_ready[static HELLO_PATHS_MAX]);
