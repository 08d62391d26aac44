/* SPDX-License-Identifier: Apache-2.0 */
/* Character classes are spelled out: the locale has no say in what a configuration means. */
#include "config/value.h"

#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_visible(char c)
{
	return c > 0x20 && c < 0x7f;
}

static bool all(const char *text, bool (*is)(char c))
{
	for (; *text; text++) {
		if (!is(*text))
			return false;
	}
	return true;
}

static bool is_name_character(char c)
{
	return is_alnum(c) || c == '_' || c == '-' || c == '.';
}

static bool accept_name(const char *text)
{
	return strlen(text) <= 63 && (is_alnum(*text) || *text == '_') &&
	       all(text, is_name_character);
}

/* The labels of a domain name (RFC 1035, 2.3.1), and '_' inside one, which occurs in the wild. */
static bool accept_labels(const char *text, size_t max, bool underscore)
{
	size_t label = 0;
	bool is_numeric = true;

	if (strlen(text) > max)
		return false;
	for (const char *c = text;; c++) {
		if (*c == '.' || *c == 0) {
			if (label == 0 || label > 63 || c[-1] == '-')
				return false;
			if (*c == 0)
				return !is_numeric;
			label = 0;
			is_numeric = true;
			continue;
		}
		if (!is_alnum(*c) && !(*c == '-' && label > 0) && !(*c == '_' && underscore))
			return false;
		is_numeric = is_numeric && is_digit(*c);
		label++;
	}
}

/* An all-numeric host name is fine as long as it has no dot, and so cannot be taken for an address.
 */
static bool accept_host(const char *text)
{
	if (*text && all(text, is_digit))
		return strlen(text) <= 63;
	return accept_labels(text, 63, false);
}

static bool accept_fqdn(const char *text)
{
	if (strncmp(text, "*.", 2) == 0)
		text += 2;
	return accept_labels(text, 251, true);
}

static bool is_device_character(char c)
{
	return is_visible(c) && c != '/' && c != ':' && c != '%' && c != '"';
}

/* As the kernel's dev_valid_name(). */
static bool accept_device(const char *text)
{
	return *text && strlen(text) < IFNAMSIZ && all(text, is_device_character) &&
	       strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static bool accept_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (!*text || strlen(text) > 18 || (text[0] == '0' && text[1]) || !all(text, is_digit))
		return false;
	for (; *text; text++)
		number = number * 10 + (uint64_t)(*text - '0');
	*ret_number = number;
	return number >= min && number <= max;
}

static bool accept_percent(const char *text, uint64_t *ret_number)
{
	char digits[4] = "";
	size_t size = strlen(text);

	if (size < 2 || size > sizeof(digits) || text[size - 1] != '%')
		return false;
	memcpy(digits, text, size - 1);
	return accept_number(digits, 1, 100, ret_number);
}

static uint8_t nibble(char c)
{
	return (uint8_t)(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* As an ASA writes it, and as everybody else does. */
static bool accept_mac(const char *text, uint8_t ret_mac[static 6])
{
	bool is_dotted = strlen(text) == 14;
	size_t group = is_dotted ? 5 : 3, n = 0;
	uint8_t mac[6] = {0};

	if (!is_dotted && strlen(text) != 17)
		return false;
	for (size_t i = 0; text[i]; i++) {
		if (i % group == group - 1 && text[i] != (is_dotted ? '.' : ':'))
			return false;
		if (i % group == group - 1)
			continue;
		if (!is_hex(text[i]))
			return false;
		mac[n / 2] = (uint8_t)(mac[n / 2] << 4 | nibble(text[i]));
		n++;
	}
	memcpy(ret_mac, mac, sizeof(mac));
	/* Not a group's, not 0. */
	return (mac[0] & 1) == 0 && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]) != 0;
}

static bool is_text_character(char c)
{
	return (unsigned char)c >= 0x20 && c != 0x7f;
}

