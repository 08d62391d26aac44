/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/engine/engine.h"

/*
 * How long nobody served in a change of role that both units took part in, measured on one clock:
 * from the moment at which this unit began to release its active addresses to the first hello in
 * which the mate says that it has them. That is longer than the truth by the way of one hello. The
 * unit that released tells the other in its own hellos.
 */

/* RELEASE begins now. */
void switchover_release(struct engine *engine);
/* This unit claims: whoever waited for the mate to do so waits no more. */
void switchover_claim(struct engine *engine);
/* The mate's hello. Sends one at once where it ended a measurement: the mate waits for it. */
void switchover_hello(struct engine *engine, const struct hello *hello);
/* The gap of the activation in TERM, in microseconds; 0: not known (yet). */
uint32_t switchover_gap_us(const struct engine *engine, uint64_t term);
