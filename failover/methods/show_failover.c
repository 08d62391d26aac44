/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine knows of the pair, as JSON (doc/control.md). Nothing here changes anything. */
#include <config.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/engine/hooks.h"
#include "failover/engine/health.h"
#include "failover/methods/handlers.h"
#include "failover/methods/proof.h"
#include "failover/engine/schedule.h"
#include "failover/engine/stranger.h"
#include "failover/replication/replication.h"

static const char *const replication_names[CONFIG_REPLICATION__MAX] = {
	[CONFIG_REPLICATION_OFF] = "off",
	[CONFIG_REPLICATION_ASYNC] = "async",
	[CONFIG_REPLICATION_SYNC] = "sync",
};

static const char *role_text(const struct engine *engine)
{
	if (!engine->is_started)
		return "none";
	return engine_is_active(engine) ? "active" : "standby";
}

static uint64_t suspended_s(const struct engine *engine)
{
	return monotime_since(engine->fsm.flap.until, monotime_now()) / MONOTIME_NS_PER_SEC;
}

static struct json_object *show_health(const struct fo_health *health)
{
	struct json_object *object = json_object_new_object();

	json_add_number(object, "score", health->score);
	json_add_number(object, "failed_interfaces", health->failed_interfaces);
	json_add_flag(object, "failing", health->is_failing);
	return object;
}

static struct json_object *show_preemption(const struct engine *engine)
{
	const struct fo_fsm *fsm = &engine->fsm;
	struct json_object *object = json_object_new_object();
	uint64_t left_ns = monotime_since(fsm->timers.preempt, monotime_now());
	bool is_waiting = fsm->params.is_preempt && fsm->state == FO_STATE_STANDBY_READY &&
			  fsm->timers.preempt.ns != MONOTIME_NEVER.ns;

	json_add_flag(object, "on", fsm->params.is_preempt);
	json_add_number(object, "delay_ms", fsm->params.preempt_delay_ms);
	json_add_text(object, "state",
		      !fsm->params.is_preempt	? "off"
		      : fsm->flags.is_set_aside ? "set aside by an operator"
		      : is_waiting		? "waiting"
						: "idle");
	json_add_number(object, "left_ms",
			is_waiting ? (int64_t)(left_ns / MONOTIME_NS_PER_MS) : -1);
	return object;
}

/* By name, as far as they are known. */
static struct json_object *show_lacking(const struct engine *engine)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < engine->lacking.n; i++)
		(void)json_object_array_add(array,
					    json_object_new_string(engine->lacking.names[i]));
	return array;
}

static struct json_object *show_link(const struct engine *engine)
{
	struct json_object *object = json_object_new_object();
	struct link *link = engine->pair.link;
	bool is_up = link && link_is_up(link);
	bool is_mute = is_up && !engine_hears_mate(engine);

	/* What the kernel still holds open to a mate that is lost carries nothing. */
	json_add_flag(object, "up", is_up && !is_mute);
	json_add_text(object, "over", link ? link_way_name(link) : "");
	json_add_text(object, "why", is_mute ? "the mate is not heard" : engine->pair.link_why);
	json_add_number(object, "bytes_sent", link ? (int64_t)link_bytes_sent(link) : 0);
	json_add_number(object, "bytes_received", link ? (int64_t)link_bytes_received(link) : 0);
	json_add_text(object, "mate_software", link ? link_mate_software(link) : "");
	json_add_number(object, "version", LINK_VERSION);
	json_add_number(object, "mate_version", link ? (int64_t)link_mate_version(link) : 0);
	return object;
}

/* A hello has no room for the number of items: it is known where the contents are ours, whatever
 * way they came about. */
static struct json_object *show_mate_position(const struct engine *engine)
{
	struct engine_position position = engine->mate.position;
	struct json_object *object;
	bool is_ours = memcmp(position.digest, engine->store.position.digest,
			      sizeof(position.digest)) == 0;

	position.count = engine->store.position.count;
	object = json_position(&position);
	if (!is_ours)
		json_object_object_del(object, "count");
	return object;
}

static struct json_object *show_mate(const struct engine *engine)
{
	const struct engine_mate *mate = &engine->mate;
	bool is_heard = engine_hears_mate(engine);
	bool is_primary = engine->config->failover.unit == FO_UNIT_PRIMARY;
	struct json_object *object = json_object_new_object();
	uint64_t ago = mate->was_heard ? monotime_since(monotime_now(), mate->heard_at) : 0;
	struct why why;

