/* SPDX-License-Identifier: Apache-2.0 */
/* What makes the active replicate: the operator, a change, a standby that is behind. */
#include "base/err.h"
#include "failover/replication/replication_internal.h"

/* The link may look well for a while after the mate is gone. */
static int check_mate(const struct engine *engine, struct why *ret_why)
{
	uint64_t ms = monotime_since(monotime_now(), engine->mate.heard_at) / MONOTIME_NS_PER_MS;

	if (!engine->pair.link || !link_is_up(engine->pair.link))
		return why_set(ret_why, ERR_NO_MATE, "the failover link to the mate is down%s%s",
			       engine->pair.link_why[0] ? ": " : "", engine->pair.link_why);
	if (engine->mate.was_heard && !engine_hears_mate(engine))
		return why_set(ret_why, ERR_NO_MATE,
			       "the mate is not there: no hello from it for %llu ms (holdtime %u "
			       "ms)",
			       (unsigned long long)ms, engine->config->failover.hold_ms);
	return 0;
}

int replication_push(struct replication *replication, const char *reason, bool is_quiet,
		     replication_progress_fn on_progress, void *userdata, struct why *ret_why)
{
	struct replication_send *send = &replication->send;
	struct sync_event event = replication_event(replication, SYNC_EVENT_PUSH);
	struct replication_input input = {.why = reason};
	int r;

	if (!event.is_active)
		return engine_refuse_standby(replication->engine, ret_why);
	r = check_mate(replication->engine, ret_why);
	if (r < 0)
		return r;
	if (send->machine.state != SYNC_SEND_IDLE)
		return why_set(
			ret_why, ERR_BUSY,
			"a replication is under way: its progress is in `asafo show failover`");
	send->started_at = event.at;
	send->on_progress = on_progress;
	send->userdata = userdata;
	event.message.id = replication->next_id++;
	event.message.is_quiet = is_quiet;
	replication_send_feed(replication, &event, &input);
	return 0;
}

void replication_catch_up(struct replication *replication)
{
	struct monotime due = monotime_add_ms(replication->ended_at, replication->catch_up_ms);

	if (replication->send.machine.state == SYNC_SEND_IDLE &&
	    engine_is_active(replication->engine) && monotime_reached(monotime_now(), due))
		replication_changed(replication);
}

void replication_changed(struct replication *replication)
{
	struct sync_event event = replication_event(replication, SYNC_EVENT_PUSH);

	if (replication->engine->config->failover.replication == CONFIG_REPLICATION_OFF)
		return;
	if (replication->send.machine.state != SYNC_SEND_IDLE)
		replication_send_feed(replication, &event, NULL); /* again, when this one is done */
	else
		(void)replication_push(replication, "import", true, NULL, NULL, NULL);
}
