/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fronts ask of the active unit. A login is answered when the mate has the session, or was
 * waited for long enough: the client must not hold a cookie that a takeover would not know.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/vpn/hub_internal.h"
#include "failover/vpn/pool.h"

/* ---- what a session is made of ---- */

/* Group, policy and pools of a login. */
struct plan {
	const struct config_group *group;
	struct config_policy policy;
	const struct config_pool *pool4, *pool6;
};

static int plan_make(const struct vpnhub *hub, const Asafo__Ipc__VpnSessionNew *message,
		     struct plan *ret_plan, struct why *ret_why)
{
	const struct config_vpn *vpn = &hub->engine->config->vpn;
	const struct config_policy *policy = config_policy_find(vpn, message->policy);
	struct plan *plan = ret_plan;

	plan->group = config_group_find(vpn, message->group);
	if (!plan->group)
		return why_set(ret_why, ERR_NOT_FOUND, "there is no tunnel-group %s",
			       message->group);
	if (!policy)
		policy = config_policy_find(vpn, plan->group->policy);
	if (!policy)
		policy = &vpn->policies[0];
	config_policy_resolve(vpn, policy, &plan->policy);
	plan->pool4 = config_pool_find(vpn, plan->policy.pool4[0] ? plan->policy.pool4
								  : plan->group->pool4);
	plan->pool6 = config_pool_find(vpn, plan->policy.pool6[0] ? plan->policy.pool6
								  : plan->group->pool6);
	if (!plan->pool4 && !plan->pool6)
		return why_set(ret_why, ERR_NOT_FOUND,
			       "tunnel-group %s has no address pool: give it one (address-pool)",
			       plan->group->name);
	return 0;
}

static uint32_t idle_minutes_of(const struct vpnhub *hub, const struct vpn_session *session)
{
	const struct config_vpn *vpn = &hub->engine->config->vpn;
	const struct config_policy *policy = config_policy_find(vpn, session->policy);
	struct config_policy resolved;

	config_policy_resolve(vpn, policy ? policy : &vpn->policies[0], &resolved);
	return resolved.idle_minutes;
}

/* As far as it is known: a client that is gone sends no figures. */
static uint64_t idle_ms_of(const struct vpnhub *hub, const struct vpn_session *session,
			   struct monotime now)
{
	uint64_t whole = (uint64_t)idle_minutes_of(hub, session) * 60000;
	struct monotime end = monotime_add_ms(now, whole);

	if (whole && session->idle_ends_at.ns != MONOTIME_NEVER.ns)
		return monotime_since(end, session->idle_ends_at) / MONOTIME_NS_PER_MS;
	return session->is_connected
		       ? 0
		       : monotime_since(now, session->created_at) / MONOTIME_NS_PER_MS;
}

/* Sessions of one user, by the minutes that they are idle for. */
struct leaver {
	struct session_record *record;
	uint64_t minutes;
};

/* The one with the longest idle time first; of several the oldest. As an ASA chooses. */
static int compare_leavers(const void *a, const void *b)
{
	const struct leaver *x = a, *y = b;
	const struct vpn_session *older = &x->record->session, *newer = &y->record->session;

	if (x->minutes != y->minutes)
		return x->minutes < y->minutes ? 1 : -1;
	if (older->created_at.ns != newer->created_at.ns)
		return older->created_at.ns > newer->created_at.ns ? 1 : -1;
	return (older->id > newer->id) - (older->id < newer->id);
}

/* The first RET_N of RET_LEAVERS, to be freed, end where PLAN is to have room for another session
 * of USER. */
static int leavers_choose(const struct vpnhub *hub, const struct plan *plan, const char *user,
			  struct leaver **ret_leavers, size_t *ret_n)
{
	size_t n = sessiondb_count_user(hub->db, user), i = 0;
	struct session_record *record = NULL;
	struct monotime now = monotime_now();
	struct leaver *leavers;

	*ret_n = 0;
	if (n < plan->policy.logins)
		return 0;
	leavers = calloc(n, sizeof(*leavers));
	if (!leavers)
		return -ENOMEM;
	while ((record = sessiondb_next_of_user(hub->db, user, record)))
		leavers[i++] =
			(struct leaver){record, idle_ms_of(hub, &record->session, now) / 60000};
	qsort(leavers, n, sizeof(*leavers), compare_leavers);
	*ret_leavers = leavers;
	*ret_n = n - plan->policy.logins + 1;
	return 0;
}

