/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/monotime.h"
#include "base/why.h"

/* Whoever has held the kernel's RTNL lock for so long that somebody should look. */
struct engine;

struct lockwatch {
	bool is_logged;
	struct monotime beaten_at;
};

/* With each breath of who waits for it: the supervisor hears that this process lives, for half a
 * minute of one wait, and the log what it waits for. */
void lockwatch_breathe(struct engine *engine);
/* Each polltime: the log. */
void lockwatch_tick(struct engine *engine);
/* A sentence. False: nobody holds it. */
bool lockwatch_trouble(const struct engine *engine, struct why *ret_why);
