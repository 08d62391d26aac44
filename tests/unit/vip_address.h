/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "failover/vip.h"

/* TEXT is an IPv4 or IPv6 address. Asserts. */
static inline struct vip_address vip_address_of(const char *device, const char *text,
						unsigned prefix_length, bool is_active)
{
	struct vip_address address = {.interface = "outside", .is_active = is_active};
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	(void)snprintf(address.device, sizeof(address.device), "%s", device);
	address.address.family = (uint8_t)family;
	address.address.prefix_length = (uint8_t)prefix_length;
	assert_int_equal(inet_pton(family, text, address.address.bytes), 1);
	return address;
}
