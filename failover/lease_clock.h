/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/monotime.h"

/*
 * When a lease is renewed best. The kernel looks after lifetimes rarely: an end that falls into the
 * last quarter of one of its own seconds it puts off until that second is full, on both families. A
 * lease that was renewed at another time ends when it should. So where those seconds begin is
 * learned from the kernel's time stamps of addresses, and renewals keep to what is before that
 * quarter.
 */
struct lease_clock {
	uint64_t hz;	  /* the kernel's ticks in a second */
	int64_t start_ns; /* where its stamps begin, on the monotonic clock */
	bool is_known;
};

#define LEASE_CLOCK_STEP_MS 300u /* three renewals a second, and none in its last quarter, ... */
#define LEASE_CLOCK_STEPS 3u
#define LEASE_CLOCK_SLACK_MS 100u /* ... also where it comes so much later than its time */

/* HZ 0: that of this machine. */
void lease_clock_init(struct lease_clock *ret_clock, uint64_t hz);
/* At SEEN the kernel has told of an address that was set at STAMP, in hundredths of a second
 * (IFA_CACHEINFO, tstamp). The soonest told is believed. */
void lease_clock_learn(struct lease_clock *clock, uint32_t stamp, struct monotime seen);
/* How far into the second of processor CPU NOW is. Only where the clock is known. */
uint64_t lease_clock_phase_ns(const struct lease_clock *clock, struct monotime now, unsigned cpu);
/* When to renew after NOW, less than half a second later, on processor CPU. False: not known. */
bool lease_clock_next(const struct lease_clock *clock, struct monotime now, unsigned cpu,
		      struct monotime *ret_next);
