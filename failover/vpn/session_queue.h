/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct session_record;

/*
 * The records that the mate is to be told: the urgent ones first, each of the two kinds in the
 * order in which it came. So the mate hears that an address came free before it hears whose it is
 * now. A record is in at most one queue; a queue that is all zeros is empty.
 */
struct session_queue {
	struct session_record *first, *last_urgent, *last;
};

/* One that is in it keeps its place, but for one that was not urgent and is now. */
void session_queue_add(struct session_queue *queue, struct session_record *record, bool is_urgent);
/* Nothing where it is not in it. */
void session_queue_remove(struct session_queue *queue, struct session_record *record);
