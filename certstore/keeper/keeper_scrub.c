/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks through the store by and by, so that a bit that turned over is found before a failover
 * needs the record. What happens then is recovery.c's: the keeper starts anew, saves what is well,
 * and the mate fills the rest.
 */
#include <errno.h>

#include "base/log.h"
#include "base/monotime.h"
#include "certstore/keeper/keeper_state.h"

/* About 100,000 items in half an hour, for a thousandth of a processor. */
#define EVERY_MS 1000
#define SLICE_ITEMS 64
#define DISK_TURNS 10 /* 6 MiB a minute of the disk itself */

struct disk_look {
	struct store *store;
	uint64_t *offset;
	struct store_disk_fault fault;
};

static int run_look(void *userdata)
{
	struct disk_look *look = userdata;

	return store_disk_check(look->store, look->offset, &look->fault);
}

static void look_at_disk(struct keeper *keeper)
{
	struct keeper_scrub *scrub = &keeper->scrub;
	struct disk_look look = {.store = keeper->store, .offset = &scrub->disk_offset};
	int r = keeper_wait(keeper, "a look at the disk itself", STORE_DISK_SLICE, run_look, &look);

	if (r == -EINVAL || r == -ENOTSUP || r == -EACCES || r == -EPERM) {
		log_line(LOG_INFO,
			 "the disk below the certificate store cannot be looked at past the "
			 "system's memory (%s): only what is in memory is checked",
			 err_text(r));
		scrub->is_disk_hidden = true;
	} else if (look.fault.n_blocks > 0) {
		log_line(LOG_CRIT,
			 "the disk has lost %u block%s of the certificate store's file, from byte "
			 "%" PRIu64 " on: %s%s; look at the disk",
			 look.fault.n_blocks, look.fault.n_blocks == 1 ? "" : "s",
			 look.fault.offset,
			 r < 0 ? "which could not be written anew: "
			       : "written anew from memory, where all is well",
			 r < 0 ? err_text(r) : "");
	}
}

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
	if (r == 0 && keeper->failure == 0 && !scrub->is_disk_hidden &&
	    ++scrub->n_turns % DISK_TURNS == 0)
		look_at_disk(keeper);
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
