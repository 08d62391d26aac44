/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's life: the configuration, roles, fronts, the auth helper, and the clock by which
 * sessions end. The active unit ends them; the standby hears of it.
 */
#include "failover/vpn/hub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/vpn/hub_internal.h"
#include "failover/vpn/pool.h"

#define GRACE_MS 60000 /* after a takeover: figures of the last moments did not come */
/* The standby waits so long for the word of an end that both units' clocks tell. */
#define OVERDUE_MS 60000

/* ---- the configuration ---- */

static void configure_front(struct vpnhub *hub, unsigned instance)
{
	struct ipc_channel *front = hub->engine->rooms.fronts[instance];
	int r = hub_config_send(front, hub->engine->config, hub->engine->config_generation,
				&hub->cookie_keys);

	if (r < 0 && r != ERR_CLOSED)
		log_line(LOG_ERR, "front %u: the VPN's configuration was not sent: %s", instance,
			 err_text(r));
	hub_trust_to_front(hub->trust, instance);
}

static void configure_auth(struct vpnhub *hub)
{
	int r = hub_trust_to_auth(hub->trust);

	/* Users with what groups wanted before: nobody gets in by less than his group wants. */
	if (r == 0 && hub->auth)
		r = hub_users_send(hub->auth, hub->engine->config);
	if (r < 0 && r != ERR_CLOSED)
		log_line(LOG_ERR, "asafo-auth: the users were not sent: %s", err_text(r));
}

/* What SESSION stood on and is no more; NULL: all of it is there. */
static const char *missing_of(const struct config_vpn *vpn, const struct vpn_session *session)
{
	const struct config_group *group = config_group_find(vpn, session->group);

	if (!vpn->is_enabled)
		return "the VPN is disabled";
	if (!group)
		return "its tunnel-group is gone";
	if (!config_policy_find(vpn, session->policy))
		return "its group-policy is gone";
	if (!config_user_find(vpn, session->user) && !config_group_takes_others(group))
		return "its user is gone";
	return pool_has_session(vpn, session) ? NULL : "its address is in no pool any more";
}

static void end_disallowed(struct vpnhub *hub)
{
	struct session_record *record = NULL;

	while ((record = sessiondb_next(hub->db, record))) {
		const char *missing = missing_of(&hub->engine->config->vpn, &record->session);

		if (missing)
			hub_end_because(hub, record, VPN_END_CONFIG, missing);
	}
	hub_flush(hub);
	hub_pump(hub);
	hub_answer_waiters(hub, false);
}

static void send_tun(struct vpnhub *hub, unsigned instance)
{
	Asafo__Ipc__VpnTun message = ASAFO__IPC__VPN_TUN__INIT;
	struct why why = {""};
	char name[16];
	int fd;
	int r = tun_device(hub->tun, instance, name, &fd, &why);

	if (r < 0) {
		log_line(LOG_ERR, "%s", why.text);
		return;
	}
	message.device = name;
	message.mtu = VPN_TUN_MTU;
	message.owner = instance + 1;
	r = ipc_channel_send(hub->engine->rooms.fronts[instance], IPC_VPN_TUN, &message.base, &fd,
			     1);
	if (r < 0 && r != ERR_CLOSED)
		log_line(LOG_ERR, "front %u: its TUN device was not sent: %s", instance,
			 err_text(r));
}

void vpnhub_configure(struct vpnhub *hub)
{
	const struct config *config = hub->engine->config;
	bool is_new = config->vpn.is_enabled && !hub->has_tun;

	sessiondb_set_unit(hub->db, config->failover.unit == FO_UNIT_PRIMARY ? 0 : 1);
	hub->full.pool[0] = '\0';
	hub->has_tun |= config->vpn.is_enabled;
	for (unsigned i = 0; i < ENGINE_FRONTS_MAX; i++) {
		if (!hub->engine->rooms.fronts[i])
			continue;
		configure_front(hub, i);
		if (is_new)
			send_tun(hub, i);
	}
	configure_auth(hub);
	hub_trust_kick(hub->trust);
	tun_wait_in(hub->tun, hub->engine->addresses.rtnl);
	tun_pools(hub->tun, &config->vpn);
	if (engine_is_active(hub->engine))
		end_disallowed(hub);
	hub_judge(hub);
}

