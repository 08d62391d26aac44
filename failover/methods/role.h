/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/methods/answer.h"

/* Asks for the role (IS_FORCED: whatever the standby lacks) and answers CALL when this unit has it,
 * or with the reason why not. */
void role_wait(struct engine *engine, struct control_call *call, bool wants_active, bool is_forced);
int role_waits_new(struct engine *engine, struct methods **ret_methods);
void role_waits_free(struct methods *methods);
/* The machine moved: whoever waits for a role may be answered. */
void role_on_transition(struct methods *methods);
/* The mate said something new: what the machine could not do yet is asked of it again. */
void role_on_hello(struct methods *methods);
