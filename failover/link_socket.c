/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mate that lost its power says nothing: unacknowledged bytes are given up after USER_TIMEOUT_MS,
 * and an idle connection is probed each second.
 */
#include "failover/link_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

#define USER_TIMEOUT_MS 2000
#define KEEPALIVE_IDLE_S 1
#define KEEPALIVE_INTERVAL_S 1
#define KEEPALIVE_COUNT 2
#define BACKLOG 16
/*
 * What fits into every path that carries IPv6 (RFC 8200 section 5), so that a switch between two
 * units with larger frames, or one unit's MTU, cannot swallow a bulk replication whose hellos and
 * handshakes come through. Path MTU discovery needs a router that says so, and here is none.
 */
#define SEGMENT_MAX (1280 - 40 - 20)

static socklen_t address_size(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					      : sizeof(struct sockaddr_in);
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* What makes a dead mate known, and a live one reachable. Options that a kernel lacks cost only
 * time, so errors are not fatal. */
static void set_options(int fd)
{
	(void)set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	(void)set_int(fd, IPPROTO_TCP, TCP_MAXSEG, SEGMENT_MAX);
	(void)set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
	(void)set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	(void)set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	(void)set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	(void)set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
}

void link_socket_text(const struct sockaddr_storage *address, char ret_text[LINK_ADDRESS_TEXT])
{
	char text[INET6_ADDRSTRLEN] = "";

	if (address->ss_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text,
				sizeof(text));
	else if (address->ss_family == AF_INET)
		(void)inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text,
				sizeof(text));
	(void)snprintf(ret_text, LINK_ADDRESS_TEXT, "%s", text[0] ? text : "?");
}

static int fail_device(const struct link_way *way, int error, struct why *ret_why)
{
	return why_set(ret_why, -error, "the failover link's interface %s cannot be used: %s",
		       way->device, err_text(-error));
}

static int fail_address(const struct link_way *way, int error, struct why *ret_why)
{
	char text[LINK_ADDRESS_TEXT];

	link_socket_text(&way->local, text);
	return why_set(ret_why, -error, "cannot use %s on the failover link: %s", text,
		       err_text(-error));
}

static int open_socket(const struct link_way *way, int family, int *ret_fd, struct why *ret_why)
{
	_cleanup_close_ int fd = -1;

	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (fd < 0)
		return fail_address(way, errno, ret_why);
	if (way->device[0] && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, way->device,
					 (socklen_t)strnlen(way->device, 16)) < 0)
		return fail_device(way, errno, ret_why);
	(void)set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set_options(fd);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int link_socket_listen(const struct link_way *way, int *ret_fd, struct why *ret_why)
{
	_cleanup_close_ int fd = -1;
	int r = open_socket(way, way->local.ss_family, &fd, ret_why);

	if (r < 0)
		return r;
	/* The address may come after us. */
	if (way->local.ss_family == AF_INET6)
		(void)set_int(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
	else
		(void)set_int(fd, IPPROTO_IP, IP_FREEBIND, 1);
	if (bind(fd, (const struct sockaddr *)&way->local, address_size(&way->local)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return fail_address(way, errno, ret_why);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static struct sockaddr_storage without_port(const struct sockaddr_storage *address)
{
	struct sockaddr_storage copy = *address;

	if (copy.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&copy)->sin6_port = 0;
	else
		((struct sockaddr_in *)&copy)->sin_port = 0;
	return copy;
}

int link_socket_connect(const struct link_way *way, int *ret_fd, struct why *ret_why)
{
	struct sockaddr_storage local = without_port(&way->local);
	_cleanup_close_ int fd = -1;
	char text[LINK_ADDRESS_TEXT];
	int r = open_socket(way, way->remote.ss_family, &fd, ret_why);

	if (r < 0)
		return r;
	if (local.ss_family == way->remote.ss_family &&
	    bind(fd, (const struct sockaddr *)&local, address_size(&local)) < 0)
		return fail_address(way, errno, ret_why);
	if (connect(fd, (const struct sockaddr *)&way->remote, address_size(&way->remote)) < 0 &&
	    errno != EINPROGRESS) {
		r = -errno;
		link_socket_text(&way->remote, text);
		return why_set(ret_why, r, "the mate (%s) cannot be reached: %s", text,
			       err_text(r));
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static bool is_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET6)
		return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
			      &((const struct sockaddr_in6 *)b)->sin6_addr,
			      sizeof(struct in6_addr)) == 0;
	return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
	       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
}

int link_socket_accept(const struct link_way *way, int fd, int *ret_fd)
{
	struct sockaddr_storage from = {0};
	socklen_t size = sizeof(from);
	_cleanup_close_ int conn = -1;

	conn = accept4(fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (conn < 0)
		return -errno;
	if (way->remote.ss_family != AF_UNSPEC && !is_same_host(&from, &way->remote))
		return ERR_DENIED;
	set_options(conn);
	*ret_fd = TAKE_FD(conn);
	return 0;
}
