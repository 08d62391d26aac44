/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pace.h"

#include <stdio.h>

bool pace_has_room(const struct pace *pace, struct monotime now)
{
	return pace->n_said < PACE_LINES ||
	       monotime_reached(now, monotime_add_ms(pace->since, PACE_MS));
}

bool pace_take(struct pace *pace, struct monotime now, char ret_more[static PACE_TEXT_MAX])
{
	if (pace->n_said == 0 || monotime_reached(now, monotime_add_ms(pace->since, PACE_MS))) {
		pace->since = now;
		pace->n_said = 0;
	}
	if (pace->n_said >= PACE_LINES) {
		pace->n_left_out++;
		return false;
	}
	pace->n_said++;
	ret_more[0] = '\0';
	if (pace->n_left_out > 0)
		(void)snprintf(ret_more, PACE_TEXT_MAX, " (and %u more before it)",
			       pace->n_left_out);
	pace->n_left_out = 0;
	return true;
}
