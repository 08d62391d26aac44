/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "front/tls/snapshot.h"

/*
 * A non-blocking socket of TYPE (SOCK_STREAM, SOCK_DGRAM) that is bound to WHERE, whether or not
 * the kernel has the address yet (ip(7) IP_FREEBIND), and shared with the other fronts
 * (SO_REUSEPORT). Errors: -errno.
 */
int listen_socket_open(const struct snapshot_listen *where, int type);
/*
 * Whether FD, which a front that died had opened, listens where WHERE says, for all devices, and
 * can be used instead of a new one; it is non-blocking then. Never where the address means nothing
 * without its device. What else could be attached to a socket a front may not (SANDBOX_FRONT).
 */
bool listen_socket_inherit(int fd, const struct snapshot_listen *where);