void vpnhub_store_moved(struct vpnhub *hub)
{
	if (hub)
		hub_trust_kick(hub->trust);
}

/* ---- roles ---- */

/*
 * No tunnel is up here at that moment, whatever was up before. A takeover waits for this: with
 * thousands of sessions only what must be said is said, and routes are left to the next touch.
 */
static void forget_tunnels(struct vpnhub *hub, bool is_active)
{
	struct monotime grace = monotime_add_ms(monotime_now(), GRACE_MS);
	struct session_record *record = NULL;

	while ((record = sessiondb_next(hub->db, record))) {
		struct vpn_session *session = &record->session;
		bool was_here = session->owner > 0;
		bool is_news = session->is_connected || session->idle_ends_at.ns < grace.ns;

		if (record->end != VPN_END_NONE)
			continue;
		session->owner = 0;
		if (is_active && is_news) {
			session->is_connected = false;
			if (session->idle_ends_at.ns < grace.ns)
				session->idle_ends_at = grace;
			sessiondb_changed(hub->db, record, hub->engine->fsm.term);
		}
		if (was_here)
			hub_put(hub, record);
	}
	hub_flush(hub);
}

void vpnhub_on_role(struct vpnhub *hub)
{
	bool is_active = engine_is_active(hub->engine);

	if (is_active == hub->was_active)
		return;
	hub->was_active = is_active;
	if (is_active) {
		hub->active_since = monotime_now();
		hub_tickle_start(hub->tickle);
	} else {
		hub_tickle_stop(hub->tickle);
	}
	forget_tunnels(hub, is_active);
	if (!is_active)
		hub_answer_waiters(hub, true);
	hub_pump(hub);
}

static void end_what_is_over(struct vpnhub *hub, struct monotime now)
{
	struct session_record *record = NULL;

	while ((record = sessiondb_next(hub->db, record))) {
		if (record->end != VPN_END_NONE)
			continue;
		if (monotime_reached(now, record->session.ends_at))
			hub_end(hub, record, VPN_END_EXPIRED);
		else if (monotime_reached(now, record->session.idle_ends_at))
			hub_end(hub, record, VPN_END_IDLE);
	}
	hub_flush(hub);
}

/*
 * Of a standby that was not told (the link was down, or the mate is of a version that does not tell
 * each end): whose time is over would come back with the next link, or take an address from who has
 * it now. The log is the other unit's.
 */
static void end_what_is_overdue(struct vpnhub *hub, struct monotime now)
{
	struct session_record *record = NULL;

	while ((record = sessiondb_next(hub->db, record))) {
		if (record->end != VPN_END_NONE ||
		    !monotime_reached(now, monotime_add_ms(record->session.ends_at, OVERDUE_MS)))
			continue;
		tun_unroute(hub->tun, &record->session);
		sessiondb_end(hub->db, record, VPN_END_EXPIRED, record->term, now);
		hub_gone(hub, record);
	}
	hub_flush(hub);
}

/* Where none can be made the one that is there does for another turn. */
static void change_cookie_key(struct vpnhub *hub)
{
	if (hub_cookie_keys_next(&hub->cookie_keys) < 0)
		return;
	for (unsigned i = 0; i < ENGINE_FRONTS_MAX; i++) {
		if (hub->engine->rooms.fronts[i])
			configure_front(hub, i);
	}
}

