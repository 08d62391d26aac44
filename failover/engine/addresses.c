/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses this unit has in its role, and how they come and go. They are set in one batch;
 * the listener is bound to them already (the front binds ahead).
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/engine/macs.h"
#include "failover/engine/schedule.h"
#include "failover/vmac.h"

#define ADDRESSES_MAX (CONFIG_INTERFACES_MAX * 2 + CONFIG_SECONDARIES_MAX + CONFIG_LINKS_MAX)

struct address_list {
	struct vip_address items[ADDRESSES_MAX];
	size_t n;
};

static void add_address(struct address_list *list, const struct config_interface *interface,
			const struct config_address *address, bool is_active)
{
	struct vip_address *item;

	if (address->family == 0 || list->n == ADDRESSES_MAX)
		return;
	item = &list->items[list->n++];
	*item = (struct vip_address){.address = *address, .is_active = is_active};
	memcpy(item->device, interface->device, sizeof(item->device));
	memcpy(item->interface, interface->name, sizeof(item->interface));
}

static const struct config_interface *interface_of(const struct config *config, const char *device)
{
	for (size_t i = 0; i < config->n_interfaces; i++)
		if (strcmp(config->interfaces[i].device, device) == 0)
			return &config->interfaces[i];
	return NULL;
}

/* Which standby addresses a unit holds: none before it knows its role, or both units would claim
 * them. */
bool engine_holds_standby_addresses(const struct engine *engine)
{
	enum fo_state state = engine->fsm.state;

	return engine->is_started &&
	       ((state >= FO_STATE_COLD_STANDBY && state <= FO_STATE_STANDBY_READY) ||
		state == FO_STATE_FAILED);
}

static bool has_role(const struct engine *engine)
{
	return engine->addresses.is_claimed || engine_holds_standby_addresses(engine);
}

/* Every address that the active unit of the pair holds. */
static void add_active_addresses(const struct config *config, struct address_list *list)
{
	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		if (interface->is_shutdown || !interface->name[0])
			continue;
		add_address(list, interface, &interface->active4, true);
		add_address(list, interface, &interface->active6, true);
	}
	/* Behind the first ones: in the kernel's words, too, they are secondary. */
	for (size_t i = 0; i < config->n_secondaries; i++) {
		const struct config_secondary *secondary = &config->secondaries[i];
		const struct config_interface *interface = interface_of(config, secondary->device);

		if (interface && !interface->is_shutdown && interface->name[0])
			add_address(list, interface, &secondary->address, true);
	}
}

static void add_standby_addresses(const struct config *config, struct address_list *list)
{
	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		if (interface->is_shutdown || !interface->name[0])
			continue;
		add_address(list, interface, &interface->standby4, false);
		add_address(list, interface, &interface->standby6, false);
	}
}

static void want_addresses(const struct engine *engine, struct address_list *list)
{
	const struct config *config = engine->config;
	const struct config_failover *failover = &config->failover;

	for (size_t i = 0; i < failover->n_links; i++) {
		const struct config_link *link = &failover->links[i];
		struct config_interface interface = {0};

		memcpy(interface.device, link->device, sizeof(interface.device));
		memcpy(interface.name, link->name, sizeof(interface.name));
		add_address(list, &interface, config_link_own(failover, link), false);
		if (list->n > 0)
			list->items[list->n - 1].is_left = true;
	}
	if (engine->addresses.is_claimed)
		add_active_addresses(config, list);
	else if (engine_holds_standby_addresses(engine))
		add_standby_addresses(config, list);
}

/* Addresses of an interface with a virtual MAC address are on that device. */
static void move_to_role_devices(const struct config *config, struct address_list *list)
{
	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct config_interface *interface = &config->interfaces[i];
		char active[IFNAMSIZ], standby[IFNAMSIZ];

		if (!config_mac_is_set(interface->active_mac))
			continue;
		macs_role_device(interface, true, active);
		macs_role_device(interface, false, standby);
		for (size_t j = 0; j < list->n; j++) {
			struct vip_address *item = &list->items[j];

			if (strcmp(item->device, interface->device) == 0)
				memcpy(item->device, item->is_active ? active : standby, IFNAMSIZ);
		}
	}
}

