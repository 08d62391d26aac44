/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "config/apply.h"
#include "config/reference.h"

static struct config_interface *current(struct apply *apply)
{
	return &apply->config->interfaces[apply->index];
}

static int remove_interface(struct apply *apply, const struct value *device, size_t index)
{
	struct config *config = apply->config;

	if (index == config->n_interfaces)
		return apply_refuse(apply, ERR_NOT_FOUND, device, "there is no such interface");
	if (config->interfaces[index].name[0])
		reference_remove(config, config->interfaces[index].name);
	apply_secondaries_forget(config, config->interfaces[index].device, 0);
	apply_fqdns_forget(config, config->interfaces[index].device);
	config->n_interfaces--;
	memmove(&config->interfaces[index], &config->interfaces[index + 1],
		(config->n_interfaces - index) * sizeof(config->interfaces[0]));
	return 0;
}

/* `interface outside` where outside is the name of eth0: its lines would hold for nothing. What is
 * stored already is not refused: a device may bear the name of another one. */
static int check_new(struct apply *apply, const struct value *device)
{
	const struct config *config = apply->config;

	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		if (strcmp(interface->name, device->text) == 0)
			return apply_refuse(apply, ERR_EXISTS, device,
					    "%s is the name of interface %s: its lines stand below "
					    "interface %s",
					    interface->name, interface->device, interface->device);
	}
	return 0;
}

static int set_interface(struct apply *apply, const struct grammar_match *match)
{
	struct config *config = apply->config;
	const struct value *device = grammar_match_value(match, "device");
	size_t index = 0;
	int r;

	while (index < config->n_interfaces &&
	       strcmp(config->interfaces[index].device, device->text) != 0)
		index++;
	if (match->is_negated)
		return remove_interface(apply, device, index);
	r = apply->is_typed && index == config->n_interfaces ? check_new(apply, device) : 0;
	if (r < 0)
		return r;
	if (index == CONFIG_INTERFACES_MAX)
		return apply_refuse(apply, ERR_TOO_LARGE, device, "more than %d interfaces",
				    CONFIG_INTERFACES_MAX);
	if (index == config->n_interfaces) {
		config->interfaces[index] = (struct config_interface){.is_monitored = true};
		(void)snprintf(config->interfaces[index].device, IFNAMSIZ, "%s", device->text);
		config->n_interfaces++;
	}
	apply->index = index;
	apply->mode = COMMAND_MODE_INTERFACE;
	return 0;
}

static int clear_name(struct apply *apply, const struct value *name)
{
	struct config_interface *interface = current(apply);

	if (name && strcmp(name->text, interface->name) != 0)
		return apply_refuse(apply, ERR_NOT_FOUND, name, "the interface has another name");
	if (interface->name[0])
		reference_remove(apply->config, interface->name);
	interface->name[0] = 0;
	interface->is_monitored = true;
	return 0;
}

static int set_name(struct apply *apply, const struct grammar_match *match)
{
	struct config_interface *interface = current(apply);
	const struct config_failover *failover = &apply->config->failover;
	const struct value *name = grammar_match_value(match, "name");
	const struct config_interface *other;

	if (match->is_negated)
		return clear_name(apply, name);
	other = config_interface_find(apply->config, name->text);
	if (other && other != interface)
		return apply_refuse(apply, ERR_EXISTS, name, "the device %s has this name already",
				    other->device);
	if (config_link_find(failover, name->text))
		return apply_refuse(apply, ERR_EXISTS, name, "the failover link has this name");
	if (config_link_on(failover, interface->device))
		return apply_refuse(
			apply, ERR_EXISTS, name,
			"the device %s carries the failover link: it cannot have a nameif",
			interface->device);
	/* `ssl trust-point NAME domain ...` would read it as its keyword. */
	if (strcasecmp(name->text, "domain") == 0)
		return apply_refuse(apply, ERR_SYNTAX, name,
				    "this word is a keyword of ssl trust-point");
	if (interface->name[0])
		reference_rename(apply->config, interface->name, name->text);
	(void)snprintf(interface->name, sizeof(interface->name), "%s", name->text);
	return 0;
}

int apply_check_usable(struct apply *apply, const struct value *value,
		       const struct config_address *address)
{
	const char *misuse = config_address_misuse(address);

	return misuse ? apply_refuse(apply, ERR_SYNTAX, value, "this is %s", misuse) : 0;
}

int apply_addresses(struct apply *apply, const struct value *address, const struct value *mask,
		    const struct value *standby, struct config_address *ret_active,
		    struct config_address *ret_standby)
{
	struct config_address active = address->address;
	struct config_address other = {0};
	int r;

	if (mask)
		active.prefix_length = mask->address.prefix_length;
	r = apply_check_usable(apply, address, &active);
	if (r == 0 && standby) {
		other = standby->address;
		other.prefix_length = active.prefix_length;
		if (config_address_equal(&active, &other))
			return apply_refuse(apply, ERR_SYNTAX, standby,
					    "the standby's address must be another one");
		if (!config_address_same_net(&active, &other, active.prefix_length))
			return apply_refuse(
				apply, ERR_SYNTAX, standby,
				"expected an address in the same network as the active one");
		r = apply_check_usable(apply, standby, &other);
	}
	if (r < 0)
		return r;
	*ret_active = active;
	*ret_standby = other;
	return 0;
}

static int set_address(struct apply *apply, const struct grammar_match *match, uint8_t family,
		       struct config_address *active, struct config_address *standby)
{
	if (match->is_negated) {
		/* Without an address every address of the family is meant. */
		if (!grammar_match_value(match, "address"))
			apply_secondaries_forget(apply->config, current(apply)->device, family);
		*active = (struct config_address){0};
		*standby = (struct config_address){0};
		return 0;
	}
	return apply_addresses(apply, grammar_match_value(match, "address"),
			       grammar_match_value(match, "mask"),
			       grammar_match_value(match, "standby"), active, standby);
}

static int set_address4(struct apply *apply, const struct grammar_match *match)
{
	return set_address(apply, match, AF_INET, &current(apply)->active4,
			   &current(apply)->standby4);
}

static int set_address6(struct apply *apply, const struct grammar_match *match)
{
	return set_address(apply, match, AF_INET6, &current(apply)->active6,
			   &current(apply)->standby6);
}

static int set_shutdown(struct apply *apply, const struct grammar_match *match)
{
	current(apply)->is_shutdown = !match->is_negated;
	return 0;
}

static int set_monitor(struct apply *apply, const struct grammar_match *match)
{
	const struct value *name = grammar_match_value(match, "name");

	for (size_t i = 0; i < apply->config->n_interfaces; i++) {
		struct config_interface *interface = &apply->config->interfaces[i];

		if (strcmp(interface->name, name->text) == 0) {
			interface->is_monitored = !match->is_negated;
			return 0;
		}
	}
	return apply_refuse(apply, ERR_NOT_FOUND, name,
			    "no interface above has this name (\"nameif %s\")", name->text);
}

apply_fn apply_interface_handler(enum command_id id)
{
	static const apply_fn handlers[COMMAND__MAX] = {
		[COMMAND_INTERFACE] = set_interface, [COMMAND_NAMEIF] = set_name,
		[COMMAND_IP_ADDRESS] = set_address4, [COMMAND_IPV6_ADDRESS] = set_address6,
		[COMMAND_SHUTDOWN] = set_shutdown,   [COMMAND_MONITOR_INTERFACE] = set_monitor,
	};

	return handlers[id];
}
