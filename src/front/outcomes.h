/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "front/tls/snapshot.h"

#define OUTCOME_NONE SIZE_MAX

/* In a row, one a turn: what is tried twice in a turn fails twice for one reason, such as a key
 * that was removed and of which the keeper's word waits to be read. */
struct outcome_count {
	unsigned failures;
	uint64_t tick; /* the latest */
};

/* What the last test of a target came to. */
struct outcome {
	size_t target; /* OUTCOME_NONE: not tested since the last change */
	char interface[SNAPSHOT_NAME_MAX], domain[SNAPSHOT_DOMAIN_MAX],
		trustpoint[SNAPSHOT_NAME_MAX];
	int64_t at; /* seconds since 1970 */
	struct outcome_count count;
	int code;
	struct why why;
};

struct outcomes {
	struct outcome *list;
	size_t n, n_allocated;
	struct outcome_count others; /* of all targets without an outcome of their own */
};

void outcome_fail(struct outcome_count *count, uint64_t tick);
/* Who is it? After a change the one that failed before it goes on. NULL without memory, or beyond
 * what a report holds. */
struct outcome *outcomes_get(struct outcomes *outcomes, size_t target, const char *interface,
			     const char *domain, const char *trustpoint);
/* One that failed; OUTCOME_NONE. */
size_t outcomes_failing(const struct outcomes *outcomes);
/* Of this trustpoint at this place, since the last change; NULL. */
const struct outcome *outcomes_of(const struct outcomes *outcomes, const char *interface,
				  const char *domain, const char *trustpoint);
/* All is to be tested anew, after TICK. What failed is counted on: under one change after the other
 * nothing else would ever fail a second time. */
void outcomes_restart(struct outcomes *outcomes, uint64_t tick);
void outcomes_done(struct outcomes *outcomes);