static void on_breath(void *userdata)
{
	engine_breathe(userdata);
	lockwatch_breathe(userdata);
}

static int set_routes(struct engine *engine, struct why *ret_why)
{
	_cleanup_free_ struct vip_route *wanted = calloc(CONFIG_ROUTES_MAX, sizeof(*wanted));
	const struct config *config = engine->config;
	bool is_active = engine->addresses.is_claimed;
	size_t n = 0;

	if (!wanted)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_routes; i++) {
		const struct config_route *route = &config->routes[i];
		const struct config_interface *interface =
			config_interface_find(config, route->interface);
		bool is_v6 = route->destination.family == AF_INET6;

		if (!interface || interface->is_shutdown)
			continue;
		/* A standby without an address there has no way to the gateway. */
		if (!is_active &&
		    (route->is_active_only || !engine_holds_standby_addresses(engine) ||
		     (is_v6 ? interface->standby6.family : interface->standby4.family) == 0))
			continue;
		wanted[n] = (struct vip_route){.destination = route->destination,
					       .gateway = route->gateway,
					       .metric = route->metric,
					       .is_active = route->is_active_only};
		macs_role_device(interface, is_active, wanted[n++].device);
	}
	return vip_set_routes(engine->addresses.vip, wanted, n, ret_why);
}

void engine_leave_addresses(struct engine *engine)
{
	struct why why = {0};

	if (engine->addresses.vip && vip_set(engine->addresses.vip, NULL, 0, &why) < 0)
		log_line(LOG_WARNING, "addresses of links to the mate stay behind: %s", why.text);
}

/* Stopped in the middle of it, as long as the mate waits: the machine gives up what this unit has
 * with the next event, and until then nothing is set and nobody is told. */
static bool has_overslept(const struct engine *engine)
{
	return engine->addresses.is_claimed && fo_fsm_has_overslept(&engine->fsm, monotime_now());
}

/* What a takeover waits for; the rest of set_addresses is to follow. A device comes before what is
 * on it, and goes after it, which the kernel takes its time for: see macs.h. */
