/* SPDX-License-Identifier: Apache-2.0 */
/* What follows the role besides addresses: virtual MAC addresses and routes. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "config/apply.h"

static int set_mac(struct apply *apply, const struct grammar_match *match)
{
	const struct value *device = grammar_match_value(match, "device");
	const struct value *active = grammar_match_value(match, "active-mac");
	const struct value *standby = grammar_match_value(match, "standby-mac");
	struct config_interface *interface = NULL;

	for (size_t i = 0; i < apply->config->n_interfaces && !interface; i++)
		if (strcmp(apply->config->interfaces[i].device, device->text) == 0)
			interface = &apply->config->interfaces[i];
	if (!interface)
		return apply_refuse(apply, ERR_NOT_FOUND, device,
				    "no interface above is this device (\"interface %s\")",
				    device->text);
	if (!match->is_negated && standby && memcmp(active->mac, standby->mac, 6) == 0)
		return apply_refuse(apply, ERR_SYNTAX, standby,
				    "the standby's MAC address must be another one");
	memset(interface->active_mac, 0, sizeof(interface->active_mac));
	memset(interface->standby_mac, 0, sizeof(interface->standby_mac));
	if (!match->is_negated)
		memcpy(interface->active_mac, active->mac, sizeof(interface->active_mac));
	if (!match->is_negated && standby)
		memcpy(interface->standby_mac, standby->mac, sizeof(interface->standby_mac));
	return 0;
}

static bool is_host_part_empty(const struct config_address *address)
{
	unsigned bits = address->family == AF_INET6 ? 128 : 32;

	for (unsigned i = address->prefix_length; i < bits; i++)
		if ((address->bytes[i / 8] >> (7 - i % 8) & 1) != 0)
			return false;
	return true;
}

static int read_route(struct apply *apply, const struct grammar_match *match,
		      struct config_route *ret_route)
{
	const struct value *interface = grammar_match_value(match, "interface");
	const struct value *destination = grammar_match_value(match, "destination");
	const struct value *mask = grammar_match_value(match, "mask");
	const struct value *gateway = grammar_match_value(match, "gateway");
	const struct value *metric = grammar_match_value(match, "metric");
	struct config_route *route = ret_route;

	*route = (struct config_route){.destination = destination->address, .metric = 1};
	if (mask)
		route->destination.prefix_length = mask->address.prefix_length;
	(void)snprintf(route->interface, sizeof(route->interface), "%s", interface->text);
	if (!config_interface_find(apply->config, interface->text))
		return apply_refuse(apply, ERR_NOT_FOUND, interface,
				    "no interface above has this name (\"nameif %s\")",
				    interface->text);
	if (!is_host_part_empty(&route->destination))
		return apply_refuse(apply, ERR_SYNTAX, destination,
				    "expected a network: bits behind its mask are set");
	if (gateway)
		route->gateway = gateway->address;
	if (metric)
		route->metric = (uint32_t)metric->number;
	route->is_active_only = grammar_match_value(match, "role") != NULL;
	return 0;
}

static bool is_same_route(const struct config_route *a, const struct config_route *b)
{
	return strcmp(a->interface, b->interface) == 0 &&
	       config_address_equal(&a->destination, &b->destination) &&
	       a->destination.prefix_length == b->destination.prefix_length &&
	       (b->gateway.family == 0 || config_address_equal(&a->gateway, &b->gateway));
}

static int set_route(struct apply *apply, const struct grammar_match *match)
{
	struct config *config = apply->config;
	struct config_route route;
	size_t i = 0;
	int r = read_route(apply, match, &route);

	if (r < 0)
		return r;
	while (i < config->n_routes && !is_same_route(&config->routes[i], &route))
		i++;
	if (match->is_negated) {
		if (i == config->n_routes)
			return apply_refuse(apply, ERR_NOT_FOUND, NULL, "there is no such route");
		config->n_routes--;
		memmove(&config->routes[i], &config->routes[i + 1],
			(config->n_routes - i) * sizeof(config->routes[0]));
		return 0;
	}
	if (i == CONFIG_ROUTES_MAX)
		return apply_refuse(apply, ERR_TOO_LARGE, NULL, "more than %d routes",
				    CONFIG_ROUTES_MAX);
	config->routes[i] = route;
	if (i == config->n_routes)
		config->n_routes++;
	return 0;
}

apply_fn apply_role_handler(enum command_id id)
{
	static const apply_fn handlers[COMMAND__MAX] = {
		[COMMAND_FAILOVER_MAC] = set_mac,
		[COMMAND_ROUTE] = set_route,
	};

	return handlers[id];
}
