/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/monotime.h"

/*
 * A link that goes and comes again and again: a bad cable, a switch that starts. Each time that it
 * comes back would be a replication, a dozen lines in the log, and a unit that is good enough to be
 * handed the role. So from some time on it counts as down until it has stayed up for a while. Pure:
 * time comes in.
 */
#define FLAP_DOWNS 3u /* more often than so ... */
#define FLAP_WITHIN_MS 10000u
#define FLAP_CALM_MS 2000u

struct flap {
	struct monotime downs[FLAP_DOWNS];
	size_t n_downs;
	struct monotime up_since;
	bool is_up;
	bool is_flapping;
};

/* The link IS_UP at NOW. Does it count as up? */
bool flap_step(struct flap *flap, bool is_up, struct monotime now);
/* When it would count again, as it is; MONOTIME_NEVER. */
struct monotime flap_deadline(const struct flap *flap);