void hub_tick(struct vpnhub *hub)
{
	struct monotime now = monotime_now();

	hub_judge(hub);
	hub_ended_tick(hub);
	if (engine_is_active(hub->engine) && sessiondb_count(hub->db) > 0)
		end_what_is_over(hub, now);
	else if (sessiondb_count(hub->db) > 0)
		end_what_is_overdue(hub, now);
	sessiondb_sweep(hub->db, now);
	if (monotime_reached(now, hub->cookie_keys.next_at))
		change_cookie_key(hub);
	hub_retell(hub);
	hub_guesses_want(hub);
	hub_resync(hub);
	hub_pump(hub);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)usec;
	hub_tick(userdata);
	(void)sd_event_source_set_time_relative(source, HUB_TICK_MS * 1000u);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_wait_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	hub_answer_waiters(userdata, false);
	return 0;
}

/* ---- fronts ---- */

void vpnhub_front_attached(struct vpnhub *hub, unsigned instance)
{
	configure_front(hub, instance);
	hub->copies[instance].again_at.ns = 0;
	hub_send_table(hub, instance);
	if (!hub->has_tun)
		return;
	send_tun(hub, instance);
	if (instance == 0)
		tun_pools(hub->tun, &hub->engine->config->vpn);
}

void vpnhub_front_gone(struct vpnhub *hub, unsigned instance, const struct ipc_channel *channel)
{
	struct session_record *record = NULL;

	hub_drop_waiters(hub, channel);
	/* Its tunnels went with it. */
	while ((record = sessiondb_next(hub->db, record))) {
		if (record->end != VPN_END_NONE || record->session.owner != instance + 1)
			continue;
		record->session.owner = 0;
		record->session.is_connected = false;
		hub_put(hub, record);
		if (engine_is_active(hub->engine))
			sessiondb_changed(hub->db, record, hub->engine->fsm.term);
	}
	hub_flush(hub);
	hub_pump(hub);
}

bool vpnhub_is_message(enum ipc_type type)
{
	return type == IPC_VPN_SESSION_NEW || type == IPC_VPN_SESSION_TOUCH ||
	       type == IPC_VPN_SESSION_END || type == IPC_VPN_RESYNC || type == IPC_VPN_DATAGRAM;
}

void vpnhub_message(struct vpnhub *hub, unsigned instance, struct ipc_channel *channel,
		    const struct ipc_frame *frame, const ProtobufCMessage *body)
{
	if (frame->type == IPC_VPN_SESSION_NEW)
		hub_session_new(hub, instance, channel, frame->id,
				(const Asafo__Ipc__VpnSessionNew *)body);
	else if (frame->type == IPC_VPN_SESSION_TOUCH)
		hub_session_touch(hub, instance, (const Asafo__Ipc__VpnSessionTouch *)body);
	else if (frame->type == IPC_VPN_SESSION_END)
		hub_session_end(hub, channel, frame->id, (const Asafo__Ipc__VpnSessionEnd *)body);
	else if (frame->type == IPC_VPN_RESYNC && instance < ENGINE_FRONTS_MAX)
		hub->copies[instance].is_due = true;
	else if (frame->type == IPC_VPN_DATAGRAM)
		hub_datagram(hub, instance, (const Asafo__Ipc__VpnDatagram *)body,
			     frame->n_fds > 0 ? frame->fds[0] : -1);
}

/* ---- the auth helper ---- */

static void on_auth_request(struct ipc_channel *channel, struct ipc_frame *frame,
			    const ProtobufCMessage *body, void *userdata)
{
	(void)channel;
	if (frame->type == IPC_AUTH_GUESSES)
		hub_guesses_tell(userdata, (const Asafo__Ipc__AuthGuesses *)body);
}

static void on_auth_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct vpnhub *hub = userdata;

	if (hub->auth == channel)
		hub->auth = NULL;
	ipc_channel_free(channel);
	if (!hub->engine->is_exiting)
		log_line(LOG_WARNING,
			 "asafo-auth went away (%s): nobody can log in until it is "
			 "back",
			 err_text(code));
}

void vpnhub_auth_attach(struct vpnhub *hub, int fd)
{
	static const bool permitted[IPC_TYPE__MAX] = {[IPC_AUTH_GUESSES] = true};
	static const struct ipc_channel_ops ops = {permitted, on_auth_request, on_auth_closed};
	int r;

	ipc_channel_free(TAKE_PTR(hub->auth));
	r = ipc_channel_new(hub->engine->event, fd, &ops, hub, &hub->auth);
	if (r < 0)
		log_line(LOG_ERR, "channel to asafo-auth: %s", err_text(r));
	if (r < 0)
		return;
	hub_proof_key_send(hub);
	configure_auth(hub);
}

