/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bulk of very many records leaves LMDB with as much memory as it wrote. To give that back takes
 * some 50 ms for 100,000 records, so it waits until whoever works with the new ones at once has
 * done so. The environment is opened anew for it, by a handler of its own: if that fails, nobody
 * behind it touches the store any more.
 */
#include "base/log.h"
#include "certstore/keeper/keeper_state.h"

#define SLACK_MIN (UINT64_C(16) * 1024 * 1024)
#define AFTER_USEC (UINT64_C(1000) * 1000)

static int on_due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct keeper *keeper = userdata;
	struct why why = {0};
	int r;

	(void)source;
	(void)usec;
	/* Both read a snapshot turn by turn; the end of either asks again. */
	if (keeper->replication.sender || keeper->backup)
		return 0;
	r = store_trim(keeper->store, &why);
	if (r == 0)
		return 0;
	log_line(LOG_CRIT,
		 "the certificate store could not be opened again after a large change: "
		 "starting anew: %s",
		 why.text);
	keeper->failure = r;
	keeper->failure_why = why;
	return sd_event_exit(keeper->event, 0);
}

static bool is_due_anyway(sd_event_source *trim)
{
	int enabled = SD_EVENT_OFF;

	return trim && sd_event_source_get_enabled(trim, &enabled) >= 0 && enabled != SD_EVENT_OFF;
}

void keeper_trim_later(struct keeper *keeper)
{
	if (!keeper->store || store_slack(keeper->store) < SLACK_MIN || is_due_anyway(keeper->trim))
		return;
	keeper_trim_drop(keeper);
	if (sd_event_add_time_relative(keeper->event, &keeper->trim, CLOCK_MONOTONIC, AFTER_USEC, 0,
				       on_due, keeper) >= 0)
		(void)sd_event_source_set_priority(keeper->trim, SD_EVENT_PRIORITY_IDLE);
}

void keeper_trim_drop(struct keeper *keeper)
{
	keeper->trim = sd_event_source_disable_unref(keeper->trim);
}
