/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each path has up to two sockets: the failover link one, an interface one for IPv4 and one for
 * IPv6 multicast. All sends go out on both; the receiver's replay window drops the second. A
 * datagram counts as sent if one took it. Sockets are bound to the device's index, so a device that
 * was made anew needs new ones: path_set_refresh compares.
 */
#include "failover/path.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/in6.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"

#define SOCKETS 2
#define BATCH 16
#define DATAGRAM_MAX 2048
#define BATCHES_PER_TURN 8
#define BATCHES_PER_DRAIN 64 /* more than a receive buffer holds */
#define DSCP_CS6                                                                                   \
	0xc0 /* network control (RFC 4594 section 3.1), as IPv4 TOS and IPv6 traffic class */

static const char GROUP4[] = "224.0.0.105";
static const char GROUP6[] = "ff02::105";

struct path_socket {
	struct path_set *set;
	size_t index; /* of the path */
	int fd;
	sd_event_source *io;
	struct sockaddr_storage to;
	socklen_t to_size;
};

struct path {
	struct path_config config;
	unsigned device_index; /* that the sockets are bound to; 0: none are open */
	struct path_socket sockets[SOCKETS];
	struct path_statistics statistics;
};

struct path_set {
	sd_event *event;
	path_datagram_fn on_datagram;
	void *userdata;
	struct path *paths;
	size_t n_paths;
	bool is_freed;
	unsigned depth; /* callbacks on the stack */
	uint8_t buffers[BATCH][DATAGRAM_MAX];
	struct sockaddr_storage senders[BATCH];
};

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Ahead of other traffic on the box and on the wire. Not every kernel and user may; it is no reason
 * to fail. */
static void set_priority(int fd, int family)
{
	if (family == AF_INET6)
		(void)set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, DSCP_CS6);
	else
		(void)set_int(fd, IPPROTO_IP, IP_TOS, DSCP_CS6);
	if (set_int(fd, SOL_SOCKET, SO_PRIORITY, TC_PRIO_CONTROL) < 0)
		(void)set_int(fd, SOL_SOCKET, SO_PRIORITY, TC_PRIO_INTERACTIVE);
}

