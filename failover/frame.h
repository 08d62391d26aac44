/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/if_ether.h>

/*
 * Ethernet frames of ARP and of neighbour discovery, as they are announced, asked and tested with.
 * MAC is the sender's; an address is 4 bytes of IPv4 or 16 of IPv6. Each writes all of the frame
 * and returns its size.
 */
#define FRAME_MAX (ETH_HLEN + 40 + 32)

/* RFC 826. RFC 5227 section 2.3: an ARP announcement is a request whose sender and target addresses
 * are one; a probe (section 1.1) is one that has no sender. */
size_t frame_arp(uint8_t frame[static FRAME_MAX], const uint8_t mac[static ETH_ALEN],
		 const uint8_t address[static 4], bool is_probe);
/*
 * An unsolicited advertisement, RFC 4861 sections 4.4 and 7.2.6. Override: the old entry is another
 * unit's. Router: a gateway is one, and without the flag a host would drop it from its default
 * routers (section 7.2.5).
 */
size_t frame_na(uint8_t frame[static FRAME_MAX], const uint8_t mac[static ETH_ALEN],
		const uint8_t address[static 16]);
/* A solicitation, RFC 4861 section 4.3, RFC 4862 section 5.4.2: from ::, so without a link-layer
 * option, to the solicited-node address. */
size_t frame_ns(uint8_t frame[static FRAME_MAX], const uint8_t mac[static ETH_ALEN],
		const uint8_t address[static 16]);

/* The Internet checksum (RFC 1071) of SIZE bytes, an even number, on top of SUM. */
uint16_t frame_checksum(uint32_t sum, const uint8_t *data, size_t size);
void frame_put16(uint8_t at[static 2], unsigned value);
