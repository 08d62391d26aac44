/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* An IPv4 or IPv6 address with its prefix length. family 0: none. */
struct config_address {
	uint8_t family; /* AF_INET, AF_INET6, 0 */
	uint8_t prefix_length;
	uint8_t bytes[16]; /* the first 4 for IPv4 */
};

/* Reads an address of FAMILY; the prefix length is 0. False: not one. */
bool config_address_parse(const char *text, uint8_t family, struct config_address *ret_address);
/* Reads "2001:db8::1/64". */
bool config_address_parse_prefix(const char *text, struct config_address *ret_address);
/* Reads a contiguous IPv4 netmask, 0.0.0.0 excluded. */
bool config_address_parse_mask(const char *text, uint8_t *ret_prefix_length);

/* "198.51.100.10", "2001:db8::1"; without the prefix length. */
void config_address_format(const struct config_address *address,
			   char ret_text[static INET6_ADDRSTRLEN]);
/* "255.255.255.0" */
void config_address_format_mask(uint8_t prefix_length, char ret_text[static INET_ADDRSTRLEN]);

/* No bit is set behind the prefix. */
bool config_address_is_network(const struct config_address *address);
/* The same family and address; prefix lengths do not matter. */
bool config_address_equal(const struct config_address *a, const struct config_address *b);
/* The same family, and equal in the first PREFIX_LENGTH bits. */
bool config_address_same_net(const struct config_address *a, const struct config_address *b,
			     uint8_t prefix_length);
/*
 * NULL where an interface can have ADDRESS (with its prefix length); otherwise what it is instead,
 * for a sentence: "a multicast address", "the network's own address".
 */
const char *config_address_misuse(const struct config_address *address);
