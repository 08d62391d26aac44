/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logical updates: what changed here goes to the mate, in order, a few updates ahead of its
 * acknowledgements. When the link comes up each unit tells all that it has; what both had is old
 * news to both. A record that changed again before it was told is told once.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/replication/replication.h"
#include "failover/vpn/hub_internal.h"
#include "failover/vpn/hub_wire.h"

bool hub_can_tell(const struct vpnhub *hub)
{
	const struct link *link = hub->engine->pair.link;

	return link && link_is_up(link) && link_mate_version(link) >= LINK_VERSION_SESSIONS;
}

bool vpnhub_is_mate_older(const struct vpnhub *hub)
{
	const struct link *link = hub->engine->pair.link;

	return link && link_is_up(link) && link_mate_version(link) < LINK_VERSION_SESSIONS;
}

/* ---- sending ---- */

/* The next update's records stay where they are until the link has taken it. */
static int send_update(struct vpnhub *hub)
{
	struct hub_wire_record messages[HUB_UPDATE_RECORDS];
	Asafo__Wire__SessionRecord *pointers[HUB_UPDATE_RECORDS];
	struct session_record *records[HUB_UPDATE_RECORDS];
	Asafo__Wire__SessionUpdate update = ASAFO__WIRE__SESSION_UPDATE__INIT;
	struct session_record *record = sessiondb_dirty(hub->db);
	struct monotime now = monotime_now();
	int r;

	for (; record && update.n_records < HUB_UPDATE_RECORDS; record = record->dirty_behind) {
		size_t i = update.n_records++;

		hub_wire_fill(record, now, &messages[i]);
		pointers[i] = &messages[i].message;
		records[i] = record;
	}
	update.records = pointers;
	update.seq = hub->sender.told_seq + 1;
	update.is_whole = !record && hub->sender.is_whole_due;
	r = replication_post(hub->engine->replication, ASAFO__WIRE__LINK__BODY_SESSION_UPDATE,
			     &update);
	if (r < 0)
		return r;
	hub->sender.told_seq++;
	hub->sender.is_whole_due = hub->sender.is_whole_due && record;
	hub->figures.updates_sent++;
	for (size_t i = 0; i < update.n_records; i++) {
		records[i]->told_at = now;
		sessiondb_told(hub->db, records[i], update.seq);
	}
	return 0;
}

void hub_pump(struct vpnhub *hub)
{
	int r = 0;

	if (!hub_can_tell(hub))
		return;
	while (r == 0 && (sessiondb_dirty(hub->db) || hub->sender.is_whole_due) &&
	       hub->sender.told_seq - hub->sender.acked_seq < HUB_UPDATES_AHEAD)
		r = send_update(hub);
	if (r < 0 && r != ERR_BUSY && r != ERR_CLOSED)
		log_line(LOG_ERR, "VPN sessions: an update was not sent to the mate: %s",
			 err_text(r));
}

static void on_refused(struct vpnhub *hub, const Asafo__Wire__SessionAck *ack)
{
	for (size_t i = 0; i < ack->n_not_taken; i++) {
		if (ack->not_taken[i].len == VPN_HASH_SIZE)
			hub_refused(hub, ack->not_taken[i].data, ack->seq);
	}
	if (ack->n_not_taken == 0 || hub->sender.has_refused)
		return;
	hub->sender.has_refused = true;
	hub->sender.tell_again_at = monotime_add_ms(monotime_now(), HUB_AGAIN_MS);
	log_line(LOG_WARNING,
		 "VPN sessions: the mate did not take %zu of an update; a failover now would ask "
		 "their users to log in again; the mate is told again in %u s",
		 ack->n_not_taken, HUB_AGAIN_MS / 1000);
}

static void on_ack(struct vpnhub *hub, const Asafo__Wire__SessionAck *ack)
{
	if (ack->seq > hub->sender.told_seq || ack->seq < hub->sender.acked_seq)
		return;
	on_refused(hub, ack);
	hub->sender.acked_seq = ack->seq;
	hub->sender.is_lagging = false;
	hub_answer_waiters(hub, false);
	hub_pump(hub);
}

void hub_retell(struct vpnhub *hub)
{
	if (!hub->sender.has_refused ||
	    !monotime_reached(monotime_now(), hub->sender.tell_again_at))
		return;
	hub->sender.has_refused = false;
	sessiondb_tell_refused(hub->db);
}

/* ---- receiving ---- */

/* Both units find out; one says so. */
static void note_clash(struct vpnhub *hub, const struct session_record *record)
{
	hub->figures.ended[VPN_END_CLASH]++;
	if (engine_is_active(hub->engine))
		hub_ended_say(hub, record, "");
}

