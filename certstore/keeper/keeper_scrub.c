/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks through the store by and by, so that a bit that turned over is found before a failover
 * needs the record. What happens then is recovery.c's: the keeper starts anew, saves what is well,
 * and the mate fills the rest.
 */
#include "base/log.h"
#include "base/monotime.h"
#include "certstore/keeper/keeper_state.h"

/* About 100,000 items in half an hour, for a thousandth of a processor. */
#define EVERY_MS 1000
#define SLICE_ITEMS 64

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct keeper *keeper = userdata;
	struct keeper_scrub *scrub = &keeper->scrub;
	int r = 0;

	(void)usec;
	if (keeper->failure == 0)
		r = store_scrub(keeper->store, scrub->is_unit, SLICE_ITEMS, scrub->after);
	if (r == ERR_STORE) {
		log_line(LOG_CRIT,
			 "the check in the background found that an item behind \"%s\" of the "
			 "certificate store is not what was stored",
			 scrub->after);
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	}
	if (r < 0 || !scrub->after[0])
		scrub->is_unit = !scrub->is_unit;
	if (r < 0)
		scrub->after[0] = 0;
	(void)sd_event_source_set_time(source, monotime_turn(monotime_now(), EVERY_MS).ns / 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int keeper_scrub_begin(struct keeper *keeper)
{
	int r = sd_event_add_time(keeper->event, &keeper->scrub.source, CLOCK_MONOTONIC,
				  monotime_turn(monotime_now(), EVERY_MS).ns / 1000, 0, on_time,
				  keeper);

	return r < 0 ? r
		     : sd_event_source_set_priority(keeper->scrub.source, SD_EVENT_PRIORITY_IDLE);
}

void keeper_scrub_drop(struct keeper *keeper)
{
	keeper->scrub.source = sd_event_source_disable_unref(keeper->scrub.source);
}
