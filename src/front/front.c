/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joins the parts: one dispatch function for the engine's messages, one list of connections.
 * Configuration is applied as a difference, so that what did not change is not touched; a report
 * goes out after each change, once a turn of the loop, and every second.
 */
#include "front/front.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/session/connect.h"
#include "front/desk/desk.h"
#include "front/gate.h"
#include "front/session/eviction.h"
#include "front/listeners.h"
#include "front/net/waiting.h"
#include "front/report.h"
#include "front/selftest.h"
#include "front/tls/served_log.h"
#include "front/http/site.h"
#include "front/unit_status.h"
#include "front/tunnel/vpn.h"

#define REPORT_USEC UINT64_C(1000000)

const struct front_limits front_limits_default = {
	.session = {.handshake_ms = 10000,
		    .head_ms = 10000,
		    .idle_ms = 30000,
		    .body_ms = 10000,
		    .answer_ms = 20000,
		    .response_ms = 30000,
		    .close_ms = 1000},
	.tunnels = {.role_ms = 3000, .hold_ms = 5000, .end_ms = 2000, .news_ms = 5000},
	.connections = 10000,
	.handshakes = 100,
	.waiting = {.places = 4096, .wait_ms = 10000},
};

struct counters {
	uint64_t handshakes, resumptions, handshake_failures;
	unsigned connections;
};

struct front {
	sd_event *event;
	const struct front_limits *limits;
	const struct front_ops *ops;
	void *userdata;
	struct ipc_channel *engine;
	struct trustcache *cache;
	struct tls *tls;
	struct sources *sources;
	struct waiting *waiting;
	struct listeners *listeners;
	struct snapshot *snapshot;
	struct selftest *selftest;
	struct vpn *vpn;
	struct tunnels *tunnels;
	struct connects *connects;
	struct desk *desk;
	struct unit_status unit;
	struct session *newest, *oldest;
	struct counters counters;
	sd_event_source *report_soon, *report_tick;
	struct gate *gate;
	bool is_starved_noted;
	struct buf served_before; /* packed: what the log has been told */
	char policy[PAGE_POLICY_MAX];
};

__attribute__((format(printf, 3, 4))) static void note(const struct front *front, int priority,
						       const char *format, ...)
{
	char text[700];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	front->ops->on_note(priority, text, front->userdata);
}

static void on_line(int priority, const char *text, void *userdata)
{
	note(userdata, priority, "%s", text);
}

static void report_request(void *userdata)
{
	const struct front *front = userdata;

	(void)sd_event_source_set_enabled(front->report_soon, SD_EVENT_ONESHOT);
}

/* ---- when connections are taken ---- */

static void on_gate(bool is_paused, void *userdata)
{
	const struct front *front = userdata;

	listeners_pause(front->listeners, is_paused);
	waiting_pause(front->waiting, is_paused);
}

static void gate_look(struct front *front)
{
	gate_update(front->gate, front->counters.connections >= front->limits->connections,
		    trustcache_is_loading(front->cache));
}

/* ---- connections ---- */

static void session_link(struct front *front, struct session *session)
{
	session_place(session)->next = front->newest;
	if (front->newest)
		session_place(front->newest)->previous = session;
	else
		front->oldest = session;
	front->newest = session;
	front->counters.connections++;
}

/* Its handshake is over, or never will be: the next one of its address may begin. */
static void handshake_uncount(struct front *front, struct session_place *place)
{
	if (!place->is_counted)
		return;
	place->is_counted = false;
	sources_remove(front->sources, &place->source);
	waiting_wake(front->waiting);
}

static void session_drop(struct front *front, struct session *session)
{
	struct session_place *place = session_place(session);

	connects_forget(front->connects, session);
	desk_forget(session);
	handshake_uncount(front, place);
	if (place->previous)
		session_place(place->previous)->next = place->next;
	else
		front->newest = place->next;
	if (place->next)
		session_place(place->next)->previous = place->previous;
	else
		front->oldest = place->previous;
	front->counters.connections--;
	session_free(session);
}

static void on_handshake(struct session *session, bool is_good, void *userdata)
{
	struct front *front = userdata;

	handshake_uncount(front, session_place(session));
	front->counters.resumptions += is_good && session_is_resumed(session);
	front->counters.handshakes += is_good;
	front->counters.handshake_failures += !is_good;
}

static void on_end(struct session *session, void *userdata)
{
	struct front *front = userdata;
	bool was_full = front->counters.connections >= front->limits->connections;

	session_drop(front, session);
	if (was_full || gate_is_starved(front->gate)) {
		gate_relieve(front->gate);
		gate_look(front);
	}
}

