/* SPDX-License-Identifier: Apache-2.0 */
/* Each binding is ranked by the rule it fulfils; the lowest rank wins. */
#include "front/tls/selection.h"

#include <string.h>
#include <strings.h>

static const char *const texts[SELECTION__MAX] = {
	[SELECTION_DOMAIN_INTERFACE] = "bound by domain and interface",
	[SELECTION_WILDCARD_INTERFACE] = "bound by wildcard domain and interface",
	[SELECTION_DOMAIN] = "bound by domain",
	[SELECTION_WILDCARD] = "bound by wildcard domain",
	[SELECTION_INTERFACE] = "bound by interface",
	[SELECTION_GLOBAL] = "bound for all interfaces",
	[SELECTION_FALLBACK] = "no trustpoint is bound",
};

const char *selection_rule_text(enum selection_rule rule)
{
	return (unsigned)rule < SELECTION__MAX ? texts[rule] : "unknown";
}

bool selection_wildcard_covers(const char *pattern, const char *name)
{
	const char *dot = strchr(name, '.');

	return strncmp(pattern, "*.", 2) == 0 && dot && dot != name &&
	       strcasecmp(pattern + 1, dot) == 0;
}

static enum selection_rule rule_of(const struct snapshot_binding *binding, const char *interface,
				   const char *server_name)
{
	bool is_here = strcmp(binding->interface, interface) == 0;

	if (binding->interface[0] && !is_here)
		return SELECTION_FALLBACK;
	if (binding->domain[0] == '\0')
		return binding->interface[0] ? SELECTION_INTERFACE : SELECTION_GLOBAL;
	if (strcasecmp(binding->domain, server_name) == 0)
		return binding->interface[0] ? SELECTION_DOMAIN_INTERFACE : SELECTION_DOMAIN;
	if (selection_wildcard_covers(binding->domain, server_name))
		return binding->interface[0] ? SELECTION_WILDCARD_INTERFACE : SELECTION_WILDCARD;
	return SELECTION_FALLBACK;
}

/* Behind those of its place; a trustpoint that is there already only moves. */
static size_t add(const struct snapshot_binding *bindings[static SELECTION_MAX], size_t n,
		  const struct snapshot_binding *binding)
{
	size_t at = 0;

	while (at < n && strcmp(bindings[at]->trustpoint, binding->trustpoint) != 0)
		at++;
	if (at == SELECTION_MAX)
		at = 0;
	if (at < n) {
		n--;
		memmove(&bindings[at], &bindings[at + 1], (n - at) * sizeof(bindings[0]));
	}
	bindings[n] = binding;
	return n + 1;
}

size_t selection_find(const struct snapshot *snapshot, const char *interface,
		      const char *server_name, selection_wanted_fn is_wanted, const void *userdata,
		      const struct snapshot_binding *ret_bindings[static SELECTION_MAX],
		      enum selection_rule *ret_rule)
{
	enum selection_rule best = SELECTION_FALLBACK;
	size_t n = 0;

	for (size_t i = 0; i < snapshot->n_bindings; i++) {
		const struct snapshot_binding *binding = &snapshot->bindings[i];
		enum selection_rule rule =
			rule_of(binding, interface, server_name ? server_name : "");

		if (rule == SELECTION_FALLBACK || rule > best ||
		    (is_wanted && !is_wanted(binding, userdata)))
			continue;
		if (rule < best)
			n = 0;
		best = rule;
		n = add(ret_bindings, n, binding);
	}
	*ret_rule = best;
	return n;
}
