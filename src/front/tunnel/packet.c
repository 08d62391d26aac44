/* SPDX-License-Identifier: Apache-2.0 */
/* Only what the tunnel decides by is looked at; the rest is the business of the kernels at both
 * ends. */
#include "front/tunnel/packet.h"

#include <netinet/in.h>
#include <string.h>

#include "base/err.h"

#define V4_DONT_FRAGMENT 0x40
#define ICMP_HEADER 8u
#define ICMP_V4_UNREACHABLE 3
#define ICMP_V4_TOO_BIG 4
#define ICMP_V6_TOO_BIG 2
#define V4_QUOTE_MAX                                                                               \
	548u /* an ICMPv4 error is no longer than 576 bytes (RFC 1812 section 4.3.2.3) */

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static int v4_parse(const uint8_t *data, size_t size, struct packet *ret_packet)
{
	size_t header;

	if (size < PACKET_V4_HEADER)
		return ERR_MALFORMED;
	header = (size_t)(data[0] & 0x0f) * 4;
	if (header < PACKET_V4_HEADER || header > size || get16(data + 2) != size)
		return ERR_MALFORMED;
	*ret_packet = (struct packet){data + 12, data + 16, 4, !(data[6] & V4_DONT_FRAGMENT)};
	return 0;
}

/* A jumbogram (RFC 2675) says 0 and is longer than a TUN device takes. */
static int v6_parse(const uint8_t *data, size_t size, struct packet *ret_packet)
{
	if (size < PACKET_V6_HEADER || get16(data + 4) != size - PACKET_V6_HEADER)
		return ERR_MALFORMED;
	*ret_packet = (struct packet){data + 8, data + 24, 16, false};
	return 0;
}

int packet_parse(const uint8_t *data, size_t size, struct packet *ret_packet)
{
	if (size == 0 || size > PACKET_MAX)
		return ERR_MALFORMED;
	if (data[0] >> 4 == 4)
		return v4_parse(data, size, ret_packet);
	return data[0] >> 4 == 6 ? v6_parse(data, size, ret_packet) : ERR_MALFORMED;
}

/* RFC 1071; SUM is what was added before. */
static uint32_t sum_add(uint32_t sum, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 1 < size; i += 2)
		sum += get16(data + i);
	if (size % 2 == 1)
		sum += (unsigned)data[size - 1] << 8;
	return sum;
}

static unsigned sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* Errors are sent about requests and answers only, and never to a group. */
static bool v4_is_answerable(const uint8_t *data, size_t size)
{
	size_t header = (size_t)(data[0] & 0x0f) * 4;
	unsigned type;

	if ((get16(data + 6) & 0x1fff) != 0 || data[12] == 0 || data[12] >= 224 || data[16] >= 224)
		return false;
	if (data[9] != IPPROTO_ICMP)
		return true;
	type = size > header ? data[header] : ICMP_V4_UNREACHABLE;
	return type == 0 || type == 8 || (type >= 13 && type <= 18);
}

static size_t v4_too_big(const uint8_t *data, size_t size, unsigned mtu, uint8_t *ret_answer)
{
	size_t quote = size < V4_QUOTE_MAX ? size : V4_QUOTE_MAX;
	size_t total = PACKET_V4_HEADER + ICMP_HEADER + quote;
	uint8_t *icmp = ret_answer + PACKET_V4_HEADER;

	if (!v4_is_answerable(data, size))
		return 0;
	memset(ret_answer, 0, PACKET_V4_HEADER + ICMP_HEADER);
	ret_answer[0] = 0x45;
	put16(ret_answer + 2, (unsigned)total);
	ret_answer[8] = 64;
	ret_answer[9] = IPPROTO_ICMP;
	memcpy(ret_answer + 12, data + 16, 4);
	memcpy(ret_answer + 16, data + 12, 4);
	put16(ret_answer + 10, sum_fold(sum_add(0, ret_answer, PACKET_V4_HEADER)));
	icmp[0] = ICMP_V4_UNREACHABLE;
	icmp[1] = ICMP_V4_TOO_BIG;
	put16(icmp + 6, mtu > 0xffff ? 0xffff : mtu);
	memcpy(icmp + ICMP_HEADER, data, quote);
	put16(icmp + 2, sum_fold(sum_add(0, icmp, ICMP_HEADER + quote)));
	return total;
}

static bool v6_is_answerable(const uint8_t *data, size_t size)
{
	static const uint8_t unspecified[16] = {0};

	if (data[8] == 0xff || data[24] == 0xff || memcmp(data + 8, unspecified, 16) == 0)
		return false;
	/* Below 128 are the errors (RFC 4443 section 2.1). */
	return data[6] != IPPROTO_ICMPV6 ||
	       (size > PACKET_V6_HEADER && data[PACKET_V6_HEADER] >= 128);
}

static size_t v6_too_big(const uint8_t *data, size_t size, unsigned mtu, uint8_t *ret_answer)
{
	size_t most = PACKET_TOO_BIG_MAX - PACKET_V6_HEADER - ICMP_HEADER;
	size_t quote = size < most ? size : most;
	uint8_t *icmp = ret_answer + PACKET_V6_HEADER;
	uint32_t sum;

	if (!v6_is_answerable(data, size))
		return 0;
	memset(ret_answer, 0, PACKET_V6_HEADER + ICMP_HEADER);
	ret_answer[0] = 0x60;
	put16(ret_answer + 4, (unsigned)(ICMP_HEADER + quote));
	ret_answer[6] = IPPROTO_ICMPV6;
	ret_answer[7] = 64;
	memcpy(ret_answer + 8, data + 24, 16);
	memcpy(ret_answer + 24, data + 8, 16);
	icmp[0] = ICMP_V6_TOO_BIG;
	put16(icmp + 4, mtu >> 16);
	put16(icmp + 6, mtu & 0xffff);
	memcpy(icmp + ICMP_HEADER, data, quote);
	/* The pseudo header (RFC 8200 section 8.1): both addresses, length, next header. */
	sum = sum_add((uint32_t)(ICMP_HEADER + quote) + IPPROTO_ICMPV6, ret_answer + 8, 32);
	put16(icmp + 2, sum_fold(sum_add(sum, icmp, ICMP_HEADER + quote)));
	return PACKET_V6_HEADER + ICMP_HEADER + quote;
}

size_t packet_too_big(const uint8_t *data, size_t size, unsigned mtu,
		      uint8_t ret_answer[static PACKET_TOO_BIG_MAX])
{
	return data[0] >> 4 == 4 ? v4_too_big(data, size, mtu, ret_answer)
				 : v6_too_big(data, size, mtu, ret_answer);
}
