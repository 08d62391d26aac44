/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/path_stats.h"

#include <stdlib.h>
#include <string.h>

/* ---- loss ---- */

static uint64_t *word_of(struct path_stats *stats, uint64_t counter)
{
	return &stats->window[counter % PATH_WINDOW / 64];
}

static bool has_come(const struct path_stats *stats, uint64_t counter)
{
	return stats->window[counter % PATH_WINDOW / 64] >> counter % 64 & 1;
}

static void begin(struct path_stats *stats, uint64_t boot, uint64_t counter)
{
	stats->boot = boot;
	stats->first = stats->newest = counter;
	memset(stats->window, 0, sizeof(stats->window));
	*word_of(stats, counter) |= UINT64_C(1) << counter % 64;
	stats->received++;
}

static void advance(struct path_stats *stats, uint64_t counter)
{
	uint64_t step = counter - stats->newest;

	if (step >= PATH_WINDOW)
		memset(stats->window, 0, sizeof(stats->window));
	else
		for (uint64_t i = 1; i <= step; i++)
			*word_of(stats, stats->newest + i) &=
				~(UINT64_C(1) << (stats->newest + i) % 64);
	*word_of(stats, counter) |= UINT64_C(1) << counter % 64;
	stats->newest = counter;
	stats->lost += step - 1;
	stats->received++;
}

/* It was counted as lost when a newer one came. */
static void come_late(struct path_stats *stats, uint64_t counter)
{
	if (counter < stats->first || stats->newest - counter >= PATH_WINDOW ||
	    has_come(stats, counter))
		return;
	*word_of(stats, counter) |= UINT64_C(1) << counter % 64;
	stats->received++;
	stats->lost--;
}

void path_stats_heard(struct path_stats *stats, uint64_t boot, uint64_t counter,
		      struct monotime now)
{
	if (stats->received == 0 || stats->boot != boot)
		begin(stats, boot, counter);
	else if (counter > stats->newest)
		advance(stats, counter);
	else
		come_late(stats, counter);
	stats->heard_at = now;
}

unsigned path_stats_recent_loss(const struct path_stats *stats, uint64_t newest)
{
	uint64_t silent = newest > stats->newest ? newest - stats->newest : 0;
	uint64_t sent, came = 0;

	if (stats->received == 0)
		return 0;
	if (silent >= PATH_WINDOW)
		return 1000;
	sent = stats->newest - stats->first + 1 + silent;
	if (sent > PATH_WINDOW)
		sent = PATH_WINDOW;
	for (uint64_t i = 0; i < sent - silent; i++)
		came += has_come(stats, stats->newest - i);
	return (unsigned)((sent - came) * 1000 / sent);
}

uint64_t path_stats_lost(const struct path_stats *stats, uint64_t newest)
{
	return stats->lost +
	       (stats->received > 0 && newest > stats->newest ? newest - stats->newest : 0);
}

void path_stats_clear_losses(struct path_stats *stats)
{
	stats->first = stats->newest;
	stats->lost = 0;
}

/* ---- latency ---- */

void path_stats_round_trip(struct path_stats *stats, uint32_t rtt_us)
{
	stats->rtts_us[stats->n_rtts++ % PATH_RTTS] = rtt_us;
	if (stats->n_rtts == 1 || rtt_us < stats->rtt_min_us)
		stats->rtt_min_us = rtt_us;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

uint32_t path_stats_median_us(const struct path_stats *stats)
{
	uint32_t sorted[PATH_RTTS];
	size_t n = stats->n_rtts < PATH_RTTS ? (size_t)stats->n_rtts : PATH_RTTS;

	if (n == 0)
		return 0;
	memcpy(sorted, stats->rtts_us, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), compare);
	return sorted[n / 2];
}

uint32_t path_stats_last_us(const struct path_stats *stats)
{
	return stats->n_rtts ? stats->rtts_us[(stats->n_rtts - 1) % PATH_RTTS] : 0;
}

/* ---- bounds ---- */

void path_bucket_init(struct path_bucket *bucket, uint32_t rate, uint32_t burst,
		      struct monotime now)
{
	*bucket = (struct path_bucket){
		.rate = rate, .burst = burst, .level = burst * MONOTIME_NS_PER_SEC, .at = now};
}

static void refill(struct path_bucket *bucket, struct monotime now)
{
	uint64_t full = bucket->burst * MONOTIME_NS_PER_SEC;
	uint64_t passed = monotime_since(now, bucket->at);

	bucket->at = now;
	if (passed >= MONOTIME_NS_PER_SEC * bucket->burst / bucket->rate ||
	    full - bucket->level <= passed * bucket->rate)
		bucket->level = full;
	else
		bucket->level += passed * bucket->rate;
}

bool path_bucket_take(struct path_bucket *bucket, struct monotime now)
{
	refill(bucket, now);
	if (bucket->level < MONOTIME_NS_PER_SEC)
		return false;
	bucket->level -= MONOTIME_NS_PER_SEC;
	return true;
}

uint32_t path_bucket_take_some(struct path_bucket *bucket, uint32_t max, struct monotime now)
{
	uint32_t n = 0;

	while (n < max && path_bucket_take(bucket, now))
		n++;
	return n;
}

uint32_t path_bucket_level(struct path_bucket *bucket, struct monotime now)
{
	refill(bucket, now);
	return (uint32_t)(bucket->level / MONOTIME_NS_PER_SEC);
}
