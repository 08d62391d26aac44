/* SPDX-License-Identifier: Apache-2.0 */
/* The machine decides by how much a holdtime is stretched; here it is measured, obeyed and told. */
#include "failover/engine/schedule.h"

#include <inttypes.h>

#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/engine/health.h"
#include "failover/engine/service.h"

#define TURN_MAX_MS 1000u  /* as long as from one report of a front to the next */
#define TURN_SLACK_MS 500u /* a loop that is busy or a machine that is loaded was no pause */

uint32_t schedule_turn_ms(const struct engine *engine)
{
	uint32_t poll_ms = engine->config->failover.poll_ms;

	return poll_ms < TURN_MAX_MS ? poll_ms : TURN_MAX_MS;
}

void schedule_missed(struct engine *engine, uint64_t gap_ns)
{
	uint64_t turn_ns = schedule_turn_ms(engine) * MONOTIME_NS_PER_MS;

	if (engine->health && gap_ns > turn_ns + TURN_SLACK_MS * MONOTIME_NS_PER_MS)
		service_stood_still(engine_health_service(engine->health), gap_ns - turn_ns);
}

void engine_breathe(struct engine *engine)
{
	struct monotime now = monotime_now();
	uint64_t fence_ns = fo_fsm_fence_ms(&engine->fsm) * MONOTIME_NS_PER_MS;

	/* Stopped in the middle of it: the machine finds out before anything is sent. */
	if (monotime_since(now, engine->alive_at) > fence_ns || !fo_fsm_breathe(&engine->fsm, now))
		return;
	/* What the fronts say waits as well. */
	if (engine->health)
		service_stood_still(engine_health_service(engine->health),
				    monotime_since(now, engine->alive_at));
	engine->alive_at = now;
	engine_send_hello(engine);
}

void schedule_stretched(const struct engine *engine)
{
	const struct fo_late *late = &engine->fsm.late;
	uint32_t configured = engine->fsm.params.hold_ms;

	if (late->asked_ms == 0)
		log_line(LOG_NOTICE, "holdtime not stretched any more: %u ms, as configured",
			 configured);
	else
		log_line(LOG_WARNING,
			 "holdtime stretched to %u ms (configured: %u ms) on both units: this unit "
			 "was late %u time%s; raise failover polltime unit, or lighten the work of "
			 "this machine",
			 late->asked_ms, configured, late->count, late->count == 1 ? "" : "s");
}

void schedule_mate(const struct engine *engine, const struct fo_stretch *next)
{
	if (engine->mate.was_heard && engine->mate.view.stretch.asked_ms == next->asked_ms)
		return;
	if (next->asked_ms != 0)
		log_line(LOG_WARNING,
			 "holdtime stretched to %u ms at the mate's request: the mate was late",
			 next->asked_ms);
	else if (engine->mate.was_heard)
		log_line(LOG_NOTICE, "the mate does not ask for a longer holdtime any more");
}

static bool own_trouble(const struct engine *engine, struct why *ret_why)
{
	const struct fo_late *late = &engine->fsm.late;

	if (late->asked_ms == 0)
		return false;
	(void)why_set(ret_why, 0,
		      "holdtime stretched to %u ms since %" PRIu64
		      " s ago: this unit was late %u time%s; raise failover polltime unit, or "
		      "lighten the work of this machine",
		      late->asked_ms,
		      monotime_since(monotime_now(), late->since) / MONOTIME_NS_PER_SEC,
		      late->count, late->count == 1 ? "" : "s");
	return true;
}

static bool mates_trouble(const struct engine *engine, struct why *ret_why)
{
	uint32_t asked_ms = engine->fsm.mate.stretch.asked_ms;

	if (asked_ms == 0 || !engine->fsm.flags.is_mate_heard)
		return false;
	(void)why_set(ret_why, 0,
		      "holdtime stretched to %u ms: the other unit was late; raise failover "
		      "polltime unit, or lighten the work of that machine",
		      asked_ms);
	return true;
}

bool schedule_trouble(const struct engine *engine, size_t i, struct why *ret_why)
{
	bool is_own = own_trouble(engine, ret_why);

	if (i == 0 && is_own)
		return true;
	return i == (is_own ? 1 : 0) && mates_trouble(engine, ret_why);
}
