/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record's session has the same checked form as between engine and front, so that it goes through
 * that one's conversion: one set of rules for what a session may be.
 */
#include "failover/vpn/hub_wire.h"

#include <string.h>

#include "base/err.h"

static Asafo__Wire__SessionLease *lease_fill(const Asafo__Ipc__VpnAddress *from,
					     Asafo__Wire__SessionLease *to)
{
	if (!from)
		return NULL;
	asafo__wire__session_lease__init(to);
	to->address = from->address;
	to->prefix = from->prefix;
	return to;
}

static void figures_fill(const struct session_figures *figures, Asafo__Wire__SessionRecord *message)
{
	message->received = figures->received;
	message->sent = figures->sent;
	message->packets_received = figures->packets_received;
	message->packets_sent = figures->packets_sent;
	message->dropped = figures->dropped;
	message->protocol = (char *)(uintptr_t)figures->protocol;
}

void hub_wire_fill(const struct session_record *record, struct monotime now,
		   struct hub_wire_record *ret_message)
{
	Asafo__Wire__SessionRecord *message = &ret_message->message;
	struct vpn_session_message session;

	vpn_session_fill(&record->session, now, &session);
	asafo__wire__session_record__init(message);
	message->cookie_hash = session.message.cookie_hash;
	message->id = session.message.id;
	message->user = session.message.user;
	message->group = session.message.group;
	message->policy = session.message.policy;
	message->v4 = lease_fill(session.message.v4, &ret_message->v4);
	message->v6 = lease_fill(session.message.v6, &ret_message->v6);
	message->client = session.message.client;
	message->age_ms = session.message.age_ms;
	message->left_ms = session.message.left_ms;
	message->idle_left_ms = session.message.idle_left_ms;
	message->is_connected = session.message.is_connected;
	message->born_term = record->born_term;
	message->term = record->term;
	message->revision = record->revision;
	message->end = record->end;
	figures_fill(&record->figures, message);
	message->local.data = (uint8_t *)(uintptr_t)record->way.local.bytes;
	message->local.len = record->way.local.size;
	message->local_port = record->way.local_port;
	message->client_port = record->way.client_port;
}

static Asafo__Ipc__VpnAddress *lease_read(const Asafo__Wire__SessionLease *from,
					  Asafo__Ipc__VpnAddress *to)
{
	if (!from)
		return NULL;
	asafo__ipc__vpn_address__init(to);
	to->address = from->address;
	to->prefix = from->prefix;
	return to;
}

static int figures_read(const Asafo__Wire__SessionRecord *message, struct session_figures *figures)
{
	figures->received = message->received;
	figures->sent = message->sent;
	figures->packets_received = message->packets_received;
	figures->packets_sent = message->packets_sent;
	figures->dropped = message->dropped;
	return vpn_name_from(message->protocol, figures->protocol, sizeof(figures->protocol));
}

static int way_read(const Asafo__Wire__SessionRecord *message, struct session_way *way)
{
	if (message->local_port > 65535 || message->client_port > 65535)
		return ERR_MALFORMED;
	way->local_port = (uint16_t)message->local_port;
	way->client_port = (uint16_t)message->client_port;
	return vpn_address_from(&message->local, 0, &way->local);
}

int hub_wire_read(const Asafo__Wire__SessionRecord *message, struct monotime now,
		  struct session_record *ret_record)
{
	Asafo__Ipc__VpnSession session = ASAFO__IPC__VPN_SESSION__INIT;
	struct session_record record = {.born_term = message->born_term,
					.term = message->term,
					.revision = message->revision};
	Asafo__Ipc__VpnAddress v4, v6;
	int r;

	session.cookie_hash = message->cookie_hash;
	session.id = message->id;
	session.user = message->user;
	session.group = message->group;
	session.policy = message->policy;
	session.v4 = lease_read(message->v4, &v4);
	session.v6 = lease_read(message->v6, &v6);
	session.client = message->client;
	session.age_ms = message->age_ms;
	session.left_ms = message->left_ms;
	session.idle_left_ms = message->idle_left_ms;
	session.is_connected = message->is_connected;
	r = vpn_session_from(&session, now, &record.session);
	if (r == 0)
		r = figures_read(message, &record.figures);
	if (r == 0)
		r = way_read(message, &record.way);
	if (r < 0)
		return r;
	record.end = message->end ? vpn_end_from(message->end) : VPN_END_NONE;
	*ret_record = record;
	return 0;
}
