/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"

/*
 * Virtual MAC addresses: a macvlan device (private mode: nothing but its parent's wire) on each
 * interface that has one. It carries the MAC address, and with it the addresses of the role that it
 * belongs to; down, it carries nothing. Named after its parent's index, and marked by its alias
 * (`ip link show`), so that one that an earlier life left is found. Its parent answers ARP only for
 * what is configured on itself (net.ipv4.conf.DEVICE.arp_ignore=1), or it would answer for the
 * addresses of the macvlan with the wrong MAC address.
 */
struct nl_sock;

struct vmac {
	char parent[16];
	unsigned parent_index;
	uint8_t mac[6]; /* only of one that is up */
	bool is_up;
};

/* The device on the parent with this index: "afv-3". */
void vmac_name(unsigned parent_index, char ret_device[static 16]);
bool vmac_is_name(const char *device);
/*
 * Makes exactly WANTED the macvlan devices that are ours: made, removed, given its MAC address, set
 * up or down. Synchronous, as vip_set is; ON_PART (may be NULL) is called between the devices.
 * Errors: -errno with the device in RET_WHY; what could be done is done.
 */
int vmac_set(const struct vmac *wanted, size_t n_wanted, void (*on_part)(void *userdata),
	     void *userdata, struct why *ret_why);
/* Sets all of ours down. For the supervisor, too. Errors: -errno. */
int vmac_withdraw_all(struct nl_sock *sock);
