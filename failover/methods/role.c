/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever waits for a change of role. It is asked of the state machine, and answered when it
 * happened and it is known for how long nobody served (switchover.h).
 */
#include "failover/methods/role.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/engine/switchover.h"
#include "failover/methods/reload.h"

#define ROLE_TIMEOUT_MS 10000
/* Both units have their roles; the one that released says so in its next hellos. */
#define GAP_TIMEOUT_MS 1000

struct role_waiter {
	struct role_waiter *next;
	struct control_call *call;
	bool wants_active;
	bool is_forced;
	bool is_handed_over; /* the mate served, or this unit: there is a gap to be told */
	bool is_done;
	struct monotime since, done_at;
};

struct methods {
	struct engine *engine;
	struct role_waiter *waiters;
	sd_event_source *timeout;
};

static void answer(struct methods *methods, struct role_waiter *waiter)
{
	const struct engine *engine = methods->engine;
	struct json_object *result = json_object_new_object();
	uint64_t ns = monotime_since(waiter->done_at, waiter->since);
	uint32_t gap_us = switchover_gap_us(engine, engine->fsm.term);

	json_add_text(result, "role", engine_is_active(engine) ? "active" : "standby");
	json_add_flag(result, "changed", true);
	json_add_number(result, "ms", (int64_t)(ns / MONOTIME_NS_PER_MS));
	if (waiter->is_handed_over && gap_us != 0)
		json_add_number(result, "gap_us", gap_us);
	control_call_reply(waiter->call, result);
	free(waiter);
}

static void fail(struct role_waiter *waiter, int code, const char *why)
{
	control_call_fail(waiter->call, code, why);
	free(waiter);
}

static struct monotime deadline(const struct role_waiter *waiter)
{
	return waiter->is_done ? monotime_add_ms(waiter->done_at, GAP_TIMEOUT_MS)
			       : monotime_add_ms(waiter->since, ROLE_TIMEOUT_MS);
}

