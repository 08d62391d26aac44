/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/engine/engine.h"

/* show_history.c: who waits for the mate's history. */

/* A message of the link that is about histories; false: it is not. */
bool history_message(struct engine *engine, const Asafo__Wire__Link *message);
/* Whoever waits for the mate's history waits no more. */
void history_drop(struct engine *engine);
