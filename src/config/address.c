/* SPDX-License-Identifier: Apache-2.0 */
#include "config/address.h"

#include <arpa/inet.h>
#include <string.h>

static uint8_t family_bits(uint8_t family)
{
	return family == AF_INET ? 32 : 128;
}

static bool bit(const struct config_address *address, unsigned index)
{
	return (address->bytes[index / 8] >> (7 - index % 8)) & 1;
}

bool config_address_parse(const char *text, uint8_t family, struct config_address *ret_address)
{
	struct config_address address = {.family = family};

	if (inet_pton(family, text, address.bytes) != 1)
		return false;
	*ret_address = address;
	return true;
}

bool config_address_parse_prefix(const char *text, struct config_address *ret_address)
{
	const char *slash = strchr(text, '/');
	char host[INET6_ADDRSTRLEN];
	struct config_address address;
	unsigned length = 0;

	if (!slash || (size_t)(slash - text) >= sizeof(host))
		return false;
	memcpy(host, text, (size_t)(slash - text));
	host[slash - text] = 0;
	if (!config_address_parse(host, AF_INET6, &address))
		return false;
	if (strlen(slash + 1) < 1 || strlen(slash + 1) > 3 || (slash[1] == '0' && slash[2]))
		return false;
	for (const char *c = slash + 1; *c; c++) {
		if (*c < '0' || *c > '9')
			return false;
		length = length * 10 + (unsigned)(*c - '0');
	}
	if (length < 1 || length > 128)
		return false;
	address.prefix_length = (uint8_t)length;
	*ret_address = address;
	return true;
}

bool config_address_parse_mask(const char *text, uint8_t *ret_prefix_length)
{
	struct in_addr address;
	uint32_t mask;

	if (inet_pton(AF_INET, text, &address) != 1)
		return false;
	mask = ntohl(address.s_addr);
	/* Contiguous: the inverse is one less than a power of two. */
	if (mask == 0 || (~mask & (~mask + 1)) != 0)
		return false;
	*ret_prefix_length = (uint8_t)__builtin_popcount(mask);
	return true;
}

void config_address_format(const struct config_address *address,
			   char ret_text[static INET6_ADDRSTRLEN])
{
	if (address->family == 0 ||
	    !inet_ntop(address->family, address->bytes, ret_text, INET6_ADDRSTRLEN))
		ret_text[0] = 0;
}

void config_address_format_mask(uint8_t prefix_length, char ret_text[static INET_ADDRSTRLEN])
{
	uint32_t mask = prefix_length == 0 ? 0 : UINT32_MAX << (32 - prefix_length);
	struct in_addr address = {.s_addr = htonl(mask)};

	(void)inet_ntop(AF_INET, &address, ret_text, INET_ADDRSTRLEN);
}

bool config_address_equal(const struct config_address *a, const struct config_address *b)
{
	return a->family == b->family &&
	       (a->family == 0 || memcmp(a->bytes, b->bytes, family_bits(a->family) / 8) == 0);
}

bool config_address_same_net(const struct config_address *a, const struct config_address *b,
			     uint8_t prefix_length)
{
	if (a->family != b->family || a->family == 0)
		return false;
	for (unsigned i = 0; i < prefix_length; i++) {
		if (bit(a, i) != bit(b, i))
			return false;
	}
	return true;
}

/* True where all bits after the prefix have the VALUE. */
static bool host_part_is(const struct config_address *address, bool value)
{
	for (unsigned i = address->prefix_length; i < family_bits(address->family); i++) {
		if (bit(address, i) != value)
			return false;
	}
	return true;
}

bool config_address_is_network(const struct config_address *address)
{
	for (unsigned i = address->prefix_length; i < family_bits(address->family); i++) {
		if (bit(address, i))
			return false;
	}
	return true;
}

static const char *misuse4(const struct config_address *address)
{
	if (address->bytes[0] == 0)
		return "an address of \"this network\" (0.0.0.0/8)";
	if (address->bytes[0] >= 224 && address->bytes[0] < 240)
		return "a multicast address";
	if (address->bytes[0] >= 240)
		return "a reserved address";
	/* RFC 3021: a /31 has neither. */
	if (address->prefix_length >= 31)
		return NULL;
	if (host_part_is(address, false))
		return "the network's own address";
	return host_part_is(address, true) ? "the network's broadcast address" : NULL;
}

static const char *misuse6(const struct config_address *address)
{
	struct in6_addr in6;

	memcpy(&in6, address->bytes, sizeof(in6));
	if (IN6_IS_ADDR_UNSPECIFIED(&in6))
		return "the unspecified address";
	if (IN6_IS_ADDR_MULTICAST(&in6))
		return "a multicast address";
	if (IN6_IS_ADDR_LINKLOCAL(&in6))
		return "a link-local address";
	if (IN6_IS_ADDR_V4MAPPED(&in6))
		return "an IPv4-mapped address";
	/* RFC 4291, 2.6.1: the host part of zeros is the routers' anycast address (RFC 6164: not in
	 * a /127). */
	if (address->prefix_length < 127 && host_part_is(address, false))
		return "the subnet's router anycast address";
	return NULL;
}

const char *config_address_misuse(const struct config_address *address)
{
	return address->family == AF_INET ? misuse4(address) : misuse6(address);
}
