/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "failover/path.h"

struct rtnl;

/* The sockets of one path. Internal to path.c. */
struct path_socket {
	int fd;	     /* -1: not open */
	int *raw_fd; /* of all paths: see path_socket_init */
	struct rtnl *rtnl;
	unsigned device_index;
	bool lacks_address; /* IPv4 multicast, and the device has no IPv4 address */
	struct sockaddr_storage to;
	socklen_t to_size;
};

/*
 * RAW_FD, the caller's, sends IPv4 where a device has no IPv4 address. It is opened here when it is
 * first needed (before that it is -1), and stays: to close a packet socket costs a grace period of
 * the kernel, tens of milliseconds. What waits for the kernel's lock does so in RTNL's thread
 * (NULL: here).
 */
void path_socket_init(struct path_socket *sock, int *raw_fd, struct rtnl *rtnl);
/* INDEX is the device's. Errors: -errno. */
int path_socket_open(struct path_socket *sock, const struct path_config *config, unsigned index);
void path_socket_close(struct path_socket *sock);
/* 0, or -errno. */
int path_socket_send(struct path_socket *sock, const uint8_t *data, size_t size);
/* The device has an IPv4 address, or none: where they are known, the kernel need not be asked. */
void path_socket_know(struct path_socket *sock, const struct path_config *config, bool has_ipv4);
/* A kernel forgets memberships where IPv6 was turned off and on. */
void path_socket_join_again(struct path_socket *sock, const struct path_config *config);
