/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/engine/fetchplan.h"

/* Up to SPAN, by JITTER. */
static int64_t share(int64_t span, uint32_t jitter)
{
	return span > 0 ? (int64_t)(jitter % 1000) * span / 1000 : 0;
}

static int64_t limit(int64_t after, int64_t most)
{
	if (after < FETCHPLAN_RETRY_MIN_S)
		return FETCHPLAN_RETRY_MIN_S;
	return after > most ? most : after;
}

int64_t fetchplan_due(int64_t this_update, int64_t next_update, uint32_t jitter)
{
	int64_t half = (next_update - this_update) / 2;

	return this_update + half + share(half / 10, jitter);
}

int64_t fetchplan_again(int64_t next_update, int64_t now)
{
	return limit((next_update - now) / 4, FETCHPLAN_RETRY_MAX_S);
}

int64_t fetchplan_after_failure(unsigned failures, bool is_pressing, uint32_t jitter)
{
	int64_t most = is_pressing ? FETCHPLAN_PRESSING_MAX_S : FETCHPLAN_RETRY_MAX_S;
	int64_t after = FETCHPLAN_RETRY_MIN_S;

	for (unsigned i = 1; i < failures && after < most; i++)
		after *= 2;
	after = limit(after, most);
	return after + share(after / 4, jitter);
}
