/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "failover/core/wire.pb-c.h"

/*
 * The units tell each other by what to recognise what their local CAs issued (record.LocalCaMark):
 * two identifiers, and no byte of a certificate or a key.
 */
struct engine;

/* Asks the keeper for this unit's and sends them; nothing where the link is down. */
void ca_marks_tell(struct engine *engine);
/* The mate's, which the keeper keeps. Returns false for other messages. */
bool ca_marks_message(struct engine *engine, const Asafo__Wire__Link *message);
