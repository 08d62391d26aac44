/* SPDX-License-Identifier: Apache-2.0 */
/* Secondary addresses stand in a table of their own, in the order in which they were given. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "config/apply.h"

void apply_secondaries_forget(struct config *config, const char *device, uint8_t family)
{
	size_t kept = 0;

	for (size_t i = 0; i < config->n_secondaries; i++) {
		const struct config_secondary *secondary = &config->secondaries[i];

		if (strcmp(secondary->device, device) == 0 &&
		    (family == 0 || secondary->address.family == family))
			continue;
		if (i != kept)
			config->secondaries[kept] = *secondary;
		kept++;
	}
	config->n_secondaries = kept;
}

static size_t find(const struct config *config, const struct config_address *address)
{
	size_t i = 0;

	while (i < config->n_secondaries &&
	       !config_address_equal(&config->secondaries[i].address, address))
		i++;
	return i;
}

static int remove_secondary(struct apply *apply, const struct value *value, const char *device,
			    const struct config_address *address)
{
	struct config *config = apply->config;
	size_t i = find(config, address);
	struct config_secondary *secondary = &config->secondaries[i];

	if (i == config->n_secondaries || strcmp(secondary->device, device) != 0 ||
	    secondary->address.prefix_length != address->prefix_length)
		return apply_refuse(apply, ERR_NOT_FOUND, value,
				    "the interface has no such secondary address");
	config->n_secondaries--;
	memmove(secondary, secondary + 1, (config->n_secondaries - i) * sizeof(*secondary));
	return 0;
}

/* Again with another mask: the new one counts. */
static int add_secondary(struct apply *apply, const struct value *value, const char *device,
			 const struct config_address *address)
{
	struct config *config = apply->config;
	size_t i = find(config, address);

	if (i < config->n_secondaries && strcmp(config->secondaries[i].device, device) != 0)
		return apply_refuse(apply, ERR_EXISTS, value, "the interface %s has this address",
				    config->secondaries[i].device);
	if (i == CONFIG_SECONDARIES_MAX)
		return apply_refuse(apply, ERR_TOO_LARGE, value, "more than %d secondary addresses",
				    CONFIG_SECONDARIES_MAX);
	config->secondaries[i] = (struct config_secondary){.address = *address};
	(void)snprintf(config->secondaries[i].device, IFNAMSIZ, "%s", device);
	if (i == config->n_secondaries)
		config->n_secondaries++;
	return 0;
}

static int set_secondary(struct apply *apply, const struct grammar_match *match)
{
	const char *device = apply->config->interfaces[apply->index].device;
	const struct value *value = grammar_match_value(match, "address");
	const struct value *mask = grammar_match_value(match, "mask");
	struct config_address address = value->address;
	int r;

	if (mask)
		address.prefix_length = mask->address.prefix_length;
	if (match->is_negated)
		return remove_secondary(apply, value, device, &address);
	r = apply_check_usable(apply, value, &address);
	return r < 0 ? r : add_secondary(apply, value, device, &address);
}

apply_fn apply_secondary_handler(enum command_id id)
{
	return id == COMMAND_SECONDARY ? set_secondary : NULL;
}
