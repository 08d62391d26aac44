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
#include "failover/engine/engine.h"
#include "failover/methods/methods.h"
#include "failover/replication/replication.h"

#define ADDRESSES_MAX (CONFIG_INTERFACES_MAX * 2 + 1)

struct address_list {
	struct vip_address items[ADDRESSES_MAX];
	size_t n;
};

static void add_address(struct address_list *list, const struct config_interface *interface,
			const struct config_address *address, bool is_active)
{
	struct vip_address *item;

	if (address->family == 0 || list->n == ADDRESSES_MAX)
		return;
	item = &list->items[list->n++];
	*item = (struct vip_address){.address = *address, .is_active = is_active};
	memcpy(item->device, interface->device, sizeof(item->device));
	memcpy(item->interface, interface->name, sizeof(item->interface));
}

/* Which standby addresses a unit holds: none before it knows its role, or both units would claim
 * them. */
static bool holds_standby_addresses(const struct engine *engine)
{
	enum fo_state state = engine->fsm.state;

	return engine->is_started &&
	       ((state >= FO_STATE_COLD_STANDBY && state <= FO_STATE_STANDBY_READY) ||
		state == FO_STATE_FAILED);
}

static void want_addresses(const struct engine *engine, struct address_list *list)
{
	const struct config *config = engine->config;
	const struct config_failover *failover = &config->failover;
	const struct config_address *own = failover->unit == FO_UNIT_PRIMARY
						   ? &failover->link_active
						   : &failover->link_standby;
	bool is_active = engine->addresses.is_claimed;

	if (failover->link_device[0]) {
		struct config_interface link = {0};

		memcpy(link.device, failover->link_device, sizeof(link.device));
		memcpy(link.name, failover->link_name, sizeof(link.name));
		add_address(list, &link, own, false);
	}
	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		if (interface->is_shutdown || !interface->name[0])
			continue;
		if (is_active) {
			add_address(list, interface, &interface->active4, true);
			add_address(list, interface, &interface->active6, true);
		} else if (holds_standby_addresses(engine)) {
			add_address(list, interface, &interface->standby4, false);
			add_address(list, interface, &interface->standby6, false);
		}
	}
}

int engine_set_addresses(struct engine *engine, struct why *ret_why)
{
	_cleanup_free_ struct address_list *list = calloc(1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	want_addresses(engine, list);
	return vip_set(engine->addresses.vip, list->items, list->n, ret_why);
}

static void announce(struct engine *engine)
{
	size_t n;
	const struct vip_address *held = vip_current(engine->addresses.vip, &n);

	(void)announcer_start(engine->addresses.announcer, held, n);
}

void engine_reclaim(struct engine *engine)
{
	(void)vip_renew(engine->addresses.vip);
	announce(engine);
}

/* A standby on which somebody configured an active address by hand gives it up. */
static void expel_active(struct engine *engine)
{
	_cleanup_free_ struct address_list *list = calloc(1, sizeof(*list));
	int n;

	if (!list)
		return;
	for (size_t i = 0; i < engine->config->n_interfaces; i++) {
		const struct config_interface *interface = &engine->config->interfaces[i];

		if (interface->is_shutdown || !interface->name[0])
			continue;
		add_address(list, interface, &interface->active4, true);
		add_address(list, interface, &interface->active6, true);
	}
	n = vip_expel(engine->addresses.vip, list->items, list->n);
	if (n > 0)
		log_line(
			LOG_WARNING,
			"removed %d active address(es) that were configured by hand on the standby",
			n);
}

/* How many active addresses are ours in the kernel. */
static size_t active_held(const struct engine *engine)
{
	size_t n, held = 0;
	const struct vip_address *all = vip_current(engine->addresses.vip, &n);

	for (size_t i = 0; i < n; i++)
		held += all[i].is_active;
	return held;
}

static void claim(struct engine *engine, uint64_t term)
{
	struct why why = {0};
	int r;

	engine->addresses.is_claimed = true;
	r = engine_set_addresses(engine, &why);
	if (r < 0) {
		/* A device that is missing costs its own addresses only: the rest is served. */
		log_line(LOG_ERR, "not every active address could be set in term %" PRIu64 ": %s",
			 term, why.text[0] ? why.text : err_text(r));
	}
	if (r < 0 && active_held(engine) == 0) {
		engine_feed_type(engine, FO_EVENT_CLAIM_FAILED);
		return;
	}
	announce(engine);
	engine_feed_type(engine, FO_EVENT_CLAIMED);
}

/* The leases that could not be taken away have run out by now. */
static int on_released_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	engine_feed_type(userdata, FO_EVENT_RELEASED);
	return 0;
}

int engine_release_timer(struct engine *engine)
{
	int r = sd_event_add_time(engine->event, &engine->addresses.released_late, CLOCK_MONOTONIC,
				  0, 0, on_released_late, engine);

	return r < 0 ? r
		     : sd_event_source_set_enabled(engine->addresses.released_late, SD_EVENT_OFF);
}

/*
 * RELEASED lets the mate take over, so it is said only when the addresses are gone: at once, or,
 * where the kernel refuses, when their leases have run out.
 */