/* ---- what is shown, and done by hand ---- */

const struct vpnhub_figures *vpnhub_figures(const struct vpnhub *hub)
{
	return &hub->figures;
}

const struct sessiondb *vpnhub_sessions(const struct vpnhub *hub)
{
	return hub->db;
}

bool vpnhub_is_complete(const struct vpnhub *hub)
{
	return hub->is_complete;
}

bool vpnhub_is_level(const struct vpnhub *hub)
{
	return hub_can_tell(hub) && !sessiondb_dirty(hub->db) && !hub->sender.is_whole_due &&
	       !hub->sender.has_refused && hub->sender.acked_seq == hub->sender.told_seq;
}

int vpnhub_logoff(struct vpnhub *hub,
		  bool (*match)(const struct session_record *record, const void *userdata),
		  const void *userdata)
{
	struct session_record *record = NULL;
	int n = 0;

	if (!engine_is_active(hub->engine))
		return ERR_NOT_ACTIVE;
	while ((record = sessiondb_next(hub->db, record))) {
		bool is_live = record->end == VPN_END_NONE;

		if ((!is_live && record->end != VPN_END_IDLE) || !match(record, userdata))
			continue;
		hub_end(hub, record, VPN_END_ADMIN);
		n += is_live;
	}
	hub_flush(hub);
	hub_pump(hub);
	hub_answer_waiters(hub, false);
	return n;
}

/* ---- life ---- */

void vpnhub_add_tun(struct vpnhub *hub, int fd)
{
	tun_add(hub->tun, fd);
}

static int timers_new(struct vpnhub *hub)
{
	sd_event *event = hub->engine->event;
	int r = sd_event_add_time_relative(event, &hub->tick, CLOCK_MONOTONIC, HUB_TICK_MS * 1000u,
					   0, on_tick, hub);

	if (r >= 0)
		r = sd_event_add_time(event, &hub->wait_timeout, CLOCK_MONOTONIC, 0, 1000,
				      on_wait_timeout, hub);
	if (r >= 0)
		r = sd_event_source_set_enabled(hub->wait_timeout, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

int vpnhub_new(struct engine *engine, struct vpnhub **ret_hub)
{
	struct vpnhub *hub = calloc(1, sizeof(*hub));
	int r;

	if (!hub)
		return -ENOMEM;
	hub->engine = engine;
	hub->link_down_at = monotime_now();
	r = hub_cookie_keys_next(&hub->cookie_keys);
	if (r == 0)
		r = sessiondb_new(0, &hub->db);
	if (r == 0)
		r = hub_batch_new(&hub->batch);
	if (r == 0)
		r = tun_new(&hub->tun);
	if (r == 0)
		r = hub_tickle_new(hub, &hub->tickle);
	if (r == 0)
		r = hub_trust_new(hub, &hub->trust);
	if (r == 0)
		r = timers_new(hub);
	if (r < 0) {
		vpnhub_free(hub);
		return r;
	}
	*ret_hub = hub;
	return 0;
}

void vpnhub_free(struct vpnhub *hub)
{
	if (!hub)
		return;
	while (hub->waiters) {
		struct hub_waiter *waiter = hub->waiters;

		hub->waiters = waiter->next;
		free(waiter);
	}
	hub->tick = sd_event_source_disable_unref(hub->tick);
	hub->wait_timeout = sd_event_source_disable_unref(hub->wait_timeout);
	ipc_channel_free(hub->auth);
	hub_tickle_free(hub->tickle);
	hub_trust_free(hub->trust);
	tun_free(hub->tun);
	free(hub->batch);
	sessiondb_free(hub->db);
	loginproof_gate_done(&hub->proofs);
	free(hub);
}