static void leavers_end(struct vpnhub *hub, const struct plan *plan, const struct leaver *leavers,
			size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct vpn_session *session = &leavers[i].record->session;

		log_line(LOG_INFO,
			 "VPN session %u of %s ends for another login: group-policy %s allows %u",
			 session->id, session->user, plan->policy.name, plan->policy.logins);
		hub_end(hub, leavers[i].record, VPN_END_REPLACED);
	}
}

static int lease(struct vpnhub *hub, const struct config_pool *pool, const char *user,
		 struct vpn_address *ret_address, struct why *ret_why)
{
	bool is_known_full = pool && strcmp(hub->full.pool, pool->name) == 0 &&
			     hub->full.ended == sessiondb_ended(hub->db);

	if (!pool)
		return 0;
	if (!is_known_full && pool_allocate(pool, hub->db, user, ret_address))
		return 0;
	(void)snprintf(hub->full.pool, sizeof(hub->full.pool), "%s", pool->name);
	hub->full.ended = sessiondb_ended(hub->db);
	return why_set(ret_why, ERR_TOO_LARGE, "no address is free in pool %s", pool->name);
}

/* An address that is free, or comes free when LEAVERS end: RET_ADDRESS stays empty. */
static int lease_or_wait(struct vpnhub *hub, const struct config_pool *pool, const char *user,
			 const struct leaver *leavers, size_t n, struct vpn_address *ret_address,
			 struct why *ret_why)
{
	int r = lease(hub, pool, user, ret_address, ret_why);

	for (size_t i = 0; r == ERR_TOO_LARGE && i < n; i++) {
		const struct vpn_session *session = &leavers[i].record->session;

		if (pool_gives(pool, &session->v4) || pool_gives(pool, &session->v6))
			r = 0;
	}
	return r;
}

/* Addresses for SESSION, for which others of its user end; where it gets none they stay. */
static int make_room(struct vpnhub *hub, const struct plan *plan, struct vpn_session *session,
		     struct why *ret_why)
{
	_cleanup_free_ struct leaver *leavers = NULL;
	const char *user = session->user;
	size_t n;
	int r = leavers_choose(hub, plan, user, &leavers, &n);

	if (r == 0)
		r = lease_or_wait(hub, plan->pool4, user, leavers, n, &session->v4, ret_why);
	if (r == 0)
		r = lease_or_wait(hub, plan->pool6, user, leavers, n, &session->v6, ret_why);
	if (r < 0)
		return r;
	leavers_end(hub, plan, leavers, n);
	if (plan->pool4 && session->v4.size == 0)
		r = lease(hub, plan->pool4, user, &session->v4, ret_why);
	if (r == 0 && plan->pool6 && session->v6.size == 0)
		r = lease(hub, plan->pool6, user, &session->v6, ret_why);
	return r;
}

static struct monotime minutes_from(struct monotime now, uint32_t minutes)
{
	return minutes ? monotime_add_ms(now, (uint64_t)minutes * 60000) : MONOTIME_NEVER;
}

/* The helper may have said yes a moment before it heard of another configuration. */
static int check_user(const struct vpnhub *hub, const struct config_group *group, const char *name,
		      struct why *ret_why)
{
	const struct config_vpn *vpn = &hub->engine->config->vpn;
	const struct config_user *user = config_user_find(vpn, name);
	const char *lock;

	if (!user && !config_group_takes_others(group))
		return why_set(ret_why, ERR_DENIED, "there is no user %s any more", name);
	if (!user || !config_user_lock(vpn, user, &lock))
		lock = config_group_lock(vpn, group);
	if (lock[0] && strcmp(lock, group->name) != 0)
		return why_set(ret_why, ERR_DENIED, "user %s may only use tunnel-group %s", name,
			       lock);
	return 0;
}

static int session_fill(struct vpnhub *hub, const Asafo__Ipc__VpnSessionNew *message,
			struct vpn_session *session, struct why *ret_why)
{
	struct monotime now = monotime_now();
	struct plan plan = {0};
	int r = vpn_hash_from(&message->cookie_hash, session->hash);

