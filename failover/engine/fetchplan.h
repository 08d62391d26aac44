/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * When an OCSP responder is asked again. Pure; all times in seconds. JITTER is any number, so that
 * two pairs with the same certificates do not ask in the same second for ever.
 */
#define FETCHPLAN_RETRY_MIN_S 10
#define FETCHPLAN_RETRY_MAX_S 3600
/* ... of a failure while clients get none, or soon will. */
#define FETCHPLAN_PRESSING_MAX_S 300

/* From when on a newer one is wanted: a little behind the half of its time. */
int64_t fetchplan_due(int64_t this_update, int64_t next_update, uint32_t jitter);
/* How long after NOW a responder is asked again that had nothing newer: a quarter of what is left,
 * within the limits above. */
int64_t fetchplan_again(int64_t next_update, int64_t now);
/* ... after the FAILURESth failure in a row: FETCHPLAN_RETRY_MIN_S, then twice as long each time.
 */
int64_t fetchplan_after_failure(unsigned failures, bool is_pressing, uint32_t jitter);