static uint32_t number4(const struct config_address *address)
{
	const uint8_t *b = address->bytes;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* FIRST-LAST, both of IPv4, in order. */
static bool accept_range(const char *text, struct value *value)
{
	const char *dash = strchr(text, '-');
	char first[INET_ADDRSTRLEN];
	struct config_address last;
	uint32_t from, to;

	if (!dash || (size_t)(dash - text) >= sizeof(first))
		return false;
	memcpy(first, text, (size_t)(dash - text));
	first[dash - text] = '\0';
	if (!config_address_parse(first, AF_INET, &value->address) ||
	    !config_address_parse(dash + 1, AF_INET, &last))
		return false;
	from = number4(&value->address);
	to = number4(&last);
	value->number = (uint64_t)to - from + 1;
	return from <= to && to - from < VALUE_RANGE_MAX;
}

static bool accept_network(const char *text, struct config_address *ret_address)
{
	const char *slash = strchr(text, '/');
	char first[INET6_ADDRSTRLEN];
	uint64_t length;

	if (!slash || (size_t)(slash - text) >= sizeof(first))
		return false;
	memcpy(first, text, (size_t)(slash - text));
	first[slash - text] = '\0';
	if (!config_address_parse(first, AF_INET, ret_address) &&
	    !config_address_parse(first, AF_INET6, ret_address))
		return false;
	if (!accept_number(slash + 1, 0, ret_address->family == AF_INET ? 32 : 128, &length))
		return false;
	ret_address->prefix_length = (uint8_t)length;
	return config_address_is_network(ret_address);
}

bool value_accept(enum value_type type, uint64_t min, uint64_t max, const char *text,
		  struct value *ret_value)
{
	struct value ignored;
	struct value *value = ret_value ? ret_value : &ignored;

	switch (type) {
	case VALUE_NAME:
		return accept_name(text);
	case VALUE_OWNER:
		return accept_name(text) || (strlen(text) == 64 && all(text, is_hex));
	case VALUE_HOST:
		return accept_host(text);
	case VALUE_DEVICE:
		return accept_device(text);
	case VALUE_IPV4:
		return config_address_parse(text, AF_INET, &value->address);
	case VALUE_ROUTENET: /* the ASA's way to write the default route: 0 0 */
		return config_address_parse(strcmp(text, "0") == 0 ? "0.0.0.0" : text, AF_INET,
					    &value->address);
	case VALUE_MASK:
		return config_address_parse_mask(text, &value->address.prefix_length);
	case VALUE_ROUTEMASK:
		value->address.prefix_length = 0;
		return strcmp(text, "0.0.0.0") == 0 || strcmp(text, "0") == 0 ||
		       config_address_parse_mask(text, &value->address.prefix_length);
	case VALUE_MAC:
		return accept_mac(text, value->mac);
	case VALUE_IPV6:
		return config_address_parse(text, AF_INET6, &value->address);
	case VALUE_IPV6PREFIX:
		return config_address_parse_prefix(text, &value->address);
	case VALUE_ROUTEPREFIX:
		value->address = (struct config_address){.family = AF_INET6};
		return strcmp(text, "::/0") == 0 ||
		       config_address_parse_prefix(text, &value->address);
	case VALUE_FQDN:
		return accept_fqdn(text);
	case VALUE_NUMBER:
		return accept_number(text, min, max, &value->number);
	case VALUE_PERCENT:
		return accept_percent(text, &value->number);
	case VALUE_SECRET:
		return *text && strlen(text) <= VALUE_SECRET_MAX && all(text, is_visible);
	case VALUE_HEXKEY:
		return strlen(text) == 32 && all(text, is_hex);
	case VALUE_TEXT:
		return *text && all(text, is_text_character);
	case VALUE_FILE:
		return *text && strlen(text) < PATH_MAX;
	case VALUE_RANGE:
		return accept_range(text, value);
	case VALUE_ADDRESS:
		return config_address_parse(text, AF_INET, &value->address) ||
		       config_address_parse(text, AF_INET6, &value->address);
	case VALUE_NETWORK:
		return accept_network(text, &value->address);
	case VALUE_PASSWORD:
		return *text && strlen(text) <= VALUE_PASSWORD_MAX && all(text, is_visible);
	case VALUE_REST:
		return *text && all(text, is_text_character);
	case VALUE_KEYWORD:
	case VALUE__MAX:
		return false;
	}
	return false;
}

static const struct {
	const char *name;
	const char *text;
} types[VALUE__MAX] = {
	[VALUE_KEYWORD] = {"keyword", "a keyword"},
	[VALUE_NAME] = {"name", "a name (letters, digits, '.', '_', '-'; at most 63)"},
	[VALUE_OWNER] = {"owner", "a name (at most 63 characters), or the 64 hexadecimal digits of "
				  "a CA's key"},
	[VALUE_HOST] = {"host", "a host name such as fw.example.org (at most 63 characters)"},
	[VALUE_DEVICE] = {"device", "a network device such as eth0"},
	[VALUE_IPV4] = {"ipv4", "an IPv4 address such as 192.0.2.1"},
	[VALUE_MASK] = {"mask", "a netmask such as 255.255.255.0"},
	[VALUE_ROUTENET] = {"routenet", "an IPv4 network such as 10.0.0.0, or 0"},
	[VALUE_ROUTEMASK] = {"routemask", "a netmask such as 255.0.0.0, or 0"},
	[VALUE_MAC] = {"mac", "a MAC address of one station such as 0200.5e00.0101"},
	[VALUE_IPV6] = {"ipv6", "an IPv6 address such as 2001:db8::1"},
	[VALUE_IPV6PREFIX] = {"ipv6prefix",
			      "an IPv6 address with its prefix length such as 2001:db8::1/64"},
	[VALUE_ROUTEPREFIX] = {"routeprefix", "an IPv6 network such as 2001:db8::/32, or ::/0"},
	[VALUE_FQDN] = {"fqdn", "a domain name such as vpn.example.org or *.example.org"},
	[VALUE_NUMBER] = {"number", "a number"},
	[VALUE_PERCENT] = {"percent", "a percentage such as 50%"},
	[VALUE_SECRET] = {"secret", "a secret of 1 to 63 visible characters"},
	[VALUE_HEXKEY] = {"hexkey", "32 hexadecimal digits"},
	[VALUE_TEXT] = {"text", "a text (in quotes where it has blanks)"},
	[VALUE_FILE] = {"file", "the name of a file"},
	[VALUE_RANGE] = {"range", "a range of at most 65536 addresses such as "
				  "10.9.0.10-10.9.0.250"},
	[VALUE_ADDRESS] = {"address", "an address such as 192.0.2.1 or 2001:db8::1"},
	[VALUE_NETWORK] = {"network", "a network such as 10.0.0.0/8 or 2001:db8::/32"},
	[VALUE_PASSWORD] = {"password", "a password, or its hash, of 1 to 127 visible characters"},
	[VALUE_REST] = {"rest", "a text"},
};

void value_describe(enum value_type type, uint64_t min, uint64_t max, char *ret_text, size_t size)
{
	if (type == VALUE_NUMBER)
		(void)snprintf(ret_text, size, "a number from %llu to %llu",
			       (unsigned long long)min, (unsigned long long)max);
	else
		(void)snprintf(ret_text, size, "%s", types[type].text);
}

enum value_type value_type_find(const char *name, size_t size)
{
	for (int i = 0; i < VALUE__MAX; i++) {
		if (strlen(types[i].name) == size && memcmp(types[i].name, name, size) == 0)
			return (enum value_type)i;
	}
	return VALUE__MAX;
}

const char *value_type_name(enum value_type type)
{
	return types[type].name;
}

bool value_is_secret(enum value_type type)
{
	return type == VALUE_SECRET || type == VALUE_HEXKEY || type == VALUE_PASSWORD;
}
