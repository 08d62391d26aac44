/* SPDX-License-Identifier: Apache-2.0 */
#include "certstore/keeper/recovery.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "base/monotime.h"

#define CHECK_MS 2000
#define SETTLED_MS UINT64_C(5000)
#define ROOM_BYTES (1024u * 1024)

/* What decides whether another attempt may end otherwise. */
struct situation {
	bool has_room, is_writable, has_file;
	dev_t device;
	ino_t inode;
};

struct recovery {
	const struct keeper *keeper;
	sd_event *event;
	sd_event_source *timer;
	const char *state_dir;
	struct monotime started;
	struct situation before;
	bool is_failed; /* since BEFORE was taken */
};

static void look(const char *state_dir, struct situation *ret_situation)
{
	char path[PATH_MAX];
	struct statvfs disk;
	struct stat file;

	*ret_situation = (struct situation){0};
	if (statvfs(state_dir, &disk) == 0) {
		ret_situation->is_writable = (disk.f_flag & ST_RDONLY) == 0;
		ret_situation->has_room = disk.f_bavail >= ROOM_BYTES / disk.f_frsize;
	}
	if (snprintf(path, sizeof(path), "%s/store/data.mdb", state_dir) < (int)sizeof(path) &&
	    stat(path, &file) == 0) {
		ret_situation->has_file = true;
		ret_situation->device = file.st_dev;
		ret_situation->inode = file.st_ino;
	}
}

static bool is_better(const struct situation *now, const struct situation *before)
{
	if ((now->has_room && !before->has_room) || (now->is_writable && !before->is_writable))
		return true;
	/* Taken away, or put back. */
	return now->has_file != before->has_file || now->device != before->device ||
	       now->inode != before->inode;
}

static int on_check(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct recovery *recovery = userdata;
	struct situation now;

	(void)usec;
	/* One that does not live long is better left alone: everything but imports works. */
	if (monotime_since(monotime_now(), recovery->started) > SETTLED_MS * MONOTIME_NS_PER_MS &&
	    keeper_parser_is_gone(recovery->keeper)) {
		log_line(LOG_ERR, "the process that parses files ended: starting anew, with "
				  "another one");
		return sd_event_exit(recovery->event, 0);
	}
	if (keeper_store_is_stuck(recovery->keeper)) {
		log_line(LOG_CRIT, "a write to the certificate store failed half-way: opening it "
				   "anew");
		return sd_event_exit(recovery->event, 0);
	}
	if (monotime_since(monotime_now(), recovery->started) > SETTLED_MS * MONOTIME_NS_PER_MS &&
	    keeper_store_is_damage_seen(recovery->keeper)) {
		log_line(LOG_CRIT, "an item of the certificate store is damaged: starting anew, to "
				   "save what is well and fetch the rest from the mate");
		return sd_event_exit(recovery->event, 0);
	}
	if (keeper_failure(recovery->keeper)) {
		look(recovery->state_dir, &now);
		if (recovery->is_failed && is_better(&now, &recovery->before)) {
			log_line(LOG_NOTICE, "%s changed: opening the certificate store again",
				 recovery->state_dir);
			return sd_event_exit(recovery->event, 0);
		}
		/* The disk may fill up, too; then room is news again. */
		recovery->before = now;
		recovery->is_failed = true;
	}
	(void)sd_event_source_set_time(source, monotime_turn(monotime_now(), CHECK_MS).ns / 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int recovery_new(sd_event *event, const struct keeper *keeper, const char *state_dir,
		 struct recovery **ret_recovery)
{
	struct recovery *recovery = calloc(1, sizeof(*recovery));
	int r;

	if (!recovery)
		return -ENOMEM;
	recovery->keeper = keeper;
	recovery->event = sd_event_ref(event);
	recovery->state_dir = state_dir;
	recovery->started = monotime_now();
	r = sd_event_add_time_relative(event, &recovery->timer, CLOCK_MONOTONIC, 0, 0, on_check,
				       recovery);
	if (r < 0) {
		recovery_free(recovery);
		return r;
	}
	*ret_recovery = recovery;
	return 0;
}

void recovery_free(struct recovery *recovery)
{
	if (!recovery)
		return;
	(void)sd_event_source_disable_unref(recovery->timer);
	(void)sd_event_unref(recovery->event);
	free(recovery);
}
