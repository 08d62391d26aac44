/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An IP packet as a TUN device gives and takes it: no link header. Pure functions. */
#define PACKET_MAX 65535u
#define PACKET_V4_HEADER 20u
#define PACKET_V6_HEADER 40u

struct packet {
	const uint8_t *source_view, *destination_view; /* address_size bytes each */
	size_t address_size;			       /* 4 or 16 */
	bool may_fragment;			       /* IPv4 without DF */
};

/*
 * The addresses of DATA, when it is exactly one IPv4 or IPv6 packet: the version, the header's
 * length and the total length agree with SIZE. Errors: ERR_MALFORMED.
 */
int packet_parse(const uint8_t *data, size_t size, struct packet *ret_packet);

/* Enough for either answer of packet_too_big. */
#define PACKET_TOO_BIG_MAX 1280u
/*
 * The answer to a packet (one that packet_parse took) that is larger than MTU: "fragmentation
 * needed" (RFC 1191), or "packet too big" (RFC 4443 section 3.2), from the packet's destination, as
 * there is no router with an address of its own. Returns its size; 0: none is sent, since the
 * packet is itself an ICMP error, a later fragment, or to or from an address that is no single
 * host's (RFC 1122 section 3.2.2).
 */
size_t packet_too_big(const uint8_t *data, size_t size, unsigned mtu,
		      uint8_t ret_answer[static PACKET_TOO_BIG_MAX]);
