/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line of the log for each session that this unit ends. A change of the configuration may end
 * all of them at once, and the engine has hellos to send meanwhile: so many lines a tick, and the
 * number of the others.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/log.h"
#include "failover/vpn/hub_internal.h"

#define LINES_MAX 200u /* a tick */

static void duration_text(uint64_t seconds, char *ret_text, size_t size)
{
	unsigned long long minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
	unsigned left = (unsigned)(seconds % 60), left_minutes = (unsigned)(minutes % 60);

	if (days > 0)
		(void)snprintf(ret_text, size, "%llud %lluh:%02um:%02us", days, hours % 24,
			       left_minutes, left);
	else
		(void)snprintf(ret_text, size, "%lluh:%02um:%02us", hours, left_minutes, left);
}

void hub_ended_say(struct vpnhub *hub, const struct session_record *record, const char *why)
{
	const struct vpn_session *session = &record->session;
	char client[INET6_ADDRSTRLEN] = "", duration[64];
	bool has_why = why[0] != '\0';

	if (hub->ended.n_said == LINES_MAX) {
		hub->ended.n_unsaid++;
		return;
	}
	hub->ended.n_said++;
	if (session->client.size > 0)
		(void)inet_ntop(session->client.size == 4 ? AF_INET : AF_INET6,
				session->client.bytes, client, sizeof(client));
	duration_text(monotime_since(monotime_now(), session->created_at) / MONOTIME_NS_PER_SEC,
		      duration, sizeof(duration));
	log_message(LOG_WARNING, 113019,
		    "Group = %s, Username = %s, IP = %s, Session disconnected. Session Type: "
		    "AnyConnect-Parent, Duration: %s, Bytes xmt: %llu, Bytes rcv: %llu, Reason: "
		    "%s%s%s (session %u)",
		    session->group, session->user, client, duration,
		    (unsigned long long)record->figures.sent,
		    (unsigned long long)record->figures.received, vpn_end_text(record->end),
		    has_why ? ", " : "", why, session->id);
}

void hub_ended_tick(struct vpnhub *hub)
{
	if (hub->ended.n_unsaid > 0)
		log_message(LOG_WARNING, 113019,
			    "%u more sessions were disconnected in the same second; asafo show "
			    "vpn-sessiondb lists those that are left",
			    hub->ended.n_unsaid);
	hub->ended.n_said = hub->ended.n_unsaid = 0;
}
