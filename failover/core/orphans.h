/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * What only this unit accepted and has to give up: it is owed a place aside, and until the keeper
 * has put it there nothing is taken from the mate. A debt outlives a keeper that failed and an
 * activation in between; the next session of replication has it paid first. Pure: what to ask the
 * keeper, and when.
 */
struct fo_orphans {
	uint64_t term;		/* it was accepted in that term; 0: nothing is owed */
	bool is_everything;	/* ... and not only in that one: all that lies here */
	bool has_other_history; /* the mate's store is not of the same history */
	bool is_keeping;	/* the keeper is at it ... */
	bool has_more;		/* ... and does not know of what was added since */
};

/* What was accepted in TERM is owed, too; IS_OTHER_HISTORY: all of it, whenever it was. */
void fo_orphans_add(struct fo_orphans *orphans, uint64_t term, bool is_other_history);
/* True: the keeper is to be asked now for what ORPHANS says. */
bool fo_orphans_begin(struct fo_orphans *orphans);
/* The keeper answered with CODE. True: nothing is owed any more. */
bool fo_orphans_end(struct fo_orphans *orphans, int code);
