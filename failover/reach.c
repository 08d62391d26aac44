/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket a question. A raw socket that is connected gets what comes from the target only; of
 * that, echo replies with our identifier count, and a filter keeps the rest out.
 */
#include "failover/reach.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/monotime.h"

#define READS_PER_TURN 16
#define ECHO_SIZE 16

struct reach {
	enum reach_kind kind;
	int family, fd;
	sd_event_source *io, *timer;
	struct monotime asked_at;
	uint8_t cookie[6]; /* identifier and the first bytes of what an echo brings back */
	reach_fn on_answer;
	void *userdata;
};

void reach_free(struct reach *reach)
{
	if (!reach)
		return;
	reach->io = sd_event_source_disable_unref(reach->io);
	reach->timer = sd_event_source_disable_unref(reach->timer);
	if (reach->fd >= 0)
		(void)close(reach->fd);
	free(reach);
}

static void answer(struct reach *reach, int code)
{
	uint64_t us = monotime_since(monotime_now(), reach->asked_at) / 1000;
	reach_fn on_answer = reach->on_answer;
	void *userdata = reach->userdata;

	reach_free(reach);
	on_answer(code, us > UINT32_MAX ? UINT32_MAX : (uint32_t)us, userdata);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	answer(userdata, -ETIMEDOUT);
	return 0;
}

/* An IPv4 raw socket delivers the IP header, too (raw(7)). */
static bool is_reply(const struct reach *reach, const uint8_t *data, size_t size)
{
	size_t header = reach->family == AF_INET && size > 0 ? (size_t)(data[0] & 0x0f) * 4 : 0;
	uint8_t wanted = reach->family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;

	if (size < header + ECHO_SIZE)
		return false;
	data += header;
	return data[0] == wanted && memcmp(data + 4, reach->cookie, 2) == 0 &&
	       memcmp(data + 8, reach->cookie + 2, 4) == 0;
}

static int on_ping_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct reach *reach = userdata;
	uint8_t data[128];

	(void)source;
	(void)events;
	for (int i = 0; i < READS_PER_TURN; i++) {
		ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n < 0 || is_reply(reach, data, (size_t)n)) {
			answer(reach, n < 0 ? -errno : 0);
			return 0;
		}
	}
	return 0;
}

static int on_tcp_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	int error = 0;
	socklen_t size = sizeof(error);

	(void)source;
	(void)events;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	answer(userdata, -error);
	return 0;
}

static int filter_replies(int fd, int family)
{
	struct icmp_filter filter4 = {~(1u << ICMP_ECHOREPLY)};
	struct icmp6_filter filter6;

	if (family == AF_INET)
		return setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter4, sizeof(filter4));
	ICMP6_FILTER_SETBLOCKALL(&filter6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter6);
	return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6, sizeof(filter6));
}

static unsigned checksum(const uint8_t *data, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static int send_echo(const struct reach *reach)
{
	uint8_t echo[ECHO_SIZE] = {reach->family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST};
	unsigned sum;

	memcpy(echo + 4, reach->cookie, 2);
	memcpy(echo + 8, reach->cookie + 2, 4);
	sum = checksum(echo, sizeof(echo)); /* of ICMPv6 the kernel makes it */
	echo[2] = (uint8_t)(sum >> 8);
	echo[3] = (uint8_t)sum;
	return send(reach->fd, echo, sizeof(echo), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int open_socket(struct reach *reach, const struct reach_target *target)
{
	bool is_ping = target->kind == REACH_PING;
	int protocol = reach->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	reach->fd = socket(reach->family,
			   (is_ping ? SOCK_RAW : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK,
			   is_ping ? protocol : 0);
	if (reach->fd < 0)
		return -errno;
	if (target->device[0] &&
	    setsockopt(reach->fd, SOL_SOCKET, SO_BINDTODEVICE, target->device,
		       (socklen_t)strnlen(target->device, sizeof(target->device))) < 0)
		return -errno;
	if (is_ping && filter_replies(reach->fd, reach->family) < 0)
		return -errno;
	return 0;
}

static int start(struct reach *reach, const struct reach_target *target)
{
	socklen_t size = reach->family == AF_INET6 ? sizeof(struct sockaddr_in6)
						   : sizeof(struct sockaddr_in);

	if (connect(reach->fd, (const struct sockaddr *)&target->address, size) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return target->kind == REACH_PING ? send_echo(reach) : 0;
}

int reach_ask(sd_event *event, const struct reach_target *target, reach_fn on_answer,
	      void *userdata, struct reach **ret_reach)
{
	struct reach *reach = calloc(1, sizeof(*reach));
	bool is_ping = target->kind == REACH_PING;
	int r;

	if (!reach)
		return -ENOMEM;
	*reach = (struct reach){.kind = target->kind,
				.family = target->address.ss_family,
				.fd = -1,
				.asked_at = monotime_now(),
				.on_answer = on_answer,
				.userdata = userdata};
	r = getrandom(reach->cookie, sizeof(reach->cookie), GRND_NONBLOCK) < 0 ? -errno : 0;
	if (r == 0)
		r = open_socket(reach, target);
	if (r == 0)
		r = start(reach, target);
	if (r == 0)
		r = sd_event_add_io(event, &reach->io, reach->fd, is_ping ? EPOLLIN : EPOLLOUT,
				    is_ping ? on_ping_io : on_tcp_io, reach);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &reach->timer, CLOCK_MONOTONIC,
					       (uint64_t)target->timeout_ms * 1000, 1, on_timeout,
					       reach);
	if (r < 0) {
		reach_free(reach);
		return r;
	}
	*ret_reach = reach;
	return 0;
}
