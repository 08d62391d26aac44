/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/buf.h"
#include "core/fsm.h"
#include "failover/core/wire.pb-c.h"

/*
 * The last transitions of this unit, as `show failover history` prints them: 60 rows, as on an ASA.
 * The keeper keeps them over restarts, and the mate may ask for them.
 */
#define HISTORY_ROWS 60

struct history_row {
	uint64_t realtime_ns;
	uint64_t term;
	enum fo_state from, to; /* FO_STATE__MAX: another version's */
	enum fo_reason reason;
};

struct history {
	struct history_row rows[HISTORY_ROWS];
	size_t n_rows, next;
};

void history_add(struct history *history, const struct history_row *row);
/* Row INDEX, 0 is the oldest; NULL past the end. */
const struct history_row *history_get(const struct history *history, size_t index);
/* The rows as a wire.History with this ID, appended to BYTES. Errors: -ENOMEM. */
int history_pack(const struct history *history, uint32_t id, struct buf *bytes);
/* The opposite: the newest HISTORY_ROWS rows of MESSAGE. */
void history_unpack(const Asafo__Wire__History *message, struct history *ret_history);

/* ---- history_keep.c: over restarts ---- */
struct engine;

struct history_keep {
	sd_event_source *timer;
	bool is_loaded;	 /* what was kept stands before the rows of this life */
	bool is_asked;	 /* for what was kept */
	bool is_changed; /* since what is kept */
	bool is_saving;
	unsigned n_postponed;
};

/* Asks the keeper for what it kept, unless that is here. */
void history_load(struct engine *engine);
/* A row was added: kept a little later, all that come meanwhile at once. */
void history_changed(struct engine *engine);
/* Kept now, before the process ends. */
void history_flush(struct engine *engine);
void history_keep_done(struct history_keep *keep);
