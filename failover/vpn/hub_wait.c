/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for the mate: a login is answered, and a logout is, when the mate has the news, or was
 * waited for long enough. A client must not hold a cookie that a takeover would not know, nor a
 * person be told of an end that a takeover would undo.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/vpn/hub_internal.h"

static void answer_new(struct ipc_channel *channel, uint32_t request, int code, const char *why,
		       const struct session_record *record)
{
	Asafo__Ipc__VpnSessionNewReply reply = ASAFO__IPC__VPN_SESSION_NEW_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	struct vpn_session_message message;

	status.code = code;
	status.why = (char *)(uintptr_t)why;
	reply.status = &status;
	if (record && vpn_session_fill_tagged(&record->session, monotime_now(), &message) == 0)
		reply.session = &message.message;
	(void)ipc_channel_reply(channel, IPC_VPN_SESSION_NEW, request, false, &reply.base);
}

static void answer_end(struct ipc_channel *channel, uint32_t request, int code)
{
	Asafo__Ipc__StatusReply reply = ASAFO__IPC__STATUS_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;

	status.code = code;
	status.why = (char *)(uintptr_t)(code ? err_text(code) : "");
	reply.status = &status;
	(void)ipc_channel_reply(channel, IPC_VPN_SESSION_END, request, false, &reply.base);
}

void hub_answer(struct ipc_channel *channel, uint32_t request, bool is_end, int code,
		const char *why, const struct session_record *record)
{
	if (is_end)
		answer_end(channel, request, code);
	else
		answer_new(channel, request, code, why, record);
}

static void note_late(const struct hub_waiter *waiter, const struct session_record *record)
{
	log_line(LOG_WARNING,
		 "VPN session %u: the mate did not acknowledge %s within %u ms; a failover now "
		 "would %s",
		 record->session.id, waiter->is_end ? "its end" : "it", HUB_WAIT_MS,
		 waiter->is_end ? "let it go on until the units meet"
				: "ask its user to log in again");
}

/* True: WAITER need not wait any longer. */
static bool is_served(struct vpnhub *hub, struct hub_waiter *waiter, struct monotime now)
{
	const struct session_record *record = sessiondb_find(hub->db, waiter->hash);

	if (!record || (record->end != VPN_END_NONE && !waiter->is_end))
		return true;
	if (waiter->seq == 0 && !record->is_dirty)
		waiter->seq = record->sent_seq;
	if (!record->is_dirty && record->sent_seq == 0)
		return true; /* the mate said it */
	if (record->is_refused) {
		hub->figures.alone += !waiter->is_end; /* what it did not take was logged */
		return true;
	}
	if (waiter->seq > 0 && hub->sender.acked_seq >= waiter->seq)
		return true;
	if (!monotime_reached(now, waiter->deadline))
		return false;
	hub->sender.is_lagging = true;
	hub->figures.alone += !waiter->is_end;
	note_late(waiter, record);
	return true;
}

static void arm_waiters(struct vpnhub *hub)
{
	struct monotime due = MONOTIME_NEVER;

	for (const struct hub_waiter *waiter = hub->waiters; waiter; waiter = waiter->next)
		due = monotime_min(due, waiter->deadline);
	(void)sd_event_source_set_time(hub->wait_timeout, due.ns / 1000 + 1);
	(void)sd_event_source_set_enabled(hub->wait_timeout,
					  hub->waiters ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void waiter_answer(const struct vpnhub *hub, const struct hub_waiter *waiter)
{
	const struct session_record *record = sessiondb_find(hub->db, waiter->hash);
	bool is_live = record && record->end == VPN_END_NONE;

	if (waiter->is_end || is_live)
		hub_answer(waiter->channel, waiter->request, waiter->is_end, 0, "", record);
	else
		hub_answer(waiter->channel, waiter->request, false, ERR_NOT_FOUND,
			   "the session was ended", NULL);
}

void hub_answer_waiters(struct vpnhub *hub, bool is_all)
{
	struct hub_waiter **at = &hub->waiters;
	struct monotime now = monotime_now();

	while (*at) {
		struct hub_waiter *waiter = *at;

		if (!is_served(hub, waiter, now)) {
			if (!is_all) {
				at = &waiter->next;
				continue;
			}
			hub->figures.alone += !waiter->is_end;
		}
		*at = waiter->next;
		waiter_answer(hub, waiter);
		free(waiter);
	}
	arm_waiters(hub);
}

void hub_refused(struct vpnhub *hub, const uint8_t hash[static VPN_HASH_SIZE], uint64_t seq)
{
	struct session_record *record = sessiondb_find(hub->db, hash);

	/* Where it was told again since then, or will be, that is what counts. */
	if (record && !record->is_dirty && record->sent_seq == seq)
		record->is_refused = true;
	for (struct hub_waiter *waiter = hub->waiters; waiter; waiter = waiter->next) {
		if (memcmp(waiter->hash, hash, VPN_HASH_SIZE) == 0)
			waiter->seq = 0;
	}
}

void hub_drop_waiters(struct vpnhub *hub, const struct ipc_channel *channel)
{
	struct hub_waiter **at = &hub->waiters;

	while (*at) {
		struct hub_waiter *waiter = *at;
		struct session_record *record;

		if (waiter->channel != channel) {
			at = &waiter->next;
			continue;
		}
		*at = waiter->next;
		record = waiter->is_end ? NULL : sessiondb_find(hub->db, waiter->hash);
		if (record)
			hub_end(hub, record, VPN_END_LOGOUT);
		free(waiter);
	}
	hub_flush(hub);
	arm_waiters(hub);
}

bool hub_wait_for_mate(struct vpnhub *hub, struct ipc_channel *channel, uint32_t request,
		       bool is_end, const struct session_record *record)
{
	struct hub_waiter *waiter;

	if (!hub_can_tell(hub) || hub->sender.is_lagging)
		return false;
	waiter = calloc(1, sizeof(*waiter));
	if (!waiter)
		return false;
	waiter->channel = channel;
	waiter->is_end = is_end;
	waiter->request = request;
	waiter->deadline = monotime_add_ms(monotime_now(), HUB_WAIT_MS);
	memcpy(waiter->hash, record->session.hash, VPN_HASH_SIZE);
	waiter->next = hub->waiters;
	hub->waiters = waiter;
	arm_waiters(hub);
	return true;
}
