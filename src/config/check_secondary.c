/* SPDX-License-Identifier: Apache-2.0 */
/* Secondary addresses against everything else that has an address. */
#include <string.h>

#include "base/err.h"
#include "config/check.h"

#define SECONDARIES_PER_MS 10u

static bool overlaps(const struct config_address *a, const struct config_address *b)
{
	uint8_t length = a->prefix_length < b->prefix_length ? a->prefix_length : b->prefix_length;

	return a->family && config_address_same_net(a, b, length);
}

static int why_secondary(struct why *ret_why, int code, const struct config_secondary *secondary,
			 const char *what, const char *whose)
{
	char text[INET6_ADDRSTRLEN];

	config_address_format(&secondary->address, text);
	return why_set(ret_why, code, "interface %.15s: the secondary address %s %s%.15s",
		       secondary->device, text, what, whose);
}

static int check_against_interface(const struct config_secondary *secondary,
				   const struct config_interface *interface, struct why *ret_why)
{
	const struct config_address *address = &secondary->address;
	bool is_v6 = address->family == AF_INET6;
	const struct config_address *active = is_v6 ? &interface->active6 : &interface->active4;
	const struct config_address *standby = is_v6 ? &interface->standby6 : &interface->standby4;

	if (config_address_equal(address, active) || config_address_equal(address, standby))
		return why_secondary(ret_why, ERR_EXISTS, secondary,
				     "is the active's or the standby's on interface ",
				     interface->device);
	if (strcmp(interface->device, secondary->device) != 0 && overlaps(active, address))
		return why_secondary(ret_why, ERR_EXISTS, secondary,
				     "is in a network that overlaps with that of interface ",
				     interface->device);
	return 0;
}

static int check_against_earlier(const struct config *config, size_t index, struct why *ret_why)
{
	const struct config_secondary *secondary = &config->secondaries[index];

	for (size_t i = 0; i < index; i++) {
		const struct config_secondary *other = &config->secondaries[i];

		if (config_address_equal(&other->address, &secondary->address))
			return why_secondary(ret_why, ERR_EXISTS, secondary, "stands twice", "");
		if (strcmp(other->device, secondary->device) != 0 &&
		    overlaps(&other->address, &secondary->address))
			return why_secondary(ret_why, ERR_EXISTS, secondary,
					     "is in a network that overlaps with one of interface ",
					     other->device);
	}
	return 0;
}

static int check_alone(const struct config *config, const struct config_secondary *secondary,
		       struct why *ret_why)
{
	const struct config_address *address = &secondary->address;
	bool is_known = false;

	if (memchr(secondary->device, 0, sizeof(secondary->device)) == NULL ||
	    (address->family != AF_INET && address->family != AF_INET6))
		return why_set(ret_why, ERR_SYNTAX, "a secondary address is not one");
	if (config_address_misuse(address))
		return why_secondary(ret_why, ERR_SYNTAX, secondary, "is not usable", "");
	for (size_t i = 0; i < config->n_interfaces && !is_known; i++)
		is_known = strcmp(config->interfaces[i].device, secondary->device) == 0;
	if (!is_known)
		return why_secondary(ret_why, ERR_NOT_FOUND, secondary,
				     "is on an interface that is not configured", "");
	if (config_link_on(&config->failover, secondary->device))
		return why_secondary(ret_why, ERR_EXISTS, secondary,
				     "is on the device of the failover link", "");
	for (size_t i = 0; i < config->failover.n_links; i++)
		if (overlaps(&config->failover.links[i].active, address))
			return why_secondary(ret_why, ERR_EXISTS, secondary,
					     "is in the network of the failover link", "");
	return 0;
}

/*
 * To move an address costs the kernel some 30 us, four times that on a busy machine. Units that
 * cannot move theirs within a holdtime take each other for lost with each change, without end.
 */
static int check_pace(const struct config *config, struct why *ret_why)
{
	if (config->n_secondaries <= config->failover.hold_ms * (uint64_t)SECONDARIES_PER_MS)
		return 0;
	return why_set(ret_why, ERR_TOO_LARGE,
		       "%zu secondary addresses are not moved within the holdtime of %u ms: set "
		       "\"failover polltime\" with a holdtime of at least %zu ms",
		       config->n_secondaries, config->failover.hold_ms,
		       (config->n_secondaries + SECONDARIES_PER_MS - 1) / SECONDARIES_PER_MS);
}

int check_secondaries(const struct config *config, struct why *ret_why)
{
	int r = check_pace(config, ret_why);

	for (size_t i = 0; i < config->n_secondaries && r == 0; i++) {
		r = check_alone(config, &config->secondaries[i], ret_why);
		for (size_t j = 0; j < config->n_interfaces && r == 0; j++)
			r = check_against_interface(&config->secondaries[i], &config->interfaces[j],
						    ret_why);
		if (r == 0)
			r = check_against_earlier(config, i, ret_why);
	}
	return r;
}
