/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "core/fsm.h"

/* Whether this unit runs when it should, and what it says where it does not. */
struct engine;

/*
 * Between the parts of something long the mate must hear that we are here, and we must not take the
 * time for one in which we did not run.
 */
void engine_breathe(struct engine *engine);
/* So often the loop turns at least: a longer gap means that this unit did not run. Not longer than
 * the fronts may be silent, whatever the polltime. */
uint32_t schedule_turn_ms(const struct engine *engine);
/* The loop did not turn for GAP_NS: what it did not see, the fronts may not have told, since they
 * were paused with it, perhaps for less than a holdtime. */
void schedule_missed(struct engine *engine, uint64_t gap_ns);
/* Logs the holdtime that this unit asks for. */
void schedule_stretched(const struct engine *engine);
/* The same for the mate, whose hello says NEXT. */
void schedule_mate(const struct engine *engine, const struct fo_stretch *next);
/* The sentence I of what somebody should do about it. False: there is none. */
bool schedule_trouble(const struct engine *engine, size_t i, struct why *ret_why);
