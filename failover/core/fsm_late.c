/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stretched holdtime (fsm.h, struct fo_late). What a unit asks for grows only in a step in
 * which it stops serving, so that the mate has heard of it, or is past hearing, before the fence it
 * stands for is relied upon.
 */
#include "fsm_step.h"

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t longest_ms(const struct fo_fsm *fsm)
{
	uint32_t hold_ms = fsm->params.hold_ms;

	if (hold_ms >= FO_STRETCH_MAX_MS)
		return hold_ms;
	return smaller(FO_STRETCH_TIMES * hold_ms, FO_STRETCH_MAX_MS);
}

/* A mate that has not been told of a shorter holdtime yet polls, and steps down, by its own. */
static uint32_t mates_ms(const struct fo_fsm *fsm)
{
	return fsm->flags.is_mate_heard ? smaller(fsm->mate.hold_ms, FO_HOLD_MAX_MS) : 0;
}

/* Without what this unit may have missed. */
static uint32_t known_ms(const struct fo_fsm *fsm)
{
	const struct fo_stretch *mate = &fsm->mate.stretch;

	return larger(larger(fsm->params.hold_ms, fsm->late.kept_ms),
		      larger(mate->asked_ms, mate->fence_ms));
}

uint32_t fo_fsm_hold_ms(const struct fo_fsm *fsm)
{
	uint32_t ms = larger(known_ms(fsm), mates_ms(fsm));

	return fsm->flags.is_blind ? larger(longest_ms(fsm), ms) : ms;
}

uint32_t fo_fsm_fence_ms(const struct fo_fsm *fsm)
{
	uint32_t ms = fsm->late.asked_ms;

	if (fsm->flags.is_mate_heard)
		ms = smaller(larger(ms, fsm->mate.stretch.asked_ms), fsm->mate.stretch.judged_ms);
	return larger(fsm->params.hold_ms, ms);
}

struct fo_stretch fo_stretch_said(const struct fo_fsm *fsm)
{
	uint32_t hold_ms = fsm->params.hold_ms;
	uint32_t fence_ms = fo_fsm_fence_ms(fsm), judged_ms = known_ms(fsm);

	return (struct fo_stretch){.asked_ms = fsm->late.asked_ms,
				   .fence_ms = fence_ms > hold_ms ? fence_ms : 0,
				   .judged_ms = judged_ms > hold_ms ? judged_ms : 0};
}

/* ---- what the mate asks for ---- */

void fo_go_blind(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;

	if (longest_ms(fsm) == fsm->params.hold_ms)
		return;
	fsm->flags.is_blind = true;
	fsm->timers.blind = step->event->at;
}

/* A mate is heard that may say what it likes, but not keep this unit waiting for ever. */
void fo_note_stretch(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	struct fo_stretch *mate = &fsm->mate.stretch;
	uint32_t longest = longest_ms(fsm);
	/* What is heard sooner may have been said before. */
	uint64_t afresh_ms = 2 * (uint64_t)fsm->params.poll_ms;

	mate->asked_ms = smaller(mate->asked_ms, longest);
	mate->fence_ms = smaller(mate->fence_ms, longest);
	/* It may wait for less by now, and a silence that begins with this word ends after that. */
	mate->judged_ms =
		step->event->age_ms >= FO_STRETCH_FRESH_MS ? 0 : smaller(mate->judged_ms, longest);
	if (monotime_reached(step->event->at, monotime_add_ms(fsm->timers.blind, afresh_ms)))
		fsm->flags.is_blind = false;
}

/* ---- what this unit asks for ---- */

static void ask(struct fo_step *step, uint32_t ms)
{
	struct fo_late *late = &step->fsm->late;
	struct monotime now = step->event->at;

	if (ms > late->asked_ms)
		late->kept_ms = larger(late->kept_ms, ms);
	late->kept_until = monotime_add_ms(now, FO_STRETCH_KEEP_MS);
	late->quiet = monotime_add_ms(now, FO_STRETCH_QUIET_MS);
	if (ms == late->asked_ms)
		return;
	late->asked_ms = ms;
	step->has_moved = true;
	fo_push(step, (struct fo_action){.type = FO_ACTION_STRETCHED});
	if (ms == 0)
		late->count = 0;
}

void fo_count_late(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	struct fo_late *late = &fsm->late;
	uint64_t silent_ns = monotime_since(step->event->at, fsm->timers.said);
	uint32_t longest = longest_ms(fsm);
	uint32_t ms = larger(fsm->params.hold_ms, late->asked_ms);

	if (fsm->stage == FO_STAGE_NONE || longest == fsm->params.hold_ms ||
	    silent_ns > longest * MONOTIME_NS_PER_MS)
		return;
	if (late->asked_ms == 0)
		late->since = step->event->at;
	late->count++;
	do
		ms = smaller(2 * ms, longest);
	while (ms < longest && silent_ns >= ms * MONOTIME_NS_PER_MS);
	ask(step, ms);
}

void fo_forget_late(struct fo_step *step)
{
	if (step->fsm->late.asked_ms != 0)
		ask(step, 0);
}

void fo_review_late(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	struct fo_late *late = &fsm->late;
	struct monotime now = step->event->at;
	uint32_t half = late->asked_ms / 2;

	if (late->asked_ms != 0 && monotime_reached(now, late->quiet))
		ask(step, half > fsm->params.hold_ms ? half : 0);
	if (late->kept_ms != late->asked_ms && monotime_reached(now, late->kept_until))
		late->kept_ms = late->asked_ms;
	if (monotime_reached(now, monotime_add_ms(fsm->timers.blind, longest_ms(fsm))))
		fsm->flags.is_blind = false;
}

/* ---- breath ---- */

bool fo_fsm_breathe(struct fo_fsm *fsm, struct monotime now)
{
	uint64_t silent_ns = monotime_since(now, fsm->timers.said);

	if (!fsm->flags.is_started || fsm->flags.is_stopped ||
	    silent_ns < fsm->params.poll_ms * MONOTIME_NS_PER_MS / 2 ||
	    silent_ns > fo_fsm_fence_ms(fsm) * MONOTIME_NS_PER_MS)
		return false;
	fsm->timers.said = now;
	fsm->timers.next_hello = monotime_add_ms(now, fsm->params.poll_ms);
	return true;
}
