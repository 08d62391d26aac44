/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/why.h"
#include "failover/core/wire.pb-c.h"

/*
 * The units tell each other by what to recognise what their local CAs issued (record.LocalCaMark):
 * two identifiers of the CA's key and one of each key that it certified, and no byte of a
 * certificate or a key. What could not be told, or not be kept, is told or asked for again, ever
 * more seldom, until it is kept. A mate of an older version does not tell again before the link
 * comes up anew.
 */
struct engine;

struct engine_ca_marks {
	sd_event_source *timer;
	unsigned n_tries;   /* since something failed */
	bool is_tell_due;   /* this unit's could not be told */
	bool is_answer_due; /* ... or were asked for: that there is nothing is told, too */
	bool is_refused;    /* the mate's could not be kept, and have not been since */
	bool has_asked;	    /* for them, and nothing has failed since */
	bool was_kept;	    /* ... and something of all of them was kept */
	struct why refused; /* why */
};

/* Errors: -errno. */
int ca_marks_start(struct engine *engine);
void ca_marks_stop(struct engine *engine);
/* Asks the keeper for this unit's and sends them; nothing where the link is down. */
void ca_marks_tell(struct engine *engine);
/* Sends the key of a certificate that was issued just now (x509_key_id). */
void ca_marks_tell_issued(struct engine *engine, const ProtobufCBinaryData *key_id);
/* The mate's, which the keeper keeps, or that it wants ours again. Returns false for other
 * messages. */
bool ca_marks_message(struct engine *engine, const Asafo__Wire__Link *message);
/* That the mate's still cannot be kept, after they were asked for again. */
bool ca_marks_trouble(const struct engine *engine, struct why *ret_why);
