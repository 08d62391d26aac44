/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's seconds are those of its tick counter (round_jiffies_up; ADDRCONF_TIMER_FUZZ in
 * net/ipv4/devinet.c and net/ipv6/addrconf.c), which starts 300 s below 2^32 ticks, while the
 * stamps of addresses count from its start. Each processor has its second three ticks earlier than
 * the one before it. Should a kernel count otherwise, leases
 * end up to a quarter of a second later than they could, as they would without this.
 */
#include "failover/lease_clock.h"

#include <time.h>

#define STAMP_NS (MONOTIME_NS_PER_SEC / 100)
/* They are told modulo 2^32: after 497 days they begin anew. */
#define STAMPS_NS ((UINT64_C(1) << 32) * STAMP_NS)
#define HZ_MAX 10000u

void lease_clock_init(struct lease_clock *ret_clock, uint64_t hz)
{
	struct timespec tick = {0};

	/* The coarse clock advances once a tick. */
	if (hz == 0 && clock_getres(CLOCK_MONOTONIC_COARSE, &tick) == 0 && tick.tv_sec == 0 &&
	    tick.tv_nsec > 0)
		hz = (MONOTIME_NS_PER_SEC + (uint64_t)tick.tv_nsec / 2) / (uint64_t)tick.tv_nsec;
	*ret_clock = (struct lease_clock){.hz = hz <= HZ_MAX ? hz : 0};
}

void lease_clock_learn(struct lease_clock *clock, uint32_t stamp, struct monotime seen)
{
	uint64_t after_ns = (seen.ns % STAMPS_NS + STAMPS_NS - stamp * STAMP_NS) % STAMPS_NS;
	int64_t start_ns = (int64_t)after_ns;

	if (clock->hz == 0)
		return;
	if (after_ns > STAMPS_NS / 2)
		start_ns -= (int64_t)STAMPS_NS;
	/* What was read late says too late a start. */
	if (!clock->is_known || start_ns < clock->start_ns)
		clock->start_ns = start_ns;
	clock->is_known = true;
}

uint64_t lease_clock_phase_ns(const struct lease_clock *clock, struct monotime now, unsigned cpu)
{
	uint64_t ahead = (UINT64_C(1) << 32) % clock->hz + 3 * (uint64_t)cpu;
	uint64_t ahead_ns = ahead % clock->hz * MONOTIME_NS_PER_SEC / clock->hz;

	return (now.ns - (uint64_t)clock->start_ns + ahead_ns) % MONOTIME_NS_PER_SEC;
}

bool lease_clock_next(const struct lease_clock *clock, struct monotime now, unsigned cpu,
		      struct monotime *ret_next)
{
	uint64_t step_ns = LEASE_CLOCK_STEP_MS * MONOTIME_NS_PER_MS;
	uint64_t phase_ns, steps;

	if (!clock->is_known)
		return false;
	phase_ns = lease_clock_phase_ns(clock, now, cpu);
	steps = phase_ns / step_ns + 1;
	ret_next->ns = now.ns - phase_ns +
		       (steps < LEASE_CLOCK_STEPS ? steps * step_ns : MONOTIME_NS_PER_SEC);
	return true;
}
