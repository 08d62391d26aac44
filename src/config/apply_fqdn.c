/* SPDX-License-Identifier: Apache-2.0 */
/* The names by which clients know an interface's addresses: what a certificate there has to have.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "config/apply.h"

void apply_fqdns_forget(struct config *config, const char *device)
{
	size_t kept = 0;

	for (size_t i = 0; i < config->n_fqdns; i++) {
		if (strcmp(config->fqdns[i].device, device) != 0)
			config->fqdns[kept++] = config->fqdns[i];
	}
	config->n_fqdns = kept;
}

static size_t find(const struct config *config, const char *device, const char *active)
{
	size_t i = 0;

	while (i < config->n_fqdns && (strcmp(config->fqdns[i].device, device) != 0 ||
				       strcasecmp(config->fqdns[i].active, active) != 0))
		i++;
	return i;
}

static int set_fqdn(struct apply *apply, const struct grammar_match *match)
{
	struct config *config = apply->config;
	const char *device = config->interfaces[apply->index].device;
	const struct value *active = grammar_match_value(match, "active");
	struct config_fqdn *fqdn;
	size_t i = find(config, device, active->text);

	fqdn = &config->fqdns[i];
	if (match->is_negated) {
		if (i == config->n_fqdns)
			return apply_refuse(apply, ERR_NOT_FOUND, active,
					    "the interface has no such name");
		config->n_fqdns--;
		memmove(fqdn, fqdn + 1, (config->n_fqdns - i) * sizeof(*fqdn));
		return 0;
	}
	if (i == CONFIG_FQDNS_MAX)
		return apply_refuse(apply, ERR_TOO_LARGE, active, "more than %d names",
				    CONFIG_FQDNS_MAX);
	if (i == config->n_fqdns)
		config->n_fqdns++;
	*fqdn = (struct config_fqdn){0};
	(void)snprintf(fqdn->device, sizeof(fqdn->device), "%s", device);
	(void)snprintf(fqdn->active, sizeof(fqdn->active), "%s", active->text);
	(void)snprintf(fqdn->standby, sizeof(fqdn->standby), "%s", apply_text(match, "standby"));
	return 0;
}

apply_fn apply_fqdn_handler(enum command_id id)
{
	return id == COMMAND_FQDN ? set_fqdn : NULL;
}
