/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A place whose trustpoints cannot be had leads to the fallback, never to the next rule: which
 * certificate is served must follow from the configuration, and a wrong one that looks right is
 * found too late.
 */
#include "front/tls/serving.h"

#include <stdio.h>
#include <string.h>

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

struct candidate {
	const struct snapshot_binding *binding;
	struct credential *credential; /* NULL: it cannot be had */
	const char *why;	       /* ... for this reason */
	int rank;		       /* the highest is given */
};

struct place {
	struct candidate candidates[SELECTION_MAX];
	size_t n;
	enum selection_rule rule;
};

static bool suits(const struct credential *credential, const struct serving_client *client)
{
	return !client->hello || credential_suits(credential, client->hello, client->suites);
}

/* Below 0: cannot be had. A client that does not know it is asked to make do with it only where
 * there is nothing else; an old certificate goes behind a valid one that is known, too. */
static int rank_of(const struct credential *credential, const struct serving_client *client)
{
	int kind, is_valid;

	if (!credential)
		return -1;
	kind = (int)credential_kind(credential);
	is_valid = !validity_text(credential, client->now)[0];
	if (suits(credential, client))
		return 16 + 8 * is_valid + CREDENTIAL_KIND__MAX - kind;
	return kind;
}

static void find_place(const struct snapshot *snapshot, const struct trustcache *cache,
		       const struct serving_client *client, struct place *ret_place)
{
	const struct snapshot_binding *bindings[SELECTION_MAX];

	ret_place->n = selection_find(snapshot, client->interface, client->server_name, is_there,
				      cache, bindings, &ret_place->rule);
	for (size_t i = 0; i < ret_place->n; i++) {
		struct candidate *candidate = &ret_place->candidates[i];

		*candidate = (struct candidate){.binding = bindings[i], .why = ""};
		candidate->credential =
			trustcache_get(cache, bindings[i]->trustpoint, &candidate->why);
		candidate->rank = rank_of(candidate->credential, client);
	}
}

static void serve_bound(const struct candidate *candidate, enum selection_rule rule, int64_t now,
			struct serving *ret_serving)
{
	*ret_serving = (struct serving){.trustpoint = candidate->binding->trustpoint,
					.credential = candidate->credential};
	(void)snprintf(ret_serving->why, sizeof(ret_serving->why), "%s%s",
		       selection_rule_text(rule), validity_text(candidate->credential, now));
}

static void serve_fallback(const struct place *place, const struct trustcache *cache,
			   struct serving *ret_serving)
{
	const struct candidate *last = place->n > 0 ? &place->candidates[place->n - 1] : NULL;
	const char *fallback_why = "";
	struct serving serving = {.trustpoint = last ? last->binding->trustpoint : "",
				  .is_fallback = true};

	serving.credential = trustcache_get(cache, "", &fallback_why);
	(void)snprintf(serving.why, sizeof(serving.why), "%s%s%.*s%s%.*s",
		       last ? selection_rule_text(place->rule) : "no trustpoint is bound here",
		       last ? ", but " : "", 100, last ? last->why : "",
		       serving.credential ? "" : "; nothing can be served: ", 80,
		       serving.credential ? "" : fallback_why);
	*ret_serving = serving;
}

void serving_resolve(const struct snapshot *snapshot, const struct trustcache *cache,
		     const struct serving_client *client, struct serving *ret_serving)
{
	struct place place;
	const struct candidate *best = NULL;

	find_place(snapshot, cache, client, &place);
	for (size_t i = 0; i < place.n; i++) {
		if (place.candidates[i].rank >= (best ? best->rank : 0))
			best = &place.candidates[i];
	}
	if (best)
		serve_bound(best, place.rule, client->now, ret_serving);
	else
		serve_fallback(&place, cache, ret_serving);
}

/* ---- the list ---- */

/* Few: the highest first, of equals the later one. */
static void sort(struct place *place)
{
	for (size_t i = 1; i < place->n; i++) {
		struct candidate moved = place->candidates[i];
		size_t at = i;

		for (; at > 0 && place->candidates[at - 1].rank <= moved.rank; at--)
			place->candidates[at] = place->candidates[at - 1];
		place->candidates[at] = moved;
	}
}

/* The one before it that has a key of the same kind. */
static const struct candidate *find_same(const struct place *place, size_t index)
{
	const struct credential *credential = place->candidates[index].credential;

	for (size_t i = 0; credential && i < index; i++) {
		if (credential_kind(place->candidates[i].credential) == credential_kind(credential))
			return &place->candidates[i];
	}
	return NULL;
}

static void say_idle(const struct place *place, size_t index, struct serving *serving)
{
	const struct candidate *candidate = &place->candidates[index];
	const struct candidate *same = find_same(place, index);

	serving->is_idle = true;
	if (same)
		(void)snprintf(serving->why, sizeof(serving->why),
			       "%s, but %s goes first there, which has a key of the same kind (%s)",
			       selection_rule_text(place->rule), same->binding->trustpoint,
			       credential_kind_text(credential_kind(candidate->credential)));
	else
		(void)snprintf(serving->why, sizeof(serving->why), "%s, but %.*s: clients get %s",
			       selection_rule_text(place->rule), 100, candidate->why,
			       place->candidates[0].binding->trustpoint);
}

/* For whom it is, where there is a choice. */
static void say_kind(const struct credential *before, size_t n, struct serving *serving)
{
	const char *kind = credential_kind_text(credential_kind(serving->credential));
	size_t used = strlen(serving->why);

	if (before)
		(void)snprintf(serving->why + used, sizeof(serving->why) - used,
			       "; for clients that take %s and not %s", kind,
			       credential_kind_text(credential_kind(before)));
	else if (n > 1)
		(void)snprintf(serving->why + used, sizeof(serving->why) - used,
			       "; for clients that take %s", kind);
}

static size_t count_kinds(const struct place *place)
{
	size_t n = 0;

	for (size_t i = 0; i < place->n; i++)
		n += place->candidates[i].credential && !find_same(place, i);
	return n;
}

size_t serving_list(const struct snapshot *snapshot, const struct trustcache *cache,
		    const struct serving_client *client,
		    struct serving ret_list[static SELECTION_MAX], size_t *ret_n_served)
{
	struct place place;
	size_t n = 0, n_served, idle;

	find_place(snapshot, cache, client, &place);
	sort(&place);
	n_served = idle = count_kinds(&place);
	*ret_n_served = n_served > 0 ? n_served : 1;
	if (n_served == 0) {
		serve_fallback(&place, cache, &ret_list[0]);
		return 1;
	}
	for (size_t i = 0; i < place.n; i++) {
		const struct candidate *candidate = &place.candidates[i];

		if (candidate->credential && !find_same(&place, i)) {
			serve_bound(candidate, place.rule, client->now, &ret_list[n]);
			say_kind(n > 0 ? ret_list[n - 1].credential : NULL, n_served, &ret_list[n]);
			n++;
			continue;
		}
		ret_list[idle] = (struct serving){.trustpoint = candidate->binding->trustpoint,
						  .credential = candidate->credential};
		say_idle(&place, i, &ret_list[idle++]);
	}
	return place.n;
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
