/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks through the store by and by, so that a bit that turned over is found before a failover
 * needs the record. What happens then is recovery.c's: the keeper starts anew, saves what is well,
 * and the mate fills the rest. The disk itself is looked at by a thread that nobody waits for: a
 * drive may try for seconds to read a sector that nobody needs.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/monotime.h"
#include "certstore/keeper/keeper_state.h"

/* About 100,000 items in half an hour, for a thousandth of a processor. */
#define EVERY_MS 1000
#define SLICE_ITEMS 64
#define DISK_TURNS 10 /* 6 MiB a minute of the disk itself */
#define LATE_MS 30000u
#define STOP_MS 500u /* for the block that is being read */
#define SAID_MAX 64

struct keeper_disk_look {
	struct store_disk *disk;
	pthread_t thread;
	atomic_bool is_done, is_stopped;
	atomic_bool is_parted; /* one side is done with it: the other frees it */
	bool is_under_way, is_late;
	struct monotime begun;
	int result;
	uint64_t said[SAID_MAX]; /* blocks that could not be helped: each is said once */
	size_t n_said;
};

/* ---- the thread's ---- */

static void look_end(struct keeper_disk_look *look)
{
	store_disk_free(look->disk);
	free(look);
}

static void *run_look(void *userdata)
{
	struct keeper_disk_look *look = userdata;

	look->result = store_disk_look(look->disk, &look->is_stopped);
	look->is_done = true;
	if (atomic_exchange(&look->is_parted, true))
		look_end(look);
	return NULL;
}

/* ---- the keeper's ---- */

