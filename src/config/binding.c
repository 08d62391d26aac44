/* SPDX-License-Identifier: Apache-2.0 */
/* Bindings are in the order in which they were made; a binding's place is the pair (interface,
 * domain), and has room for several trustpoints, as a client knows some kinds of keys and not
 * others. */
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

static bool is_same_place(const struct config_binding *a, const struct config_binding *b)
{
	return strcmp(a->interface, b->interface) == 0 && strcmp(a->domain, b->domain) == 0;
}

static size_t count_place(const struct config *config, const struct config_binding *wanted)
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_bindings; i++)
		n += is_same_place(&config->bindings[i], wanted);
	return n;
}

static struct config_binding *binding_find(struct config *config,
					   const struct config_binding *wanted)
{
	for (size_t i = 0; i < config->n_bindings; i++) {
		struct config_binding *binding = &config->bindings[i];

		if (is_same_place(binding, wanted) &&
		    strcmp(binding->trustpoint, wanted->trustpoint) == 0)
			return binding;
	}
	return NULL;
}

static void binding_remove(struct config *config, struct config_binding *binding)
{
	config->n_bindings--;
	memmove(binding, binding + 1,
		(size_t)(&config->bindings[config->n_bindings] - binding) * sizeof(*binding));
}

/* Whether a line of the same place is behind it. */
static bool is_overtaken(const struct config *config, const struct config_binding *binding)
{
	for (const struct config_binding *other = binding + 1;
	     other < &config->bindings[config->n_bindings]; other++) {
		if (is_same_place(other, binding))
			return true;
	}
	return false;
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
	if (old && !is_overtaken(config, old))
		return 0;
	if (old)
		binding_remove(config, old);
	if (config->n_bindings == CONFIG_BINDINGS_MAX)
		return why_set(ret_why, ERR_TOO_LARGE, "more than %d bindings",
			       CONFIG_BINDINGS_MAX);
	if (count_place(config, &binding) == CONFIG_PLACE_MAX)
		return why_set(ret_why, ERR_TOO_LARGE,
			       "%d trustpoints are bound%s%s%s%s already, and one of each kind of "
			       "key is served: unbind those that are not needed",
			       CONFIG_PLACE_MAX, binding.interface[0] ? " to " : "",
			       binding.interface, binding.domain[0] ? " for " : "", binding.domain);
	config->bindings[config->n_bindings++] = binding;
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
	if (!old)
		return why_set(ret_why, ERR_NOT_FOUND, "%s is not bound%s%s%s%s",
			       binding.trustpoint, binding.interface[0] ? " to " : "",
			       binding.interface, binding.domain[0] ? " for " : "", binding.domain);
	binding_remove(config, old);
	return 0;
}
