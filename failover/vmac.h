/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"

/*
 * Virtual MAC addresses: a macvlan device (private mode: nothing but its parent's wire) on each
 * interface that has one, of its own for each role: its MAC address never changes while it is up,
 * since the kernel takes some 10 ms to change it, and as much to set a device down, but nothing to
 * set one up. It carries the MAC address, and with it the addresses of the role that it belongs to;
 * down, it carries nothing. Named after its parent's index, and marked by its alias
 * (`ip link show`), so that one that an earlier life left is found. Its parent answers ARP only for
 * what is configured on itself (net.ipv4.conf.DEVICE.arp_ignore=1), or it would answer for the
 * addresses of the macvlan with the wrong MAC address.
 */
struct nl_sock;

struct vmac {
	char parent[16];
	unsigned parent_index;
	uint8_t mac[6];
	bool is_active; /* the active role's, else the standby's */
	bool is_up;
	bool may_be_mute; /* not up, or up and mute: who is active has no time to set it down */
};

/* The device on the parent with this index: "afv-3" of the active role, "afv-3s" of the standby's.
 */
void vmac_name(unsigned parent_index, bool is_active, char ret_device[static 16]);
bool vmac_is_name(const char *device);
/*
 * Makes exactly WANTED the macvlan devices that are ours: made, removed, given its MAC address, set
 * up or down. Errors: -errno with the device in RET_WHY; what could be done is done. Each device
 * that is set down or removed takes some 10 ms, and all of these wait for whoever holds the
 * kernel's RTNL lock: to be called where that holds up no hello (rtnl.h).
 */
int vmac_set(const struct vmac *wanted, size_t n_wanted, struct why *ret_why);
/*
 * The part of it that addresses wait for: those of WANTED that are to be up are made and set up.
 * Takes a fraction of a millisecond where they are there. vmac_set must follow, soon: it says what
 * went wrong, too.
 */
void vmac_raise(const struct vmac *wanted, size_t n_wanted);
/*
 * Those that are up and not to be, by WANTED, send nothing any more: an MLD report of addresses
 * that went would teach the switches that the MAC address is here, while the mate has it. To be
 * done when the addresses are gone; setting down takes longer, and can wait: vmac_set does it. To
 * be done again when one of them has a carrier: the kernel hands it that of its parent, whenever
 * that one's comes back. Returns how many of them there are, or -errno (-EOPNOTSUPP: the kernel
 * can't).
 */
int vmac_mute(const struct vmac *wanted, size_t n_wanted);
/* Sets all of ours down. For the supervisor, too. Errors: -errno. */
int vmac_withdraw_all(struct nl_sock *sock);
