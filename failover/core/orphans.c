/* SPDX-License-Identifier: Apache-2.0 */
#include "core/orphans.h"

void fo_orphans_add(struct fo_orphans *orphans, uint64_t term, bool is_other_history)
{
	/* The keeper takes one term: where two are owed it is all, which is better too much. */
	if (is_other_history || (orphans->term != 0 && orphans->term != term))
		orphans->is_everything = true;
	orphans->has_other_history |= is_other_history;
	orphans->term = term > orphans->term ? term : orphans->term;
	orphans->has_more = orphans->is_keeping;
}

bool fo_orphans_begin(struct fo_orphans *orphans)
{
	if (orphans->term == 0 || orphans->is_keeping)
		return false;
	orphans->is_keeping = true;
	orphans->has_more = false;
	return true;
}

bool fo_orphans_end(struct fo_orphans *orphans, int code)
{
	orphans->is_keeping = false;
	if (code < 0 || orphans->has_more)
		return false;
	*orphans = (struct fo_orphans){0};
	return true;
}
