/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/socket.h>

#include "front/snapshot.h"

/*
 * A non-blocking socket of TYPE (SOCK_STREAM, SOCK_DGRAM) that is bound to WHERE, whether or not
 * the kernel has the address yet (ip(7) IP_FREEBIND), and shared with the other fronts
 * (SO_REUSEPORT). Errors: -errno.
 */
int listen_socket_open(const struct snapshot_listen *where, int type);
