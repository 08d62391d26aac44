/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lock that is not given back leaves the unit serving and saying its hellos, with addresses that
 * nobody can renew or move any more. So it has to be said, and it is nobody's fault here: the
 * supervisor, which would end an engine that is silent, must not end one that waits.
 */
#include "failover/engine/lockwatch.h"

#include <inttypes.h>

#include "base/log.h"
#include "failover/engine/engine.h"

#define LONG_MS 2000u
/* No longer than that, or what hangs for ever would never be started anew. */
#define BEATS_MS 30000u

/* For how long, if for long. What is done, and what nobody has looked at yet, is no wait. */
static uint64_t long_ms(const struct engine *engine)
{
	uint64_t ms = rtnl_busy_ns(engine->addresses.rtnl) / MONOTIME_NS_PER_MS;

	return ms >= LONG_MS && rtnl_is_busy(engine->addresses.rtnl) ? ms : 0;
}

bool lockwatch_trouble(const struct engine *engine, struct why *ret_why)
{
	uint64_t ms = long_ms(engine);

	if (ms > 0)
		(void)why_set(
			ret_why, 0,
			"the kernel has kept this unit waiting for %" PRIu64
			" s: somebody holds its RTNL lock, without which no address can be renewed "
			"or moved; look for `ip`, `ethtool`, containers or network cards that "
			"hang: `ps -eo pid,stat,wchan:30,args | grep ' D'`",
			ms / 1000);
	return ms > 0;
}

void lockwatch_tick(struct engine *engine)
{
	struct lockwatch *watch = &engine->addresses.lockwatch;
	struct why why;
	bool is_long = lockwatch_trouble(engine, &why);

	if (is_long == watch->is_logged)
		return;
	watch->is_logged = is_long;
	if (is_long)
		log_line(LOG_ERR, "%s", why.text);
	else
		log_line(LOG_NOTICE, "the kernel's RTNL lock was given back");
}

void lockwatch_breathe(struct engine *engine)
{
	struct lockwatch *watch = &engine->addresses.lockwatch;
	struct monotime now = monotime_now();
	uint64_t waited_ns = rtnl_busy_ns(engine->addresses.rtnl);

	if (waited_ns >= LONG_MS * MONOTIME_NS_PER_MS && !watch->is_logged)
		lockwatch_tick(engine);
	if (waited_ns > BEATS_MS * MONOTIME_NS_PER_MS ||
	    !monotime_reached(now, monotime_add_ms(watch->beaten_at, engine->options.beat_ms)))
		return;
	watch->beaten_at = now;
	child_beat(engine->rooms.child);
}
