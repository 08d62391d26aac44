/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How far the mate's wall clock is from ours, from the hellos alone: pure, without a clock in it.
 * Each exchange bounds the difference from both sides (RFC 5905 section 8: the mate stamped its
 * hello after it had ours, and before we had its own). The latest bounds are intersected, so that
 * one quick exchange serves the slow ones beside it; bounds that exclude each other say that a
 * clock was set, and only what came since counts.
 */
#define FO_CLOCK_SAMPLES 8
#define FO_CLOCK_WARN_MS 2000 /* from here on the clocks differ ... */
#define FO_CLOCK_SAME_MS 1800 /* ... until they are closer than this */
/* Nine years; a difference that is larger counts as this one. */
#define FO_CLOCK_FAR_NS (INT64_MAX / 32)

enum fo_clock_class {
	FO_CLOCK_UNKNOWN,
	FO_CLOCK_SAME,
	FO_CLOCK_AHEAD,	 /* the mate's is ahead of ours */
	FO_CLOCK_BEHIND, /* the mate's is behind */
	FO_CLOCK__MAX,
};

struct fo_clock_bounds {
	int64_t low_ns, high_ns; /* of: mate's clock minus ours */
};

/* One exchange. All on this unit's clocks but for the mate's two. */
struct fo_clock_exchange {
	uint64_t mate_realtime_ns; /* when the mate sent its hello, on its wall clock */
	uint64_t mate_held_ns;	   /* how long the mate had had the hello of ours that it echoes */
	uint64_t round_ns;	   /* from when we sent that one until the mate's hello came */
	uint64_t realtime_ns;	   /* when it came, on our wall clock */
};

struct fo_clock {
	struct fo_clock_bounds samples[FO_CLOCK_SAMPLES];
	size_t n, next;
	int64_t skew_ns;	/* mate's wall clock minus ours */
	int64_t uncertainty_ns; /* to either side */
	enum fo_clock_class class;
};

/* Takes an exchange in; what contradicts itself (a mate that held it for longer than the round
 * took) counts without the mate's word. Returns true where the class changed. */
bool fo_clock_take(struct fo_clock *clock, const struct fo_clock_exchange *exchange);
/* "same", "ahead", "behind", "unknown". */
const char *fo_clock_text(enum fo_clock_class class);
