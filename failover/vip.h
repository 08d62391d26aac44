/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/why.h"
#include "config/config.h"

/*
 * The addresses of this unit, as leases: each has a short valid lifetime in the kernel that is renewed while the
 * engine lives, so that a hung or killed daemon loses its active addresses with nobody's help. They carry
 * VIP_PROTOCOL (IFA_PROTO, kernel 5.18) so that the supervisor finds and withdraws them without being told.
 * Through libnl-3; one batch (one sendmsg) a change, so that all addresses move together.
 */
#define VIP_PROTOCOL 105        /* active addresses */
#define VIP_PROTOCOL_STANDBY 106 /* standby and failover-link addresses: not withdrawn on a crash */
#define VIP_LIFETIME_S 1        /* valid lifetime of an active address */

struct vip_address {
	char device[16];
	char interface[64]; /* nameif */
	struct config_address address;
	bool is_active;     /* an active address (leased), else a standby or link address (permanent until removed) */
};

struct vip;

/* Opens the netlink socket and withdraws active addresses that an earlier life left. Errors: -errno. */
int vip_new(sd_event *event, struct vip **ret_vip);
/* Withdraws the active addresses first. */
void vip_free(struct vip *vip);
/*
 * Makes exactly WANTED the addresses that are ours: what is missing is added, what is too much is removed (removed
 * first). IPv6 with IFA_F_NODAD. Synchronous but bounded: a netlink batch and its acknowledgements. Errors: -errno with
 * the address and device in RET_WHY; what could be done is done.
 */
int vip_set(struct vip *vip, const struct vip_address *wanted, size_t n_wanted, struct why *ret_why);
/* Renews the leases (called by its own timer, too; every 250 ms). */
int vip_renew(struct vip *vip);
/* The ones that are ours now. Borrowed until the next call. */
const struct vip_address *vip_current(const struct vip *vip, size_t *ret_n);
/* For the supervisor: removes every address with VIP_PROTOCOL in this network namespace. Returns how many, or -errno. */
int vip_withdraw_all(void);
