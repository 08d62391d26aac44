/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "auth/lockout.h"
#include "ipc/channel.h"
#include "src/ipc/ipc.pb-c.h"

/* Who has guessed, to the engine and from it: the other unit has to know, or a failover would give
 * everybody another five tries. */
int guesses_send(struct ipc_channel *engine, const struct lockout *lockout, struct monotime now);
/* Instead of what was counted here. What cannot be an entry is left out. Errors: -ENOMEM. */
int guesses_take(struct lockout *lockout, const Asafo__Ipc__AuthGuesses *message,
		 struct monotime now);
