/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/engine/switchover.h"

#include <inttypes.h>

#include "base/log.h"

/* Longer ones are no switchover: the mate was activated by something else, later. */
#define GAP_MAX_NS (60 * MONOTIME_NS_PER_SEC)

void switchover_release(struct engine *engine)
{
	engine->switchover.released_at = monotime_now();
	engine->switchover.is_measuring = true;
}

void switchover_claim(struct engine *engine)
{
	engine->switchover.is_measuring = false;
}

static void keep(struct engine *engine, uint64_t term, uint32_t gap_us)
{
	engine->switchover.term = term;
	engine->switchover.gap_us = gap_us;
	log_line(LOG_NOTICE,
		 "the active addresses moved within %" PRIu32 ".%03" PRIu32
		 " ms, from the release to the announcement in term %" PRIu64,
		 gap_us / 1000, gap_us % 1000, term);
}

void switchover_hello(struct engine *engine, const struct hello *hello)
{
	struct engine_switchover *switchover = &engine->switchover;
	uint64_t gap_ns;

	if (switchover->is_measuring && hello->view.state == FO_STATE_ACTIVE &&
	    hello->view.is_serving) {
		switchover->is_measuring = false;
		gap_ns = monotime_since(monotime_now(), switchover->released_at);
		if (gap_ns > GAP_MAX_NS)
			return;
		keep(engine, hello->view.term, (uint32_t)(gap_ns / 1000) + 1);
		engine_send_hello(engine);
	} else if (hello->gap_us != 0 && hello->gap_term > switchover->term &&
		   hello->gap_term == engine->fsm.terms.own) {
		keep(engine, hello->gap_term, hello->gap_us);
	}
}

uint32_t switchover_gap_us(const struct engine *engine, uint64_t term)
{
	return term != 0 && engine->switchover.term == term ? engine->switchover.gap_us : 0;
}