/* False: the drive still tries, and may do so for ever. */
static bool look_ends(const struct keeper_disk_look *look)
{
	struct monotime end = monotime_add_ms(monotime_now(), STOP_MS);
	struct timespec until = {.tv_sec = (time_t)(end.ns / MONOTIME_NS_PER_SEC),
				 .tv_nsec = (long)(end.ns % MONOTIME_NS_PER_SEC)};

	return pthread_clockjoin_np(look->thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}

static void look_free(struct keeper_disk_look *look)
{
	if (!look)
		return;
	look->is_stopped = true;
	if (look->is_under_way && !look_ends(look)) {
		log_line(LOG_WARNING, "the disk does not come to the end of what it reads: it is "
				      "not waited for");
		(void)pthread_detach(look->thread);
		if (!atomic_exchange(&look->is_parted, true))
			return;
	}
	look_end(look);
}

static void hide_disk(struct keeper_scrub *scrub, int code)
{
	log_line(LOG_INFO,
		 "the disk below the certificate store cannot be looked at past the "
		 "system's memory (%s): only what is in memory is checked",
		 err_text(code));
	scrub->is_disk_hidden = true;
}

static int look_new(struct keeper *keeper, struct keeper_disk_look **ret_look)
{
	struct keeper_disk_look *look = calloc(1, sizeof(*look));
	int r = look ? store_disk_open(keeper->store, &look->disk) : -ENOMEM;

	if (r < 0)
		free(look);
	else
		*ret_look = look;
	return r;
}

/* Not every file system can do that, and that is no fault. What else there is may be another thing
 * in the next turn. */
static void fail(struct keeper_scrub *scrub, int code)
{
	if (code == -EINVAL || code == -EOPNOTSUPP || code == -EACCES || code == -EPERM)
		hide_disk(scrub, code);
	else if (!scrub->is_failure_said)
		log_line(LOG_WARNING,
			 "the disk below the certificate store was not looked at: %s; it is tried "
			 "again",
			 err_text(code));
	scrub->is_failure_said = true;
}

static void begin_look(struct keeper *keeper)
{
	struct keeper_scrub *scrub = &keeper->scrub;
	struct keeper_disk_look *look;
	int r = scrub->look ? 0 : look_new(keeper, &scrub->look);

	look = scrub->look;
	if (r == 0) {
		look->is_done = false;
		look->is_parted = false;
		look->is_late = false;
		look->begun = monotime_now();
		r = -pthread_create(&look->thread, NULL, run_look, look);
		look->is_under_way = r == 0;
	}
	if (r < 0)
		fail(scrub, r);
}

static bool is_said(struct keeper_disk_look *look)
{
	for (size_t i = 0; i < look->n_said; i++) {
		if (look->said[i] == look->disk->fault_offset)
			return true;
	}
	if (look->n_said < SAID_MAX)
		look->said[look->n_said++] = look->disk->fault_offset;
	return false;
}

static void say_lost(struct keeper_disk_look *look)
{
	if (is_said(look))
		return;
	log_line(LOG_CRIT,
		 "the disk has lost the block at byte %" PRIu64
		 " of the certificate store's file, and memory does not have it: a record that "
		 "lies there is gone from this unit; look at the disk",
		 look->disk->fault_offset);
}

static int run_mend(void *userdata)
{
	struct keeper *keeper = userdata;

	return store_disk_mend(keeper->store, keeper->scrub.look->disk);
}

static void mend(struct keeper *keeper)
{
	struct keeper_disk_look *look = keeper->scrub.look;
	uint64_t offset = look->disk->fault_offset;
	int r = keeper_wait(keeper, KEEPER_WAIT_CHECK, "a block that is written anew",
			    STORE_DISK_BLOCK, run_mend, keeper);

	if (r == 0)
		log_line(LOG_CRIT,
			 "the disk has lost the block at byte %" PRIu64
			 " of the certificate store's file: written anew from memory, where every "
			 "record fits its digest; look at the disk",
			 offset);
	else if (r != -EAGAIN && r != ERR_BUSY && !is_said(look))
		log_line(LOG_CRIT,
			 "the disk has lost the block at byte %" PRIu64
			 " of the certificate store's file, and it could not be written anew: %s; "
			 "look at the disk",
			 offset, err_text(r));
}

static void end_look(struct keeper *keeper)
{
	struct keeper_scrub *scrub = &keeper->scrub;
	struct keeper_disk_look *look = scrub->look;

	(void)pthread_join(look->thread, NULL);
	look->is_under_way = false;
	if (look->result < 0) {
		fail(scrub, look->result);
		return;
	}
	scrub->is_failure_said = false;
	if (look->disk->state == STORE_DISK_LOST)
		say_lost(look);
	else if (look->disk->state != STORE_DISK_WELL)
		mend(keeper);
}

static void look_at_disk(struct keeper *keeper)
{
	struct keeper_scrub *scrub = &keeper->scrub;
	struct keeper_disk_look *look = scrub->look;

	scrub->n_turns++;
	if (look && look->is_under_way) {
		if (look->is_done) {
			end_look(keeper);
		} else if (!look->is_late &&
			   monotime_reached(monotime_now(),
					    monotime_add_ms(look->begun, LATE_MS))) {
			log_line(LOG_WARNING,
				 "the disk has needed more than %u s to read a part of the "
				 "certificate store's file; nothing waits for it: look at the disk",
				 LATE_MS / 1000);
			look->is_late = true;
		}
	} else if (scrub->n_turns % DISK_TURNS == 0) {
		begin_look(keeper);
	}
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct keeper *keeper = userdata;
	struct keeper_scrub *scrub = &keeper->scrub;
	int r = 0;

	(void)usec;
	keeper_wait_settle(keeper);
	if (keeper->failure == 0)
		r = store_scrub(keeper->store, scrub->is_unit, SLICE_ITEMS, scrub->after);
	if (r == ERR_STORE) {
		log_line(LOG_CRIT,
			 "the check in the background found that an item behind \"%s\" of the "
			 "certificate store is not what was stored",
			 scrub->after);
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	}
	if (r == 0 && keeper->failure == 0 && !scrub->is_disk_hidden)
		look_at_disk(keeper);
	if (r < 0 || !scrub->after[0])
		scrub->is_unit = !scrub->is_unit;
	if (r < 0)
		scrub->after[0] = 0;
	(void)sd_event_source_set_time(source, monotime_turn(monotime_now(), EVERY_MS).ns / 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

const struct monotime *keeper_scrub_look_begun(const struct keeper *keeper)
{
	const struct keeper_disk_look *look = keeper->scrub.look;

	return look && look->is_under_way && !look->is_done ? &look->begun : NULL;
}

int keeper_scrub_begin(struct keeper *keeper)
{
	int r = sd_event_add_time(keeper->event, &keeper->scrub.source, CLOCK_MONOTONIC,
				  monotime_turn(monotime_now(), EVERY_MS).ns / 1000, 0, on_time,
				  keeper);

	/* Its files are open from the beginning: what comes later looks like a leak. */
	if (r >= 0 && keeper->store && look_new(keeper, &keeper->scrub.look) < 0)
		log_line(LOG_DEBUG, "the disk below the certificate store is opened later");
	return r < 0 ? r
		     : sd_event_source_set_priority(keeper->scrub.source, SD_EVENT_PRIORITY_IDLE);
}

void keeper_scrub_drop(struct keeper *keeper)
{
	look_free(TAKE_PTR(keeper->scrub.look));
	keeper->scrub.source = sd_event_source_disable_unref(keeper->scrub.source);
}
