/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/monotime.h"

/*
 * Lines of the log that strangers can bring about: so many in a while, then their number with the
 * first line of the next while. Zeroed at the start.
 */
#define PACE_LINES 10u
#define PACE_MS 10000u
#define PACE_TEXT_MAX 48

struct pace {
	struct monotime since;
	unsigned n_said;
	unsigned n_left_out;
};

/* Whether a line is to be said at NOW. Then RET_MORE is what goes to its end: how many were left
 * out before it; empty where none was. */
bool pace_take(struct pace *pace, struct monotime now, char ret_more[static PACE_TEXT_MAX]);
/* As pace_take would say, and nothing is counted: for who says later how things are then. */
bool pace_has_room(const struct pace *pace, struct monotime now);