static void release(struct engine *engine)
{
	struct why why = {0};
	int r;

	announcer_stop(engine->addresses.announcer);
	engine->addresses.is_claimed = false;
	r = engine_set_addresses(engine, &why);
	if (r < 0)
		log_line(LOG_ERR, "releasing the active addresses: %s",
			 why.text[0] ? why.text : err_text(r));
	if (r == 0 || active_held(engine) == 0) {
		engine_feed_type(engine, FO_EVENT_RELEASED);
		return;
	}
	(void)sd_event_source_set_time(
		engine->addresses.released_late,
		monotime_add_ms(monotime_now(), VIP_LIFETIME_S * 1000 + 200).ns / 1000);
	(void)sd_event_source_set_enabled(engine->addresses.released_late, SD_EVENT_ONESHOT);
}

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

static void log_transition(const struct engine *engine, const struct fo_action *action)
{
	const char *unit = fo_unit_text(engine->config->failover.unit);
	const char *reason = fo_reason_text(action->reason);

	if (action->to == FO_STATE_JUST_ACTIVE)
		log_message(LOG_ALERT, 104001, "(%s) Switching to ACTIVE - %s", unit, reason);
	else if (fo_state_is_active(action->from) && !fo_state_is_active(action->to))
		log_message(LOG_ALERT, 104002, "(%s) Switching to STANDBY - %s", unit, reason);
	else if (action->to == FO_STATE_FAILED)
		log_message(LOG_ALERT, 104003, "(%s) Switching to FAILED - %s", unit, reason);
	else if (action->from == FO_STATE_FAILED)
		log_message(LOG_ALERT, 104004, "(%s) Switching to OK - %s", unit, reason);
	log_line(LOG_INFO, "%s -> %s: %s (term %" PRIu64 ")", fo_state_text(action->from),
		 fo_state_text(action->to), reason, engine->fsm.term);
}

static void transition(struct engine *engine, const struct fo_action *action)
{
	struct timespec ts;
	struct history_row row = {.from = action->from, .to = action->to, .reason = action->reason};

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	row.realtime_ns = (uint64_t)ts.tv_sec * MONOTIME_NS_PER_SEC + (uint64_t)ts.tv_nsec;
	history_add(&engine->history, &row);
	log_transition(engine, action);
	replication_on_role(engine->replication);
	if (action->to == FO_STATE_ACTIVE) {
		engine->active_since = monotime_now();
		replication_on_active(engine->replication);
	}
	/* Standby addresses come and go with the state; the active ones with CLAIM and RELEASE. */
	if (!fo_state_is_active(action->to) && action->to != FO_STATE_DISABLED) {
		struct why why = {0};

		if (engine_set_addresses(engine, &why) < 0)
			log_line(LOG_ERR, "standby addresses: %s", why.text);
		if (holds_standby_addresses(engine))
			expel_active(engine);
	}
	engine_fronts_role(engine);
	methods_on_transition(engine->methods);
	child_notify(engine->rooms.child, fo_state_text(action->to));
}

/* The mate's state comes after this, or what is not kept would be gone. */
static void on_orphans_kept(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;
	struct engine *engine = userdata;

	(void)has_more;
	if (engine->is_exiting)
		return;
	engine->store.is_keeping_orphans = false;
	if (code < 0 || (reply->status && reply->status->code < 0)) {
		log_line(LOG_ERR,
			 "what only this unit accepted could not be put aside, so that nothing is "
			 "taken from the mate yet: %s",
			 code < 0 ? err_text(code) : reply->status->why);
		engine_feed_type(engine, FO_EVENT_SYNC_FAILED);
		return;
	}
	engine->store.orphans_term = 0;
	if (engine->store.is_everything_orphaned)
		log_line(LOG_WARNING,
			 "the certificate stores of the two units have different histories; every "
			 "trustpoint of this one is kept under unit/orphans");
	else
		log_line(LOG_WARNING,
			 "this unit was active in an older term; what only it accepted is kept "
			 "under unit/orphans");
	engine->store.is_everything_orphaned = false;
	if (engine->fsm.state == FO_STATE_COLD_STANDBY)
		replication_request(engine->replication, fo_reason_text(engine->fsm.reason), false);
}

bool engine_keep_orphans(struct engine *engine)
{
	Asafo__Ipc__OrphanKeep message = ASAFO__IPC__ORPHAN_KEEP__INIT;

	if (engine->store.orphans_term == 0)
		return false;
	message.term = engine->store.orphans_term;
	message.is_everything = engine->store.is_everything_orphaned;
	if (!engine->store.is_keeping_orphans)
		engine->store.is_keeping_orphans =
			engine_keeper_call(engine, IPC_ORPHAN_KEEP, &message.base, NULL, 0,
					   on_orphans_kept, engine) == 0;
	return true;
}

void engine_act(struct engine *engine, const struct fo_action *action)
{
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
		claim(engine, action->term);
		break;
	case FO_ACTION_ANNOUNCE:
		announce(engine);
		break;
	case FO_ACTION_RELEASE:
		release(engine);
		break;
	case FO_ACTION_START_SYNC:
		if (!engine_keep_orphans(engine))
			replication_request(engine->replication, fo_reason_text(engine->fsm.reason),
					    false);
		break;
	case FO_ACTION_STOP_SYNC:
		replication_stop(engine->replication);
		break;
	case FO_ACTION_KEEP_ORPHANS:
		engine->store.orphans_term = action->term;
		engine->store.is_everything_orphaned |= action->is_everything;
		(void)engine_keep_orphans(engine);
		break;
	case FO_ACTION_STOPPED:
		(void)sd_event_exit(engine->event, 0);
		break;
	case FO_ACTION__MAX:
		break;
	}
}
