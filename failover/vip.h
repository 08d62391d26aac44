/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/why.h"
#include "config/config.h"
#include "failover/linkmon.h"

/*
 * The addresses of this unit, as leases: each has a short valid lifetime in the kernel that is
 * renewed while the engine lives, so that a hung or killed daemon loses its active addresses with
 * nobody's help. They carry VIP_PROTOCOL (IFA_PROTO, kernel 5.18) so that the supervisor finds and
 * withdraws them without being told. Through libnl-3; one batch (one sendmsg) a change, so that all
 * addresses move together.
 */
#define VIP_PROTOCOL 105	 /* active addresses */
#define VIP_PROTOCOL_STANDBY 106 /* the others: not withdrawn on a crash */
#define VIP_LIFETIME_S 1	 /* valid lifetime of an active address */
/* ... which the kernel rounds up by a quarter of a second at most, and its timers by milliseconds.
 */
#define VIP_LIFETIME_MOST_MS 1300

struct vip_address {
	char device[16];
	char interface[64]; /* nameif */
	struct config_address address;
	/* An active address (leased), else a standby or link address (permanent until removed). */
	bool is_active;
	/* One that is there already stays its maker's: it is not removed in the end. For the
	 * addresses of links to the mate, which never move. */
	bool is_left;
};

struct vip;
struct rtnl;

/* Opens the netlink socket and withdraws active addresses that an earlier life left. Errors:
 * -errno. */
int vip_new(sd_event *event, struct vip **ret_vip);
/* Withdraws the active addresses first. */
void vip_free(struct vip *vip);
/*
 * What has to wait for the kernel does so in the thread of RTNL from now on: renewals while the
 * caller goes on, everything else while it breathes. It must be there for as long as VIP is.
 */
void vip_set_rtnl(struct vip *vip, struct rtnl *rtnl);
/*
 * Makes exactly WANTED the addresses that are ours: what is missing is added, what is too much is
 * removed (added first: a device that loses its last address loses its static routes). One that
 * exists already, whoever made it, becomes ours. One whose device is missing stays wanted: the
 * renewal adds it when the device comes. IPv6 with IFA_F_NODAD. Comes back when it is done, which a
 * renewal that is under way, and whoever holds the kernel's RTNL lock, may put off (rtnl.h).
 * Errors: -errno with the address and device in RET_WHY; what could be done is done.
 */
int vip_set(struct vip *vip, const struct vip_address *wanted, size_t n_wanted,
	    struct why *ret_why);
/*
 * As vip_set, for a change of role, which nobody wants to wait for: vip_mend must follow, soon.
 */
int vip_move(struct vip *vip, const struct vip_address *wanted, size_t n_wanted,
	     struct why *ret_why);
/* True where exactly these were asked for last, in this order, and all could be set. */
bool vip_is_set(const struct vip *vip, const struct vip_address *wanted, size_t n_wanted);
/*
 * Puts back what the removals of the latest change took along: addresses of ours, and other
 * people's in a subnet that was ours. Nothing where that was done. Errors: -errno.
 */
int vip_mend(struct vip *vip);
/* A route that follows the role. */
struct vip_route {
	char device[16];
	struct config_address destination, gateway;
	uint32_t metric;
	bool is_active; /* goes with the active addresses when this process dies */
};

/*
 * Makes exactly WANTED the routes that are ours, after the addresses that they need. One that is
 * there already, whoever made it, is left as it is. What somebody removes is back within a second.
 * Errors: -errno with the route in RET_WHY; what could be done is done.
 */
int vip_set_routes(struct vip *vip, const struct vip_route *wanted, size_t n_wanted,
		   struct why *ret_why);
/*
 * Renews all leases, and brings back what somebody removed. Its own timer does so three times in
 * each second of the kernel's (lease_clock.h); within each 250 ms, and a few leases at a time,
 * where there are many of a family; and for standby addresses each second or so. The timer comes
 * before everything but the engine's. Where it finds that this process was stopped for longer than
 * a lease it withdraws the active addresses and renews no more until this or vip_set is called:
 * only the FSM can know whether the mate has taken over meanwhile. The timer's renewals are not
 * waited for; while one waits for the kernel there is no other. Errors: -errno of the first that
 * failed.
 */
int vip_renew(struct vip *vip);
bool vip_has_lapsed(const struct vip *vip);
/*
 * Something happened to an address. Where it is ours and was removed, or somebody made it permanent
 * or took its tag away, it is put right when the loop comes to it, before anything that is not
 * urgent; a few at a time where it was many.
 */
void vip_take_news(struct vip *vip, const struct linkmon_address *news);
/*
 * Removes those of UNWANTED that exist, with any prefix, although they are not in the last WANTED,
 * whoever made them: a unit on which an operator configured its mate's address by hand. Returns how
 * many, or -errno.
 */
int vip_expel(struct vip *vip, const struct vip_address *unwanted, size_t n_unwanted);
/* Sets the interface with this index administratively up. Errors: -errno, -ENODEV. */
int vip_raise(struct vip *vip, unsigned index);
/*
 * How many of the addresses that should be there the kernel did not take the last time that it was
 * asked, though their device is there. RET_WHY: the first of them, and why.
 */
size_t vip_refused(const struct vip *vip, struct why *ret_why);
/* The first of them. False: there is none. */
bool vip_first_refused(const struct vip *vip, struct vip_address *ret_address);
/* This one is wanted, and the kernel has it. */
bool vip_holds(const struct vip *vip, const struct vip_address *address);
/* The ones that are ours now. Borrowed until the next call. */
const struct vip_address *vip_current(const struct vip *vip, size_t *ret_n);
/* For the supervisor: removes every address and route with VIP_PROTOCOL in this network namespace,
 * then sets down the devices with virtual MAC addresses. Returns how many addresses, or -errno. */
int vip_withdraw_all(void);
