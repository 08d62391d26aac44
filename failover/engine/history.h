/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/fsm.h"

/* The last transitions of this unit, as `show failover history` prints them: 60 rows, as on an ASA.
 */
#define HISTORY_ROWS 60

struct history_row {
	uint64_t realtime_ns;
	enum fo_state from, to;
	enum fo_reason reason;
};

struct history {
	struct history_row rows[HISTORY_ROWS];
	size_t n_rows, next;
};

void history_add(struct history *history, const struct history_row *row);
/* Row INDEX, 0 is the oldest; NULL past the end. */
const struct history_row *history_get(const struct history *history, size_t index);
