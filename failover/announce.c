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
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"

#define BATCH 64
#define ARP_SIZE 28
#define NA_SIZE 32 /* with the target's link-layer address */
#define NS_SIZE 24 /* without: nobody's address has none */
#define PACKET_MAX (ETH_HLEN + sizeof(struct ip6_hdr) + NA_SIZE)
#define ETHERNET_SIZE_MIN 60

/* When a packet is sent again, after the first. */
static const uint64_t DELAYS_MS[] = {50, 200, 1000, 3000};

struct packet {
	struct sockaddr_ll to;
	uint8_t bytes[PACKET_MAX];
	size_t size;
};

struct announcer {
	int fd;
	sd_event_source *timer;
	struct packet *packets;
	size_t n_packets;
	size_t round; /* of DELAYS_MS, the next */
};

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put_ethernet(struct packet *packet, const uint8_t *to, const uint8_t *from,
			 unsigned type)
{
	memcpy(packet->bytes, to, ETH_ALEN);
	memcpy(packet->bytes + ETH_ALEN, from, ETH_ALEN);
	put16(packet->bytes + 2 * ETH_ALEN, type);
	packet->to.sll_protocol = htons((uint16_t)type);
	memcpy(packet->to.sll_addr, to, ETH_ALEN);
}

/* RFC 826. RFC 5227 section 2.3: an ARP announcement is a request whose sender and target addresses
 * are one; a probe (section 1.1) is one that has no sender. */
static void build_arp(struct packet *packet, const uint8_t *mac, const uint8_t *address,
		      bool is_probe)
{
	static const uint8_t everyone[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint8_t *arp = packet->bytes + ETH_HLEN;

	put_ethernet(packet, everyone, mac, ETHERTYPE_ARP);
	put16(arp, ARPHRD_ETHER);
	put16(arp + 2, ETHERTYPE_IP);
	arp[4] = ETH_ALEN;
	arp[5] = 4;
	put16(arp + 6, ARPOP_REQUEST);
	memcpy(arp + 8, mac, ETH_ALEN);
	if (!is_probe)
		memcpy(arp + 14, address, 4);
	memcpy(arp + 24, address, 4);
	packet->size = ETHERNET_SIZE_MIN; /* padded with zeros */
}

/* RFC 4443 section 2.3: over the pseudo-header of RFC 8200 section 8.1 and the message. */
static unsigned icmp6_checksum(const uint8_t *ip, const uint8_t *message, size_t size)
{
	uint32_t sum = (uint32_t)size + IPPROTO_ICMPV6;

	for (size_t i = 8; i < 40; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)message[i] << 8 | message[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/*
 * RFC 4861 sections 4.4 and 7.2.6. Override: the old entry is another unit's. Router: a gateway is
 * one, and without the flag a host would drop it from its default routers (section 7.2.5).
 */
static void build_na(struct packet *packet, const uint8_t *mac, const uint8_t *address)
{
	static const uint8_t all_nodes_mac[ETH_ALEN] = {0x33, 0x33, 0, 0, 0, 1};
	static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
	uint8_t *ip = packet->bytes + ETH_HLEN;
	uint8_t *na = ip + sizeof(struct ip6_hdr);

	put_ethernet(packet, all_nodes_mac, mac, ETHERTYPE_IPV6);
	ip[0] = 0x60;
	put16(ip + 4, NA_SIZE);
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = 255;
	memcpy(ip + 8, address, 16);
	memcpy(ip + 24, all_nodes, 16);
	na[0] = ND_NEIGHBOR_ADVERT;
	na[4] = 0xa0; /* router, override; not solicited */
	memcpy(na + 8, address, 16);
	na[24] = ND_OPT_TARGET_LINKADDR;
	na[25] = 1;
	memcpy(na + 26, mac, ETH_ALEN);
	put16(na + 2, icmp6_checksum(ip, na, NA_SIZE));
	packet->size = PACKET_MAX;
}

/* RFC 4861 section 4.3, RFC 4862 section 5.4.2: from ::, to the solicited-node address. */
static void build_ns(struct packet *packet, const uint8_t *mac, const uint8_t *address)
{
	const uint8_t to_mac[ETH_ALEN] = {0x33, 0x33, 0xff, address[13], address[14], address[15]};
	const uint8_t to[16] = {0xff,
				0x02,
				[11] = 1,
				[12] = 0xff,
				[13] = address[13],
				[14] = address[14],
				[15] = address[15]};
	uint8_t *ip = packet->bytes + ETH_HLEN;
	uint8_t *ns = ip + sizeof(struct ip6_hdr);

	put_ethernet(packet, to_mac, mac, ETHERTYPE_IPV6);
	ip[0] = 0x60;
	put16(ip + 4, NS_SIZE);
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = 255;
	memcpy(ip + 24, to, 16);
	ns[0] = ND_NEIGHBOR_SOLICIT;
	memcpy(ns + 8, address, 16);
	put16(ns + 2, icmp6_checksum(ip, ns, NS_SIZE));
	packet->size = ETH_HLEN + sizeof(struct ip6_hdr) + NS_SIZE;
}

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
		build_arp(ret_packet, device->mac, address->address.bytes, is_question);
	else if (address->address.family == AF_INET6 && is_question)
		build_ns(ret_packet, device->mac, address->address.bytes);
	else if (address->address.family == AF_INET6)
		build_na(ret_packet, device->mac, address->address.bytes);
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
