/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/monotime.h"

/*
 * What one path to the mate has delivered: plain arithmetic, no socket, no clock. The mate numbers
 * its hellos and sends each on every path, so a number that does not come on a path is a loss of
 * that path. Internal to path.c and its tests.
 */
#define PATH_WINDOW 1024 /* hellos that the recent loss looks at */
#define PATH_RTTS 64	 /* round trips that the median looks at */

struct path_stats {
	uint64_t boot; /* of the mate, that the counters belong to; 0: none yet */
	uint64_t first, newest;
	uint64_t window[PATH_WINDOW / 64]; /* bit COUNTER % PATH_WINDOW: it came */
	uint64_t received, lost;	   /* of all boots */
	struct monotime heard_at;
	uint32_t rtts_us[PATH_RTTS]; /* a ring */
	uint64_t n_rtts;	     /* ever */
	uint32_t rtt_min_us;
};

/* A hello with COUNTER of the mate's BOOT came at NOW. One that came before counts once. */
void path_stats_heard(struct path_stats *stats, uint64_t boot, uint64_t counter,
		      struct monotime now);
/* Hellos that did not come, permille of the last PATH_WINDOW at most; and since the start. NEWEST:
 * the mate's newest on any path, where this one is silent; else stats->newest. */
unsigned path_stats_recent_loss(const struct path_stats *stats, uint64_t newest);
uint64_t path_stats_lost(const struct path_stats *stats, uint64_t newest);

/* Forgets the losses; when the path was last heard, and its round trips, stay. */
void path_stats_clear_losses(struct path_stats *stats);

void path_stats_round_trip(struct path_stats *stats, uint32_t rtt_us);
/* Of the last PATH_RTTS, the last one, and the shortest ever; 0: none was measured. */
uint32_t path_stats_median_us(const struct path_stats *stats);
uint32_t path_stats_last_us(const struct path_stats *stats);

/*
 * A token bucket: RATE a second, BURST at once. Starts full. path_bucket_take says whether there is
 * one more.
 */
struct path_bucket {
	uint32_t rate, burst;
	uint64_t level; /* in billionths of a token */
	struct monotime at;
};

void path_bucket_init(struct path_bucket *bucket, uint32_t rate, uint32_t burst,
		      struct monotime now);
bool path_bucket_take(struct path_bucket *bucket, struct monotime now);
/* As many as there are, at most MAX. */
uint32_t path_bucket_take_some(struct path_bucket *bucket, uint32_t max, struct monotime now);
uint32_t path_bucket_level(struct path_bucket *bucket, struct monotime now);
