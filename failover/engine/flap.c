/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/engine/flap.h"

static void go_down(struct flap *flap, struct monotime now)
{
	struct monotime *oldest = &flap->downs[flap->n_downs % FLAP_DOWNS];

	if (flap->n_downs >= FLAP_DOWNS &&
	    monotime_since(now, *oldest) < FLAP_WITHIN_MS * MONOTIME_NS_PER_MS)
		flap->is_flapping = true;
	*oldest = now;
	flap->n_downs++;
}

bool flap_step(struct flap *flap, bool is_up, struct monotime now)
{
	if (flap->is_up && !is_up)
		go_down(flap, now);
	if (!flap->is_up && is_up)
		flap->up_since = now;
	flap->is_up = is_up;
	if (flap->is_flapping && monotime_reached(now, flap_deadline(flap)))
		flap->is_flapping = false;
	return is_up && !flap->is_flapping;
}

struct monotime flap_deadline(const struct flap *flap)
{
	return flap->is_flapping && flap->is_up ? monotime_add_ms(flap->up_since, FLAP_CALM_MS)
						: MONOTIME_NEVER;
}