static int move_addresses(struct engine *engine, bool is_forced, struct why *ret_why)
{
	_cleanup_free_ struct address_list *list = calloc(1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	want_addresses(engine, list);
	macs_raise(engine);
	move_to_role_devices(engine->config, list);
	if (has_overslept(engine))
		return 0;
	if (!is_forced && vip_is_set(engine->addresses.vip, list->items, list->n))
		return 0;
	return vip_move(engine->addresses.vip, list->items, list->n, ret_why);
}

/* Not FORCED: addresses that were set just now, by a claim or a release, are not set again. The
 * devices of the other role go first: until then this unit has a MAC address that is the mate's. */
static int set_addresses(struct engine *engine, bool is_forced, struct why *ret_why)
{
	struct why why = {0};
	int mended, r;

	if (!is_forced)
		macs_lower(engine);
	r = move_addresses(engine, is_forced, ret_why);
	if (has_overslept(engine))
		return 0;
	if (is_forced)
		macs_set(engine);
	mended = vip_mend(engine->addresses.vip);
	if (mended < 0 && r == 0)
		r = why_set(ret_why, mended, "cannot look after addresses: %s", err_text(mended));
	if (set_routes(engine, &why) < 0)
		log_line(LOG_WARNING, "%s", why.text);
	collision_watch(engine);
	return r;
}

int engine_set_addresses(struct engine *engine, struct why *ret_why)
{
	return set_addresses(engine, true, ret_why);
}

void engine_addresses_link(struct engine *engine, const struct linkmon_link *link)
{
	struct why why = {0};

	if (!vmac_is_name(link->device) || !engine->addresses.vip ||
	    vip_has_lapsed(engine->addresses.vip) || macs_mute_again(engine, link))
		return;
	/* Most news of it is of what this unit did itself. Else it was set down, removed or made by
	 * somebody. */
	if (!macs_are_as_wanted(engine, link) && engine_set_addresses(engine, &why) < 0)
		log_line(LOG_ERR, "addresses: %s", why.text);
	if (engine->addresses.is_claimed && link->has_carrier)
		engine_announce(engine);
}

void engine_announce(struct engine *engine)
{
	size_t n;
	const struct vip_address *held = vip_current(engine->addresses.vip, &n);

	if (!has_overslept(engine))
		(void)announcer_start(engine->addresses.announcer, held, n);
}

void engine_reclaim(struct engine *engine)
{
	struct why why = {0};

	if (engine_set_addresses(engine, &why) < 0)
		log_line(LOG_ERR, "addresses: %s", why.text);
	engine_announce(engine);
}

/* The addresses that are the mate's while this unit has its role. */
static void add_mates_addresses(const struct engine *engine, struct address_list *list)
{
	if (!engine->addresses.is_claimed)
		add_active_addresses(engine->config, list);
	else if (engine->config->failover.is_enabled)
		add_standby_addresses(engine->config, list);
}

/* A unit on which somebody configured its mate's address by hand gives it up. */
static void expel(struct engine *engine)
{
	_cleanup_free_ struct address_list *list = calloc(1, sizeof(*list));
	int n;

	if (!list)
		return;
	add_mates_addresses(engine, list);
	n = vip_expel(engine->addresses.vip, list->items, list->n);
	if (n > 0)
		log_line(LOG_WARNING,
			 "removed %d %s address(es) that were configured by hand on the %s", n,
			 engine->addresses.is_claimed ? "standby" : "active",
			 engine->addresses.is_claimed ? "active" : "standby");
}

static bool is_among(const struct address_list *list, const struct linkmon_address *address,
		     const char *device)
{
	size_t size = address->family == AF_INET6 ? 16 : 4;

	for (size_t i = 0; i < list->n; i++) {
		const struct vip_address *item = &list->items[i];

		if ((!device || strcmp(item->device, device) == 0) &&
		    item->address.family == address->family &&
		    memcmp(item->address.bytes, address->bytes, size) == 0)
			return true;
	}
	return false;
}

static bool is_mates_address(const struct engine *engine, const struct linkmon_address *news)
{
	_cleanup_free_ struct address_list *list = calloc(1, sizeof(*list));

	if (!list)
		return false;
	add_mates_addresses(engine, list);
	return is_among(list, news, news->device);
}

size_t engine_misplaced(const struct engine *engine, struct why *ret_whys, size_t max)
{
	_cleanup_free_ struct address_list *list = calloc(1, sizeof(*list));
	struct linkmon_address address;
	size_t n = 0;

	if (!list || !engine->addresses.linkmon || !has_role(engine))
		return 0;
	add_active_addresses(engine->config, list);
	add_standby_addresses(engine->config, list);
	for (size_t at = 0; linkmon_next_address(engine->addresses.linkmon, &at, &address);) {
		char text[INET6_ADDRSTRLEN] = "?";

		if (address.protocol == VIP_PROTOCOL || address.protocol == VIP_PROTOCOL_STANDBY ||
		    !is_among(list, &address, NULL))
			continue;
		(void)inet_ntop(address.family, address.bytes, text, sizeof(text));
		if (n++ < max)
			(void)why_set(&ret_whys[n - 1], ERR_EXISTS,
				      "%s/%u was configured on %s by somebody, where it does not "
				      "come and go with the role: ip addr del %s/%u dev %s",
				      text, (unsigned)address.prefix_length, address.device, text,
				      (unsigned)address.prefix_length, address.device);
	}
	return n;
}

void engine_addresses_news(struct engine *engine, const struct linkmon_address *news)
{
	if (!engine->addresses.vip)
		return;
	/* Of hundreds that move there are hundreds of news. */
	engine_breathe(engine);
	vip_take_news(engine->addresses.vip, news);
	if (news->is_new && has_role(engine) && is_mates_address(engine, news))
		expel(engine);
}

/* What it would wait for the loop waits for itself then, as late as others hold the lock. */
void engine_addresses_thread(struct engine *engine)
{
	int r = rtnl_start(engine->addresses.rtnl);

	if (r < 0)
		log_line(LOG_WARNING,
			 "no thread can wait for the kernel in the engine's place (%s): whoever "
			 "holds the kernel's RTNL lock makes this unit late; look at TasksMax= of "
			 "the service and at the machine's limits, and restart",
			 err_text(r));
}

int engine_addresses_start(struct engine *engine)
{
	int r = rtnl_new(on_breath, engine, &engine->addresses.rtnl);

	if (r == 0)
		r = vip_new(engine->event, &engine->addresses.vip);
	if (r < 0)
		return r;
	engine->addresses.may_have_macs = true;
	vip_set_rtnl(engine->addresses.vip, engine->addresses.rtnl);
	r = announcer_new(engine->event, &engine->addresses.announcer);
	if (r >= 0)
		r = macs_start(engine);
	return r < 0 ? r : collision_start(engine);
}

/* How many active addresses are ours in the kernel. */
static size_t active_held(const struct engine *engine)
{
	size_t n, held = 0;
	const struct vip_address *all = vip_current(engine->addresses.vip, &n);

	for (size_t i = 0; i < n; i++)
		held += all[i].is_active;
	return held;
}

void engine_claim(struct engine *engine, uint64_t term)
{
	struct why why = {0};
	int r;

	engine->addresses.is_claimed = true;
	engine->addresses.is_follow_due = true;
	r = move_addresses(engine, true, &why);
	if (r < 0) {
		/* A device that is missing costs its own addresses only: the rest is served. */
		engine_tell_transitions(engine);
		log_line(LOG_ERR, "not every active address could be set in term %" PRIu64 ": %s",
			 term, why.text[0] ? why.text : err_text(r));
	}
	if (r < 0 && active_held(engine) == 0 && !has_overslept(engine)) {
		engine_feed_type(engine, FO_EVENT_CLAIM_FAILED);
		return;
	}
	engine_announce(engine);
	engine_feed_type(engine, FO_EVENT_CLAIMED);
}

/* The leases that could not be taken away have run out by now. */
static int on_released_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	engine_feed_type(userdata, FO_EVENT_RELEASED);
	return 0;
}