	if (r == 0)
		r = vpn_name_from(message->user, session->user, sizeof(session->user));
	if (r == 0)
		r = vpn_address_from(&message->client, 0, &session->client);
	if (r < 0 || !session->user[0])
		return why_set(ret_why, ERR_MALFORMED, "a login that cannot be understood");
	if (sessiondb_find(hub->db, session->hash))
		return ERR_EXISTS;
	r = plan_make(hub, message, &plan, ret_why);
	if (r == 0)
		r = check_user(hub, plan.group, session->user, ret_why);
	if (r == 0 && plan.policy.logins == 0)
		return why_set(ret_why, ERR_DENIED, "group-policy %s lets nobody in",
			       plan.policy.name);
	if (r == 0)
		r = make_room(hub, &plan, session, ret_why);
	if (r < 0)
		return r;
	memcpy(session->group, plan.group->name, sizeof(session->group));
	memcpy(session->policy, plan.policy.name, sizeof(session->policy));
	session->created_at = now;
	session->ends_at = minutes_from(now, plan.policy.session_minutes);
	session->idle_ends_at = minutes_from(now, plan.policy.idle_minutes);
	return 0;
}

/* ---- logins ---- */

void hub_session_new(struct vpnhub *hub, unsigned instance, struct ipc_channel *channel,
		     uint32_t request, const Asafo__Ipc__VpnSessionNew *message)
{
	struct vpn_session session = {0};
	struct session_record *record = NULL;
	struct why why = {""};
	int r = 0;

	if (!engine_is_active(hub->engine))
		r = why_set(&why, ERR_NOT_ACTIVE, "this unit is not the active one");
	if (r == 0)
		r = hub_login_check(hub, instance, message, &why);
	if (r == 0)
		r = session_fill(hub, message, &session, &why);
	if (r == 0)
		r = sessiondb_create(hub->db, &session, hub->engine->fsm.term, &record);
	if (r < 0) {
		hub->figures.refused++;
		hub_answer(channel, request, false, r, why.text[0] ? why.text : err_text(r), NULL);
		hub_flush(hub);
		hub_pump(hub);
		hub_answer_waiters(hub, false);
		return;
	}
	hub->figures.made++;
	hub_put(hub, record);
	hub_flush(hub);
	if (hub_wait_for_mate(hub, channel, request, false, record)) {
		hub_pump(hub);
		hub_answer_waiters(hub, false);
		return;
	}
	hub->figures.alone += hub->engine->config->failover.is_enabled;
	hub_answer(channel, request, false, 0, "", record);
	hub_pump(hub);
	hub_answer_waiters(hub, false);
}

/* ---- what becomes of it ---- */

static void count(struct session_figures *figures, const Asafo__Ipc__VpnTouched *touched)
{
	figures->received += touched->received;
	figures->sent += touched->sent;
	figures->packets_received += touched->packets_received;
	figures->packets_sent += touched->packets_sent;
	figures->dropped += touched->dropped;
}

/* False: the client has come back to another tunnel than this front's, which has no say any more,
 * however late it is heard. */
static bool has_say(const struct vpn_session *session, const Asafo__Ipc__VpnTouched *touched,
		    uint32_t own)
{
	return touched->tunnel_at_ns >= session->tunnel_at.ns &&
	       (touched->is_connected || session->owner == own);
}

/* True: it is news that fronts and mate hear at once. */
static bool touch_session(struct vpn_session *session, const Asafo__Ipc__VpnTouched *touched,
			  uint32_t own, struct monotime now)
{
	struct vpn_address client;
	bool is_news = session->is_connected != touched->is_connected ||
		       session->owner != (touched->is_connected ? own : 0);

	session->tunnel_at.ns = touched->tunnel_at_ns < now.ns ? touched->tunnel_at_ns : now.ns;
	session->is_connected = touched->is_connected;
	session->owner = touched->is_connected ? own : 0;
	if (vpn_address_from(&touched->client, 0, &client) == 0 && client.size > 0 &&
	    !vpn_address_is_equal(&client, &session->client)) {
		session->client = client;
		is_news = true;
	}
	return is_news;
}

/* Where a client is to be told that this unit is gone. True: it is another connection than before.
 */
