/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel tells of links and addresses, and who has to hear of it. The health comes first:
 * an active unit that lost a link hands over before anything else is done.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/engine/report.h"
#include "failover/engine/health.h"

void engine_monitor_check(struct engine *engine)
{
	engine_health_check_links(engine->health);
}

/*
 * A device that nobody has set up, since the operator left it to asafo, is set up when it is first
 * needed. One that was up and is down now is so by somebody's will, and stays down: `ip link set
 * DEVICE down` is a way to fail an interface.
 */
static void raise_device(const struct engine *engine, const char *device)
{
	struct linkmon_link link = {0};
	int r;

	linkmon_get(engine->addresses.linkmon, device, &link);
	if (!link.is_present || link.is_admin_up || link.was_up)
		return;
	r = vip_raise(engine->addresses.vip, link.index);
	if (r < 0)
		log_line(LOG_ERR, "cannot set %s up: %s", device, err_text(r));
	else
		log_line(LOG_INFO, "%s was down: set up", device);
}

void engine_raise_devices(const struct engine *engine)
{
	const struct config *config = engine->config;

	if (!engine->addresses.linkmon || !engine->addresses.vip)
		return;
	for (size_t i = 0; i < config->failover.n_links; i++)
		raise_device(engine, config->failover.links[i].device);
	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		if (!interface->is_shutdown && interface->name[0])
			raise_device(engine, interface->device);
	}
}

/* The device of an interface or of a link to the mate; a router may have many others. */
static bool is_configured(const struct config *config, const char *device)
{
	for (size_t i = 0; i < config->n_interfaces; i++)
		if (strcmp(config->interfaces[i].device, device) == 0)
			return true;
	return config_link_on(&config->failover, device) != NULL;
}

/* Who was away for longer than a lease looks first whether he is to give way: what he finds out
 * about the devices before that sets no address. */
static bool may_set_addresses(const struct engine *engine)
{
	return engine->addresses.vip && !vip_has_lapsed(engine->addresses.vip);
}

/* It may have come, or come again: what was on it is put back. */
static void take_up(struct engine *engine, const struct linkmon_link *link)
{
	struct why why = {0};

	if (engine->pair.paths)
		path_set_refresh(engine->pair.paths);
	if (engine->pair.link)
		link_retry(engine->pair.link);
	if (!may_set_addresses(engine))
		return;
	/* The neighbours behind it may have another MAC address of ours, or none. */
	if (engine->addresses.is_claimed && link->has_carrier)
		engine_reclaim(engine);
	else if (engine_set_addresses(engine, &why) < 0)
		log_line(LOG_ERR, "addresses: %s", why.text);
}

/* It was removed, or has another name now: then what this unit had on it is there still, and no
 * line says so. */
static void let_go(struct engine *engine)
{
	struct why why = {0};

	if (engine->pair.paths)
		path_set_refresh(engine->pair.paths);
	if (may_set_addresses(engine) && engine_set_addresses(engine, &why) < 0)
		log_line(LOG_ERR, "addresses: %s", why.text);
}

static void on_link(const struct linkmon_link *link, void *userdata)
{
	struct engine *engine = userdata;
	bool is_ours = is_configured(engine->config, link->device);

	engine_addresses_link(engine, link);
	if (is_ours)
		report_carrier(engine, link);
	engine_monitor_check(engine);
	if (is_ours && link->is_present && !link->was_up)
		engine_raise_devices(engine);
	if (is_ours && link->is_present && link->is_admin_up)
		take_up(engine, link);
	else if (is_ours && !link->is_present)
		let_go(engine);
	engine_check_ways(engine);
}

/* fe80::/10, RFC 4291 section 2.5.6. */
static bool is_link_local6(const struct linkmon_address *address)
{
	return address->family == AF_INET6 && address->bytes[0] == 0xfe &&
	       (address->bytes[1] & 0xc0) == 0x80;
}

static void on_address(const struct linkmon_address *address, void *userdata)
{
	struct engine *engine = userdata;

	if (engine->pair.paths && (address->is_new || address->is_gone))
		path_set_look(engine->pair.paths, address->device,
			      linkmon_has_ipv4(engine->addresses.linkmon, address->index),
			      address->is_new && is_link_local6(address));
	engine_addresses_news(engine, address);
}

bool engine_monitor_trouble(const struct engine *engine, struct why *ret_why)
{
	const struct linkmon *linkmon = engine->addresses.linkmon;
	int r = linkmon ? linkmon_failure(linkmon) : 0;

	if (r < 0)
		(void)why_set(
			ret_why, r,
			"the kernel does not tell which links and addresses there are (%s): a "
			"link that is lost since may count as up; it is asked again four times "
			"a second; look what sets links or addresses without end, and at the "
			"kernel's log",
			r == -EINTR ? "they never stand still" : err_text(r));
	return r < 0;
}

void engine_monitor_tick(struct engine *engine)
{
	struct why why;
	bool is_failure = engine_monitor_trouble(engine, &why);

	if (is_failure == engine->addresses.is_failure_logged)
		return;
	engine->addresses.is_failure_logged = is_failure;
	if (is_failure)
		log_line(LOG_ERR, "%s", why.text);
	else
		log_line(LOG_NOTICE, "the kernel tells of links and addresses again");
}

int engine_monitor_start(struct engine *engine)
{
	static const struct linkmon_ops ops = {on_link, on_address};

	int r = linkmon_new(engine->event, &ops, engine, &engine->addresses.linkmon);

	if (r == 0)
		linkmon_wait_in(engine->addresses.linkmon, engine->addresses.rtnl);
	return r;
}
