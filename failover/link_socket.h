/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/socket.h>

#include "base/why.h"
#include "failover/link.h"

/* The sockets of the failover link. Internal to it. */

/* Long enough for "[2001:db8::1%interface]:65535". */
#define LINK_ADDRESS_TEXT 80

/* A listening, non-blocking socket at way->local. Errors: -errno with a sentence. */
int link_socket_listen(const struct link_way *way, int *ret_fd, struct why *ret_why);
/* A non-blocking socket on its way from way->local (any port) to way->remote. Errors as
 * above. */
int link_socket_connect(const struct link_way *way, int *ret_fd, struct why *ret_why);
/* A connection from way->remote's address (its port does not matter), -EAGAIN, ERR_DENIED from
 * elsewhere, -errno. */
int link_socket_accept(const struct link_way *way, int fd, int *ret_fd);
/* The address without its port, for people. */
void link_socket_text(const struct sockaddr_storage *address, char ret_text[LINK_ADDRESS_TEXT]);