static struct credential *on_select(const char *interface, const struct client_hello *hello,
				    uint16_t suites, void *userdata)
{
	const struct front *front = userdata;
	struct serving_client client = {interface, hello->server_name, hello, suites, time(NULL)};
	struct serving serving = {.credential = NULL};

	if (front->snapshot)
		serving_resolve(front->snapshot, front->cache, &client, &serving);
	return serving.credential;
}

static struct site_context context_of(const struct front *front, const struct session *session,
				      bool is_last)
{
	const struct credential *credential = session_credential(session);

	return (struct site_context){
		.unit = &front->unit,
		.policy = front->policy,
		.is_fallback = credential && credential_is_fallback(credential),
		.is_last = is_last,
		.now = time(NULL),
	};
}

static int on_answer(const struct session *session, const struct http_head *head, unsigned status,
		     bool is_last, struct buf *ret_bytes, void *userdata)
{
	const struct front *front = userdata;
	struct site_context context = context_of(front, session, is_last);
	int r;

	if (!head)
		return site_refuse(&context, status, ret_bytes);
	r = desk_get(front->desk, session, &context, head, ret_bytes);
	return r == ERR_NOT_FOUND ? site_answer(&context, head, ret_bytes) : r;
}

static size_t on_body_max(const struct session *session, const struct http_head *head,
			  void *userdata)
{
	const struct front *front = userdata;

	(void)session;
	/* A CONNECT has no body; what is wanted is to be asked. */
	return connect_is_request(head) ? 1 : desk_body_max(front->desk, head, &front->unit);
}

static int on_ask(struct session *session, const struct http_head *head, const struct buf *body,
		  bool is_last, struct buf *ret_bytes, void *userdata)
{
	struct front *front = userdata;
	struct site_context context = context_of(front, session, is_last);

	if (connect_is_request(head))
		return connects_ask(front->connects, session, head, front->unit.hostname,
				    ret_bytes);
	return desk_ask(front->desk, session, &context, head, body, ret_bytes);
}

static void on_forget(struct session *session, void *userdata)
{
	struct front *front = userdata;

	connects_forget(front->connects, session);
	desk_forget(session);
}

static const struct session_ops session_ops = {
	.select = on_select,
	.answer = on_answer,
	.body_max = on_body_max,
	.ask = on_ask,
	.forget = on_forget,
	.on_handshake = on_handshake,
	.on_end = on_end,
};

/* Places are running out. */
static void evict(struct front *front)
{
	struct session *session = eviction_pick(front->oldest);

	if (!session)
		return;
	session_say_bye(session);
	session_drop(front, session);
}

/* FD is counted as a handshake of SOURCE. */
static void session_start(const char *interface, int fd, const struct source_key *source,
			  void *userdata)
{
	struct front *front = userdata;
	struct session *session = NULL;

	if (session_new(tunnels_poller(front->tunnels), fd, front->tls,
			front->snapshot->is_tls13_only, interface, &front->limits->session,
			&session_ops, front, &session) < 0) {
		sources_remove(front->sources, source);
		return;
	}
	session_place(session)->source = *source;
	session_place(session)->is_counted = true;
	session_link(front, session);
	if (front->counters.connections >= front->limits->connections) {
		evict(front);
		gate_look(front);
	}
	/* Never the one that was evicted: that is not the newest. */
	session_begin(session);
}

static void on_accept(const char *interface, int fd, const struct sockaddr_storage *peer,
		      void *userdata)
{
	struct front *front = userdata;
	struct source_key source = sources_key(peer);

	if (waiting_has(front->waiting, &source) || sources_add(front->sources, &source) < 0)
		waiting_add(front->waiting, interface, fd, &source);
	else
		session_start(interface, fd, &source, front);
}

static void on_starved(int code, void *userdata)
{
	struct front *front = userdata;

	if (!front->is_starved_noted)
		note(front, LOG_WARNING, "a connection could not be taken: %s", err_text(code));
	front->is_starved_noted = true;
	gate_starve(front->gate);
	if (!waiting_shed(front->waiting))
		evict(front);
	gate_look(front);
}

/* ---- the report ---- */

CLEANUP_DEFINE(struct report *, report_free)

static int report_send(struct front *front)
{
	_cleanup_(report_free_p) struct report *report = NULL;
	Asafo__Ipc__FrontReport *message;
	int r;

	/* Half an answer of the keeper would be reported, and logged, as a fallback. */
	if (!front->snapshot ||
	    (trustcache_is_loading(front->cache) && !gate_is_patience_over(front->gate)))
		return 0;
	r = report_new(&report);
	if (r == 0)
		r = listeners_report(front->listeners, report);
	if (r == 0)
		r = report_add_served(report, front->snapshot, front->cache, (int64_t)time(NULL));
	if (r < 0)
		return r;
	message = report_message(report);
	/* Without the times of tests, which are never the same twice. */
	served_log(message, &front->served_before, on_line, front);
	r = selftest_report(front->selftest, report);
	if (r < 0)
		return r;
	message->generation = front->snapshot->generation;
	message->connections = front->counters.connections;
	message->handshakes = front->counters.handshakes;
	message->resumptions = front->counters.resumptions;
	message->handshake_failures = front->counters.handshake_failures;
	return front->engine
		       ? ipc_channel_send(front->engine, IPC_FRONT_REPORT, &message->base, NULL, 0)
		       : 0;
}

