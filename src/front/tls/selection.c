/* SPDX-License-Identifier: Apache-2.0 */
/* The bindings of three domains can hold: the name itself, its wildcard, and none. Each is ranked
 * by the rule that it fulfils; the lowest rank wins. */
#include "front/tls/selection.h"

#include <string.h>

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

struct search {
	const struct snapshot *snapshot;
	const char *interface;
	selection_wanted_fn is_wanted;
	const void *userdata;
	const struct snapshot_binding **found;
	size_t n;
	enum selection_rule best;
};

/* The bindings of DOMAIN: those of the search's interface fulfil the rule HERE, those of all
 * interfaces the rule EVERYWHERE. */
static void look(struct search *search, const char *domain, enum selection_rule here,
		 enum selection_rule everywhere)
{
	const struct snapshot_binding *binding = NULL;

	while ((binding = snapshot_next_of(search->snapshot, domain, binding)) != NULL) {
		enum selection_rule rule = binding->interface[0] ? here : everywhere;

		if (rule > search->best ||
		    (binding->interface[0] && strcmp(binding->interface, search->interface) != 0) ||
		    (search->is_wanted && !search->is_wanted(binding, search->userdata)))
			continue;
		if (rule < search->best)
			search->n = 0;
		search->best = rule;
		search->n = add(search->found, search->n, binding);
	}
}

/* RFC 6125 section 6.4.3: it stands for the first label, and for that alone. */
static void look_for_wildcard(struct search *search, const char *server_name)
{
	char pattern[SNAPSHOT_DOMAIN_MAX];
	const char *dot = strchr(server_name, '.');
	size_t size = dot ? strlen(dot) : 0;

	if (!dot || dot == server_name || size + 2 > sizeof(pattern))
		return;
	pattern[0] = '*';
	memcpy(pattern + 1, dot, size + 1);
	look(search, pattern, SELECTION_WILDCARD_INTERFACE, SELECTION_WILDCARD);
}

size_t selection_find(const struct snapshot *snapshot, const char *interface,
		      const char *server_name, selection_wanted_fn is_wanted, const void *userdata,
		      const struct snapshot_binding *ret_bindings[static SELECTION_MAX],
		      enum selection_rule *ret_rule)
{
	struct search search = {snapshot,     interface, is_wanted,	    userdata,
				ret_bindings, 0,	 SELECTION_FALLBACK};

	if (server_name && server_name[0]) {
		look(&search, server_name, SELECTION_DOMAIN_INTERFACE, SELECTION_DOMAIN);
		look_for_wildcard(&search, server_name);
	}
	look(&search, "", SELECTION_INTERFACE, SELECTION_GLOBAL);
	*ret_rule = search.best;
	return search.n;
}
