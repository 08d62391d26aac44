/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual MAC addresses and routes against the interfaces that they need. */
#include <string.h>

#include "base/err.h"
#include "config/check.h"

static bool is_mac_of(const uint8_t mac[static 6], const struct config_interface *interface)
{
	return config_mac_is_set(mac) && (memcmp(mac, interface->active_mac, 6) == 0 ||
					  memcmp(mac, interface->standby_mac, 6) == 0);
}

static int check_mac(const struct config *config, size_t index, struct why *ret_why)
{
	const struct config_interface *interface = &config->interfaces[index];

	if (!config_mac_is_set(interface->active_mac))
		return config_mac_is_set(interface->standby_mac)
			       ? why_set(ret_why, ERR_SYNTAX,
					 "failover mac address %.15s: a standby's without an "
					 "active's",
					 interface->device)
			       : 0;
	if (((interface->active_mac[0] | interface->standby_mac[0]) & 1) != 0)
		return why_set(ret_why, ERR_SYNTAX,
			       "failover mac address %.15s: that is a group's, not a station's",
			       interface->device);
	for (size_t i = 0; i < index; i++)
		if (is_mac_of(interface->active_mac, &config->interfaces[i]) ||
		    is_mac_of(interface->standby_mac, &config->interfaces[i]))
			return why_set(ret_why, ERR_EXISTS,
				       "failover mac address %.15s: %.15s has the same one",
				       interface->device, config->interfaces[i].device);
	return 0;
}

int check_macs(const struct config *config, struct why *ret_why)
{
	int r = 0;

	for (size_t i = 0; i < config->n_interfaces && r == 0; i++)
		r = check_mac(config, i, ret_why);
	return r;
}

static bool is_within(const struct config_address *gateway, const struct config_address *network)
{
	return network->family && !config_address_equal(gateway, network) &&
	       config_address_same_net(gateway, network, network->prefix_length);
}

/* A neighbour of the interface, in one of its networks or by a link-local address. */
static bool is_neighbour(const struct config *config, const struct config_interface *interface,
			 const struct config_address *gateway)
{
	if (gateway->family == AF_INET6 && gateway->bytes[0] == 0xfe &&
	    (gateway->bytes[1] & 0xc0) == 0x80)
		return true;
	if (is_within(gateway, &interface->active4) || is_within(gateway, &interface->active6))
		return true;
	for (size_t i = 0; i < config->n_secondaries; i++)
		if (strcmp(config->secondaries[i].device, interface->device) == 0 &&
		    is_within(gateway, &config->secondaries[i].address))
			return true;
	return false;
}

int check_routes(const struct config *config, struct why *ret_why)
{
	for (size_t i = 0; i < config->n_routes; i++) {
		const struct config_route *route = &config->routes[i];
		const struct config_interface *interface =
			config_interface_find(config, route->interface);
		char text[INET6_ADDRSTRLEN];

		if (!interface)
			return why_set(ret_why, ERR_NOT_FOUND,
				       "route %.63s: no interface has this name", route->interface);
		config_address_format(&route->gateway, text);
		if (route->gateway.family != route->destination.family ||
		    !is_neighbour(config, interface, &route->gateway))
			return why_set(ret_why, ERR_SYNTAX,
				       "route %.63s: the gateway %s is in no network of the "
				       "interface",
				       route->interface, text);
	}
	return 0;
}
