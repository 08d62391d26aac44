/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was connected to the mate when this unit became the active one hears a segment a few times:
 * the first may come before its neighbours know where the address is now. Who is back is left
 * alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "failover/vpn/hub_internal.h"
#include "failover/vpn/tickle.h"

/* After the role changed, and after each other: the address is claimed within the first. */
static const unsigned DELAYS_MS[] = {5, 30, 100, 300, 1000};

struct one {
	uint8_t hash[VPN_HASH_SIZE];
	struct tickle_flow flow;
};

struct hub_tickle {
	struct vpnhub *hub;
	struct tickler *tickler;
	sd_event_source *timer;
	struct one *ones;
	size_t n;
	unsigned round;
};

/* Those who are not back yet; NULL: none, or no memory for it. */
static struct tickle_flow *flows_of(const struct hub_tickle *tickle, size_t *ret_n)
{
	struct tickle_flow *flows = tickle->n ? calloc(tickle->n, sizeof(*flows)) : NULL;

	*ret_n = 0;
	for (size_t i = 0; flows && i < tickle->n; i++) {
		const struct session_record *record =
			sessiondb_find(tickle->hub->db, tickle->ones[i].hash);

		if (record && record->end == VPN_END_NONE && !record->session.is_connected)
			flows[(*ret_n)++] = tickle->ones[i].flow;
	}
	if (*ret_n > 0)
		return flows;
	free(flows);
	return NULL;
}

static void next_round(struct hub_tickle *tickle)
{
	if (tickle->round == ARRAY_SIZE(DELAYS_MS)) {
		free(TAKE_PTR(tickle->ones));
		tickle->n = 0;
		return;
	}
	(void)sd_event_source_set_time_relative(tickle->timer,
						(uint64_t)DELAYS_MS[tickle->round++] * 1000);
	(void)sd_event_source_set_enabled(tickle->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct hub_tickle *tickle = userdata;
	size_t n = 0;
	struct tickle_flow *flows = flows_of(tickle, &n);

	(void)source;
	(void)usec;
	if (flows)
		tickler_start(tickle->tickler, flows, n);
	next_round(tickle);
	return 0;
}

static bool is_way(const struct session_record *record)
{
	return record->end == VPN_END_NONE && record->session.is_connected &&
	       record->way.client_port > 0 && record->way.local.size > 0 &&
	       record->way.local.size == record->session.client.size;
}

void hub_tickle_start(struct hub_tickle *tickle)
{
	const struct sessiondb *db = tickle->hub->db;
	struct session_record *record = NULL;

	hub_tickle_stop(tickle);
	tickle->ones = calloc(sessiondb_count(db) + 1, sizeof(*tickle->ones));
	if (!tickle->ones)
		return; /* they notice by themselves, later */
	while ((record = sessiondb_next(db, record))) {
		struct one *one = &tickle->ones[tickle->n];

		if (!is_way(record) || tickle->n >= sessiondb_count(db))
			continue;
		memcpy(one->hash, record->session.hash, sizeof(one->hash));
		one->flow = (struct tickle_flow){record->way.local, record->session.client,
						 record->way.local_port, record->way.client_port};
		tickle->n++;
	}
	tickle->round = 0;
	next_round(tickle);
}

void hub_tickle_stop(struct hub_tickle *tickle)
{
	tickler_stop(tickle->tickler);
	(void)sd_event_source_set_enabled(tickle->timer, SD_EVENT_OFF);
	free(TAKE_PTR(tickle->ones));
	tickle->n = 0;
}

int hub_tickle_new(struct vpnhub *hub, struct hub_tickle **ret_tickle)
{
	struct hub_tickle *tickle = calloc(1, sizeof(*tickle));
	int r;

	if (!tickle)
		return -ENOMEM;
	tickle->hub = hub;
	r = tickler_new(hub->engine->event, &tickle->tickler);
	if (r == 0)
		r = sd_event_add_time_relative(hub->engine->event, &tickle->timer, CLOCK_MONOTONIC,
					       0, 1, on_timer, tickle);
	if (r >= 0)
		r = sd_event_source_set_enabled(tickle->timer, SD_EVENT_OFF);
	if (r < 0) {
		hub_tickle_free(tickle);
		return r;
	}
	*ret_tickle = tickle;
	return 0;
}

void hub_tickle_free(struct hub_tickle *tickle)
{
	if (!tickle)
		return;
	tickle->timer = sd_event_source_disable_unref(tickle->timer);
	tickler_free(tickle->tickler);
	free(tickle->ones);
	free(tickle);
}