	json_add_flag(object, "heard", is_heard);
	json_add_text(object, "trouble", mate_trouble(engine, &why) ? why.text : "");
	json_add_text(object, "unit", is_primary ? "secondary" : "primary");
	json_add_text(object, "state",
		      is_heard		? fo_state_text(mate->view.state)
		      : mate->was_heard ? fo_state_text(FO_STATE_FAILED)
					: fo_state_text(FO_STATE_NOT_DETECTED));
	json_add_text(object, "reason", is_heard ? "None" : "Comm Failure");
	json_add_number(object, "last_heard_ms",
			mate->was_heard ? (int64_t)(ago / MONOTIME_NS_PER_MS) : -1);
	if (mate->active_s > 0)
		json_add_number(object, "active_seconds", (int64_t)mate->active_s - 1);
	json_add_text(object, "software", mate->software);
	json_add_number(object, "term", (int64_t)mate->view.term);
	(void)json_object_object_add(object, "position", show_mate_position(engine));
	json_add_number(object, "lacks",
			engine_knows_lacking(engine) ? (int64_t)engine->lacking.n : -1);
	(void)json_object_object_add(object, "lacking", show_lacking(engine));
	json_add_flag(object, "maintenance", is_heard && mate->view.is_maintenance);
	json_add_flag(object, "failing", mate->view.health.is_failing);
	json_add_number(object, "clock_skew_ms",
			engine->clockwatch.clock.skew_ns / (int64_t)MONOTIME_NS_PER_MS);
	(void)json_object_object_add(object, "clock", json_clock(engine));
	json_add_number(object, "failed_interfaces", mate->view.health.failed_interfaces);
	json_add_number(object, "health", mate->view.health.score);
	return object;
}

static struct json_object *show_replication(const struct engine *engine)
{
	const struct replication_result *last = replication_last(engine->replication);
	struct json_object *object = json_object_new_object(), *figures = json_object_new_object();
	uint64_t age = 0;

	json_add_text(object, "mode", replication_names[engine->config->failover.replication]);
	json_add_text(object, "state",
		      replication_is_paused(engine->replication) ? "paused"
		      : replication_is_busy(engine->replication) ? "syncing"
		      : last->at && last->code < 0		 ? "failed"
								 : "idle");
	json_add_text(object, "why", last->code < 0 ? last->why.text : "");
	json_add_number(object, "queue", (int64_t)engine->lacking.n);
	if (engine->lacking.n > 0)
		age = monotime_since(monotime_now(), engine->lacking.since);
	json_add_number(object, "queue_age_ms", (int64_t)(age / MONOTIME_NS_PER_MS));
	/* Sessions that went on after the link was lost. */
	json_add_number(object, "resumed", (int64_t)replication_resumed(engine->replication));
	json_add_number(figures, "at", last->at);
	json_add_flag(figures, "ok", last->at && last->code == 0);
	json_add_number(figures, "items", (int64_t)last->items);
	json_add_number(figures, "bytes", (int64_t)last->bytes);
	json_add_number(figures, "resumed", (int64_t)last->resumed);
	json_add_number(figures, "ms", (int64_t)last->ms);
	json_add_text(figures, "mode", last->mode);
	json_add_hex(figures, "digest", last->digest, sizeof(last->digest));
	(void)json_object_object_add(object, "last", figures);
	return object;
}

static struct json_object *show_last_failover(const struct engine *engine)
{
	struct json_object *object = json_object_new_object();
	int64_t at = 0;
	const char *reason = "";

	for (size_t i = 0; i < engine->history.n_rows; i++) {
		const struct history_row *row = history_get(&engine->history, i);

		/* Who turns failover off goes on to serve. */
		if (fo_state_is_active(row->from) == fo_state_is_active(row->to) ||
		    row->from == FO_STATE_DISABLED || row->to == FO_STATE_DISABLED)
			continue;
		at = (int64_t)(row->realtime_ns / MONOTIME_NS_PER_SEC);
		reason = fo_reason_text(row->reason);
	}
	json_add_number(object, "at", at);
	json_add_text(object, "reason", reason);
	return object;
}

