/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/address.h"

/* The types of a command's arguments: what a word must be, and how that is said to a person. */
enum value_type {
	VALUE_KEYWORD, /* a keyword with a label: <unit:{primary|secondary}> */
	VALUE_NAME,    /* trustpoint, interface: letters, digits, '.', '_', '-'; at most 63 */
	VALUE_OWNER,   /* trustpoint, or the key of a CA: 64 hexadecimal digits */
	VALUE_HOST,    /* host name: labels of letters, digits, '-'; at most 63 in all */
	VALUE_DEVICE,  /* a network device of the kernel */
	VALUE_IPV4,
	VALUE_MASK,	 /* contiguous */
	VALUE_ROUTENET,	 /* a network, or 0 */
	VALUE_ROUTEMASK, /* a netmask, 0.0.0.0 or 0 */
	VALUE_MAC,	 /* 0000.5e00.0101 or 00:00:5e:00:01:01; of one station */
	VALUE_IPV6,
	VALUE_IPV6PREFIX,  /* 2001:db8::1/64 */
	VALUE_ROUTEPREFIX, /* ... or ::/0 */
	VALUE_FQDN,	   /* domain name, also *.example.org; in lower case afterwards */
	VALUE_NUMBER,
	VALUE_PERCENT, /* 1% to 100%: its number */
	VALUE_SECRET,  /* 1 to 63 visible characters */
	VALUE_HEXKEY,  /* 32 hexadecimal digits */
	VALUE_TEXT,    /* one word; with blanks where it was quoted */
	VALUE_FILE,
	VALUE_RANGE,	/* 10.9.0.10-10.9.0.250: address is the first, number how many */
	VALUE_ADDRESS,	/* IPv4 or IPv6 */
	VALUE_NETWORK,	/* 10.0.0.0/8 or 2001:db8::/32, 0.0.0.0/0; nothing set behind the prefix */
	VALUE_PASSWORD, /* 1 to 127 visible characters: a password or its hash */
	VALUE_REST,	/* one word or more, to the end of the line; text is the first */
	VALUE__MAX,
};

#define VALUE_SECRET_MAX 63
#define VALUE_PASSWORD_MAX 127
#define VALUE_RANGE_MAX 65536

struct value {
	enum value_type type;
	const char *name; /* the argument's, borrowed from the grammar */
	const char *text; /* as typed, borrowed from the line; a keyword in full */
	size_t token;	  /* which word of the line, from 0 */
	unsigned column;  /* from 1 */
	uint64_t number;  /* NUMBER, PERCENT, RANGE */
	struct config_address
		address; /* IPV4, IPV6, IPV6PREFIX, RANGE...; of a mask the prefix length */
	uint8_t mac[6];	 /* MAC */
};

/* The type's name in a pattern ("ipv4"), VALUE__MAX if there is none. */
enum value_type value_type_find(const char *name, size_t size);
/* What a pattern calls the type. */
const char *value_type_name(enum value_type type);
/* Is TEXT one? Then fills number and address of RET_VALUE (may be NULL). MIN, MAX: NUMBER only. */
bool value_accept(enum value_type type, uint64_t min, uint64_t max, const char *text,
		  struct value *ret_value);
/* "a netmask such as 255.255.255.0" */
void value_describe(enum value_type type, uint64_t min, uint64_t max, char *ret_text, size_t size);
/* Never to be quoted in a message. */
bool value_is_secret(enum value_type type);
