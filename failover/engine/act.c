/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where what the state machine decided becomes system calls and messages. Results go
 * back as events. An address is set in one batch; the listener is bound to it already (the front
 * binds ahead).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/engine/collision.h"
#include "failover/engine/engine.h"
#include "failover/engine/hooks.h"
#include "failover/engine/report.h"
#include "failover/engine/schedule.h"
#include "failover/engine/switchover.h"
#include "failover/replication/replication.h"
#include "failover/vpn/hub.h"

struct persist_request {
	struct engine *engine;
	uint64_t term;
};

static void on_term_persisted(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	_cleanup_free_ struct persist_request *request = userdata;
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;
	struct fo_event event = {.type = FO_EVENT_TERM_DURABLE, .term = request->term};

	(void)has_more;
	if (request->engine->is_exiting)
		return;
	if (code < 0 || (reply->status && reply->status->code < 0)) {
		log_line(LOG_ERR, "term %" PRIu64 " could not be made durable: %s", request->term,
			 code < 0 ? err_text(code) : reply->status->why);
		event.type = FO_EVENT_TERM_FAILED;
	}
	engine_feed(request->engine, event);
}

static void persist_term(struct engine *engine, uint64_t term, bool is_activation)
{
	Asafo__Ipc__TermPersist message = ASAFO__IPC__TERM_PERSIST__INIT;
	struct persist_request *request = calloc(1, sizeof(*request));
	int r;

	message.term = term;
	message.is_activation = is_activation;
	if (request)
		*request = (struct persist_request){engine, term};
	r = request ? engine_keeper_call(engine, IPC_TERM_PERSIST, &message.base, NULL, 0,
					 on_term_persisted, request)
		    : -ENOMEM;
	if (r < 0) {
		free(request);
		engine_feed(engine, (struct fo_event){.type = FO_EVENT_TERM_FAILED, .term = term});
	}
}

/* An ASA counts all times together. Who turns failover off goes on to serve. */
static void count_active_time(struct engine *engine)
{
	bool is_counted = engine->active_since.ns != MONOTIME_NEVER.ns;

	if (engine_is_active(engine) == is_counted)
		return;
	if (is_counted)
		engine->active_ns += monotime_since(monotime_now(), engine->active_since);
	engine->active_since = is_counted ? MONOTIME_NEVER : monotime_now();
}

static void tell_transition(struct engine *engine, const struct engine_transition *transition)
{
	report_transition(engine, transition);
	replication_on_role(engine->replication);
	vpnhub_on_role(engine->vpnhub);
	if (transition->action.to == FO_STATE_ACTIVE)
		replication_on_active(engine->replication);
	hooks_on_transition(engine->hooks, transition);
	engine->upper->on_transition(engine);
}

void engine_tell_transitions(struct engine *engine)
{
	struct engine_untold *untold = &engine->untold;
	struct engine_untold now = *untold;

	/* Whoever is told may ask for more. */
	untold->n = 0;
	for (size_t i = 0; i < now.n; i++)
		tell_transition(engine, &now.transitions[i]);
}

static enum fo_state mate_state(const struct engine *engine)
{
	if (engine_hears_mate(engine))
		return engine->mate.view.state;
	return engine->mate.was_heard ? FO_STATE_FAILED : FO_STATE_NOT_DETECTED;
}

static void remember(struct engine *engine, const struct fo_action *action)
{
	struct engine_untold *untold = &engine->untold;
	struct engine_transition *told;

	if (untold->n == ENGINE_UNTOLD_MAX)
		engine_tell_transitions(engine);
	told = &untold->transitions[untold->n++];
	*told = (struct engine_transition){*action, engine_is_active(engine), mate_state(engine)};
	told->action.term = engine->fsm.term;
}

static void transition(struct engine *engine, const struct fo_action *action)
{
	struct timespec ts;
	struct history_row row = {.from = action->from,
				  .to = action->to,
				  .reason = action->reason,
				  .term = engine->fsm.term};

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	row.realtime_ns = (uint64_t)ts.tv_sec * MONOTIME_NS_PER_SEC + (uint64_t)ts.tv_nsec;
	collision_moved(engine);
	/* By a replication that ended, or handed over with the lines that the mate has. */
	if (action->to == FO_STATE_STANDBY_READY && engine_shares_lines(engine))
		replication_lines_level(engine->replication);
	history_add(&engine->history, &row);
	history_changed(engine);
	count_active_time(engine);
	/* Standby addresses come and go with the state; the active ones with CLAIM and RELEASE. */
	if (!fo_state_is_active(action->to) && action->to != FO_STATE_DISABLED)
		engine->addresses.is_follow_due = true;
	engine->is_role_due = true;
	remember(engine, action);
}

