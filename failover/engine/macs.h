/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <net/if.h>
#include <stdbool.h>

#include "failover/engine/engine.h"

/* The devices of virtual MAC addresses (failover/vmac.h) by this unit's role. */

/* Errors: -ENOMEM, -errno. */
int macs_start(struct engine *engine);
/* The device that carries the addresses of the role: the macvlan where it has a MAC address. One
 * that the kernel does not make costs the MAC address, but not the address. */
void macs_role_device(const struct config_interface *interface, bool is_active,
		      char ret_device[static IFNAMSIZ]);
/* Those that this unit's addresses are to be on. Quick: a takeover waits for it. */
void macs_raise(const struct engine *engine);
/* All of them, whatever time the kernel takes for it. */
void macs_set(struct engine *engine);
/*
 * After a change of role those of the other role fall silent at once, and go down a little later:
 * that takes the kernel some 10 ms each, for which the mate would wait where both share a kernel,
 * as in a lab.
 */
void macs_lower(struct engine *engine);
/* News of one that has a carrier, and is to be silent: its parent's came back, and the kernel gave
 * it that one. It is silenced anew, before the switch learns that the mate's MAC address is here.
 * False: LINK is none of these. */
bool macs_mute_again(struct engine *engine, const struct linkmon_link *link);
/* LINK, a macvlan of ours, is as this unit's role wants it. */
bool macs_are_as_wanted(const struct engine *engine, const struct linkmon_link *link);
