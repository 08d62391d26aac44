/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/methods/methods_internal.h"

/* Asks for the role (IS_FORCED: whatever the standby lacks) and answers CALL when this unit has it,
 * or with the reason why not. */
void role_wait(struct engine *engine, struct control_call *call, bool wants_active, bool is_forced);
