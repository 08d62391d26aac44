/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `failover active|standby|reset`: what is refused, and why; what --force would give up; and that
 * the standby is level before anything changes.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/handlers.h"
#include "failover/methods/role.h"
#include "failover/replication/replication.h"

#define FLUSH_TIMEOUT_MS 8000

static void reply_unchanged(struct engine *engine, struct control_call *call)
{
	struct json_object *result = json_object_new_object();

	json_add_text(result, "role", engine_is_active(engine) ? "active" : "standby");
	json_add_text(result, "state", fo_state_text(engine->fsm.state));
	json_add_flag(result, "changed", false);
	control_call_reply(call, result);
}

/* Since when this unit is in its state: "for 12 s". */
static void since_text(const struct engine *engine, char *ret_text, size_t size)
{
	const struct history *history = &engine->history;
	struct timespec ts;
	uint64_t now_s, at_s;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	now_s = (uint64_t)ts.tv_sec;
	at_s = history->n_rows ? history_get(history, history->n_rows - 1)->realtime_ns /
					 MONOTIME_NS_PER_SEC
			       : now_s;
	(void)snprintf(ret_text, size, "%llu s",
		       (unsigned long long)(now_s > at_s ? now_s - at_s : 0));
}

/* Equal digests are the same content, also where one store was changed and changed back. */
static bool holds_the_same(const struct engine *engine)
{
	return memcmp(engine->mate.position.digest, engine->store.position.digest,
		      sizeof(engine->store.position.digest)) == 0;
}

/* What the mate lacks, in words; empty: nothing that is known of. */
static void lacking_text(const struct engine *engine, char *ret_text, size_t size)
{
	const struct engine_lacking *lacking = &engine->lacking;
	size_t used = 0;

	ret_text[0] = '\0';
	if (holds_the_same(engine))
		return;
	if (!lacking->is_complete || lacking->n == 0) {
		(void)snprintf(ret_text, size,
			       "trustpoints that cannot be named (its store is at "
			       "another place)");
		return;
	}
	for (size_t i = 0; i < lacking->n && used < size; i++) {
		int n = i == 8 ? snprintf(ret_text + used, size - used, " and %zu more",
					  lacking->n - i)
			       : snprintf(ret_text + used, size - used, "%s%s", i ? ", " : "",
					  lacking->names[i]);

		used += n > 0 ? (size_t)n : 0;
		if (i == 8)
			break;
	}
}

/* What will not be the same in a moment: there is no way to send it. */
static int refuse_apart(const struct engine *engine, bool is_level, struct why *ret_why)
{
	if (engine->pair.link && link_is_up(engine->pair.link))
		return 0;
	if (!engine_shares_lines(engine))
		return why_set(
			ret_why, ERR_NOT_READY,
			"the units have different running-configs, and the failover link is "
			"down: what was configured last would be lost. Mend the link (`asafo "
			"show failover`), or give --force and lose it");
	if (is_level)
		return 0;
	return why_set(ret_why, ERR_NOT_READY,
		       "the standby has not the active unit's latest change, and the failover link "
		       "is down: it cannot be sent. Mend the link (`asafo show failover`), or give "
		       "--force%s",
		       holds_the_same(engine) ? ": the trustpoints are the same, nothing is lost"
					      : " and lose it");
}

/* ---- failover active ---- */

static int refuse_active(const struct engine *engine, bool is_forced, struct why *ret_why)
{
	char since[32];

	enum fo_answer answer = fo_fsm_ask(&engine->fsm, true, is_forced);

	if (!engine->is_started)
		return engine_refuse_standby(engine, ret_why);
	if (answer != FO_ANSWER_GO && answer != FO_ANSWER_NOT_READY &&
	    answer != FO_ANSWER_NOT_LEVEL && answer != FO_ANSWER_ALREADY)
		return why_set(ret_why, ERR_NOT_READY, "%s: see `asafo show failover`",
			       fo_answer_text(answer));
	if (engine_hears_mate(engine) && engine->mate.view.state == FO_STATE_DISABLED &&
	    engine->mate.view.is_serving)
		return why_set(ret_why, ERR_NOT_READY,
			       "failover is off on the other unit, which serves: it hands over to "
			       "nobody; turn it on there first (`asafo configure failover`)");
	if (is_forced || !engine_hears_mate(engine) || !fo_state_is_active(engine->mate.view.state))
		return 0;
	if (engine->fsm.state == FO_STATE_STANDBY_READY)
		return refuse_apart(engine, answer != FO_ANSWER_NOT_LEVEL, ret_why);
	since_text(engine, since, sizeof(since));
	return why_set(
		ret_why, ERR_NOT_READY,
		"this unit is %s (since %s: %s), not Standby Ready: it would serve without "
		"what the active %s has. Wait for the replication, run `asafo write-standby` "
		"there, or give --force and lose it",
		fo_state_text(engine->fsm.state), since, fo_reason_text(engine->fsm.reason),
		engine->config->failover.unit == FO_UNIT_PRIMARY ? "secondary" : "primary");
}

