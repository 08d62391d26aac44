/* SPDX-License-Identifier: Apache-2.0 */
/* Raw sockets, so that the kernel finds the way to each client as for any other packet. */
#include "failover/vpn/tickle.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "failover/frame.h"

#define BATCH 64 /* in a turn of the loop: hellos go on */
#define PAUSE_US 1000
#define V4_SIZE 20u
#define V6_SIZE 40u
#define TCP_SIZE 20u
#define TCP_ACK 0x10
#define WINDOW 1024 /* not 0: should it be taken, nobody stops sending */

struct tickler {
	int fds[2]; /* IPv4, IPv6; -1: not to be had */
	sd_event_source *timer;
	struct tickle_flow *flows;
	size_t n, done;
};

static void segment_write(const struct tickle_flow *flow, uint8_t tcp[static TCP_SIZE],
			  const uint8_t *addresses, size_t size)
{
	uint8_t pseudo[32 + 4] = {0};

	memset(tcp, 0, TCP_SIZE);
	frame_put16(tcp, flow->local_port);
	frame_put16(tcp + 2, flow->client_port);
	tcp[12] = (TCP_SIZE / 4) << 4;
	tcp[13] = TCP_ACK;
	frame_put16(tcp + 14, WINDOW);
	/* Both addresses, the protocol, the length (RFC 9293 section 3.1): their sum is what
	 * counts. */
	memcpy(pseudo, addresses, size);
	pseudo[33] = IPPROTO_TCP;
	pseudo[35] = TCP_SIZE;
	frame_put16(tcp + 16, frame_checksum((uint16_t)~frame_checksum(0, pseudo, sizeof(pseudo)),
					     tcp, TCP_SIZE));
}

size_t tickle_segment(const struct tickle_flow *flow, uint8_t ret_packet[static TICKLE_SEGMENT_MAX])
{
	uint8_t *ip = ret_packet;

	if (flow->client.size == 4) {
		memset(ip, 0, V4_SIZE);
		ip[0] = 0x45;
		ip[3] = V4_SIZE + TCP_SIZE;
		ip[6] = 0x40; /* DF */
		ip[8] = 64;
		ip[9] = IPPROTO_TCP;
		memcpy(ip + 12, flow->local.bytes, 4);
		memcpy(ip + 16, flow->client.bytes, 4);
		frame_put16(ip + 10, frame_checksum(0, ip, V4_SIZE));
		segment_write(flow, ip + V4_SIZE, ip + 12, 8);
		return V4_SIZE + TCP_SIZE;
	}
	memset(ip, 0, V6_SIZE);
	ip[0] = 0x60;
	ip[5] = TCP_SIZE;
	ip[6] = IPPROTO_TCP;
	ip[7] = 64;
	memcpy(ip + 8, flow->local.bytes, 16);
	memcpy(ip + 24, flow->client.bytes, 16);
	segment_write(flow, ip + V6_SIZE, ip + 8, 32);
	return V6_SIZE + TCP_SIZE;
}

/* Best effort: who hears nothing of it is told at its own next segment. */
static void flow_send(const struct tickler *tickler, const struct tickle_flow *flow)
{
	uint8_t packet[TICKLE_SEGMENT_MAX];
	size_t size = tickle_segment(flow, packet);
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (flow->client.size == 4) {
		memcpy(&v4.sin_addr, flow->client.bytes, 4);
		(void)sendto(tickler->fds[0], packet, size, MSG_DONTWAIT | MSG_NOSIGNAL,
			     (struct sockaddr *)&v4, sizeof(v4));
	} else {
		memcpy(&v6.sin6_addr, flow->client.bytes, 16);
		(void)sendto(tickler->fds[1], packet, size, MSG_DONTWAIT | MSG_NOSIGNAL,
			     (struct sockaddr *)&v6, sizeof(v6));
	}
}

static void batch_send(struct tickler *tickler)
{
	for (unsigned i = 0; i < BATCH && tickler->done < tickler->n; i++)
		flow_send(tickler, &tickler->flows[tickler->done++]);
	if (tickler->done == tickler->n) {
		tickler_stop(tickler);
		return;
	}
	(void)sd_event_source_set_time_relative(tickler->timer, PAUSE_US);
	(void)sd_event_source_set_enabled(tickler->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	batch_send(userdata);
	return 0;
}

void tickler_start(struct tickler *tickler, struct tickle_flow *flows, size_t n)
{
	tickler_stop(tickler);
	tickler->flows = flows;
	tickler->n = n;
	batch_send(tickler);
}

void tickler_stop(struct tickler *tickler)
{
	free(TAKE_PTR(tickler->flows));
	tickler->n = tickler->done = 0;
	(void)sd_event_source_set_enabled(tickler->timer, SD_EVENT_OFF);
}

int tickler_new(sd_event *event, struct tickler **ret_tickler)
{
	struct tickler *tickler = calloc(1, sizeof(*tickler));
	int r;

	if (!tickler)
		return -ENOMEM;
	/* With the protocol IPPROTO_RAW the header is ours, and nothing is ever received. */
	tickler->fds[0] = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	tickler->fds[1] = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	r = sd_event_add_time_relative(event, &tickler->timer, CLOCK_MONOTONIC, 0, 1, on_timer,
				       tickler);
	if (r >= 0)
		r = sd_event_source_set_enabled(tickler->timer, SD_EVENT_OFF);
	if (r < 0) {
		tickler_free(tickler);
		return r;
	}
	*ret_tickler = tickler;
	return 0;
}

void tickler_free(struct tickler *tickler)
{
	if (!tickler)
		return;
	if (tickler->timer)
		tickler_stop(tickler);
	tickler->timer = sd_event_source_disable_unref(tickler->timer);
	for (size_t i = 0; i < ARRAY_SIZE(tickler->fds); i++) {
		if (tickler->fds[i] >= 0)
			(void)close(tickler->fds[i]);
	}
	free(tickler);
}
