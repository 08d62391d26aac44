/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is put aside is what only this unit may have accepted: the journal does not always know, and
 * then it is everything. Once the active's records are here it is known: what is among them, byte
 * for byte, was not given up, and is no orphan. The rest stays.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "certstore/keeper/keeper_state.h"

#define SLICE 128

struct slice {
	struct keeper *keeper;
	char (*names)[KEEPER_NAME_KEY_SIZE];
	size_t n_names, n_seen;
};

static const char *name_in_pair(const char *orphan)
{
	const char *rest = orphan + strlen(KEEPER_ORPHAN_PREFIX) + KEEPER_ORPHAN_TERM_DIGITS;

	return strlen(orphan) > strlen(KEEPER_ORPHAN_PREFIX) + KEEPER_ORPHAN_TERM_DIGITS &&
			       strncmp(rest, "/trustpoint/", 12) == 0
		       ? rest + 1
		       : NULL;
}

static int look_at_one(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct slice *slice = userdata;
	_cleanup_(buf_done) struct buf kept = {0};
	const char *name = name_in_pair(key);
	int r = ERR_NOT_FOUND;

	if (slice->n_seen == SLICE)
		return ERR_BUSY;
	slice->n_seen++;
	if (name)
		r = store_get(slice->keeper->store, name, &kept);
	if (r == 0 && kept.size == size && memcmp(kept.data, value, size) == 0)
		(void)snprintf(slice->names[slice->n_names++], KEEPER_NAME_KEY_SIZE, "%s", key);
	(void)snprintf(slice->keeper->sweep.after, STORE_KEY_MAX + 1, "%s", key);
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int drop(struct slice *slice)
{
	struct store_change changes[SLICE];

	if (slice->n_names == 0)
		return 0;
	for (size_t i = 0; i < slice->n_names; i++)
		changes[i] = (struct store_change){slice->names[i], NULL, 0};
	slice->keeper->sweep.n_dropped += slice->n_names;
	return store_unit_change(slice->keeper->store, changes, slice->n_names, NULL);
}

/* 1: there is more. */
static int sweep_slice(struct keeper *keeper)
{
	char names[SLICE][KEEPER_NAME_KEY_SIZE];
	struct slice slice = {.keeper = keeper, .names = names};
	int r = store_unit_each_after(keeper->store, KEEPER_ORPHAN_PREFIX, keeper->sweep.after,
				      look_at_one, &slice);
	bool has_more = r == ERR_BUSY && slice.n_seen == SLICE;

	if (r < 0 && !has_more)
		return r;
	r = drop(&slice);
	return r < 0 ? r : has_more;
}

static int on_idle(sd_event_source *source, void *userdata)
{
	struct keeper *keeper = userdata;
	int r = sweep_slice(keeper);

	if (r > 0)
		return 0;
	if (r < 0)
		log_line(LOG_WARNING,
			 "what was put aside cannot be compared with what the active has: %s",
			 err_text(r));
	if (keeper->sweep.n_dropped > 0)
		log_line(LOG_INFO,
			 "%zu of the records that were put aside came back from the "
			 "active: they are no orphans",
			 keeper->sweep.n_dropped);
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

void keeper_sweep_begin(struct keeper *keeper)
{
	struct keeper_sweep *sweep = &keeper->sweep;
	int r = 0;

	if (sweep->is_done || keeper->orphans)
		return;
	sweep->is_done = true;
	sweep->n_dropped = 0;
	sweep->after[0] = 0;
	if (!sweep->source) {
		r = sd_event_add_defer(keeper->event, &sweep->source, on_idle, keeper);
		if (r >= 0)
			(void)sd_event_source_set_priority(sweep->source, SD_EVENT_PRIORITY_IDLE);
	}
	if (sweep->source)
		(void)sd_event_source_set_enabled(sweep->source, SD_EVENT_ON);
}

void keeper_sweep_drop(struct keeper *keeper)
{
	keeper->sweep.source = sd_event_source_disable_unref(keeper->sweep.source);
}
