/* SPDX-License-Identifier: Apache-2.0 */
/* `show vpn-sessiondb` and `vpn-sessiondb logoff`. */
#include <arpa/inet.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/methods/handlers.h"
#include "failover/vpn/hub.h"
#include "failover/vpn/sessiondb.h"

#define PAGE 1000 /* sessions of one answer */

static void add_leased(struct json_object *object, const char *key,
		       const struct vpn_address *address)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (address->size == 0)
		return;
	(void)inet_ntop(address->size == 4 ? AF_INET : AF_INET6, address->bytes, text,
			sizeof(text));
	json_add_text(object, key, text);
}

/* Seconds until END, or nothing. */
static void add_left(struct json_object *object, const char *key, struct monotime end,
		     struct monotime now)
{
	if (end.ns != MONOTIME_NEVER.ns)
		json_add_number(object, key,
				(int64_t)(monotime_since(end, now) / MONOTIME_NS_PER_SEC));
}

/* The ASA's words for the way of the packets. A TLS connection there is in any case. */
static const char *tunnel_of(const struct session_figures *figures)
{
	return strncmp(figures->protocol, "DTLS", 4) == 0 ? "DTLS-Tunnel" : "SSL-Tunnel";
}

static struct json_object *json_session(const struct session_record *record, struct monotime now)
{
	const struct vpn_session *session = &record->session;
	const struct session_figures *figures = &record->figures;
	struct json_object *object = json_object_new_object();
	int64_t age_s = (int64_t)(monotime_since(now, session->created_at) / MONOTIME_NS_PER_SEC);

	json_add_number(object, "index", session->id);
	json_add_text(object, "username", session->user);
	json_add_text(object, "tunnel_group", session->group);
	json_add_text(object, "group_policy", session->policy);
	add_leased(object, "assigned_ip", &session->v4);
	add_leased(object, "assigned_ipv6", &session->v6);
	add_leased(object, "public_ip", &session->client);
	json_add_text(object, "protocol", figures->protocol);
	if (session->is_connected)
		json_add_text(object, "tunnel", tunnel_of(figures));
	json_add_flag(object, "connected", session->is_connected);
	json_add_number(object, "bytes_tx", (int64_t)figures->sent);
	json_add_number(object, "bytes_rx", (int64_t)figures->received);
	json_add_number(object, "packets_tx", (int64_t)figures->packets_sent);
	json_add_number(object, "packets_rx", (int64_t)figures->packets_received);
	json_add_number(object, "dropped", (int64_t)figures->dropped);
	json_add_number(object, "login_at", (int64_t)time(NULL) - age_s);
	json_add_number(object, "duration_s", age_s);
	add_left(object, "left_s", session->ends_at, now);
	add_left(object, "idle_left_s", session->idle_ends_at, now);
	return object;
}

/* A page of the sessions behind index AFTER in the order of the table. */
static void add_sessions(struct json_object *result, const struct sessiondb *db, int64_t after)
{
	struct json_object *array = json_object_new_array();
	const struct session_record *record = NULL;
	struct monotime now = monotime_now();
	bool is_behind = after == 0;
	int64_t last = 0;

	while ((record = sessiondb_next(db, record))) {
		if (!is_behind) {
			is_behind = record->session.id == after;
			continue;
		}
		if (record->end != VPN_END_NONE)
			continue;
		if (json_object_array_length(array) == PAGE) {
			json_add_number(result, "next", last);
			break;
		}
		(void)json_object_array_add(array, json_session(record, now));
		last = record->session.id;
	}
	(void)json_object_object_add(result, "sessions", array);
}

static void add_ended(struct json_object *result, const struct vpnhub_figures *figures)
{
	struct json_object *object = json_object_new_object();

	for (enum vpn_end reason = VPN_END_LOGOUT; reason < VPN_END__MAX; reason++) {
		if (reason == VPN_END_DROPPED)
			continue;
		json_add_number(object, vpn_end_text(reason), (int64_t)figures->ended[reason]);
	}
	(void)json_object_object_add(result, "ended", object);
}

void method_show_vpn_sessions(struct control_call *call, struct json_object *parameters,
			      void *userdata)
{
	const struct engine *engine = userdata;
	const struct vpnhub_figures *figures = vpnhub_figures(engine->vpnhub);
	const struct sessiondb *db = vpnhub_sessions(engine->vpnhub);
	struct json_object *result = json_object_new_object();
	const struct session_record *record = NULL;
	int64_t connected = 0;

	while ((record = sessiondb_next(db, record)))
		connected += record->end == VPN_END_NONE && record->session.is_connected;
	json_add_flag(result, "enabled", engine->config->vpn.is_enabled);
	json_add_number(result, "active", connected);
	json_add_number(result, "inactive", (int64_t)sessiondb_count(db) - connected);
	json_add_number(result, "capacity", VPN_SESSIONS_MAX);
	json_add_number(result, "made", (int64_t)figures->made);
	json_add_number(result, "refused", (int64_t)figures->refused);
	json_add_number(result, "unproved", (int64_t)figures->unproved);
	add_ended(result, figures);
	json_add_flag(result, "complete", vpnhub_is_complete(engine->vpnhub));
	json_add_flag(result, "on_mate", vpnhub_is_level(engine->vpnhub));
	json_add_flag(result, "mate_is_older", vpnhub_is_mate_older(engine->vpnhub));
	json_add_number(result, "made_alone", (int64_t)figures->alone);
	json_add_number(result, "tombstones", (int64_t)sessiondb_tombstones(db));
	add_sessions(result, db, parameter_number(parameters, "after", 0));
	(void)json_object_object_add(result, "clock", json_clock(engine));
	control_call_reply(call, result);
}

/* Who is logged off. */
struct wanted {
	const char *user; /* empty: by index */
	int64_t index;	  /* 0: everybody */
};

static bool is_wanted(const struct session_record *record, const void *userdata)
{
	const struct wanted *wanted = userdata;

	if (wanted->user[0])
		return strcmp(record->session.user, wanted->user) == 0;
	return wanted->index == 0 || record->session.id == wanted->index;
}

void method_vpn_logoff(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	struct wanted wanted = {parameter_text(parameters, "user"),
				parameter_number(parameters, "index", 0)};
	struct json_object *result;
	int n;

	if (!require_active(engine, call))
		return;
	if (!wanted.user[0] && wanted.index == 0 && !parameter_flag(parameters, "all")) {
		control_call_fail(call, ERR_SYNTAX, "say whom to log off: user, index, or all");
		return;
	}
	n = vpnhub_logoff(engine->vpnhub, is_wanted, &wanted);
	if (n == 0 && !parameter_flag(parameters, "all")) {
		control_call_fail(call, ERR_NOT_FOUND,
				  "there is no such VPN session: see `asafo show vpn-sessiondb "
				  "anyconnect`");
		return;
	}
	log_line(LOG_NOTICE, "%d VPN sessions logged off by %s", n, control_call_peer(call));
	result = json_object_new_object();
	json_add_number(result, "ended", n);
	control_call_reply(call, result);
}