static void arm_timeout(struct methods *methods)
{
	struct monotime first = MONOTIME_NEVER;

	for (const struct role_waiter *waiter = methods->waiters; waiter; waiter = waiter->next)
		first = monotime_min(first, deadline(waiter));
	(void)sd_event_source_set_time(methods->timeout, first.ns / 1000);
	(void)sd_event_source_set_enabled(methods->timeout,
					  methods->waiters ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static bool is_reached(const struct engine *engine, const struct role_waiter *waiter)
{
	enum fo_state state = engine->fsm.state;

	return waiter->wants_active
		       ? state == FO_STATE_ACTIVE ||
				 (state == FO_STATE_DISABLED && engine_is_active(engine))
		       : !fo_state_is_active(state) && fo_state_is_active(engine->mate.view.state);
}

/* A mate that released, and whose version does not tell the gap. */
static bool is_gap_untold(const struct engine *engine, const struct role_waiter *waiter)
{
	const struct link *link = engine->pair.link;

	return waiter->wants_active && link && link_is_up(link) &&
	       link_mate_version(link) < LINK_VERSION_GAP;
}

static bool is_answerable(const struct engine *engine, const struct role_waiter *waiter)
{
	return waiter->is_done && (!waiter->is_handed_over || is_gap_untold(engine, waiter) ||
				   switchover_gap_us(engine, engine->fsm.term) != 0 ||
				   monotime_reached(monotime_now(), deadline(waiter)));
}

static void check(struct methods *methods)
{
	struct role_waiter **at = &methods->waiters;

	while (*at) {
		struct role_waiter *waiter = *at;

		if (!waiter->is_done && is_reached(methods->engine, waiter)) {
			waiter->is_done = true;
			waiter->done_at = monotime_now();
		}
		if (!is_answerable(methods->engine, waiter)) {
			at = &waiter->next;
			continue;
		}
		*at = waiter->next;
		answer(methods, waiter);
	}
	arm_timeout(methods);
}

/* What the standby lacks matters to nobody who forces it. */
static void why_late(const struct engine *engine, bool is_forced, struct why *ret_why)
{
	const struct link *link = engine->pair.link;
	bool is_same_lines = engine_shares_lines(engine);
	bool is_lacking = !is_same_lines ||
			  !engine_position_equal(&engine->mate.position, &engine->store.position);

	(void)why_set(ret_why, ERR_TIMEOUT,
		      "the change of role did not happen within %d s; this unit is %s%s%s: see "
		      "`asafo show failover history` on both units",
		      ROLE_TIMEOUT_MS / 1000, fo_state_text(engine->fsm.state),
		      is_same_lines ? "" : ", and the units have different running-configs",
		      !is_lacking || is_forced || (link && link_is_up(link))
			      ? ""
			      : ", and the failover link is down, so that what the standby lacks "
				"cannot be sent");
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct methods *methods = userdata;
	struct role_waiter **at = &methods->waiters;
	struct why why;

	(void)source;
	(void)usec;
	while (*at) {
		struct role_waiter *waiter = *at;

		if (waiter->is_done || !monotime_reached(monotime_now(), deadline(waiter))) {
			at = &waiter->next;
			continue;
		}
		*at = waiter->next;
		why_late(methods->engine, waiter->is_forced, &why);
		fail(waiter, ERR_TIMEOUT, why.text);
	}
	check(methods);
	return 0;
}

/*
 * Tells the machine, again with each hello: handing over waits for the one in which the mate shows
 * our position, and a wish to be active ends after some holdtimes, which may be short.
 */
static void ask(struct engine *engine, const struct role_waiter *waiter)
{
	struct fo_event event = {.type = waiter->wants_active ? FO_EVENT_OPERATOR_ACTIVE
							      : FO_EVENT_OPERATOR_STANDBY,
				 .is_forced = waiter->is_forced};

	if (waiter->is_done)
		return;
	if (waiter->wants_active && !engine->fsm.flags.wants_active)
		engine_feed(engine, event);
	else if (!waiter->wants_active && engine_is_active(engine) &&
		 (waiter->is_forced ||
		  engine_position_equal(&engine->mate.position, &engine->store.position)))
		engine_feed(engine, event);
}

void role_on_hello(struct methods *methods)
{
	check(methods);
	reload_on_hello(methods->engine->reload);
	/* What the newest asks for, all do; it may be gone after this. */
	if (methods->waiters)
		ask(methods->engine, methods->waiters);
}

void role_on_transition(struct methods *methods)
{
	if (methods)
		check(methods);
}

void role_wait(struct engine *engine, struct control_call *call, bool wants_active, bool is_forced)
{
	struct methods *methods = engine->methods;
	struct role_waiter *waiter = calloc(1, sizeof(*waiter));
	bool is_mate_serving = engine_hears_mate(engine) && engine->mate.view.is_serving;

	if (!waiter) {
		control_call_fail(call, -ENOMEM, "out of memory");
		return;
	}
	*waiter = (struct role_waiter){.next = methods->waiters,
				       .call = call,
				       .wants_active = wants_active,
				       .is_forced = is_forced,
				       .is_handed_over = !wants_active || is_mate_serving,
				       .since = monotime_now()};
	methods->waiters = waiter;
	log_line(LOG_NOTICE, "failover %s%s by %s", wants_active ? "active" : "standby",
		 is_forced ? " --force" : "", control_call_peer(call));
	ask(engine, waiter);
	check(methods);
}

int role_waits_new(struct engine *engine, struct methods **ret_methods)
{
	struct methods *methods = calloc(1, sizeof(*methods));
	int r;

	if (!methods)
		return -ENOMEM;
	methods->engine = engine;
	r = sd_event_add_time(engine->event, &methods->timeout, CLOCK_MONOTONIC, 0, 0, on_timeout,
			      methods);
	if (r < 0) {
		free(methods);
		return r;
	}
	(void)sd_event_source_set_enabled(methods->timeout, SD_EVENT_OFF);
	*ret_methods = methods;
	return 0;
}

void role_waits_free(struct methods *methods)
{
	if (!methods)
		return;
	methods->timeout = sd_event_source_disable_unref(methods->timeout);
	while (methods->waiters) {
		struct role_waiter *waiter = methods->waiters;

		methods->waiters = waiter->next;
		fail(waiter, ERR_CLOSED, "this unit stops");
	}
	free(methods);
}
