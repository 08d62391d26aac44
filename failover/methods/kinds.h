/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/methods/handlers.h"

/*
 * One place (interface, domain) serves one trustpoint of each kind of key. A line that was just
 * given replaces an older one of the same kind there; of another kind it stands beside it. Only the
 * keeper knows kinds: it is asked once the lines hold.
 */
struct kinds;

/* The bindings as they are, before lines are applied. NULL without memory. */
struct kinds *kinds_before(const struct engine *engine);
void kinds_free(struct kinds *kinds);
/*
 * Takes over KINDS and WAITING, takes away what lines given since have replaced, and replies, with
 * what was taken away, or could not be known, among the result's "warnings" (an array that is
 * there).
 */
void kinds_settle(struct kinds *kinds, struct waiting *waiting);
