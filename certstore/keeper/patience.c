/* SPDX-License-Identifier: Apache-2.0 */
#include "certstore/keeper/patience.h"

/* A disk that takes less than this is no slow one but one that hangs. */
#define BASE_MS 30000u
#define BYTES_PER_MS_MIN 64u

uint64_t patience_for(uint64_t bytes)
{
	return BASE_MS + bytes / BYTES_PER_MS_MIN;
}

void patience_begin(struct patience *patience, struct monotime now, uint64_t limit_ms)
{
	*patience = (struct patience){.begun = now, .limit_ms = limit_ms};
}

bool patience_turn(struct patience *patience, struct monotime now,
		   const struct monotime *look_begun)
{
	uint64_t ms = monotime_since(now, patience->begun) / MONOTIME_NS_PER_MS;

	if (look_begun && !monotime_reached(now, monotime_add_ms(*look_begun, PATIENCE_LOOK_MS)))
		patience->not_counted_ms += ms - patience->ms;
	patience->ms = ms;
	return ms - patience->not_counted_ms >= patience->limit_ms;
}
