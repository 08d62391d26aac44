/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few are remembered, the latest ones: who claims everything is seen by any of them. One that is
 * forgotten leaves the times of its line in the log and of its announcement to the one that takes
 * its place, so that a flood of claims, each with a MAC address of its own, costs no more of either
 * than so many claims do.
 */
#include "failover/engine/collision.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/conflict.h"
#include "failover/engine/engine.h"

#define SHOWN_MS 60000u
#define LOG_MS 60000u
#define DEFEND_MS 10000u /* DEFEND_INTERVAL */
/* An IPv6 host answers to everybody. So it must be longer than DEFEND_MS, or the neighbours would
 * believe it until the next time. */
#define ASK_ROUND_S 15u
#define ASK_MS 1000u
#define ASK_MAX 32u /* in one turn; it goes round before SHOWN_MS is over */
/*
 * While the roles change the two units speak for the same addresses in turn, and what was said
 * before is read after: to defend one then would take it from the mate.
 */
#define SETTLE_MS 1000u

static bool has_passed(struct monotime since, uint64_t ms)
{
	return since.ns == 0 || monotime_since(monotime_now(), since) >= ms * MONOTIME_NS_PER_MS;
}

static struct collision *find(struct collisions *collisions, const struct vip_address *address,
			      const uint8_t mac[static 6])
{
	struct collision *oldest = &collisions->items[0];

	for (size_t i = 0; i < collisions->n; i++) {
		struct collision *item = &collisions->items[i];

		if (config_address_equal(&item->address.address, &address->address) &&
		    memcmp(item->mac, mac, sizeof(item->mac)) == 0)
			return item;
		if (item->seen.ns < oldest->seen.ns)
			oldest = item;
	}
	if (collisions->n < COLLISIONS_MAX)
		oldest = &collisions->items[collisions->n++];
	*oldest = (struct collision){
		.address = *address, .logged = oldest->logged, .defended = oldest->defended};
	memcpy(oldest->mac, mac, sizeof(oldest->mac));
	return oldest;
}

/* By whomever it was claimed. */
static bool was_defended(const struct collisions *collisions, const struct vip_address *address)
{
	for (size_t i = 0; i < collisions->n; i++) {
		const struct collision *item = &collisions->items[i];

		if (config_address_equal(&item->address.address, &address->address) &&
		    !has_passed(item->defended, DEFEND_MS))
			return true;
	}
	return false;
}

static const char *mac_text(const uint8_t mac[static 6], char ret_text[static 18])
{
	(void)snprintf(ret_text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		       mac[3], mac[4], mac[5]);
	return ret_text;
}

static void log_collision(const struct collision *item)
{
	char text[INET6_ADDRSTRLEN], mac[18];

	config_address_format(&item->address.address, text);
	log_message(LOG_WARNING, 405001,
		    "Received ARP response collision from %s/%s on interface %s with existing ARP "
		    "entry",
		    text, mac_text(item->mac, mac), item->address.interface);
}

/* The filter is changed after the addresses. */
static bool holds(const struct engine *engine, const struct vip_address *address)
{
	size_t n;
	const struct vip_address *held = vip_current(engine->addresses.vip, &n);

	for (size_t i = 0; i < n; i++) {
		if (config_address_equal(&held[i].address, &address->address))
			return true;
	}
	return false;
}

/* A mate that claimed it would have been heard since as one that has such addresses. */
static bool is_third_host(const struct engine *engine, const struct collision *item)
{
	uint32_t hold_ms = engine_hold_ms(engine);

	return !item->may_be_mate &&
	       has_passed(item->first, hold_ms > SETTLE_MS ? hold_ms : SETTLE_MS);
}

void collision_moved(struct engine *engine)
{
	struct collisions *collisions = &engine->collisions;

	collisions->moved = monotime_now();
	for (size_t i = 0; i < collisions->n; i++) {
		if (!is_third_host(engine, &collisions->items[i]))
			collisions->items[i].is_doubted = true;
	}
}

static void note_whose(const struct engine *engine, struct collision *item)
{
	bool is_new = item->is_doubted || has_passed(item->seen, SHOWN_MS);

	if (!is_new && is_third_host(engine, item))
		return;
	if (is_new || item->may_be_mate)
		item->first = monotime_now();
	item->is_doubted = false;
	item->may_be_mate = !engine_hears_mate(engine) ||
			    engine->mate.view.is_serving == item->address.is_active;
}