/* False: it is not in the table. */
static bool take_record(struct vpnhub *hub, const Asafo__Wire__SessionRecord *message,
			struct monotime now)
{
	struct session_record update;
	struct session_outcome outcome;
	struct vpn_session before = {0};
	const struct session_record *known;
	bool was_live = false;
	int r = hub_wire_read(message, now, &update);

	if (r == 0) {
		known = sessiondb_find(hub->db, update.session.hash);
		if (known) {
			before = known->session;
			was_live = known->end == VPN_END_NONE;
		}
		r = sessiondb_merge(hub->db, &update, now, &outcome);
	}
	if (r < 0) {
		hub->figures.not_taken++;
		return false;
	}
	for (size_t i = 0; i < outcome.n_clashed; i++) {
		tun_unroute(hub->tun, &outcome.clashed[i]->session);
		note_clash(hub, outcome.clashed[i]);
		hub_gone(hub, outcome.clashed[i]);
	}
	if (!outcome.is_changed)
		return true;
	/* By the mate's verdict here, or by this unit's there. */
	if (outcome.record->end == VPN_END_CLASH && (was_live || update.end == VPN_END_NONE))
		note_clash(hub, outcome.record);
	if (outcome.record->end != VPN_END_NONE)
		tun_unroute(hub->tun, &before);
	hub_tell(hub, outcome.record);
	return true;
}

static void on_update(struct vpnhub *hub, const Asafo__Wire__SessionUpdate *update)
{
	Asafo__Wire__SessionAck ack = ASAFO__WIRE__SESSION_ACK__INIT;
	ProtobufCBinaryData not_taken[HUB_UPDATE_RECORDS];
	struct monotime now = monotime_now();

	/* No unit sends more of them. */
	ack.not_taken = not_taken;
	for (size_t i = 0; i < update->n_records; i++) {
		const Asafo__Wire__SessionRecord *record = update->records[i];

		if (!take_record(hub, record, now) && ack.n_not_taken < ARRAY_SIZE(not_taken) &&
		    record->cookie_hash.len == VPN_HASH_SIZE)
			not_taken[ack.n_not_taken++] = record->cookie_hash;
	}
	hub->figures.updates_received++;
	ack.seq = update->seq;
	/* Where the queue is full the link is closed soon, and everything is told again. */
	(void)replication_post(hub->engine->replication, ASAFO__WIRE__LINK__BODY_SESSION_ACK, &ack);
	if (update->is_whole) {
		hub->figures.wholes++;
		hub_set_complete(hub, true);
	}
	hub_flush(hub);
	hub_answer_waiters(hub, false);
	hub_pump(hub);
}

bool vpnhub_link_message(struct vpnhub *hub, const Asafo__Wire__Link *message)
{
	if (message->body_case == ASAFO__WIRE__LINK__BODY_SESSION_UPDATE)
		on_update(hub, message->session_update);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_SESSION_ACK)
		on_ack(hub, message->session_ack);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_LOGIN_GUESSES)
		hub_guesses_take(hub, message->login_guesses);
	else
		return false;
	return true;
}

/* ---- the link ---- */

void vpnhub_link_up(struct vpnhub *hub)
{
	hub->sender = (struct hub_sender){.is_whole_due = true};
	hub->link_down_at = MONOTIME_NEVER;
	if (!hub_can_tell(hub)) {
		/* A mate that knows no sessions has none. */
		hub_set_complete(hub, true);
		return;
	}
	hub->wants_guesses = true;
	hub_guesses_want(hub);
	sessiondb_tell_all(hub->db);
	hub_pump(hub);
}

void vpnhub_link_down(struct vpnhub *hub)
{
	if (hub->link_down_at.ns == MONOTIME_NEVER.ns)
		hub->link_down_at = monotime_now();
	hub_answer_waiters(hub, true);
}

void vpnhub_link_writable(struct vpnhub *hub)
{
	hub_pump(hub);
}

/* ---- is the table complete? ---- */

static bool is_mate_active(const struct vpnhub *hub)
{
	const struct engine *engine = hub->engine;

	return engine_hears_mate(engine) && fo_state_is_active(engine->mate.view.state);
}

void hub_judge(struct vpnhub *hub)
{
	const struct engine *engine = hub->engine;
	struct monotime now = monotime_now();
	bool is_active = engine_is_active(engine);

	if (!engine->config->failover.is_enabled) {
		hub_set_complete(hub, true);
		return;
	}
	if (hub_can_tell(hub) || vpnhub_is_mate_older(hub))
		return; /* the whole table came, or comes */
	if (!is_active && is_mate_active(hub) &&
	    monotime_reached(now, monotime_add_ms(hub->link_down_at, HUB_STALE_MS)))
		hub_set_complete(hub, false);
	if (is_active && !hub->is_complete && !engine_hears_mate(engine) &&
	    monotime_reached(now, monotime_add_ms(hub->active_since, HUB_ALONE_MS)))
		hub_set_complete(hub, true);
}
