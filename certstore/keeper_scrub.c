/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks through the store by and by, so that a bit that turned over is found before a failover
 * needs the record. What happens then is recovery.c's: the keeper starts anew, saves what is well,
 * and the mate fills the rest. What turned over on the disk alone, where a restart would find it,
 * is written again from memory.
 */
#include "base/log.h"
#include "certstore/keeper_state.h"

/* About 100,000 items in half an hour, as they lie on the disk in an hour, for a thousandth of a
 * processor. */
#define EVERY_MS 1000
#define SLICE_ITEMS 64

/* ERR_STORE: the store is damaged, and nobody goes on. */
static int look_at_items(struct keeper *keeper)
{
	struct keeper_scrub *scrub = &keeper->scrub;
	int r = store_scrub(keeper->store, scrub->is_unit, SLICE_ITEMS, scrub->after);

	if (r == ERR_STORE)
		log_line(LOG_CRIT,
			 "the check in the background found that an item behind \"%s\" of the "
			 "certificate store is not what was stored",
			 scrub->after);
	else if (r < 0 || !scrub->after[0])
		scrub->is_unit = !scrub->is_unit;
	if (r < 0)
		scrub->after[0] = 0;
	return r;
}

static int look_at_disk(struct keeper *keeper)
{
	struct keeper_scrub *scrub = &keeper->scrub;
	bool is_mended;
	int r;

	/* Each is looked for anew only by another keeper. */
	if (scrub->is_disk_hidden)
		return 0;
	r = store_scrub_disk(keeper->store, &scrub->disk_at, &is_mended);
	scrub->is_disk_hidden = r == -EOPNOTSUPP || r == -EIO;
	if (is_mended)
		log_line(LOG_WARNING,
			 "the check in the background found that the disk has the certificate "
			 "store otherwise than it was written: it was written again, from memory. "
			 "Look after this disk");
	if (r == -EIO)
		log_line(LOG_CRIT, "the check in the background found that the disk has the "
				   "certificate store otherwise than it was written, and does not "
				   "take it again: replace this disk before the unit restarts");
	if (r == ERR_STORE)
		log_line(LOG_CRIT, "the check in the background found that neither the disk nor "
				   "memory has the certificate store as it was written");
	return r;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct keeper *keeper = userdata;
	int r = 0;

	(void)usec;
	if (keeper->failure == 0)
		r = look_at_items(keeper);
	if (keeper->failure == 0 && r != ERR_STORE)
		r = look_at_disk(keeper);
	if (r == ERR_STORE)
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	(void)sd_event_source_set_time_relative(source, EVERY_MS * 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int keeper_scrub_begin(struct keeper *keeper)
{
	int r = sd_event_add_time_relative(keeper->event, &keeper->scrub.source, CLOCK_MONOTONIC,
					   EVERY_MS * 1000, 0, on_time, keeper);

	return r < 0 ? r
		     : sd_event_source_set_priority(keeper->scrub.source, SD_EVENT_PRIORITY_IDLE);
}

void keeper_scrub_drop(struct keeper *keeper)
{
	keeper->scrub.source = sd_event_source_disable_unref(keeper->scrub.source);
}
