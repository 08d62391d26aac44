/* SPDX-License-Identifier: Apache-2.0 */
/* Each binding is ranked by the rule it fulfils; the lowest rank wins, the earlier binding among
 * equals. */
#include "front/selection.h"

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

const struct snapshot_binding *selection_find_wanted(const struct snapshot *snapshot,
						     const char *interface, const char *server_name,
						     selection_wanted_fn is_wanted,
						     const void *userdata,
						     enum selection_rule *ret_rule)
{
	const struct snapshot_binding *best = NULL;
	enum selection_rule best_rule = SELECTION_FALLBACK;

	for (size_t i = 0; i < snapshot->n_bindings; i++) {
		const struct snapshot_binding *binding = &snapshot->bindings[i];
		enum selection_rule rule =
			rule_of(binding, interface, server_name ? server_name : "");

		if (rule < best_rule && (!is_wanted || is_wanted(binding, userdata))) {
			best_rule = rule;
			best = binding;
		}
	}
	*ret_rule = best_rule;
	return best;
}

const struct snapshot_binding *selection_find(const struct snapshot *snapshot,
					      const char *interface, const char *server_name,
					      enum selection_rule *ret_rule)
{
	return selection_find_wanted(snapshot, interface, server_name, NULL, NULL, ret_rule);
}
