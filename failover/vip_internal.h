/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by vip.c (what is to be there) and vip_lease.c (that it stays). */
#include "base/monotime.h"
#include "failover/lease_clock.h"
#include "failover/rtaddr.h"
#include "failover/rtnl.h"
#include "failover/vip.h"

struct nl_sock;
struct rtroute;

/* An address that is wanted. */
struct vip_lease {
	struct vip_address address;
	struct rtaddr kernel; /* as it is asked for; index 0: no such device */
	struct monotime renewed;
	bool is_held;
	int code;     /* 0, or why the kernel did not take it, the last time */
	bool is_due;  /* something happened to it */
	bool is_many; /* one of so many of its family that they are renewed a few at a time */
};

/* A batch of leases: put together, in the kernel's hands, and what came of it. */
struct vip_renewal {
	struct rtaddr_batch batch;
	struct vip_lease **asked;
	int *results;
	size_t n;
	int code;	  /* of the batch as a whole */
	unsigned cpu;	  /* the processor that did it */
	bool is_out;	  /* nobody has looked what came of it */
	bool with_routes; /* these are looked after, too */
};

/* IPv4, IPv6: the kernel looks after each for itself. */
#define VIP_FAMILIES 2

struct vip {
	struct nl_sock *sock;
	sd_event_source *timer;	     /* of few leases: all of them, and at the right time */
	sd_event_source *ring_timer; /* of many: some of them */
	sd_event_source *repair;
	sd_event_source *landing; /* a repair waits for the renewal that is out */
	bool is_repair_waiting;
	struct vip_lease *leases;
	size_t n_leases;
	size_t next[VIP_FAMILIES]; /* lease to be renewed in the ring */
	struct vip_address *current;
	struct rtroute *routes;
	size_t n_routes;
	unsigned *promoting; /* indices of interfaces with promote_secondaries */
	size_t n_promoting;
	struct rtaddr_list before; /* what was there before the latest change */
	bool is_mend_due;	   /* ... took something along, maybe */
	struct monotime ticked;	   /* the ring's timer ran */
	struct monotime checked;   /* the permanent ones were looked after */
	bool has_lapsed;
	struct lease_clock clock;
	struct vip_renewal renewal; /* the latest of the timers' */
	unsigned cpu;		    /* the processor that renewed last */
	struct rtnl *rtnl;
	uint64_t waited_ns; /* rtnl_waited_ns when the leases' ages were last put right */
};

/* For the kernel an IPv6 address is one whatever its prefix; an IPv4 one is another with another
 * prefix. */
bool vip_is_same(const struct rtaddr *a, const struct rtaddr *b);
/* Timer and repairs. Errors: -errno. */
int vip_lease_start(struct vip *vip, sd_event *event);
/* Has WORK, on what is VIP's, done after the renewal that is under way. */
int vip_do(struct vip *vip, rtnl_work_fn work, void *userdata);
/* Waits for the renewal that is under way, and takes down what came of it. */
void vip_lease_land(struct vip *vip);
void vip_renewal_done(struct vip_renewal *renewal);
/* All leases begin at NOW. */
void vip_lease_begin(struct vip *vip, struct monotime now);
/* Asks for the routes again. */
void vip_routes_check(struct vip *vip);
/* Removes those that an earlier life left. */
void vip_routes_forget(struct vip *vip);
/* Takes all active addresses away, known or not. */
void vip_lease_withdraw(struct vip *vip);
