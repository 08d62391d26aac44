/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two versions side by side. Each setting that came with a version is named in one function, which
 * takes all of them from one configuration into another: from the defaults, so that a text holds
 * nothing that an older unit would refuse; from one's own, so that a text of an older unit, which
 * cannot hold them, does not undo them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config.h"

CLEANUP_DEFINE(struct config *, config_free)

static const struct config_interface *find_device(const struct config *config, const char *device)
{
	for (size_t i = 0; i < config->n_interfaces; i++)
		if (strcmp(config->interfaces[i].device, device) == 0)
			return &config->interfaces[i];
	return NULL;
}

/* Of what refers to an interface only that stays whose interface is there. */
static bool has_interface(const struct config *config, const char *name)
{
	return name[0] == '\0' || config_interface_find(config, name);
}

static void take_macs(struct config *config, const struct config *from)
{
	for (size_t i = 0; i < config->n_interfaces; i++) {
		struct config_interface *interface = &config->interfaces[i];
		const struct config_interface *other = find_device(from, interface->device);
		static const struct config_interface none = {0};

		if (!other)
			other = &none;
		memcpy(interface->active_mac, other->active_mac, sizeof(interface->active_mac));
		memcpy(interface->standby_mac, other->standby_mac, sizeof(interface->standby_mac));
	}
}

static void take_tables(struct config *config, const struct config *from)
{
	config->n_secondaries = 0;
	for (size_t i = 0; i < from->n_secondaries; i++)
		if (find_device(config, from->secondaries[i].device))
			config->secondaries[config->n_secondaries++] = from->secondaries[i];
	config->n_fqdns = 0;
	for (size_t i = 0; i < from->n_fqdns; i++)
		if (find_device(config, from->fqdns[i].device))
			config->fqdns[config->n_fqdns++] = from->fqdns[i];
	config->n_routes = 0;
	for (size_t i = 0; i < from->n_routes; i++)
		if (has_interface(config, from->routes[i].interface))
			config->routes[config->n_routes++] = from->routes[i];
	config->n_tracks = 0;
	for (size_t i = 0; i < from->n_tracks; i++)
		if (has_interface(config, from->tracks[i].interface))
			config->tracks[config->n_tracks++] = from->tracks[i];
}

/* A share of the interfaces, where CONFIG has no number of its own. */
static void take_policy(struct config_failover *failover, const struct config_failover *from)
{
	if (failover->interface_policy_percent)
		failover->interface_policy = 1;
	failover->interface_policy_percent =
		failover->interface_policy == 1 ? from->interface_policy_percent : 0;
}

static void take_trustpoints(struct config *config, const struct config *from)
{
	for (size_t i = 0; i < config->n_trustpoints; i++) {
		struct config_trustpoint *trustpoint = &config->trustpoints[i];
		const struct config_trustpoint *other =
			config_trustpoint_find(from, trustpoint->name);

		trustpoint->is_home = other && other->is_home;
		trustpoint->is_of_unit = other && other->is_of_unit;
		trustpoint->is_for_clients = other && other->is_for_clients;
		trustpoint->revocation = other ? other->revocation : CONFIG_REVOCATION_NONE;
		trustpoint->is_fetched = other && other->is_fetched;
		memset(trustpoint->ocsp_url, 0, sizeof(trustpoint->ocsp_url));
		if (other)
			memcpy(trustpoint->ocsp_url, other->ocsp_url, sizeof(other->ocsp_url));
	}
}

static bool is_same_place(const struct config_binding *a, const struct config_binding *b)
{
	return strcmp(a->interface, b->interface) == 0 && strcmp(a->domain, b->domain) == 0;
}

/* Of each place the first one: an older unit knows one there. */
static void keep_first_bindings(struct config *config)
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_bindings; i++) {
		bool is_first = true;

		for (size_t j = 0; j < n; j++)
			is_first &= !is_same_place(&config->bindings[i], &config->bindings[j]);
		if (is_first)
			config->bindings[n++] = config->bindings[i];
	}
	config->n_bindings = n;
}

static const struct config_binding *find_binding(const struct config *config,
						 const struct config_binding *wanted)
{
	for (size_t i = 0; i < config->n_bindings; i++)
		if (is_same_place(&config->bindings[i], wanted) &&
		    strcmp(config->bindings[i].trustpoint, wanted->trustpoint) == 0)
			return &config->bindings[i];
	return NULL;
}

/* What FROM has behind the first one of a place, where CONFIG has the same first one. */
static void take_bindings(struct config *config, const struct config *from)
{
	size_t n;

	keep_first_bindings(config);
	n = config->n_bindings;
	for (size_t i = 0; i < n; i++) {
		const struct config_binding *first = find_binding(from, &config->bindings[i]);
		const struct config_binding *end = from->bindings + from->n_bindings;

		for (const struct config_binding *other = first; first && other < end; other++) {
			if (other != first && is_same_place(other, first) &&
			    config->n_bindings < CONFIG_BINDINGS_MAX)
				config->bindings[config->n_bindings++] = *other;
		}
	}
}

/* What version 2 has and version 1 had not. */
static void take_newer(struct config *config, const struct config *from)
{
	config->failover.interface_poll_ms = from->failover.interface_poll_ms;
	config->failover.interface_hold_ms = from->failover.interface_hold_ms;
	take_policy(&config->failover, &from->failover);
	config->failover.is_preempt = from->failover.is_preempt;
	config->failover.preempt_delay_s = from->failover.preempt_delay_s;
	config->failover.is_config_open = from->failover.is_config_open;
	config->is_weak_permitted = from->is_weak_permitted;
	config->alert_begin_days = from->alert_begin_days;
	config->alert_repeat_days = from->alert_repeat_days;
	take_trustpoints(config, from);
	take_macs(config, from);
	take_tables(config, from);
	take_bindings(config, from);
	memcpy(config->ciphers, from->ciphers, sizeof(config->ciphers));
	config->vpn = from->vpn;
}

void config_keep_newer(struct config *config, const struct config *local, uint32_t version)
{
	if (version < CONFIG_VERSION)
		take_newer(config, local);
}

/* What a unit of VERSION understands of CONFIG. */
static int reduce(const struct config *config, uint32_t version, struct config **ret_reduced)
{
	_cleanup_(config_free_p) struct config *reduced = NULL, *defaults = NULL;
	int r = config_copy(config, &reduced);

	if (r == 0)
		r = config_new(&defaults);
	if (r < 0)
		return r;
	if (version < CONFIG_VERSION)
		take_newer(reduced, defaults);
	*ret_reduced = TAKE_PTR(reduced);
	return 0;
}

int config_render_for(const struct config *config, uint32_t version, struct buf *text)
{
	_cleanup_(config_free_p) struct config *reduced = NULL;
	int r = reduce(config, version, &reduced);

	return r < 0 ? r : config_render(reduced, CONFIG_PART_REPLICATED, text);
}

int config_newer_lines(const struct config *config, uint32_t version, struct buf *lines)
{
	_cleanup_(config_free_p) struct config *reduced = NULL;
	int r = reduce(config, version, &reduced);

	return r < 0 ? r : config_more_lines(config, reduced, lines);
}
