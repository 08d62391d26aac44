/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/engine/engine.h"

/*
 * How long the active addresses were nobody's in a change of role that both units took part in,
 * measured on one clock: from the moment at which this unit began to release them to the first
 * hello in which the mate says that it is Active, which it says after its announcements went to the
 * devices. That is longer than the truth by the way of one hello. What a client sees is not in it:
 * when its own packets and the announcement got through, and that the new unit may have to ask for
 * the client's address first. The unit that released tells the other in its own hellos.
 */

/* RELEASE begins now. */
void switchover_release(struct engine *engine);
/* This unit claims: whoever waited for the mate to do so waits no more. */
void switchover_claim(struct engine *engine);
/* The mate's hello. Sends one at once where it ended a measurement: the mate waits for it. */
void switchover_hello(struct engine *engine, const struct hello *hello);
/* The gap of the activation in TERM, in microseconds; 0: not known (yet). */
uint32_t switchover_gap_us(const struct engine *engine, uint64_t term);

/*
 * The words by which a role changes hands (a wish, a release) are said when they become true, and
 * then with each poll. One that the network loses would cost a polltime, in which nobody serves: so
 * it is said again after some milliseconds, and ever more seldom up to a polltime, until the mate's
 * hellos show that it was heard.
 */
int switchover_start(struct engine *engine);
void switchover_stop(struct engine *engine);
/* The machine made its steps. */
void switchover_look(struct engine *engine);