static int on_report_soon(sd_event_source *source, void *userdata)
{
	struct front *front = userdata;
	int r = report_send(front);

	(void)source;
	if (r < 0 && r != ERR_CLOSED)
		note(front, LOG_WARNING, "the report to the engine failed: %s", err_text(r));
	return 0;
}

static int on_report_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct front *front = userdata;

	(void)usec;
	front->is_starved_noted = false;
	if (front->snapshot)
		listeners_apply(front->listeners, front->snapshot);
	tunnels_listen(front->tunnels, front->snapshot);
	gate_look(front);
	/* At once: what comes after everything else never comes while clients keep the loop busy,
	 * and a front that says nothing is one that cannot serve. */
	(void)sd_event_source_set_enabled(front->report_soon, SD_EVENT_OFF);
	(void)on_report_soon(front->report_soon, front);
	/* With the sign of life, in one wakeup, after a stop, too; it does not make up for it. */
	(void)sd_event_source_set_time(source,
				       monotime_turn(monotime_now(), REPORT_USEC / 1000).ns / 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void on_certificates(void *userdata)
{
	struct front *front = userdata;

	selftest_restart(front->selftest, front->snapshot);
	gate_look(front);
	report_request(front);
}

/* ---- the engine ---- */

static void config_apply(struct front *front, const Asafo__Ipc__FrontConfig *config)
{
	struct snapshot *snapshot = NULL;
	struct why why = {""};
	int r = snapshot_from_config(config, &snapshot, &why);

	if (r == 0)
		r = tls_set_suites(front->tls, snapshot->suites, snapshot->n_suites);
	if (r == 0)
		r = serving_want(snapshot, front->cache);
	if (r < 0) {
		note(front, LOG_ERR, "the engine's configuration is not taken: %s",
		     why.text[0] ? why.text : err_text(r));
		snapshot_free(snapshot);
		return;
	}
	trustcache_sweep(front->cache);
	snapshot_free(front->snapshot);
	front->snapshot = snapshot;
	selftest_restart(front->selftest, snapshot);
	memcpy(front->unit.hostname, snapshot->hostname, sizeof(front->unit.hostname));
	listeners_apply(front->listeners, snapshot);
	tunnels_listen(front->tunnels, snapshot);
	gate_look(front);
	report_request(front);
}

static void on_engine_request(struct ipc_channel *channel, struct ipc_frame *frame,
			      const ProtobufCMessage *body, void *userdata)
{
	struct front *front = userdata;
	struct why why = {"no memory for a message of the engine's"};

	(void)channel;
	if (frame->type == IPC_FRONT_CONFIG)
		config_apply(userdata, (const Asafo__Ipc__FrontConfig *)body);
	else if (frame->type == IPC_FRONT_ROLE)
		unit_status_take(&front->unit, (const Asafo__Ipc__FrontRole *)body);
	else if (frame->type == IPC_FRONT_TEST)
		selftest_again(front->selftest, ((const Asafo__Ipc__FrontTest *)body)->round);
	else if (vpn_message(front->vpn, frame, body, &why) < 0)
		note(front, LOG_ERR, "%s", why.text);
	tunnels_role(front->tunnels, front->unit.is_active);
	if (frame->type != IPC_VPN_DATAGRAM && frame->type != IPC_FRONT_TEST)
		connects_retry(front->connects);
}

static void on_engine_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct front *front = userdata;

	note(front, LOG_WARNING, "the engine is gone: %s", err_text(code));
	if (front->engine == channel) {
		front->engine = NULL;
		vpn_attach(front->vpn, NULL);
		unit_status_forget(&front->unit);
		tunnels_role(front->tunnels, false);
	}
	ipc_channel_free(channel);
}

