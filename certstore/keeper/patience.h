/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/monotime.h"

/*
 * How long a disk, or what else a keeper waits for, may take until the keeper is given up. A look
 * at the disk that was under way when the wait began may hold it up: a file system lets nobody
 * write to a file while a direct read of it is under way, which takes as long as the drive tries.
 * That is not this process's fault, nor would another one fare better, so it does not count; but a
 * drive that has not answered PATIENCE_LOOK_MS after the look began never will.
 */
#define PATIENCE_LOOK_MS UINT64_C(300000)
#define PATIENCE_ENDLESS UINT64_MAX

struct patience {
	struct monotime begun;
	uint64_t limit_ms;
	uint64_t ms;		 /* so far */
	uint64_t not_counted_ms; /* of them, behind a look */
};

/* What is enough for any disk to make BYTES durable. */
uint64_t patience_for(uint64_t bytes);
void patience_begin(struct patience *patience, struct monotime now, uint64_t limit_ms);
/* Now and then: what went by until NOW. LOOK_BEGUN: of the look that is under way; NULL: none is.
 * True: it has taken too long. */
bool patience_turn(struct patience *patience, struct monotime now,
		   const struct monotime *look_begun);
