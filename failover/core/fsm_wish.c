/* SPDX-License-Identifier: Apache-2.0 */
/* What a unit does of its own will and not out of need: preemption; and how often it may. */
#include "fsm_step.h"

bool fo_fsm_is_suspended(const struct fo_fsm *fsm, struct monotime now)
{
	return !monotime_reached(now, fsm->flap.until);
}

static uint64_t suspension_ms(uint32_t count)
{
	uint64_t ms = FO_FLAP_FIRST_MS;

	for (uint32_t i = 1; i < count && ms < FO_FLAP_MAX_MS; i++)
		ms *= 2;
	return ms < FO_FLAP_MAX_MS ? ms : FO_FLAP_MAX_MS;
}

static bool is_quiet(const struct fo_flap *flap, struct monotime now)
{
	return monotime_reached(now, monotime_add_ms(flap->until, FO_FLAP_MAX_MS));
}

static bool is_of_health(enum fo_reason reason)
{
	return reason == FO_REASON_INTERFACE_CHECK || reason == FO_REASON_TRACK_DOWN ||
	       reason == FO_REASON_SERVICE_FAILED;
}

void fo_count_change(struct fo_step *step, enum fo_reason reason)
{
	struct fo_flap *flap = &step->fsm->flap;
	struct monotime now = step->event->at;
	struct monotime *oldest = &flap->changes[flap->n % FO_FLAP_CHANGES];
	bool is_too_many;

	if (!is_of_health(reason) && reason != FO_REASON_PREEMPT)
		return;
	is_too_many = flap->n >= FO_FLAP_CHANGES &&
		      !monotime_reached(now, monotime_add_ms(*oldest, FO_FLAP_WITHIN_MS));
	*oldest = now;
	flap->n++;
	if (!is_too_many)
		return;
	flap->count++;
	flap->until = monotime_add_ms(now, suspension_ms(flap->count));
	flap->n = 0;
	fo_push(step, (struct fo_action){.type = FO_ACTION_SUSPENDED});
}

/* Nothing speaks against it. Being level is no part of this: it comes and goes with each import. */
static bool may_preempt(const struct fo_fsm *fsm, struct monotime now)
{
	const struct fo_flags *flags = &fsm->flags;

	return fsm->params.is_preempt && fsm->params.unit == FO_UNIT_PRIMARY &&
	       fsm->state == FO_STATE_STANDBY_READY && fo_mate_serves(fsm) &&
	       !flags->is_handed_over && !flags->is_set_aside && !flags->is_maintenance &&
	       !fsm->health.is_failing && !fsm->health.is_unsettled &&
	       fsm->health.score >= fsm->mate.health.score && !fo_fsm_is_suspended(fsm, now);
}

void fo_review(struct fo_step *step)
{
	struct fo_fsm *fsm = step->fsm;
	struct monotime now = step->event->at;

	if (fsm->flap.count > 0 && is_quiet(&fsm->flap, now))
		fsm->flap.count = 0;
	if (!may_preempt(fsm, now)) {
		if (fsm->wish == FO_REASON_PREEMPT)
			fsm->flags.wants_active = false;
		fsm->timers.preempt = MONOTIME_NEVER;
		return;
	}
	if (fsm->timers.preempt.ns == MONOTIME_NEVER.ns)
		fsm->timers.preempt = monotime_add_ms(now, fsm->params.preempt_delay_ms);
	if (fsm->flags.wants_active || !fo_is_level(fsm) ||
	    !monotime_reached(now, fsm->timers.preempt))
		return;
	fsm->flags.is_forced = false;
	fo_wish(step, FO_REASON_PREEMPT);
}

struct monotime fo_preempt_deadline(const struct fo_fsm *fsm)
{
	return fsm->flags.wants_active || !fo_is_level(fsm) ? MONOTIME_NEVER : fsm->timers.preempt;
}