static bool touch_way(struct session_way *way, const Asafo__Ipc__VpnTouched *touched)
{
	struct session_way fresh = {.local_port = (uint16_t)touched->local_port,
				    .client_port = (uint16_t)touched->client_port};

	if (touched->local_port > 65535 || touched->client_port > 65535 ||
	    vpn_address_from(&touched->local, 0, &fresh.local) < 0 || fresh.local.size == 0)
		return false;
	if (fresh.client_port == way->client_port && fresh.local_port == way->local_port &&
	    vpn_address_is_equal(&fresh.local, &way->local))
		return false;
	*way = fresh;
	return true;
}

static void touch_idle(const struct vpnhub *hub, struct vpn_session *session, uint64_t idle_ms,
		       struct monotime now)
{
	uint64_t whole = (uint64_t)idle_minutes_of(hub, session) * 60000;

	session->idle_ends_at = whole ? monotime_add_ms(now, idle_ms < whole ? whole - idle_ms : 0)
				      : MONOTIME_NEVER;
}

static void touch_one(struct vpnhub *hub, uint32_t own, const Asafo__Ipc__VpnTouched *touched)
{
	struct session_record *record = NULL;
	struct monotime now = monotime_now();
	struct vpn_session *session;
	uint8_t hash[VPN_HASH_SIZE];
	bool is_news = false;

	if (vpn_hash_from(&touched->cookie_hash, hash) == 0)
		record = sessiondb_find(hub->db, hash);
	if (!record || record->end != VPN_END_NONE)
		return;
	session = &record->session;
	count(&record->figures, touched);
	if (touched->protocol[0])
		(void)vpn_name_from(touched->protocol, record->figures.protocol,
				    sizeof(record->figures.protocol));
	if (has_say(session, touched, own)) {
		is_news = touch_session(session, touched, own, now);
		if (touched->is_connected)
			is_news |= touch_way(&record->way, touched);
		touch_idle(hub, session, touched->idle_ms, now);
	}
	if (is_news) {
		tun_route(hub->tun, session);
		hub_put(hub, record);
	}
	if (is_news || monotime_reached(now, monotime_add_ms(record->told_at, HUB_TELL_MS))) {
		record->told_at = now;
		sessiondb_changed(hub->db, record, hub->engine->fsm.term);
	}
}

void hub_session_touch(struct vpnhub *hub, unsigned instance,
		       const Asafo__Ipc__VpnSessionTouch *message)
{
	if (!engine_is_active(hub->engine))
		return;
	for (size_t i = 0; i < message->n_touched; i++)
		touch_one(hub, instance + 1, message->touched[i]);
	hub_flush(hub);
	hub_pump(hub);
}

void hub_end_because(struct vpnhub *hub, struct session_record *record, enum vpn_end reason,
		     const char *why)
{
	bool was_live = record->end == VPN_END_NONE;

	if (was_live)
		tun_unroute(hub->tun, &record->session);
	/* Also one that was idle, which the mate could bring back to life. */
	sessiondb_end(hub->db, record, reason, hub->engine->fsm.term, monotime_now());
	if (!was_live)
		return;
	hub->figures.ended[reason]++;
	hub_ended_say(hub, record, why);
	hub_gone(hub, record);
}

void hub_end(struct vpnhub *hub, struct session_record *record, enum vpn_end reason)
{
	hub_end_because(hub, record, reason, "");
}

/*
 * Also on a unit that is not active, or no longer: the end is the user's will, and a tombstone wins
 * on whichever unit it was made.
 */
void hub_session_end(struct vpnhub *hub, struct ipc_channel *channel, uint32_t request,
		     const Asafo__Ipc__VpnSessionEnd *message)
{
	struct session_record *record = NULL;
	uint8_t hash[VPN_HASH_SIZE];

	if (vpn_hash_from(&message->cookie_hash, hash) == 0)
		record = sessiondb_find(hub->db, hash);
	if (!record) {
		hub_answer(channel, request, true, ERR_NOT_FOUND, "", NULL);
		return;
	}
	hub_end(hub, record, vpn_end_from(message->reason));
	hub_flush(hub);
	if (!hub_wait_for_mate(hub, channel, request, true, record))
		hub_answer(channel, request, true, 0, "", NULL);
	hub_pump(hub);
	hub_answer_waiters(hub, false);
}
