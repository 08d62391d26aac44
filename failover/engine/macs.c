/* SPDX-License-Identifier: Apache-2.0 */
/* Which virtual MAC addresses are up, silent or down, and when they may cost the kernel's time. */
#include "failover/engine/macs.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "failover/engine/schedule.h"
#include "failover/vmac.h"

#define MACS_MAX (CONFIG_INTERFACES_MAX * 2)
#define LOWER_MS 20 /* by then the mate is through */
#define LOWER_ACCURACY_US 1000

void macs_role_device(const struct config_interface *interface, bool is_active,
		      char ret_device[static IFNAMSIZ])
{
	const uint8_t *mac = is_active ? interface->active_mac : interface->standby_mac;
	unsigned index = config_mac_is_set(mac) ? if_nametoindex(interface->device) : 0;

	if (index != 0)
		vmac_name(index, is_active, ret_device);
	if (index == 0 || if_nametoindex(ret_device) == 0)
		memcpy(ret_device, interface->device, IFNAMSIZ);
}

/* Said once, and shown until it is mended. */
static void note_macs(struct engine *engine, const char *why)
{
	char *noted = engine->addresses.macs_why;

	if (strcmp(noted, why) == 0)
		return;
	if (why[0])
		log_line(LOG_ERR, "%s", why);
	else
		log_line(LOG_NOTICE, "the virtual MAC addresses are set");
	(void)snprintf(noted, sizeof(engine->addresses.macs_why), "%s", why);
}

/* The macvlan devices of both roles; those of this unit's own are up. The others are there, too, so
 * that a takeover need not make them. */
static size_t want_macs(const struct engine *engine, struct vmac wanted[MACS_MAX])
{
	const struct config *config = engine->config;
	size_t n = 0;

	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct config_interface *interface = &config->interfaces[i];
		struct vmac vmac = {.is_active = true, .is_up = engine->addresses.is_claimed};

		if (interface->is_shutdown || !interface->name[0] ||
		    !config_mac_is_set(interface->active_mac))
			continue;
		vmac.parent_index = if_nametoindex(interface->device);
		if (vmac.parent_index == 0)
			continue;
		memcpy(vmac.parent, interface->device, sizeof(vmac.parent));
		memcpy(vmac.mac, interface->active_mac, sizeof(vmac.mac));
		wanted[n++] = vmac;
		if (!config_mac_is_set(interface->standby_mac))
			continue;
		vmac.is_active = false;
		vmac.may_be_mute = engine->addresses.is_claimed;
		vmac.is_up =
			!engine->addresses.is_claimed && engine_holds_standby_addresses(engine);
		memcpy(vmac.mac, interface->standby_mac, sizeof(vmac.mac));
		wanted[n++] = vmac;
	}
	return n;
}

/* What the thread that waits for the kernel is given. */
struct ask {
	const struct vmac *wanted;
	size_t n;
	struct why *ret_why;
};

static int do_raise(void *userdata)
{
	const struct ask *ask = userdata;

	vmac_raise(ask->wanted, ask->n);
	return 0;
}

static int do_set(void *userdata)
{
	const struct ask *ask = userdata;

	return vmac_set(ask->wanted, ask->n, ask->ret_why);
}

static int do_mute(void *userdata)
{
	const struct ask *ask = userdata;

	return vmac_mute(ask->wanted, ask->n);
}

static int mute(const struct engine *engine, const struct vmac *wanted, size_t n)
{
	return rtnl_do(engine->addresses.rtnl, do_mute, &(struct ask){.wanted = wanted, .n = n});
}

void macs_raise(const struct engine *engine)
{
	struct vmac wanted[MACS_MAX] = {0};
	struct ask ask = {.wanted = wanted, .n = want_macs(engine, wanted)};

	if (ask.n > 0)
		(void)rtnl_do(engine->addresses.rtnl, do_raise, &ask);
}

void macs_set(struct engine *engine)
{
	struct why why = {0};
	struct vmac wanted[MACS_MAX] = {0};
	size_t n = want_macs(engine, wanted);
	struct ask ask = {wanted, n, &why};
	int r;

	/* Without any, and none left from before, the kernel need not be asked. */
	if (n == 0 && !engine->addresses.may_have_macs)
		return;
	r = rtnl_do(engine->addresses.rtnl, do_set, &ask);
	engine->addresses.may_have_macs = n > 0 || r < 0;
	note_macs(engine, r < 0 ? why.text : "");
}

static int on_lower(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct engine *engine = userdata;

	(void)source;
	(void)usec;
	if (!vip_has_lapsed(engine->addresses.vip))
		macs_set(engine);
	return 0;
}

static bool is_lowering(const struct engine *engine)
{
	int enabled = SD_EVENT_OFF;

	(void)sd_event_source_get_enabled(engine->addresses.lower, &enabled);
	return enabled != SD_EVENT_OFF;
}

void macs_lower(struct engine *engine)
{
	struct vmac wanted[MACS_MAX] = {0};
	size_t n = want_macs(engine, wanted);

	if (n > 0 && mute(engine, wanted, n) > 0) {
		if (is_lowering(engine))
			return;
		(void)sd_event_source_set_time_relative(engine->addresses.lower, LOWER_MS * 1000);
		if (sd_event_source_set_enabled(engine->addresses.lower, SD_EVENT_ONESHOT) >= 0)
			return;
	}
	macs_set(engine);
}

/* Up, although its MAC address is not this unit's, until there is time to set it down. */
static bool may_be_mute(const struct engine *engine, const struct vmac *wanted)
{
	return !wanted->is_up && (wanted->may_be_mute || is_lowering(engine));
}

bool macs_mute_again(struct engine *engine, const struct linkmon_link *link)
{
	struct vmac wanted[MACS_MAX] = {0};
	size_t n = want_macs(engine, wanted);
	bool is_due = false;

	for (size_t i = 0; i < n && !is_due; i++) {
		char device[IFNAMSIZ];

		vmac_name(wanted[i].parent_index, wanted[i].is_active, device);
		is_due = strcmp(device, link->device) == 0 && link->is_admin_up &&
			 link->has_carrier && may_be_mute(engine, &wanted[i]);
	}
	if (is_due && mute(engine, wanted, n) < 0)
		macs_set(engine);
	return is_due;
}

bool macs_are_as_wanted(const struct engine *engine, const struct linkmon_link *link)
{
	struct vmac wanted[MACS_MAX] = {0};
	size_t n = want_macs(engine, wanted);

	for (size_t i = 0; i < n; i++) {
		char device[IFNAMSIZ];

		vmac_name(wanted[i].parent_index, wanted[i].is_active, device);
		if (strcmp(device, link->device) != 0)
			continue;
		return link->is_present &&
		       (link->is_admin_up == wanted[i].is_up ||
			(link->is_admin_up && may_be_mute(engine, &wanted[i]))) &&
		       memcmp(link->mac, wanted[i].mac, 6) == 0;
	}
	return !link->is_present;
}

int macs_start(struct engine *engine)
{
	int r = sd_event_add_time(engine->event, &engine->addresses.lower, CLOCK_MONOTONIC, 0,
				  LOWER_ACCURACY_US, on_lower, engine);

	return r < 0 ? r : sd_event_source_set_enabled(engine->addresses.lower, SD_EVENT_OFF);
}
