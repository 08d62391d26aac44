/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/engine/switchover.h"

#include <inttypes.h>

#include "base/log.h"

/* The mate answers within a round trip, where it was there. */
#define REPEAT_MS 4u

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

/* ---- words that were lost ---- */

/* What this unit says now, as far as its mate waits for it; 0: nothing that the mate has not
 * heard. */
static unsigned word_said(const struct fo_fsm *fsm)
{
	struct fo_mate_view view = fo_fsm_view(fsm);
	bool is_mate_serving = fsm->mate.is_serving;
	unsigned word = 0;

	if (!fsm->flags.is_mate_heard)
		return 0;
	if (view.wants_active && is_mate_serving)
		word |= 1;
	if (view.wants_mate_active && !is_mate_serving)
		word |= 2;
	return word != 0 && view.is_serving ? word | 4 : word;
}

static void arm(struct engine_switchover *switchover)
{
	(void)sd_event_source_set_time_relative(switchover->repeat,
						(uint64_t)switchover->repeat_ms * 1000);
	(void)sd_event_source_set_enabled(switchover->repeat, SD_EVENT_ONESHOT);
}

static int on_repeat(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct engine *engine = userdata;
	struct engine_switchover *switchover = &engine->switchover;

	(void)source;
	(void)usec;
	if (word_said(&engine->fsm) != switchover->word || switchover->word == 0)
		return 0;
	engine_send_hello(engine);
	switchover->repeat_ms *= 2;
	if (switchover->repeat_ms < engine->fsm.params.poll_ms)
		arm(switchover);
	return 0;
}

void switchover_look(struct engine *engine)
{
	struct engine_switchover *switchover = &engine->switchover;
	unsigned word = word_said(&engine->fsm);

	if (word == switchover->word)
		return;
	switchover->word = word;
	switchover->repeat_ms = REPEAT_MS;
	if (word != 0 && REPEAT_MS < engine->fsm.params.poll_ms)
		arm(switchover);
	else
		(void)sd_event_source_set_enabled(switchover->repeat, SD_EVENT_OFF);
}

int switchover_start(struct engine *engine)
{
	int r = sd_event_add_time(engine->event, &engine->switchover.repeat, CLOCK_MONOTONIC, 0, 1,
				  on_repeat, engine);

	return r < 0 ? r : sd_event_source_set_enabled(engine->switchover.repeat, SD_EVENT_OFF);
}

void switchover_stop(struct engine *engine)
{
	engine->switchover.repeat = sd_event_source_disable_unref(engine->switchover.repeat);
}

uint32_t switchover_gap_us(const struct engine *engine, uint64_t term)
{
	return term != 0 && engine->switchover.term == term ? engine->switchover.gap_us : 0;
}
