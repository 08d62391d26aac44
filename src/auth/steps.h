/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/monotime.h"

/*
 * Which one-time codes were used: of each user the last time step, so that no code is good twice
 * (RFC 6238 section 5.2). A pure table: time comes in. What no clock can bring back is forgotten.
 */
#define STEPS_KEY_SIZE 64
#define STEPS_KEEP_MS 600000u /* a code is good for a minute and a half */
#define STEPS_MAX 8192	      /* then the oldest goes */

struct steps;
struct step {
	uint8_t user[STEPS_KEY_SIZE]; /* zero-padded */
	uint64_t step;
	struct monotime at;
};

/* Errors: -ENOMEM. */
int steps_new(struct steps **ret_steps);
void steps_free(struct steps *steps);
void steps_key(const char *user, uint8_t ret_key[static STEPS_KEY_SIZE]);
/* 0: none is known. */
uint64_t steps_last(const struct steps *steps, const uint8_t user[static STEPS_KEY_SIZE]);
/* STEP was used AT that time; an earlier one than is known says nothing. Errors: -ENOMEM. */
int steps_use(struct steps *steps, const uint8_t user[static STEPS_KEY_SIZE], uint64_t step,
	      struct monotime at);
/* Those that are kept, one after the other: from *AT (0 at first) on. NULL: no more. */
const struct step *steps_next(const struct steps *steps, size_t *at, struct monotime now);