int front_peer_set(struct front *front, enum ipc_peer peer, int fd)
{
	static const bool permitted[IPC_TYPE__MAX] = {
		[IPC_FRONT_CONFIG] = true, [IPC_FRONT_ROLE] = true, [IPC_FRONT_TEST] = true,
		[IPC_VPN_CONFIG] = true,   [IPC_VPN_TABLE] = true,  [IPC_VPN_TUN] = true,
		[IPC_VPN_DATAGRAM] = true, [IPC_VPN_TRUST] = true};
	static const struct ipc_channel_ops ops = {permitted, on_engine_request, on_engine_closed};
	int r;

	if (peer == IPC_PEER_KEEPER) {
		r = trustcache_attach(front->cache, front->event, fd);
		gate_look(front);
		return r;
	}
	if (peer == IPC_PEER_AUTH)
		return desk_auth_set(front->desk, fd);
	if (peer != IPC_PEER_ENGINE) {
		(void)close(fd);
		return ERR_DENIED;
	}
	ipc_channel_free(TAKE_PTR(front->engine));
	unit_status_forget(&front->unit);
	tunnels_role(front->tunnels, false);
	r = ipc_channel_new(front->event, fd, &ops, front, &front->engine);
	vpn_attach(front->vpn, front->engine);
	report_request(front);
	return r;
}

/* ---- life ---- */

static int timers_start(struct front *front)
{
	int r = sd_event_add_defer(front->event, &front->report_soon, on_report_soon, front);

	if (r >= 0)
		r = sd_event_source_set_enabled(front->report_soon, SD_EVENT_OFF);
	/* After what arrived in the same turn, so that one report tells of all of it. */
	if (r >= 0)
		r = sd_event_source_set_priority(front->report_soon, SD_EVENT_PRIORITY_NORMAL + 10);
	if (r >= 0)
		r = sd_event_add_time(front->event, &front->report_tick, CLOCK_MONOTONIC,
				      monotime_turn(monotime_now(), REPORT_USEC / 1000).ns / 1000,
				      REPORT_USEC * 9 / 10, on_report_tick, front);
	return r < 0 ? r : 0;
}

int front_new(sd_event *event, unsigned instance, const struct front_limits *limits,
	      const struct front_ops *ops, void *userdata, struct front **ret_front)
{
	static const struct listeners_ops listeners_ops = {on_accept, on_starved};
	static const struct tunnels_ops tunnels_ops = {on_line};
	struct front *front = calloc(1, sizeof(*front));
	int r;

	if (!front)
		return -ENOMEM;
	*front = (struct front){.event = event, .limits = limits, .ops = ops, .userdata = userdata};
	unit_status_forget(&front->unit);
	r = page_policy(front->policy);
	if (r == 0)
		r = vpn_new(&front->vpn);
	if (r == 0)
		r = tls_new(vpn_clientcas(front->vpn), &front->tls);
	if (r == 0)
		r = tunnels_new(event, front->vpn, &limits->tunnels, &tunnels_ops, front,
				&front->tunnels);
	if (r == 0)
		r = connects_new(front->tunnels, &front->connects);
	if (r == 0)
		r = desk_new(event, front->vpn, on_line, front, &front->desk);
	if (r == 0)
		r = sources_new(limits->handshakes, &front->sources);
	if (r == 0)
		r = waiting_new(event, &limits->waiting, front->sources, session_start, front,
				&front->waiting);
	if (r == 0)
		r = trustcache_new(on_certificates, front, &front->cache);
	if (r == 0)
		tls_resume_with(front->tls, trustcache_resumption(front->cache));
	if (r == 0)
		r = selftest_new(event, instance, front->tls, front->cache, report_request, front,
				 &front->selftest);
	if (r == 0)
		r = listeners_new(event, &listeners_ops, front, &front->listeners);
	if (r == 0)
		r = gate_new(event, on_gate, front, &front->gate);
	if (r == 0) {
		listeners_keep_with(front->listeners, ops->on_keep, userdata);
		r = timers_start(front);
	}
	if (r < 0) {
		front_free(front);
		return r;
	}
	*ret_front = front;
	return 0;
}

void front_inherit(struct front *front, const char *endpoint, int fd)
{
	listeners_inherit(front->listeners, endpoint, fd);
}

void front_stop(struct front *front)
{
	listeners_close(front->listeners);
	waiting_clear(front->waiting);
	for (struct session *session = front->newest; session;
	     session = session_place(session)->next)
		session_say_bye(session);
}

void front_free(struct front *front)
{
	if (!front)
		return;
	while (front->newest)
		session_drop(front, front->newest);
	waiting_free(front->waiting);
	listeners_free(front->listeners);
	ipc_channel_free(front->engine);
	connects_free(front->connects);
	tunnels_free(front->tunnels);
	desk_free(front->desk);
	vpn_free(front->vpn);
	front->report_soon = sd_event_source_disable_unref(front->report_soon);
	front->report_tick = sd_event_source_disable_unref(front->report_tick);
	gate_free(front->gate);
	selftest_free(front->selftest);
	trustcache_free(front->cache);
	sources_free(front->sources);
	tls_free(front->tls);
	snapshot_free(front->snapshot);
	buf_done(&front->served_before);
	free(front);
}
