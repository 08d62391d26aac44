/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/frame.h"

#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#define ARP_FRAME_SIZE 60 /* with the padding of an Ethernet frame */
#define IP6_SIZE 40
#define NA_SIZE 32 /* with the target's link-layer address */
#define NS_SIZE 24 /* without: nobody's address has none */

void frame_put16(uint8_t at[static 2], unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t sum16(uint32_t sum, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	return sum;
}

uint16_t frame_checksum(uint32_t sum, const uint8_t *data, size_t size)
{
	sum = sum16(sum, data, size);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void begin(uint8_t *frame, const uint8_t *to, const uint8_t *from, unsigned type)
{
	memset(frame, 0, FRAME_MAX);
	memcpy(frame, to, ETH_ALEN);
	memcpy(frame + ETH_ALEN, from, ETH_ALEN);
	frame_put16(frame + 2 * ETH_ALEN, type);
}

size_t frame_arp(uint8_t frame[static FRAME_MAX], const uint8_t mac[static ETH_ALEN],
		 const uint8_t address[static 4], bool is_probe)
{
	static const uint8_t everyone[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint8_t *arp = frame + ETH_HLEN;

	begin(frame, everyone, mac, ETH_P_ARP);
	frame_put16(arp, ARPHRD_ETHER);
	frame_put16(arp + 2, ETH_P_IP);
	arp[4] = ETH_ALEN;
	arp[5] = 4;
	frame_put16(arp + 6, ARPOP_REQUEST);
	memcpy(arp + 8, mac, ETH_ALEN);
	if (!is_probe)
		memcpy(arp + 14, address, 4);
	memcpy(arp + 24, address, 4);
	return ARP_FRAME_SIZE;
}

/* RFC 2464 section 7: a group's MAC address has the last four bytes of its address. */
static void begin_group(uint8_t *frame, const uint8_t *group, const uint8_t *mac, size_t size)
{
	const uint8_t to[ETH_ALEN] = {0x33, 0x33, group[12], group[13], group[14], group[15]};
	uint8_t *ip = frame + ETH_HLEN;

	begin(frame, to, mac, ETH_P_IPV6);
	ip[0] = 0x60;
	frame_put16(ip + 4, (unsigned)size);
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = 255;
	memcpy(ip + 24, group, 16);
}

/* RFC 4443 section 2.3: over the pseudo-header of RFC 8200 section 8.1 and the message. */
static size_t seal(uint8_t *frame, size_t size)
{
	const uint8_t *ip = frame + ETH_HLEN;
	uint8_t *message = frame + ETH_HLEN + IP6_SIZE;
	uint32_t sum = sum16((uint32_t)size + IPPROTO_ICMPV6, ip + 8, 32);

	frame_put16(message + 2, frame_checksum(sum, message, size));
	return ETH_HLEN + IP6_SIZE + size;
}

size_t frame_na(uint8_t frame[static FRAME_MAX], const uint8_t mac[static ETH_ALEN],
		const uint8_t address[static 16])
{
	static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
	uint8_t *na = frame + ETH_HLEN + IP6_SIZE;

	begin_group(frame, all_nodes, mac, NA_SIZE);
	memcpy(frame + ETH_HLEN + 8, address, 16);
	na[0] = ND_NEIGHBOR_ADVERT;
	na[4] = 0xa0; /* router, override; not solicited */
	memcpy(na + 8, address, 16);
	na[24] = ND_OPT_TARGET_LINKADDR;
	na[25] = 1;
	memcpy(na + 26, mac, ETH_ALEN);
	return seal(frame, NA_SIZE);
}

size_t frame_ns(uint8_t frame[static FRAME_MAX], const uint8_t mac[static ETH_ALEN],
		const uint8_t address[static 16])
{
	const uint8_t group[16] = {0xff,
				   0x02,
				   [11] = 1,
				   [12] = 0xff,
				   [13] = address[13],
				   [14] = address[14],
				   [15] = address[15]};
	uint8_t *ns = frame + ETH_HLEN + IP6_SIZE;

	begin_group(frame, group, mac, NS_SIZE);
	ns[0] = ND_NEIGHBOR_SOLICIT;
	memcpy(ns + 8, address, 16);
	return seal(frame, NS_SIZE);
}
