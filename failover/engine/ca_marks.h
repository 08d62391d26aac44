/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "failover/core/wire.pb-c.h"

/*
 * The units tell each other by what to recognise what their local CAs issued (record.LocalCaMark):
 * two identifiers of the CA's key and one of each key that it certified, and no byte of a
 * certificate or a key.
 */
struct engine;

/* Asks the keeper for this unit's and sends them; nothing where the link is down. */
void ca_marks_tell(struct engine *engine);
/* Sends the key of a certificate that was issued just now (x509_key_id). */
void ca_marks_tell_issued(struct engine *engine, const ProtobufCBinaryData *key_id);
/* The mate's, which the keeper keeps. Returns false for other messages. */
bool ca_marks_message(struct engine *engine, const Asafo__Wire__Link *message);
