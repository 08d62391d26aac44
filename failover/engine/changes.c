/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/engine/changes.h"

#include <string.h>

static struct change *find(struct changes *changes, enum change_topic topic, const char *name)
{
	for (size_t i = 0; i < changes->n; i++)
		if (changes->items[i].topic == topic &&
		    strncmp(changes->items[i].name, name, CONFIG_NAME_MAX - 1) == 0)
			return &changes->items[i];
	return NULL;
}

/* Lines that are gone leave theirs behind: who was silent for longest makes room. */
static struct change *make(struct changes *changes, enum change_topic topic, const char *name)
{
	struct change *change = &changes->items[0];

	if (changes->n < CHANGES_MAX)
		change = &changes->items[changes->n++];
	else
		for (size_t i = 1; i < CHANGES_MAX; i++)
			if (changes->items[i].pace.since.ns < change->pace.since.ns)
				change = &changes->items[i];
	*change = (struct change){.topic = topic};
	(void)strncpy(change->name, name, sizeof(change->name) - 1);
	return change;
}

bool changes_take(struct changes *changes, enum change_topic topic, const char *name,
		  enum change_kind kind, bool is_up, struct monotime now,
		  char ret_more[static PACE_TEXT_MAX])
{
	struct change *change = find(changes, topic, name);
	bool is_news = !change || change->is_up != is_up || kind == CHANGE_NEWS;

	if (!change)
		change = make(changes, topic, name);
	change->is_up = is_up;
	if (!is_news || kind == CHANGE_QUIET)
		return false;
	if (pace_take(&change->pace, now, ret_more))
		return true;
	changes->is_any_counted = true;
	return false;
}

const struct change *changes_due(struct changes *changes, struct monotime now,
				 char ret_more[static PACE_TEXT_MAX])
{
	bool is_any_left = false;

	if (!changes->is_any_counted)
		return NULL;
	for (size_t i = 0; i < changes->n; i++) {
		struct change *change = &changes->items[i];

		if (change->pace.n_left_out == 0)
			continue;
		is_any_left = true;
		if (!monotime_reached(now, monotime_add_ms(change->pace.since, PACE_MS)))
			continue;
		/* The line that says it now is the last of those that were counted. */
		change->pace.n_left_out--;
		if (pace_take(&change->pace, now, ret_more))
			return change;
	}
	changes->is_any_counted = is_any_left;
	return NULL;
}
