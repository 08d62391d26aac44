/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `failover active|standby|reset` and `asafo pair`. A change of role is asked of the state machine
 * and answered when it happened, with the time that it took.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/methods/methods_internal.h"
#include "failover/engine/pairing.h"
#include "failover/replication/replication.h"

#define ROLE_TIMEOUT_MS 10000

struct role_wait {
	struct role_wait *next;
	struct control_call *call;
	bool wants_active;
	struct monotime since;
};

struct methods {
	struct engine *engine;
	struct role_wait *waits;
	sd_event_source *timeout;
};

static void answer_wait(struct methods *methods, struct role_wait *wait)
{
	struct json_object *result = json_object_new_object();
	uint64_t ms = monotime_since(monotime_now(), wait->since) / MONOTIME_NS_PER_MS;

	json_add_text(result, "role", engine_is_active(methods->engine) ? "active" : "standby");
	json_add_number(result, "ms", (int64_t)ms);
	control_call_reply(wait->call, result);
}

/* The oldest is the last. */
static void arm_timeout(struct methods *methods)
{
	struct monotime first = MONOTIME_NEVER;

	for (struct role_wait *wait = methods->waits; wait; wait = wait->next)
		first = monotime_add_ms(wait->since, ROLE_TIMEOUT_MS);
	(void)sd_event_source_set_time(methods->timeout, first.ns / 1000);
	(void)sd_event_source_set_enabled(methods->timeout,
					  methods->waits ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void fail_wait(struct role_wait *wait, int code, const char *why)
{
	control_call_fail(wait->call, code, why);
	free(wait);
}

static int on_role_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct methods *methods = userdata;
	struct role_wait **at = &methods->waits;
	struct why why;

	(void)source;
	(void)usec;
	(void)why_set(&why, ERR_TIMEOUT,
		      "the change of role did not happen within %d s; this unit is %s: see "
		      "`asafo show failover history` on both units",
		      ROLE_TIMEOUT_MS / 1000, fo_state_text(methods->engine->fsm.state));
	while (*at) {
		struct role_wait *wait = *at;
		struct monotime due = monotime_add_ms(wait->since, ROLE_TIMEOUT_MS);

		if (!monotime_reached(monotime_now(), due)) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		fail_wait(wait, ERR_TIMEOUT, why.text);
	}
	arm_timeout(methods);
	return 0;
}

int role_waits_new(struct engine *engine, struct methods **ret_methods)
{
	struct methods *methods = calloc(1, sizeof(*methods));
	int r;

	if (!methods)
		return -ENOMEM;
	methods->engine = engine;
	r = sd_event_add_time(engine->event, &methods->timeout, CLOCK_MONOTONIC, 0, 0,
			      on_role_timeout, methods);
	if (r < 0) {
		free(methods);
		return r;
	}
	(void)sd_event_source_set_enabled(methods->timeout, SD_EVENT_OFF);
	*ret_methods = methods;
	return 0;
}

void methods_free(struct methods *methods)
{
	if (!methods)
		return;
	methods->timeout = sd_event_source_disable_unref(methods->timeout);
	while (methods->waits) {
		struct role_wait *wait = methods->waits;

		methods->waits = wait->next;
		fail_wait(wait, ERR_CLOSED, "this unit stops");
	}
	free(methods);
}

static bool is_reached(const struct methods *methods, const struct role_wait *wait)
{
	enum fo_state state = methods->engine->fsm.state;

	return wait->wants_active ? state == FO_STATE_ACTIVE || (state == FO_STATE_DISABLED &&
								 engine_is_active(methods->engine))
				  : !fo_state_is_active(state) &&
					    fo_state_is_active(methods->engine->mate.view.state);
}

/*
 * Tells the machine, again with each hello: handing over waits for the one in which the mate shows
 * our position, and a wish to be active ends after some holdtimes, which may be short.
 */
static void ask(struct methods *methods, const struct role_wait *wait)
{
	struct engine *engine = methods->engine;

	if (wait->wants_active && !engine->fsm.flags.wants_active)
		engine_feed_type(engine, FO_EVENT_OPERATOR_ACTIVE);
	else if (!wait->wants_active && engine_is_active(engine) &&
		 engine_position_equal(&engine->mate.position, &engine->store.position))
		engine_feed_type(engine, FO_EVENT_OPERATOR_STANDBY);
}

static void check_waits(struct methods *methods)
{
	struct role_wait **at = &methods->waits;

	while (*at) {
		struct role_wait *wait = *at;

		if (!is_reached(methods, wait)) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		answer_wait(methods, wait);
		free(wait);
	}
}

void methods_on_hello(struct methods *methods)
{
	check_waits(methods);
	/* What the newest asks for, all do; it may be gone after this. */
	if (methods->waits)
		ask(methods, methods->waits);
}

void methods_on_transition(struct methods *methods)
{
	if (methods)
		check_waits(methods);
}

static void wait_for_role(struct engine *engine, struct control_call *call, bool wants_active)
{
	struct methods *methods = engine->methods;
	struct role_wait *wait = calloc(1, sizeof(*wait));

	if (!wait) {
		control_call_fail(call, -ENOMEM, "out of memory");
		return;
	}
	*wait = (struct role_wait){.next = methods->waits,
				   .call = call,
				   .wants_active = wants_active,
				   .since = monotime_now()};
	methods->waits = wait;
	arm_timeout(methods);
	log_line(LOG_NOTICE, "failover %s by %s", wants_active ? "active" : "standby",
		 control_call_peer(call));
	ask(methods, wait);
	check_waits(methods);
}

void method_failover_active(struct control_call *call, struct json_object *parameters,
			    void *userdata)
{
	struct engine *engine = userdata;
	struct why why = {0};

	(void)parameters;
	if (!engine->is_started) {
		control_call_fail(call, engine_refuse_standby(engine, &why), why.text);
		return;
	}
	if (engine_hears_mate(engine) && fo_state_is_active(engine->mate.view.state) &&
	    engine->fsm.state != FO_STATE_STANDBY_READY) {
		(void)why_set(&why, ERR_NOT_READY,
			      "this unit is %s, not Standby Ready: it would serve without what the "
			      "active has; "
			      "see `asafo show failover`",
			      fo_state_text(engine->fsm.state));
		control_call_fail(call, ERR_NOT_READY, why.text);
		return;
	}
	wait_for_role(engine, call, true);
}

static void on_flushed(const struct replication_result *progress, bool is_done, void *userdata)
{
	struct waiting *waiting = userdata;
	struct why why;

	if (!is_done)
		return;
	if (progress->code < 0) {
		(void)why_set(&why, progress->code,
			      "the standby lacks what this unit has, and could not be brought up "
			      "to date: %s",
			      progress->why.text);
		waiting_fail(waiting, progress->code, why.text);
		return;
	}
	wait_for_role(waiting->engine, waiting->call, false);
	waiting_free(waiting);
}

void method_failover_standby(struct control_call *call, struct json_object *parameters,
			     void *userdata)
{
	struct engine *engine = userdata;
	struct why why = {0};
	struct waiting *waiting;
	int r;

	(void)parameters;
	if (!require_active(engine, call))
		return;
	if (!engine_hears_mate(engine) || engine->mate.view.state != FO_STATE_STANDBY_READY) {
		(void)why_set(&why, ERR_NOT_READY,
			      "the mate is not Standby Ready (%s): nobody would be active",
			      engine_hears_mate(engine) ? fo_state_text(engine->mate.view.state)
							: "not heard");
		control_call_fail(call, ERR_NOT_READY, why.text);
		return;
	}
	if (engine_position_equal(&engine->mate.position, &engine->store.position)) {
		wait_for_role(engine, call, false);
		return;
	}
	/* What it lacks goes first: a planned switchover loses nothing. */
	waiting = waiting_new(engine, call);
	if (!waiting)
		return;
	r = replication_push(engine->replication, "switchover", true, on_flushed, waiting, &why);
	if (r < 0)
		waiting_fail(waiting, r, why.text);
}

void method_failover_reset(struct control_call *call, struct json_object *parameters,
			   void *userdata)
{
	struct engine *engine = userdata;
	struct json_object *result = json_object_new_object();

	(void)parameters;
	engine_feed_type(engine, FO_EVENT_OPERATOR_RESET);
	json_add_text(result, "role", engine_is_active(engine) ? "active" : "standby");
	json_add_text(result, "state", fo_state_text(engine->fsm.state));
	control_call_reply(call, result);
}

/* ---- pairing ---- */

static void on_paired(const struct pairing_progress *progress, void *userdata)
{
	struct waiting *waiting = userdata;
	struct json_object *object;

	if (!progress->is_done) {
		object = json_object_new_object();
		json_add_text(object, "code", progress->one_time_code);
		json_add_number(object, "expires_s", PAIRING_SECONDS);
		control_call_progress(waiting->call, object);
	} else if (progress->code < 0) {
		waiting_fail(waiting, progress->code, progress->why);
	} else {
		json_add_flag(waiting->result, "paired", true);
		waiting_reply(waiting);
	}
}

static void on_offer_caller_gone(struct control_call *call, void *userdata)
{
	struct waiting *waiting = userdata;

	(void)call;
	pairing_cancel(waiting->engine->pairing);
}

void method_pair_offer(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	struct waiting *waiting = waiting_new(engine, call);
	struct why why = {0};
	int r;

	(void)parameters;
	if (!waiting)
		return;
	r = pairing_offer(engine->pairing, on_paired, waiting, &why);
	if (r < 0)
		waiting_fail(waiting, r, why.text);
	else
		control_call_set_on_gone(call, on_offer_caller_gone, waiting);
}

void method_pair_join(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	struct waiting *waiting = waiting_new(engine, call);
	struct why why = {0};
	int r;

	if (!waiting)
		return;
	r = pairing_join(engine->pairing, parameter_text(parameters, "code"), on_paired, waiting,
			 &why);
	if (r < 0)
		waiting_fail(waiting, r, why.text);
}
