/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/monotime.h"

/*
 * When a front tests itself, by ticks that are the same for all processes of the machine. Fronts
 * take turns, those of an even INSTANCE and those of an odd one: what all of them need, such as the
 * keeper, is asked twice as often as each of them asks.
 */

#define TESTPACE_TICK_MS 500u

/* The next tick after NOW: one in two where it MAY_WAIT, since all is well. */
struct monotime testpace_next(struct monotime now, unsigned instance, bool may_wait);
/* Another number each four seconds: a handshake is due, all being well. */
uint64_t testpace_turn(struct monotime now, unsigned instance);
