/* SPDX-License-Identifier: Apache-2.0 */
/* Bindings are in the order in which they were made; a binding's place is the pair (interface,
 * domain). */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "config/config.h"
#include "config/value.h"

static void lower(char *text)
{
	for (; *text; text++) {
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
	}
}

/* The three words, checked. */
static int binding_make(const char *trustpoint, const char *interface, const char *domain,
			struct config_binding *ret_binding, struct why *ret_why)
{
	struct config_binding binding = {0};

	if (!trustpoint || !value_accept(VALUE_NAME, 0, 0, trustpoint, NULL))
		return why_set(ret_why, ERR_SYNTAX, "\"%.64s\" cannot be the name of a trustpoint",
			       trustpoint ? trustpoint : "");
	if (interface && *interface && !value_accept(VALUE_NAME, 0, 0, interface, NULL))
		return why_set(ret_why, ERR_SYNTAX, "\"%.64s\" cannot be the name of an interface",
			       interface);
	if (domain && *domain && !value_accept(VALUE_FQDN, 0, 0, domain, NULL))
		return why_set(
			ret_why, ERR_SYNTAX,
			"\"%.64s\" is not a domain name such as vpn.example.org or *.example.org",
			domain);
	(void)snprintf(binding.trustpoint, sizeof(binding.trustpoint), "%s", trustpoint);
	(void)snprintf(binding.interface, sizeof(binding.interface), "%s",
		       interface ? interface : "");
	(void)snprintf(binding.domain, sizeof(binding.domain), "%s", domain ? domain : "");
	lower(binding.domain);
	*ret_binding = binding;
	return 0;
}

static struct config_binding *binding_find(struct config *config,
					   const struct config_binding *wanted)
{
	for (size_t i = 0; i < config->n_bindings; i++) {
		struct config_binding *binding = &config->bindings[i];

		if (strcmp(binding->interface, wanted->interface) == 0 &&
		    strcmp(binding->domain, wanted->domain) == 0)
			return binding;
	}
	return NULL;
}

int config_bind(struct config *config, const char *trustpoint, const char *interface,
		const char *domain, struct why *ret_why)
{
	struct config_binding binding;
	struct config_binding *old;
	int r = binding_make(trustpoint, interface, domain, &binding, ret_why);

	if (r < 0)
		return r;
	if (binding.interface[0] && !config_interface_find(config, binding.interface))
		return why_set(ret_why, ERR_NOT_FOUND, "no interface is named %s",
			       binding.interface);
	old = binding_find(config, &binding);
	if (!old && config->n_bindings == CONFIG_BINDINGS_MAX)
		return why_set(ret_why, ERR_TOO_LARGE, "more than %d bindings",
			       CONFIG_BINDINGS_MAX);
	if (!old)
		old = &config->bindings[config->n_bindings++];
	*old = binding;
	return 0;
}

int config_unbind(struct config *config, const char *trustpoint, const char *interface,
		  const char *domain, struct why *ret_why)
{
	struct config_binding binding;
	struct config_binding *old;
	int r = binding_make(trustpoint, interface, domain, &binding, ret_why);

	if (r < 0)
		return r;
	old = binding_find(config, &binding);
	if (!old || strcmp(old->trustpoint, binding.trustpoint) != 0)
		return why_set(ret_why, ERR_NOT_FOUND, "%s is not bound%s%s%s%s",
			       binding.trustpoint, binding.interface[0] ? " to " : "",
			       binding.interface, binding.domain[0] ? " for " : "", binding.domain);
	config->n_bindings--;
	memmove(old, old + 1, (size_t)(&config->bindings[config->n_bindings] - old) * sizeof(*old));
	return 0;
}