void method_failover_active(struct control_call *call, struct json_object *parameters,
			    void *userdata)
{
	struct engine *engine = userdata;
	bool is_forced = parameter_flag(parameters, "force");
	struct why why = {0};
	int r = refuse_active(engine, is_forced, &why);

	if (engine_is_active(engine))
		reply_unchanged(engine, call);
	else if (r < 0)
		control_call_fail(call, r, why.text);
	else
		role_wait(engine, call, true, is_forced);
}

/* ---- failover standby ---- */

static int refuse_standby(const struct engine *engine, bool is_forced, struct why *ret_why)
{
	enum fo_answer answer = fo_fsm_ask(&engine->fsm, false, is_forced);
	const struct fo_mate_view *mate = &engine->mate.view;
	char lacks[400];

	if (!engine_hears_mate(engine))
		return why_set(ret_why, ERR_NO_MATE,
			       "the mate is not heard: nobody would be active; see `asafo show "
			       "failover`");
	if (mate->is_maintenance)
		return why_set(ret_why, ERR_NOT_READY,
			       "the mate is in maintenance: end that there (`asafo maintenance "
			       "off`)");
	if (answer == FO_ANSWER_GO || answer == FO_ANSWER_NOT_LEVEL)
		return is_forced ? 0 : refuse_apart(engine, answer != FO_ANSWER_NOT_LEVEL, ret_why);
	if (answer != FO_ANSWER_NOT_READY)
		return why_set(ret_why, ERR_NOT_READY, "%s: see `asafo show failover`",
			       fo_answer_text(answer));
	lacking_text(engine, lacks, sizeof(lacks));
	return why_set(ret_why, ERR_NOT_READY,
		       "the mate is %s, not Standby Ready%s%s: wait for it, run `asafo "
		       "write-standby`, or give --force",
		       fo_state_text(mate->state), lacks[0] ? "; it lacks " : "", lacks);
}

static void on_flushed(const struct replication_result *progress, bool is_done, void *userdata)
{
	struct waiting *waiting = userdata;
	char lacks[400];
	struct why why;

	if (!is_done)
		return;
	if (progress->code < 0) {
		lacking_text(waiting->engine, lacks, sizeof(lacks));
		(void)why_set(&why, progress->code,
			      "the standby could not be brought up to date: %s; this unit is still "
			      "active%s%s",
			      progress->why.text, lacks[0] ? ", and the standby lacks " : "",
			      lacks);
		waiting_fail(waiting, progress->code, why.text);
		return;
	}
	role_wait(waiting->engine, waiting->call, false, false);
	waiting_free(waiting);
}

void method_failover_standby(struct control_call *call, struct json_object *parameters,
			     void *userdata)
{
	struct engine *engine = userdata;
	bool is_forced = parameter_flag(parameters, "force");
	struct why why = {0};
	struct waiting *waiting;
	int r;

	if (!engine->is_started) {
		control_call_fail(call, engine_refuse_standby(engine, &why), why.text);
		return;
	}
	if (!engine_is_active(engine)) {
		reply_unchanged(engine, call);
		return;
	}
	r = refuse_standby(engine, is_forced, &why);
	if (r < 0) {
		control_call_fail(call, r, why.text);
		return;
	}
	if (is_forced) {
		role_wait(engine, call, false, true);
		return;
	}
	/* What it lacks goes first: a planned switchover loses nothing. */
	waiting = waiting_new(engine, call);
	if (waiting)
		replication_flush(engine, FLUSH_TIMEOUT_MS, on_flushed, waiting);
}

/* ---- what --force would give up ---- */

void method_failover_check(struct control_call *call, struct json_object *parameters,
			   void *userdata)
{
	struct engine *engine = userdata;
	struct json_object *result = json_object_new_object(), *losses = json_object_new_array();
	bool is_active = engine_is_active(engine);
	struct why why = {0}, loss;
	char lacks[400];
	int r = is_active ? refuse_standby(engine, false, &why)
			  : refuse_active(engine, false, &why);

	(void)parameters;
	lacking_text(engine, lacks, sizeof(lacks));
	if (lacks[0]) {
		(void)why_set(&loss, 0,
			      is_active ? "the standby lacks: %s"
					: "this unit lacks something of the active: %s",
			      lacks);
		(void)json_object_array_add(losses, json_object_new_string(loss.text));
	}
	if (engine_staples_are_apart(engine))
		(void)json_object_array_add(
			losses, json_object_new_string("the standby lacks OCSP staples that this "
						       "unit sends: its clients get none"));
	if (engine_crls_are_apart(engine))
		(void)json_object_array_add(
			losses, json_object_new_string("the standby lacks CRLs that this unit "
						       "goes by: it lets in whom they revoke"));
	if (engine_hears_mate(engine) && !engine_shares_lines(engine))
		(void)json_object_array_add(
			losses, json_object_new_string(
					"the units have different running-configs: those of the "
					"unit that is active now"));
	json_add_text(result, "role", is_active ? "active" : "standby");
	json_add_flag(result, "ready", r == 0);
	json_add_text(result, "why", why.text);
	(void)json_object_object_add(result, "losses", losses);
	control_call_reply(call, result);
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
