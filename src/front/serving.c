/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binding whose trustpoint cannot be had leads to the fallback, never to the next binding: which
 * certificate is served must follow from the configuration, and a wrong one that looks right is
 * found too late.
 */
#include "front/serving.h"

#include <stdio.h>

static const char *validity_text(const struct credential *credential, int64_t now)
{
	if (now > credential_not_after(credential))
		return "; the certificate has expired";
	return now < credential_not_before(credential) ? "; the certificate is not yet valid" : "";
}

/* What each unit has of its own, this one may have none of: that is no wrong certificate. */
static bool is_there(const struct snapshot_binding *binding, const void *userdata)
{
	return !binding->is_optional || trustcache_get(userdata, binding->trustpoint, NULL);
}

void serving_resolve(const struct snapshot *snapshot, const struct trustcache *cache,
		     const char *interface, const char *server_name, int64_t now,
		     struct serving *ret_serving)
{
	struct serving serving = {.trustpoint = ""};
	enum selection_rule rule;
	const struct snapshot_binding *binding =
		selection_find_wanted(snapshot, interface, server_name, is_there, cache, &rule);
	const char *why = "", *fallback_why = "";

	if (binding) {
		serving.trustpoint = binding->trustpoint;
		serving.credential = trustcache_get(cache, binding->trustpoint, &why);
	}
	if (serving.credential) {
		(void)snprintf(serving.why, sizeof(serving.why), "%s%s", selection_rule_text(rule),
			       validity_text(serving.credential, now));
		*ret_serving = serving;
		return;
	}
	serving.is_fallback = true;
	serving.credential = trustcache_get(cache, "", &fallback_why);
	(void)snprintf(serving.why, sizeof(serving.why), "%s%s%.*s%s%s%.*s",
		       binding ? selection_rule_text(rule) : "no trustpoint is bound here",
		       binding ? ", but " : "", 100, why,
		       serving.credential ? "" : "; nothing can be served: ", "", 80,
		       serving.credential ? "" : fallback_why);
	*ret_serving = serving;
}

int serving_want(const struct snapshot *snapshot, struct trustcache *cache)
{
	int r;

	trustcache_mark(cache);
	r = trustcache_want(cache, "");
	for (size_t i = 0; i < snapshot->n_bindings && r == 0; i++)
		r = trustcache_want(cache, snapshot->bindings[i].trustpoint);
	return r;
}