int engine_release_timer(struct engine *engine)
{
	int r = sd_event_add_time(engine->event, &engine->addresses.released_late, CLOCK_MONOTONIC,
				  0, 0, on_released_late, engine);

	return r < 0 ? r
		     : sd_event_source_set_enabled(engine->addresses.released_late, SD_EVENT_OFF);
}

/*
 * RELEASED lets the mate take over, so it is said only when the addresses are gone: at once, or,
 * where the kernel refuses, when their leases have run out.
 */
void engine_release(struct engine *engine)
{
	struct why why = {0};
	int r;

	announcer_stop(engine->addresses.announcer);
	engine->addresses.is_claimed = false;
	engine->addresses.is_follow_due = true;
	r = move_addresses(engine, true, &why);
	if (r < 0) {
		engine_tell_transitions(engine);
		log_line(LOG_ERR, "releasing the active addresses: %s",
			 why.text[0] ? why.text : err_text(r));
	}
	if (r == 0 || active_held(engine) == 0) {
		engine_feed_type(engine, FO_EVENT_RELEASED);
		return;
	}
	(void)sd_event_source_set_time(engine->addresses.released_late,
				       monotime_add_ms(monotime_now(), VIP_LIFETIME_MOST_MS).ns /
					       1000);
	(void)sd_event_source_set_enabled(engine->addresses.released_late, SD_EVENT_ONESHOT);
}

void engine_addresses_follow(struct engine *engine)
{
	struct why why = {0};

	engine->addresses.is_follow_due = false;
	if (set_addresses(engine, false, &why) < 0)
		log_line(LOG_ERR, "addresses: %s", why.text);
	if (engine_holds_standby_addresses(engine))
		expel(engine);
}
