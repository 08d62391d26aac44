/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/link_ways.h"

void link_ways_init(struct link_ways *ways, size_t n)
{
	*ways = (struct link_ways){.n = n < LINK_WAYS_MAX ? n : LINK_WAYS_MAX};
	for (size_t i = 0; i < ways->n; i++)
		ways->is_usable[i] = true; /* until something is known */
}

static uint64_t wait_ms(const struct link_ways *ways, size_t way, struct monotime now)
{
	uint64_t passed_ms = monotime_since(now, ways->tried_at[way]) / MONOTIME_NS_PER_MS;

	return ways->tried_at[way].ns == 0 || passed_ms >= LINK_RETRY_MS
		       ? 0
		       : LINK_RETRY_MS - passed_ms;
}

size_t link_ways_choose(const struct link_ways *ways, struct monotime now, uint64_t *ret_delay_ms)
{
	size_t other = LINK_WAY_NONE;

	*ret_delay_ms = LINK_RETRY_MS;
	for (size_t i = 0; i < ways->n; i++) {
		uint64_t ms = wait_ms(ways, i, now);

		if (ways->is_busy[i])
			continue;
		if (ms > 0) {
			*ret_delay_ms = ms < *ret_delay_ms ? ms : *ret_delay_ms;
			continue;
		}
		if (ways->is_usable[i])
			return i;
		if (other == LINK_WAY_NONE)
			other = i;
	}
	return other;
}

bool link_ways_has_other(const struct link_ways *ways, size_t way)
{
	for (size_t i = 0; i < ways->n; i++)
		if (i != way && ways->is_usable[i])
			return true;
	return false;
}
