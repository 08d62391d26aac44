/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table as fronts get it: in messages of at most VPN_BATCH sessions, to all fronts alike. They
 * get tags (ipc/vpn.h), since a front that was taken over could otherwise claim or end each
 * session.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/vpn/hub_internal.h"

struct hub_batch {
	struct vpn_session_message puts[VPN_BATCH];
	Asafo__Ipc__VpnSession *put_pointers[VPN_BATCH];
	struct vpn_session sessions[VPN_BATCH]; /* what the messages point to */
	size_t n_puts;
	Asafo__Ipc__VpnGone gone[VPN_BATCH];
	Asafo__Ipc__VpnGone *gone_pointers[VPN_BATCH];
	uint8_t tags[VPN_BATCH][VPN_HASH_SIZE];
	size_t n_gone;
};

int hub_batch_new(struct hub_batch **ret_batch)
{
	struct hub_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return -ENOMEM;
	for (size_t i = 0; i < VPN_BATCH; i++) {
		batch->put_pointers[i] = &batch->puts[i].message;
		batch->gone_pointers[i] = &batch->gone[i];
	}
	*ret_batch = batch;
	return 0;
}

/* False: the front did not get it, and believes that it has everything no more. */
static bool send_one(struct vpnhub *hub, unsigned instance, const Asafo__Ipc__VpnTable *message)
{
	struct ipc_channel *front = hub->engine->rooms.fronts[instance];
	Asafo__Ipc__VpnTable own = *message;
	int r;

	own.is_complete = message->is_complete && !hub->copies[instance].is_due;
	r = front ? ipc_channel_send(front, IPC_VPN_TABLE, &own.base, NULL, 0) : 0;
	if (r == 0)
		return true;
	if (r == ERR_CLOSED)
		return false;
	if (!hub->copies[instance].is_due)
		log_line(LOG_ERR,
			 "front %u: VPN sessions were not sent: %s; it gets the whole table later",
			 instance, err_text(r));
	hub->copies[instance].is_due = true;
	return false;
}

static void batch_message(struct vpnhub *hub, Asafo__Ipc__VpnTable *ret_message)
{
	struct hub_batch *batch = hub->batch;

	asafo__ipc__vpn_table__init(ret_message);
	ret_message->put = batch->put_pointers;
	ret_message->n_put = batch->n_puts;
	ret_message->gone = batch->gone_pointers;
	ret_message->n_gone = batch->n_gone;
	ret_message->is_complete = hub->is_complete;
}

void hub_flush(struct vpnhub *hub)
{
	Asafo__Ipc__VpnTable message;

	batch_message(hub, &message);
	for (unsigned i = 0; i < ENGINE_FRONTS_MAX; i++)
		(void)send_one(hub, i, &message);
	hub->batch->n_puts = hub->batch->n_gone = 0;
}

/* Something cannot be told: no front has everything before it got a whole table. */
static void lose_one(struct vpnhub *hub)
{
	log_line(LOG_ERR,
		 "VPN sessions were not sent to the fronts: %s; they get the whole table "
		 "later",
		 err_text(ERR_CRYPTO));
	for (unsigned i = 0; i < ENGINE_FRONTS_MAX; i++)
		hub->copies[i].is_due = true;
}

static void add_put(struct vpnhub *hub, const struct vpn_session *session)
{
	struct hub_batch *batch = hub->batch;
	size_t i = batch->n_puts;

	batch->sessions[i] = *session;
	if (vpn_session_fill_tagged(&batch->sessions[i], monotime_now(), &batch->puts[i]) == 0)
		batch->n_puts++;
	else
		lose_one(hub);
}

void hub_put(struct vpnhub *hub, const struct session_record *record)
{
	/* What was collected as gone comes first in a message: one that changed its mind must wait
	 * for the next. */
	if (hub->batch->n_puts == VPN_BATCH || hub->batch->n_gone > 0)
		hub_flush(hub);
	add_put(hub, &record->session);
}

void hub_gone(struct vpnhub *hub, const struct session_record *record)
{
	struct hub_batch *batch = hub->batch;
	Asafo__Ipc__VpnGone *gone;

	if (batch->n_gone == VPN_BATCH || batch->n_puts > 0)
		hub_flush(hub);
	if (vpn_tag(record->session.hash, batch->tags[batch->n_gone]) < 0) {
		lose_one(hub);
		return;
	}
	gone = &batch->gone[batch->n_gone];
	asafo__ipc__vpn_gone__init(gone);
	gone->tag = (ProtobufCBinaryData){VPN_HASH_SIZE, batch->tags[batch->n_gone]};
	gone->id = record->session.id;
	gone->reason = record->end;
	batch->n_gone++;
}

void hub_tell(struct vpnhub *hub, const struct session_record *record)
{
	if (record->end == VPN_END_NONE)
		hub_put(hub, record);
	else
		hub_gone(hub, record);
}

void hub_send_table(struct vpnhub *hub, unsigned instance)
{
	struct session_record *record = NULL;
	Asafo__Ipc__VpnTable message;
	bool is_first = true, is_sent;

	hub_flush(hub);
	hub->copies[instance].is_due = false;
	do {
		while (hub->batch->n_puts < VPN_BATCH &&
		       (record = sessiondb_next(hub->db, record))) {
			if (record->end == VPN_END_NONE)
				add_put(hub, &record->session);
		}
		batch_message(hub, &message);
		message.is_reset = is_first;
		message.is_complete = hub->is_complete && !record;
		is_sent = send_one(hub, instance, &message);
		hub->batch->n_puts = 0;
		is_first = false;
	} while (record && is_sent);
}

void hub_resync(struct vpnhub *hub)
{
	struct monotime now = monotime_now();

	for (unsigned i = 0; i < ENGINE_FRONTS_MAX; i++) {
		struct hub_copy *copy = &hub->copies[i];

		if (!copy->is_due || !hub->engine->rooms.fronts[i] ||
		    !monotime_reached(now, copy->again_at))
			continue;
		copy->again_at = monotime_add_ms(now, HUB_RESYNC_MS);
		hub_send_table(hub, i);
	}
}

void hub_set_complete(struct vpnhub *hub, bool is_complete)
{
	if (hub->is_complete == is_complete)
		return;
	hub->is_complete = is_complete;
	log_line(LOG_INFO, is_complete ? "VPN sessions: the table is complete"
				       : "VPN sessions: the mate may have some that are not here");
	hub_flush(hub);
}
