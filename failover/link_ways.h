/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/monotime.h"
#include "failover/link.h"

/*
 * Which of the ways to the mate is tried next: plain data and arithmetic. Ways on which hellos come
 * first, in the order of preference, then the others; each at most once in LINK_RETRY_MS, however
 * quickly the mate hangs up. Internal to the link.
 */
#define LINK_RETRY_MS 1000u
#define LINK_STAGGER_MS 250u /* an attempt that takes longer gets company on the next way */
#define LINK_WAY_NONE SIZE_MAX

struct link_ways {
	size_t n;
	bool is_usable[LINK_WAYS_MAX];
	bool is_busy[LINK_WAYS_MAX]; /* an attempt is under way on it */
	struct monotime tried_at[LINK_WAYS_MAX];
};

void link_ways_init(struct link_ways *ways, size_t n);
/* LINK_WAY_NONE: none just now; *RET_DELAY_MS says when to ask again (if nothing happens before).
 */
size_t link_ways_choose(const struct link_ways *ways, struct monotime now, uint64_t *ret_delay_ms);
/* Another one than WAY is usable. */
bool link_ways_has_other(const struct link_ways *ways, size_t way);