static void believe(struct engine *engine, struct collision *item)
{
	note_whose(engine, item);
	item->seen = monotime_now();
	if (has_passed(item->logged, LOG_MS)) {
		item->logged = item->seen;
		log_collision(item);
	}
	if (has_passed(item->defended, DEFEND_MS) &&
	    !was_defended(&engine->collisions, &item->address)) {
		item->defended = item->seen;
		announcer_once(engine->addresses.announcer, &item->address);
	}
}

static void on_claim(const struct vip_address *address, const uint8_t mac[static 6], void *userdata)
{
	struct engine *engine = userdata;
	struct collision *item;

	if (linkmon_has_mac(engine->addresses.linkmon, mac))
		return; /* our own words */
	if (!has_passed(engine->collisions.moved, SETTLE_MS) || !holds(engine, address))
		return;
	item = find(&engine->collisions, address, mac);
	item->count++;
	/* The mate has the standby addresses a moment before this unit knows that it gives up its
	 * role for them. An active one it takes only when this unit has let go of it. */
	if (address->is_active)
		believe(engine, item);
	else if (item->waits.ns == 0)
		item->waits = monotime_now();
}

/* Claims of standby addresses after which no role has changed. */
static void believe_waiting(struct engine *engine)
{
	struct collisions *collisions = &engine->collisions;

	for (size_t i = 0; i < collisions->n; i++) {
		struct collision *item = &collisions->items[i];
		struct monotime since = item->waits;

		if (since.ns == 0 || !has_passed(since, SETTLE_MS))
			continue;
		item->waits.ns = 0;
		if (collisions->moved.ns < since.ns && holds(engine, &item->address))
			believe(engine, item);
	}
}

/* The next few of the addresses, so that each has its turn within ASK_ROUND_S. */
static void ask_next(struct engine *engine)
{
	struct collisions *collisions = &engine->collisions;
	size_t n, turn;
	const struct vip_address *held = vip_current(engine->addresses.vip, &n);
	/* With fewer of them some turns are nobody's. */
	size_t turns = n < ASK_ROUND_S ? ASK_ROUND_S : n;
	size_t first = collisions->asked < turns ? collisions->asked : 0;

	if (n == 0 || !has_passed(collisions->moved, SETTLE_MS))
		return;
	turn = (n + ASK_ROUND_S - 1) / ASK_ROUND_S;
	turn = turn > ASK_MAX ? ASK_MAX : turn;
	collisions->asked = first + turn;
	for (size_t i = first; i < first + turn && i < n; i++)
		announcer_ask(engine->addresses.announcer, &held[i], 1);
}

static int on_ask(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)usec;
	believe_waiting(userdata);
	ask_next(userdata);
	return sd_event_source_set_time_relative(source, ASK_MS * 1000);
}

int collision_start(struct engine *engine)
{
	static const struct conflict_ops ops = {on_claim};
	struct collisions *collisions = &engine->collisions;
	int r = conflict_new(engine->event, &ops, engine, &collisions->conflict);

	if (r == 0)
		r = sd_event_add_time_relative(engine->event, &collisions->ask, CLOCK_MONOTONIC,
					       ASK_MS * 1000, 0, on_ask, engine);
	return r < 0 ? r : sd_event_source_set_enabled(collisions->ask, SD_EVENT_ON);
}

void collision_stop(struct engine *engine)
{
	engine->collisions.ask = sd_event_source_disable_unref(engine->collisions.ask);
	conflict_free(TAKE_PTR(engine->collisions.conflict));
}

void collision_watch(struct engine *engine)
{
	size_t n;
	const struct vip_address *held = vip_current(engine->addresses.vip, &n);
	int r = engine->collisions.conflict ? conflict_watch(engine->collisions.conflict, held, n)
					    : 0;

	if (r < 0)
		log_line(LOG_ERR, "listening for duplicate addresses: %s", err_text(r));
}

const struct collision *collision_get(const struct engine *engine, size_t index,
				      struct why *ret_why)
{
	for (size_t i = 0; i < engine->collisions.n; i++) {
		const struct collision *item = &engine->collisions.items[i];
		char text[INET6_ADDRSTRLEN], mac[18];

		if (has_passed(item->seen, SHOWN_MS) || item->is_doubted ||
		    !holds(engine, &item->address) || index-- > 0)
			continue;
		config_address_format(&item->address.address, text);
		(void)why_set(
			ret_why, ERR_EXISTS,
			"%s on interface %s is also claimed by %s: find that host, and give it "
			"another address",
			text, item->address.interface, mac_text(item->mac, mac));
		return item;
	}
	return NULL;
}