static struct json_object *show_hooks(const struct engine *engine)
{
	const struct hooks_counts *counts = hooks_counts(engine->hooks);
	struct json_object *object = json_object_new_object();

	json_add_number(object, "changes", (int64_t)counts->changes);
	json_add_number(object, "runs", (int64_t)counts->runs);
	json_add_number(object, "failures", (int64_t)counts->failures);
	json_add_number(object, "overtaken", (int64_t)counts->overtaken);
	json_add_text(object, "last_failure", counts->failure);
	json_add_number(object, "last_failure_at",
			(int64_t)(counts->failure_at_ns / MONOTIME_NS_PER_SEC));
	return object;
}

static struct json_object *show_stretch(const struct engine *engine)
{
	const struct fo_late *late = &engine->fsm.late;
	struct json_object *object = json_object_new_object();
	bool is_stretched = late->asked_ms != 0;

	json_add_number(object, "hold_ms", engine_hold_ms(engine));
	json_add_number(object, "fence_ms", fo_fsm_fence_ms(&engine->fsm));
	json_add_number(object, "asked_ms", late->asked_ms);
	json_add_number(object, "mate_asked_ms", engine->fsm.mate.stretch.asked_ms);
	json_add_number(object, "late", late->count);
	json_add_number(object, "seconds",
			is_stretched ? (int64_t)(monotime_since(monotime_now(), late->since) /
						 MONOTIME_NS_PER_SEC)
				     : 0);
	return object;
}

static void add_timers(struct json_object *result, const struct config_failover *failover)
{
	json_add_number(result, "poll_ms", failover->poll_ms);
	json_add_number(result, "hold_ms", failover->hold_ms);
	json_add_number(result, "interface_poll_ms", failover->interface_poll_ms);
	json_add_number(result, "interface_hold_ms", failover->interface_hold_ms);
	json_add_number(result, "interface_policy", failover->interface_policy);
	json_add_number(result, "interface_policy_percent", failover->interface_policy_percent);
}

void method_show_failover(struct control_call *call, struct json_object *parameters, void *userdata)
{
	const struct engine *engine = userdata;
	struct json_object *result = json_object_new_object();

	(void)parameters;
	json_add_flag(result, "enabled", engine->config->failover.is_enabled);
	json_add_text(result, "unit",
		      engine->config->failover.unit == FO_UNIT_PRIMARY ? "primary" : "secondary");
	json_add_text(result, "role", role_text(engine));
	json_add_text(result, "state", fo_state_text(engine->fsm.state));
	json_add_text(result, "reason", fo_reason_text(engine->fsm.reason));
	json_add_text(result, "trouble", engine_trouble(engine));
	(void)json_object_object_add(result, "troubles", json_troubles(engine));
	(void)json_object_object_add(result, "health", show_health(&engine->fsm.health));
	json_add_flag(result, "maintenance", engine->fsm.flags.is_maintenance);
	json_add_number(result, "suspended_seconds", (int64_t)suspended_s(engine));
	(void)json_object_object_add(result, "preemption", show_preemption(engine));
	json_add_number(result, "term", (int64_t)engine->fsm.term);
	(void)json_object_object_add(result, "position", json_position(&engine->store.position));
	json_add_text(result, "hostname", engine->config->hostname);
	json_add_text(result, "version", PACKAGE_VERSION);
	add_timers(result, &engine->config->failover);
	(void)json_object_object_add(result, "stretch", show_stretch(engine));
	(void)json_object_object_add(result, "failover_link", json_failover_link(engine));
	(void)json_object_object_add(result, "links", json_links(engine));
	(void)json_object_object_add(result, "link", show_link(engine));
	(void)json_object_object_add(result, "failover_key", json_failover_key(engine));
	json_add_number(result, "active_seconds", (int64_t)engine_active_s(engine));
	(void)json_object_object_add(result, "last_failover", show_last_failover(engine));
	(void)json_object_object_add(result, "mate", show_mate(engine));
	(void)json_object_object_add(result, "interfaces", json_interfaces(engine));
	(void)json_object_object_add(result, "paths", json_paths(engine));
	(void)json_object_object_add(result, "replication", show_replication(engine));
	(void)json_object_object_add(result, "proof", proof_summary(engine));
	(void)json_object_object_add(result, "hooks", show_hooks(engine));
	(void)json_object_object_add(result, "logical_update", json_logical_update(engine));
	control_call_reply(call, result);
}