static int open_bound(int family, const char *device, const struct sockaddr *local, socklen_t size,
		      int *ret_fd)
{
	_cleanup_close_ int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	if (device[0] && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
				    (socklen_t)strnlen(device, IFNAMSIZ)) < 0)
		return -errno;
	r = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (r == 0 && family == AF_INET6)
		r = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (r == 0)
		r = family == AF_INET6 ? set_int(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1)
				       : set_int(fd, IPPROTO_IP, IP_FREEBIND, 1);
	if (r < 0)
		return r;
	set_priority(fd, family);
	if (bind(fd, local, size) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int open_link(const struct path_config *config, struct path_socket *sock)
{
	const struct sockaddr_storage *local = &config->local;

	sock->to = config->remote;
	sock->to_size = local->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						     : sizeof(struct sockaddr_in);
	return open_bound(local->ss_family, config->device, (const struct sockaddr *)local,
			  sock->to_size, &sock->fd);
}

/* Bound to the group, so that nothing but it is received; IP_MULTICAST_ALL off, or another socket's
 * group would be. */
static int open_group4(const struct path_config *config, unsigned index, struct path_socket *sock)
{
	struct sockaddr_in group = {.sin_family = AF_INET, .sin_port = htons(HELLO_PORT)};
	struct ip_mreqn membership = {.imr_ifindex = (int)index};
	int r;

	(void)inet_pton(AF_INET, GROUP4, &group.sin_addr);
	membership.imr_multiaddr = group.sin_addr;
	memcpy(&sock->to, &group, sizeof(group));
	sock->to_size = sizeof(group);
	r = open_bound(AF_INET, config->device, (const struct sockaddr *)&group, sizeof(group),
		       &sock->fd);
	if (r < 0)
		return r;
	if (setsockopt(sock->fd, IPPROTO_IP, IP_MULTICAST_IF, &membership, sizeof(membership)) <
		    0 ||
	    setsockopt(sock->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof(membership)) <
		    0)
		return -errno;
	r = set_int(sock->fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
	if (r == 0)
		r = set_int(sock->fd, IPPROTO_IP, IP_MULTICAST_TTL, 1);
	if (r == 0)
		r = set_int(sock->fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	return r;
}

static int open_group6(const struct path_config *config, unsigned index, struct path_socket *sock)
{
	struct sockaddr_in6 group = {
		.sin6_family = AF_INET6, .sin6_port = htons(HELLO_PORT), .sin6_scope_id = index};
	struct ipv6_mreq membership = {.ipv6mr_interface = index};
	int r;

	(void)inet_pton(AF_INET6, GROUP6, &group.sin6_addr);
	membership.ipv6mr_multiaddr = group.sin6_addr;
	memcpy(&sock->to, &group, sizeof(group));
	sock->to_size = sizeof(group);
	r = open_bound(AF_INET6, config->device, (const struct sockaddr *)&group, sizeof(group),
		       &sock->fd);
	if (r < 0)
		return r;
	if (setsockopt(sock->fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &membership,
		       sizeof(membership)) < 0)
		return -errno;
	r = set_int(sock->fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)index);
	if (r == 0)
		r = set_int(sock->fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0);
	if (r == 0)
		r = set_int(sock->fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1);
	return r;
}

static void socket_close(struct path_socket *sock)
{
	sock->io = sd_event_source_disable_unref(sock->io);
	if (sock->fd >= 0)
		(void)close(TAKE_FD(sock->fd));
}

static void path_close(struct path *path)
{
	for (size_t i = 0; i < SOCKETS; i++)
		socket_close(&path->sockets[i]);
	path->device_index = 0;
	path->statistics.is_open = false;
}

/* On the failover link only the mate has something to say. */
static bool is_from_mate(const struct path_config *config, const struct sockaddr_storage *sender)
{
	const struct sockaddr_storage *mate = &config->remote;

	if (!config->is_failover_link)
		return true;
	if (sender->ss_family != mate->ss_family)
		return false;
	if (mate->ss_family == AF_INET6)
		return memcmp(&((const struct sockaddr_in6 *)sender)->sin6_addr,
			      &((const struct sockaddr_in6 *)mate)->sin6_addr,
			      sizeof(struct in6_addr)) == 0;
	return ((const struct sockaddr_in *)sender)->sin_addr.s_addr ==
	       ((const struct sockaddr_in *)mate)->sin_addr.s_addr;
}

static void deliver(struct path_socket *sock, const struct mmsghdr *messages, int n)
{
	struct path_set *set = sock->set;

	for (int i = 0; i < n && !set->is_freed; i++) {
		/* A cut one would fail its authentication anyhow. */
		if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0)
			continue;
		if (!is_from_mate(&set->paths[sock->index].config, &set->senders[i]))
			continue;
		set->paths[sock->index].statistics.received++;
		set->on_datagram(sock->index, set->buffers[i], messages[i].msg_len, set->userdata);
	}
}

/*
 * Reads up to N_BATCHES. Callbacks may drain again: what was read already lies in the set's
 * buffers, so the inner one has to leave them alone.
 */
static void socket_read(struct path_socket *sock, int n_batches)
{
	struct path_set *set = sock->set;
	struct mmsghdr messages[BATCH];
	struct iovec pieces[BATCH];

	if (set->depth > 1)
		return;
	for (int b = 0; b < n_batches && sock->fd >= 0 && !set->is_freed; b++) {
		int n;

		for (size_t i = 0; i < BATCH; i++) {
			pieces[i] = (struct iovec){set->buffers[i], DATAGRAM_MAX};
			messages[i] = (struct mmsghdr){
				.msg_hdr = {.msg_iov = &pieces[i],
					    .msg_iovlen = 1,
					    .msg_name = &set->senders[i],
					    .msg_namelen = sizeof(set->senders[i])}};
		}
		n = recvmmsg(sock->fd, messages, BATCH, MSG_DONTWAIT, NULL);
		/* Other errors are what ICMP said about something sent; they are gone once read. */
		if (n < 0 && errno == EAGAIN)
			return;
		if (n > 0)
			deliver(sock, messages, n);
		if (n > 0 && n < BATCH)
			return;
	}
}

static void set_leave(struct path_set *set)
{
	set->depth--;
	if (set->depth > 0 || !set->is_freed)
		return;
	free(set->paths);
	free(set);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct path_socket *sock = userdata;
	struct path_set *set = sock->set;

	(void)source;
	(void)fd;
	(void)events;
	set->depth++;
	socket_read(sock, BATCHES_PER_TURN);
	set_leave(set);
	return 0;
}

static int socket_watch(struct path_socket *sock)
{
	return sd_event_add_io(sock->set->event, &sock->io, sock->fd, EPOLLIN, on_io, sock);
}

static int socket_open(struct path *path, unsigned index, size_t which)
{
	struct path_socket *sock = &path->sockets[which];
	int r;

	if (path->config.is_failover_link)
		r = open_link(&path->config, sock);
	else
		r = which == 0 ? open_group4(&path->config, index, sock)
			       : open_group6(&path->config, index, sock);
	if (r == 0)
		r = socket_watch(sock);
	if (r < 0)
		socket_close(sock);
	return r < 0 ? r : 0;
}

/* Opens what is not open. A path is open if one of its sockets is. */
static void path_open(struct path *path)
{
	size_t wanted = path->config.is_failover_link ? 1 : SOCKETS;
	unsigned index = path->config.device[0] ? if_nametoindex(path->config.device) : 0;
	bool is_open = false;
	int error = 0;

	if (path->device_index != index)
		path_close(path);
	if (path->config.device[0] && index == 0) {
		path->statistics.last_error = -ENODEV;
		return;
	}
	for (size_t i = 0; i < wanted; i++) {
		int r = path->sockets[i].fd >= 0 ? 0 : socket_open(path, index, i);

		is_open = is_open || r == 0;
		if (r < 0 && error == 0)
			error = r;
	}
	path->device_index = index;
	path->statistics.is_open = is_open;
	if (!is_open)
		path->statistics.last_error = error;
}

static void path_init(struct path_set *set, size_t index, const struct path_config *config)
{
	struct path *path = &set->paths[index];

	path->config = *config;
	(void)snprintf(path->statistics.name, sizeof(path->statistics.name), "%s", config->name);
	path->statistics.is_failover_link = config->is_failover_link;
	for (size_t i = 0; i < SOCKETS; i++)
		path->sockets[i] = (struct path_socket){.set = set, .index = index, .fd = -1};
	path_open(path);
}

int path_set_new(sd_event *event, const struct path_config *paths, size_t n_paths,
		 path_datagram_fn on_datagram, void *userdata, struct path_set **ret_set)
{
	struct path_set *set = calloc(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	set->event = event;
	set->on_datagram = on_datagram;
	set->userdata = userdata;
	set->paths = calloc(n_paths ? n_paths : 1, sizeof(*set->paths));
	if (!set->paths) {
		free(set);
		return -ENOMEM;
	}
	set->n_paths = n_paths;
	for (size_t i = 0; i < n_paths; i++)
		path_init(set, i, &paths[i]);
	*ret_set = set;
	return 0;
}

void path_set_free(struct path_set *set)
{
	if (!set || set->is_freed)
		return;
	set->is_freed = true;
	set->depth++;
	for (size_t i = 0; i < set->n_paths; i++)
		path_close(&set->paths[i]);
	set_leave(set);
}

static bool path_send(struct path *path, const uint8_t *data, size_t size)
{
	bool is_sent = false;
	int error = path->statistics.last_error; /* why it is not open */

	for (size_t i = 0; i < SOCKETS; i++) {
		const struct path_socket *sock = &path->sockets[i];

		if (sock->fd < 0)
			continue;
		if (sendto(sock->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL,
			   (const struct sockaddr *)&sock->to, sock->to_size) >= 0)
			is_sent = true;
		else
			error = -errno;
	}
	if (is_sent) {
		path->statistics.sent++;
	} else {
		path->statistics.send_errors++;
		path->statistics.last_error = error;
	}
	return is_sent;
}

size_t path_set_send(struct path_set *set, const uint8_t *data, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n_paths; i++)
		n += path_send(&set->paths[i], data, size);
	return n;
}

void path_set_drain(struct path_set *set)
{
	set->depth++;
	for (size_t i = 0; i < set->n_paths && !set->is_freed; i++)
		for (size_t j = 0; j < SOCKETS && !set->is_freed; j++)
			if (set->paths[i].sockets[j].fd >= 0)
				socket_read(&set->paths[i].sockets[j], BATCHES_PER_DRAIN);
	set_leave(set);
}

void path_set_refresh(struct path_set *set)
{
	for (size_t i = 0; i < set->n_paths; i++)
		path_open(&set->paths[i]);
}

size_t path_set_count(const struct path_set *set)
{
	return set->n_paths;
}

void path_set_statistics(const struct path_set *set, size_t index,
			 struct path_statistics *ret_statistics)
{
	*ret_statistics = set->paths[index].statistics;
}
