/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fsm_world.h"

const struct fo_params PRIMARY = {
	.unit = FO_UNIT_PRIMARY, .is_enabled = true, .poll_ms = POLL_MS, .hold_ms = HOLD_MS};

const struct fo_mate_view ACTIVE_MATE = {.state = FO_STATE_ACTIVE,
					 .term = 3,
					 .health = {.score = FO_HEALTH_FULL},
					 .may_activate = true,
					 .is_serving = true};

void feed(struct unit *unit, struct fo_event event)
{
	event.at = unit->now;
	fo_fsm_step(&unit->fsm, &event, &unit->update);
}

void feed_type(struct unit *unit, enum fo_event_type type)
{
	feed(unit, (struct fo_event){.type = type});
}

void hear(struct unit *unit, struct fo_mate_view mate)
{
	if (mate.health.score == 0)
		mate.health.score = FO_HEALTH_FULL;
	feed(unit, (struct fo_event){.type = FO_EVENT_HELLO, .mate = mate});
}

void pass_ms(struct unit *unit, uint64_t ms)
{
	unit->now = monotime_add_ms(unit->now, ms);
	feed_type(unit, FO_EVENT_TICK);
}

void stand_beside(struct unit *unit, struct fo_mate_view mate)
{
	hear(unit, mate);
	assert_int_equal(unit->fsm.state, FO_STATE_NEGOTIATION);
	pass_ms(unit, 2 * POLL_MS);
	hear(unit, mate);
}

void fail_interfaces(struct unit *unit, uint32_t failed)
{
	feed(unit, (struct fo_event){.type = FO_EVENT_HEALTH,
				     .health = fo_health_of_interfaces(failed, 1)});
}

const struct fo_action *find(const struct unit *unit, enum fo_action_type type)
{
	for (size_t i = 0; i < unit->update.n_actions; i++) {
		if (unit->update.actions[i].type == type)
			return &unit->update.actions[i];
	}
	return NULL;
}

size_t index_of(const struct unit *unit, enum fo_action_type type)
{
	const struct fo_action *action = find(unit, type);

	assert_non_null(action);
	return (size_t)(action - unit->update.actions);
}

void durable(struct unit *unit)
{
	const struct fo_action *action = find(unit, FO_ACTION_PERSIST_TERM);

	assert_non_null(action);
	feed(unit, (struct fo_event){.type = FO_EVENT_TERM_DURABLE, .term = action->term});
}

struct unit started(struct fo_params params)
{
	struct unit unit = {.now = {1000 * MONOTIME_NS_PER_MS}};

	fo_fsm_init(&unit.fsm);
	feed(&unit, (struct fo_event){.type = FO_EVENT_START, .params = params});
	return unit;
}

struct unit active(void)
{
	struct unit unit = started(PRIMARY);

	pass_ms(&unit, HOLD_MS);
	durable(&unit);
	feed_type(&unit, FO_EVENT_CLAIMED);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	return unit;
}

struct unit ready(void)
{
	struct unit unit = started(PRIMARY);

	hear(&unit, ACTIVE_MATE);
	feed(&unit, (struct fo_event){.type = FO_EVENT_TERM_DURABLE, .term = 4});
	feed_type(&unit, FO_EVENT_SYNC_STARTED);
	feed_type(&unit, FO_EVENT_SYNC_FILES);
	feed_type(&unit, FO_EVENT_SYNC_BULK);
	feed_type(&unit, FO_EVENT_SYNC_DONE);
	assert_int_equal(unit.fsm.state, FO_STATE_STANDBY_READY);
	return unit;
}

void assert_in(const struct unit *unit, enum fo_state state, enum fo_reason reason)
{
	assert_string_equal(fo_state_text(unit->fsm.state), fo_state_text(state));
	assert_string_equal(fo_reason_text(unit->fsm.reason), fo_reason_text(reason));
}
