/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/*
 * A point on CLOCK_MONOTONIC, in nanoseconds. It does not count time in which the machine was
 * suspended; for a lease that is right, since the kernel's own address lifetimes stop too.
 */
struct monotime {
	uint64_t ns;
};

#define MONOTIME_NS_PER_MS UINT64_C(1000000)
#define MONOTIME_NS_PER_SEC UINT64_C(1000000000)
#define MONOTIME_NEVER ((struct monotime){UINT64_MAX})

static inline struct monotime monotime_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (struct monotime){(uint64_t)ts.tv_sec * MONOTIME_NS_PER_SEC + (uint64_t)ts.tv_nsec};
}

/* T plus a span of milliseconds; MONOTIME_NEVER stays so. */
static inline struct monotime monotime_add_ms(struct monotime t, uint64_t ms)
{
	if (t.ns == UINT64_MAX || ms > (UINT64_MAX - t.ns) / MONOTIME_NS_PER_MS)
		return MONOTIME_NEVER;
	return (struct monotime){t.ns + ms * MONOTIME_NS_PER_MS};
}

/* Nanoseconds from EARLIER to LATER; 0 if LATER is not later. */
static inline uint64_t monotime_since(struct monotime later, struct monotime earlier)
{
	return later.ns > earlier.ns ? later.ns - earlier.ns : 0;
}

/*
 * The next whole multiple of STEP_MS after NOW, and a millisecond: what the processes of a unit do
 * now and then is due in the same moment, whenever each was started. The millisecond puts it
 * behind the moment at which sd-event would wake up for it alone, where a process that is awake
 * soon anyhow need not.
 */
static inline struct monotime monotime_turn(struct monotime now, uint64_t step_ms)
{
	uint64_t step_ns = step_ms * MONOTIME_NS_PER_MS;

	return (struct monotime){(now.ns / step_ns + 1) * step_ns + MONOTIME_NS_PER_MS};
}

static inline bool monotime_reached(struct monotime now, struct monotime deadline)
{
	return now.ns >= deadline.ns;
}

static inline struct monotime monotime_min(struct monotime a, struct monotime b)
{
	return a.ns < b.ns ? a : b;
}
