/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets are built once when a series starts, when the devices' MAC addresses are read, and sent
 * by sendmmsg in batches. A socket without a protocol receives nothing, so nothing has to be read.
 * An interface that is gone or not an Ethernet is left out: there is nobody to tell.
 */
#include "failover/announce.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/frame.h"

#define BATCH 64

/* When a packet is sent again, after the first. */
static const uint64_t DELAYS_MS[] = {50, 200, 1000, 3000};

struct packet {
	struct sockaddr_ll to;
	uint8_t bytes[FRAME_MAX];
	size_t size;
};

struct announcer {
	int fd;
	sd_event_source *timer;
	struct packet *packets;
	size_t n_packets;
	size_t round; /* of DELAYS_MS, the next */
};

/* The device's index and MAC address. False if there is none, or it is not an Ethernet. */
static bool find_device(int fd, const char *device, unsigned *ret_index, uint8_t ret_mac[ETH_ALEN])
{
	struct ifreq request = {0};

	memcpy(request.ifr_name, device, strnlen(device, sizeof(request.ifr_name) - 1));
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0 || request.ifr_ifindex <= 0)
		return false;
	*ret_index = (unsigned)request.ifr_ifindex;
	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0 || request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return false;
	memcpy(ret_mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
	return true;
}

/* The device that was asked for last: hundreds of addresses are on one. */
struct device {
	char name[16];
	unsigned index;
	uint8_t mac[ETH_ALEN];
	bool is_usable;
};

static bool build(int fd, const struct vip_address *address, bool is_question,
		  struct device *device, struct packet *ret_packet)
{
	if (strcmp(device->name, address->device) != 0) {
		memcpy(device->name, address->device, sizeof(device->name));
		device->is_usable = find_device(fd, address->device, &device->index, device->mac);
	}
	if (!device->is_usable)
		return false;
	*ret_packet = (struct packet){.to = {.sll_family = AF_PACKET,
					     .sll_ifindex = (int)device->index,
					     .sll_halen = ETH_ALEN}};
	if (address->address.family == AF_INET)
		ret_packet->size = frame_arp(ret_packet->bytes, device->mac, address->address.bytes,
					     is_question);
	else if (address->address.family == AF_INET6 && is_question)
		ret_packet->size = frame_ns(ret_packet->bytes, device->mac, address->address.bytes);
	else if (address->address.family == AF_INET6)
		ret_packet->size = frame_na(ret_packet->bytes, device->mac, address->address.bytes);
	memcpy(ret_packet->to.sll_addr, ret_packet->bytes, ETH_ALEN);
	memcpy(&ret_packet->to.sll_protocol, ret_packet->bytes + 2 * ETH_ALEN,
	       sizeof(ret_packet->to.sll_protocol));
	return ret_packet->size > 0;
}

static unsigned fill_batch(const struct announcer *announcer, size_t first,
			   struct mmsghdr messages[static BATCH], struct iovec pieces[static BATCH])
{
	unsigned n = 0;

	for (; n < BATCH && first + n < announcer->n_packets; n++) {
		struct packet *packet = &announcer->packets[first + n];

		pieces[n] = (struct iovec){packet->bytes, packet->size};
		messages[n] = (struct mmsghdr){.msg_hdr = {.msg_name = &packet->to,
							   .msg_namelen = sizeof(packet->to),
							   .msg_iov = &pieces[n],
							   .msg_iovlen = 1}};
	}
	return n;
}

/* Sends every packet once. One that its device refuses (down, queue full) is passed over. */
static size_t send_all(const struct announcer *announcer)
{
	struct mmsghdr messages[BATCH];
	struct iovec pieces[BATCH];
	size_t sent = 0;

	for (size_t first = 0; first < announcer->n_packets;) {
		unsigned n = fill_batch(announcer, first, messages, pieces);
		int r = sendmmsg(announcer->fd, messages, n, MSG_DONTWAIT);

		if (r < 0 && errno == EINTR)
			continue;
		if (r > 0)
			sent += (size_t)r;
		first += r > 0 ? (size_t)r : 1;
	}
	return sent;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct announcer *announcer = userdata;
	uint64_t before = DELAYS_MS[announcer->round];

	(void)usec;
	(void)send_all(announcer);
	announcer->round++;
	if (announcer->round == ARRAY_SIZE(DELAYS_MS))
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	(void)sd_event_source_set_time_relative(source,
						(DELAYS_MS[announcer->round] - before) * 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int announcer_new(sd_event *event, struct announcer **ret_announcer)
{
	struct announcer *announcer = calloc(1, sizeof(*announcer));
	int r = 0;

	if (!announcer)
		return -ENOMEM;
	announcer->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (announcer->fd < 0)
		r = -errno;
	if (r == 0)
		r = sd_event_add_time(event, &announcer->timer, CLOCK_MONOTONIC, 0, 1000, on_timer,
				      announcer);
	if (r >= 0)
		r = sd_event_source_set_enabled(announcer->timer, SD_EVENT_OFF);
	if (r < 0) {
		announcer_free(announcer);
		return r;
	}
	*ret_announcer = announcer;
	return 0;
}

void announcer_free(struct announcer *announcer)
{
	if (!announcer)
		return;
	sd_event_source_disable_unref(announcer->timer);
	if (announcer->fd >= 0)
		(void)close(announcer->fd);
	free(announcer->packets);
	free(announcer);
}

int announcer_start(struct announcer *announcer, const struct vip_address *addresses,
		    size_t n_addresses)
{
	struct device device = {0};
	size_t sent;

	announcer_stop(announcer);
	announcer->packets = calloc(n_addresses ? n_addresses : 1, sizeof(struct packet));
	if (!announcer->packets)
		return -ENOMEM;
	for (size_t i = 0; i < n_addresses; i++)
		if (build(announcer->fd, &addresses[i], false, &device,
			  &announcer->packets[announcer->n_packets]))
			announcer->n_packets++;
	sent = send_all(announcer);
	if (announcer->n_packets > 0) {
		(void)sd_event_source_set_time_relative(announcer->timer, DELAYS_MS[0] * 1000);
		(void)sd_event_source_set_enabled(announcer->timer, SD_EVENT_ONESHOT);
	}
	return (int)sent;
}

void announcer_stop(struct announcer *announcer)
{
	(void)sd_event_source_set_enabled(announcer->timer, SD_EVENT_OFF);
	free(announcer->packets);
	announcer->packets = NULL;
	announcer->n_packets = 0;
	announcer->round = 0;
}

static void send_one(const struct announcer *announcer, const struct vip_address *address,
		     bool is_question, struct device *device)
{
	struct packet packet;
	ssize_t ignored = 0;

	if (build(announcer->fd, address, is_question, device, &packet))
		ignored = sendto(announcer->fd, packet.bytes, packet.size, MSG_DONTWAIT,
				 (const struct sockaddr *)&packet.to, sizeof(packet.to));
	(void)ignored; /* it is said, and asked, again */
}

void announcer_once(const struct announcer *announcer, const struct vip_address *address)
{
	struct device device = {0};

	send_one(announcer, address, false, &device);
}

void announcer_ask(const struct announcer *announcer, const struct vip_address *addresses, size_t n)
{
	struct device device = {0};

	for (size_t i = 0; i < n; i++)
		send_one(announcer, &addresses[i], true, &device);
}
