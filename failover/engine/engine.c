/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every part of the engine asks of it, and the queue into which everything that happens goes
 * as an event. It is worked off (loop.c) one event at a time, so that an action whose result is
 * known at once (an address was set) does not re-enter the machine.
 */
#include "failover/engine/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"

/* ---- the queue ---- */

void engine_feed(struct engine *engine, struct fo_event event)
{
	struct engine_queue *queue = &engine->queue;

	if (!engine->is_started && event.type != FO_EVENT_START)
		return;
	/* Whoever tells of the store need not know of the lines. */
	event.position.config = event.boot.position.config = engine->config_hash;
	if (queue->n == ENGINE_EVENTS_MAX) {
		log_line(LOG_CRIT, "event queue full, event %d dropped", (int)event.type);
		return;
	}
	queue->events[(queue->head + queue->n++) % ENGINE_EVENTS_MAX] = event;
	if (!queue->is_running)
		queue->work_off(engine);
}

void engine_feed_type(struct engine *engine, enum fo_event_type type)
{
	engine_feed(engine, (struct fo_event){.type = type});
}

/* ---- what it is ---- */

bool engine_is_active(const struct engine *engine)
{
	return engine->is_started && fo_fsm_is_active(&engine->fsm);
}

uint64_t engine_active_s(const struct engine *engine)
{
	uint64_t ns = engine->active_ns;

	if (engine->active_since.ns != MONOTIME_NEVER.ns)
		ns += monotime_since(monotime_now(), engine->active_since);
	return ns / MONOTIME_NS_PER_SEC;
}

uint32_t engine_hold_ms(const struct engine *engine)
{
	uint32_t configured = engine->config->failover.hold_ms;
	uint32_t hold_ms = engine->is_started ? fo_fsm_hold_ms(&engine->fsm) : configured;

	return hold_ms > configured ? hold_ms : configured;
}

bool engine_hears_mate(const struct engine *engine)
{
	uint64_t hold_ns = engine_hold_ms(engine) * MONOTIME_NS_PER_MS;

	return engine->mate.was_heard && !engine->mate.view.is_leaving &&
	       monotime_since(monotime_now(), engine->mate.heard_at) <= hold_ns;
}

int engine_refuse_standby(const struct engine *engine, struct why *ret_why)
{
	enum fo_unit mate = engine->config->failover.unit == FO_UNIT_PRIMARY ? FO_UNIT_SECONDARY
									     : FO_UNIT_PRIMARY;

	if (!engine->is_started && !engine->store.why[0] && !engine->pair.has_keys)
		return why_set(ret_why, ERR_NOT_READY, "this unit is not in service: %s",
			       ENGINE_NO_KEY);
	if (!engine->is_started)
		return why_set(ret_why, ERR_NOT_READY, "this unit is not in service yet%s%s",
			       engine->store.why[0] ? ": " : "", engine->store.why);
	if (engine_hears_mate(engine) && fo_state_is_active(engine->mate.view.state))
		return why_set(ret_why, ERR_NOT_ACTIVE,
			       "this unit (%s) is %s: do it on the active unit, the %s",
			       fo_unit_text(engine->config->failover.unit),
			       fo_state_text(engine->fsm.state), fo_unit_text(mate));
	return why_set(ret_why, ERR_NOT_ACTIVE,
		       "this unit (%s) is %s and hears no active mate: see `asafo show failover`",
		       fo_unit_text(engine->config->failover.unit),
		       fo_state_text(engine->fsm.state));
}

void engine_mate_is_complete(struct engine *engine)
{
	engine->lacking.n = 0;
	engine->lacking.is_complete = true;
}

bool engine_knows_lacking(const struct engine *engine)
{
	return engine->lacking.is_complete && engine_hears_mate(engine);
}

void engine_mate_lacks(struct engine *engine, const char *name)
{
	struct engine_lacking *lacking = &engine->lacking;

	for (size_t i = 0; i < lacking->n; i++) {
		if (strcmp(lacking->names[i], name) == 0)
			return;
	}
	if (lacking->n == 0)
		lacking->since = monotime_now();
	if (lacking->n == ENGINE_LACKING_MAX)
		lacking->is_complete = false;
	else
		(void)snprintf(lacking->names[lacking->n++], CONFIG_NAME_MAX, "%s", name);
}

/* ---- positions ---- */

struct engine_position engine_position_from(const Asafo__Record__Position *position)
{
	struct engine_position result = {0};

	if (!position)
		return result;
	result.term = position->term;
	result.seq = position->seq;
	result.count = position->count;
	result.lineage = position->lineage;
	result.has_data = position->has_data;
	if (position->digest.len == sizeof(result.digest))
		memcpy(result.digest, position->digest.data, sizeof(result.digest));
	return result;
}

struct fo_position engine_position_brief(const struct engine_position *position)
{
	return (struct fo_position){.term = position->term,
				    .seq = position->seq,
				    .lineage = position->lineage,
				    .has_data = position->has_data};
}

bool engine_position_equal(const struct engine_position *a, const struct engine_position *b)
{
	return a->term == b->term && a->seq == b->seq &&
	       (a->lineage == b->lineage || a->lineage == 0 || b->lineage == 0) &&
	       memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

/* ---- the keeper ---- */

int engine_keeper_call(struct engine *engine, enum ipc_type type, const ProtobufCMessage *message,
		       const int *fds, size_t n_fds, ipc_reply_fn on_reply, void *userdata)
{
	if (!engine->rooms.keeper)
		return ERR_CLOSED;
	return ipc_channel_call(engine->rooms.keeper, type, message, fds, n_fds, on_reply,
				userdata);
}
