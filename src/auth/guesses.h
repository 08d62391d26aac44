/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "auth/lockout.h"
#include "auth/steps.h"
#include "ipc/channel.h"
#include "src/ipc/ipc.pb-c.h"

#define GUESSES_STEPS_MAX 256 /* of one message */

/*
 * Who has guessed and which codes were used, to the engine and from it: the other unit has to know,
 * or a failover would give everybody another five tries, and a code a second life. ONLY: this one
 * used code of all; NULL: all of them, in as many messages as it takes.
 */
int guesses_send(struct ipc_channel *engine, const struct lockout *lockout,
		 const struct steps *steps, const struct step *only, struct monotime now);
/* Guesses, unless it says nothing of them, instead of what was counted here; codes beside what was
 * used here. What cannot be an entry is left out. Errors: -ENOMEM. */
int guesses_take(struct lockout *lockout, struct steps *steps,
		 const Asafo__Ipc__AuthGuesses *message, struct monotime now);
