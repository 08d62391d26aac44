/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "failover/vip.h"

/*
 * Somebody else on the wire who says that an address of ours is his: ARP with it as the sender's
 * (RFC 5227 section 2.4), or a Neighbor Advertisement for it (RFC 4862 section 5.4.4). A filter in
 * the kernel passes only those, so that other people's ARP costs nothing.
 */
struct conflict;

struct conflict_ops {
	/* Also told of our own MAC addresses, which only the caller knows. */
	void (*on_claim)(const struct vip_address *address, const uint8_t mac[static 6],
			 void *userdata);
};

/* Errors: -errno, -ENOMEM. */
int conflict_new(sd_event *event, const struct conflict_ops *ops, void *userdata,
		 struct conflict **ret_conflict);
void conflict_free(struct conflict *conflict);
/* Listens for these from now on (copied). Errors: -errno, -ENOMEM; then for none. */
int conflict_watch(struct conflict *conflict, const struct vip_address *addresses, size_t n);