void engine_settle(struct engine *engine)
{
	engine_tell_transitions(engine);
	if (engine->addresses.is_follow_due)
		engine_addresses_follow(engine);
	if (!engine->is_role_due)
		return;
	engine->is_role_due = false;
	engine_fronts_role(engine);
	engine_resumption_kick(engine);
	engine_staples_role(engine);
	engine_crls_role(engine);
	child_notify(engine->rooms.child, fo_state_text(engine->fsm.state));
}

/* The mate's state comes after this, or what is not kept would be gone. */
static void on_orphans_kept(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;
	const Asafo__Ipc__Status *status = reply ? reply->status : NULL;
	const char *why = status && status->why && status->why[0] ? status->why : err_text(code);
	struct engine *engine = userdata;
	struct fo_orphans was = engine->store.orphans;

	(void)has_more;
	if (engine->is_exiting)
		return;
	if (code == 0 && status)
		code = status->code;
	if (fo_orphans_end(&engine->store.orphans, code))
		log_line(LOG_WARNING, "%s",
			 was.has_other_history
				 ? "the certificate stores of the two units have different "
				   "histories; every trustpoint of this one is kept under "
				   "unit/orphans: asafo show orphans"
				 : "this unit was active in an older term; what only it accepted "
				   "is kept under unit/orphans: asafo show orphans");
	else if (code < 0)
		log_line(LOG_ERR,
			 "what only this unit accepted could not be put aside, so that nothing is "
			 "taken from the mate yet: %s",
			 why);
	else
		code = engine_keep_orphans(engine);
	if (code < 0 || engine->store.orphans.term == 0)
		replication_orphans_kept(engine->replication, code, why);
}

int engine_keep_orphans(struct engine *engine)
{
	struct fo_orphans *orphans = &engine->store.orphans;
	Asafo__Ipc__OrphanKeep message = ASAFO__IPC__ORPHAN_KEEP__INIT;
	int r;

	if (!fo_orphans_begin(orphans))
		return 0;
	message.term = orphans->term;
	message.is_everything = orphans->is_everything;
	r = engine_keeper_call(engine, IPC_ORPHAN_KEEP, &message.base, NULL, 0, on_orphans_kept,
			       engine);
	if (r < 0)
		(void)fo_orphans_end(orphans, r);
	return r;
}

static void log_suspended(const struct engine *engine)
{
	uint64_t ns = monotime_since(engine->fsm.flap.until, monotime_now());

	report(engine, LOG_ALERT, 105037, NULL,
	       "The primary and standby units are switching back and forth as the active unit: no "
	       "change of this unit's own will for %" PRIu64 " seconds",
	       ns / MONOTIME_NS_PER_SEC);
}

/* Between the old unit's release and the new one's announcement there is nothing but these: the
 * log, the fronts, hooks and all others hear of a transition after them. */
static bool is_urgent(enum fo_action_type type)
{
	return type == FO_ACTION_TRANSITION || type == FO_ACTION_PERSIST_TERM ||
	       type == FO_ACTION_SEND_HELLO || type == FO_ACTION_CLAIM ||
	       type == FO_ACTION_ANNOUNCE || type == FO_ACTION_RELEASE;
}

void engine_act(struct engine *engine, const struct fo_action *action)
{
	if (!is_urgent(action->type))
		engine_tell_transitions(engine);
	switch (action->type) {
	case FO_ACTION_TRANSITION:
		transition(engine, action);
		break;
	case FO_ACTION_PERSIST_TERM:
		persist_term(engine, action->term, action->is_activation);
		break;
	case FO_ACTION_SEND_HELLO:
		engine_send_hello(engine);
		break;
	case FO_ACTION_CLAIM:
		replication_lines_own(engine->replication);
		switchover_claim(engine);
		engine_store_accept(engine, action->term);
		engine_claim(engine, action->term);
		break;
	case FO_ACTION_ANNOUNCE:
		engine_announce(engine);
		break;
	case FO_ACTION_RELEASE:
		switchover_release(engine);
		engine_release(engine);
		break;
	case FO_ACTION_START_SYNC:
		replication_request(engine->replication, fo_reason_text(engine->fsm.reason), false);
		break;
	case FO_ACTION_STOP_SYNC:
		replication_stop(engine->replication);
		break;
	case FO_ACTION_KEEP_ORPHANS:
		fo_orphans_add(&engine->store.orphans, action->term, action->is_everything);
		(void)engine_keep_orphans(engine);
		break;
	case FO_ACTION_SUSPENDED:
		log_suspended(engine);
		break;
	case FO_ACTION_STRETCHED:
		schedule_stretched(engine);
		break;
	case FO_ACTION_STOPPED:
		history_flush(engine);
		engine_leave_addresses(engine);
		(void)sd_event_exit(engine->event, 0);
		break;
	case FO_ACTION__MAX:
		break;
	}
}
