/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `maintenance on|off` is the unit-local line `failover maintenance`, with the switchover before it
 * where this unit is active; `clear failover statistics`.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/engine/hooks.h"
#include "failover/methods/handlers.h"
#include "failover/methods/role.h"
#include "failover/replication/replication.h"

#define FLUSH_TIMEOUT_MS 8000

static void reply_state(const struct engine *engine, struct control_call *call, bool is_changed)
{
	struct json_object *result = json_object_new_object();

	json_add_flag(result, "maintenance", engine->config->failover.is_maintenance);
	json_add_flag(result, "mate_maintenance",
		      engine_hears_mate(engine) && engine->mate.view.is_maintenance);
	json_add_text(result, "role", engine_is_active(engine) ? "active" : "standby");
	json_add_flag(result, "changed", is_changed);
	json_add_text(result, "trouble", maintenance_trouble(engine));
	control_call_reply(call, result);
}

static int set_line(struct engine *engine, bool is_on, struct why *ret_why)
{
	return configure_text(engine,
			      is_on ? "failover maintenance\n" : "no failover maintenance\n", NULL,
			      ret_why);
}

static void on_flushed(const struct replication_result *progress, bool is_done, void *userdata)
{
	struct waiting *waiting = userdata;
	struct why why = {0};
	int r = progress->code;

	if (!is_done)
		return;
	if (r < 0)
		(void)why_set(&why, r,
			      "the standby could not be brought up to date: %s; this unit is still "
			      "active, and not in maintenance",
			      progress->why.text);
	else
		r = set_line(waiting->engine, true, &why);
	if (r < 0) {
		waiting_fail(waiting, r, why.text);
		return;
	}
	role_wait(waiting->engine, waiting->call, false, false);
	waiting_free(waiting);
}

static void hand_over(struct engine *engine, struct control_call *call, bool is_forced)
{
	const struct fo_mate_view *mate = &engine->mate.view;
	bool is_ready = engine_hears_mate(engine) && mate->state == FO_STATE_STANDBY_READY &&
			mate->may_activate && !mate->is_maintenance;
	struct waiting *waiting;
	struct why why = {0};
	int r;

	if (is_ready) {
		waiting = waiting_new(engine, call);
		if (waiting)
			replication_flush(engine, FLUSH_TIMEOUT_MS, on_flushed, waiting);
		return;
	}
	if (!is_forced) {
		(void)why_set(&why, ERR_NOT_READY,
			      "this unit is active, and the mate is %s: nobody could take over. "
			      "Give --force to be in maintenance all the same, and stay active",
			      !engine_hears_mate(engine) ? "not heard"
			      : mate->is_maintenance	 ? "in maintenance, too"
							 : fo_state_text(mate->state));
		control_call_fail(call, ERR_NOT_READY, why.text);
		return;
	}
	r = set_line(engine, true, &why);
	if (r < 0)
		control_call_fail(call, r, why.text);
	else
		reply_state(engine, call, true);
}

void method_maintenance(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	const char *wanted = parameter_text(parameters, "state");
	bool is_on = strcmp(wanted, "on") == 0;
	struct why why = {0};
	int r;

	if (wanted[0] && !is_on && strcmp(wanted, "off") != 0) {
		control_call_fail(call, ERR_SYNTAX, "the state is on or off");
		return;
	}
	if (!wanted[0] || is_on == engine->config->failover.is_maintenance) {
		reply_state(engine, call, false);
		return;
	}
	log_line(LOG_NOTICE, "maintenance %s by %s", wanted, control_call_peer(call));
	if (is_on && engine_is_active(engine)) {
		hand_over(engine, call, parameter_flag(parameters, "force"));
		return;
	}
	r = set_line(engine, is_on, &why);
	if (r < 0)
		control_call_fail(call, r, why.text[0] ? why.text : err_text(r));
	else
		reply_state(engine, call, true);
}

void method_clear_statistics(struct control_call *call, struct json_object *parameters,
			     void *userdata)
{
	struct engine *engine = userdata;

	(void)parameters;
	engine->traffic = (struct traffic){
		.bytes_uncounted = engine->pair.link ? link_bytes_sent(engine->pair.link) : 0};
	if (engine->pair.paths)
		path_set_clear_statistics(engine->pair.paths);
	hooks_clear_counts(engine->hooks);
	log_line(LOG_INFO, "failover statistics cleared by %s", control_call_peer(call));
	control_call_reply(call, NULL);
}
