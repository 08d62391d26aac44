/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When does an address come and go, and when did the kernel say that a device lost its carrier? A
 * netlink socket in each network namespace, read in one loop.
 */
#include "tools/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/monotime.h"

#define NAMESPACES_MAX 8
#define DUMP_SIZE 32768

struct watched {
	const char *name;
	struct mnl_socket *socket;
	bool is_held;
};

struct watch {
	struct in_addr address;
	struct watched namespaces[NAMESPACES_MAX];
	size_t n;
	struct monotime now;
};

struct visit {
	const struct watch *watch;
	struct watched *watched;
};

static int on_attribute(const struct nlattr *attribute, void *userdata)
{
	struct in_addr *ret = userdata;

	if (mnl_attr_get_type(attribute) == IFA_LOCAL &&
	    mnl_attr_get_payload_len(attribute) == sizeof(*ret))
		memcpy(ret, mnl_attr_get_payload(attribute), sizeof(*ret));
	return MNL_CB_OK;
}

static void tell(const struct visit *visit, char sign)
{
	(void)printf("%" PRIu64 " %s %c\n", visit->watch->now.ns, visit->watched->name, sign);
	(void)fflush(stdout);
}

/* Only devices that are still wanted: what is taken down by hand is another thing. */
static void on_link(const struct visit *visit, const struct nlmsghdr *message)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);

	if ((link->ifi_flags & (IFF_UP | IFF_RUNNING)) == IFF_UP)
		tell(visit, '!');
}

static int on_message(const struct nlmsghdr *message, void *userdata)
{
	const struct visit *visit = userdata;
	struct in_addr address = {0};
	bool is_held = message->nlmsg_type == RTM_NEWADDR;

	if (message->nlmsg_type == RTM_NEWLINK)
		on_link(visit, message);

	if (!is_held && message->nlmsg_type != RTM_DELADDR)
		return MNL_CB_OK;
	(void)mnl_attr_parse(message, sizeof(struct ifaddrmsg), on_attribute, &address);
	if (address.s_addr != visit->watch->address.s_addr || is_held == visit->watched->is_held)
		return MNL_CB_OK;
	visit->watched->is_held = is_held;
	tell(visit, is_held ? '+' : '-');
	return MNL_CB_OK;
}

/* All that waits: what one namespace said before another must not be told after it. */
static void receive(struct watch *watch, struct watched *watched)
{
	struct visit visit = {watch, watched};
	char bytes[DUMP_SIZE];
	ssize_t n;

	while ((n = recv(mnl_socket_get_fd(watched->socket), bytes, sizeof(bytes), MSG_DONTWAIT)) >
	       0)
		(void)mnl_cb_run(bytes, (size_t)n, 0, 0, on_message, &visit);
}

/* Asks for the addresses that are there; the answer comes as events do. */
static int dump(const struct mnl_socket *socket)
{
	char bytes[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(bytes);
	struct ifaddrmsg *body;

	message->nlmsg_type = RTM_GETADDR;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
	body->ifa_family = AF_INET;
	return mnl_socket_sendto(socket, message, message->nlmsg_len) < 0 ? -errno : 0;
}

static int open_in(const char *name, struct mnl_socket **ret_socket)
{
	_cleanup_close_ int fd = -1;
	char path[256];

	(void)snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		return -errno;
	*ret_socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!*ret_socket)
		return -errno;
	if (mnl_socket_bind(*ret_socket, RTMGRP_IPV4_IFADDR | RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	return dump(*ret_socket);
}

/* The sockets stay where they were made; the process comes back. */
static int watch_open(struct watch *watch, char *const *namespaces, size_t n_namespaces)
{
	_cleanup_close_ int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < n_namespaces; i++) {
		struct watched *watched = &watch->namespaces[watch->n++];
		int r;

		watched->name = namespaces[i];
		r = open_in(watched->name, &watched->socket);
		if (r < 0) {
			(void)fprintf(stderr, "probe: watch: %s: %s\n", watched->name,
				      strerror(-r));
			return EXIT_FAILURE;
		}
	}
	if (setns(home, CLONE_NEWNET) < 0) {
		perror("probe: watch");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static void watch_run(struct watch *watch)
{
	struct pollfd fds[NAMESPACES_MAX];

	for (size_t i = 0; i < watch->n; i++)
		fds[i] = (struct pollfd){.fd = mnl_socket_get_fd(watch->namespaces[i].socket),
					 .events = POLLIN};
	while (!probe_is_stopped) {
		if (poll(fds, watch->n, -1) <= 0)
			continue;
		watch->now = monotime_now();
		for (size_t i = 0; i < watch->n; i++) {
			if (fds[i].revents != 0)
				receive(watch, &watch->namespaces[i]);
		}
	}
}

int probe_watch(const char *address, char *const *namespaces, size_t n_namespaces)
{
	struct watch watch = {0};
	int r;

	if (n_namespaces == 0 || n_namespaces > NAMESPACES_MAX ||
	    inet_pton(AF_INET, address, &watch.address) != 1) {
		(void)fprintf(stderr,
			      "probe: watch: expected an IPv4 address and up to %d namespaces\n",
			      NAMESPACES_MAX);
		return 2;
	}
	r = watch_open(&watch, namespaces, n_namespaces);
	if (r == EXIT_SUCCESS) {
		(void)puts("ready");
		(void)fflush(stdout);
		watch_run(&watch);
	}
	for (size_t i = 0; i < watch.n; i++) {
		if (watch.namespaces[i].socket)
			(void)mnl_socket_close(watch.namespaces[i].socket);
	}
	return r;
}

int probe_signal(int signal, char *const *pids, size_t n_pids)
{
	struct monotime now = monotime_now();
	int r = EXIT_SUCCESS;

	for (size_t i = 0; i < n_pids; i++) {
		char *end = NULL;
		long pid = strtol(pids[i], &end, 10);

		if (pid < 2 || *end || kill((pid_t)pid, signal) < 0) {
			(void)fprintf(stderr, "probe: signal: %s: %s\n", pids[i],
				      pid < 2 || *end ? "no process number" : strerror(errno));
			r = EXIT_FAILURE;
		}
	}
	(void)printf("%" PRIu64 "\n", now.ns);
	return r;
}
