/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bulk of very many records leaves LMDB with as much memory as it wrote. The environment is
 * opened anew for it, by a handler of its own: if that fails, nobody behind it touches the store
 * any more.
 */
#include "base/log.h"
#include "certstore/keeper/keeper_state.h"

#define SLACK_MIN (UINT64_C(16) * 1024 * 1024)

static int on_idle(sd_event_source *source, void *userdata)
{
	struct keeper *keeper = userdata;
	struct why why = {0};
	int r;

	(void)source;
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

void keeper_trim_later(struct keeper *keeper)
{
	int r;

	if (!keeper->store || store_slack(keeper->store) < SLACK_MIN)
		return;
	if (!keeper->trim) {
		r = sd_event_add_defer(keeper->event, &keeper->trim, on_idle, keeper);
		if (r >= 0)
			(void)sd_event_source_set_priority(keeper->trim, SD_EVENT_PRIORITY_IDLE);
	}
	if (keeper->trim)
		(void)sd_event_source_set_enabled(keeper->trim, SD_EVENT_ONESHOT);
}

void keeper_trim_drop(struct keeper *keeper)
{
	keeper->trim = sd_event_source_disable_unref(keeper->trim);
}
