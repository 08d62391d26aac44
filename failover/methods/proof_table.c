/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verdicts are kept for each trustpoint in a few bytes, by a hash of its name and the beginning of
 * its fingerprint, so that those of a record that was replaced are nobody's. What is served is not
 * kept: it is known by place.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "failover/methods/proof_internal.h"

static const char *const state_names[PROOF_STATE__MAX] = {"unknown", "yes", "no", "none"};

const char *proof_state_name(enum proof_state state)
{
	return state_names[state];
}

/* ---- the table ---- */

static uint64_t hash_name(const char *name)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * UINT64_C(1099511628211);
	return hash ? hash : 1;
}

uint32_t proof_leaf_of(const char *fingerprint)
{
	char text[9] = "";

	(void)snprintf(text, sizeof(text), "%.8s", fingerprint);
	return (uint32_t)strtoul(text, NULL, 16);
}

static struct proof_entry *slot_of(struct proof_entry *entries, size_t n_slots, uint64_t name)
{
	size_t at = (size_t)name & (n_slots - 1);

	while (entries[at].name != 0 && entries[at].name != name)
		at = (at + 1) & (n_slots - 1);
	return &entries[at];
}

/* Into a table with room for N; those that the sweep did not see are forgotten where it ended. */
static int rebuild(struct proof *proof, size_t n, bool is_after_sweep)
{
	size_t n_slots = 64;
	struct proof_entry *entries;
	size_t kept = 0;

	while (n_slots * 3 < n * 4)
		n_slots *= 2;
	entries = calloc(n_slots, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < proof->n_slots; i++) {
		const struct proof_entry *entry = &proof->entries[i];

		if (entry->name == 0 || (is_after_sweep && entry->sweep != proof->sweep))
			continue;
		*slot_of(entries, n_slots, entry->name) = *entry;
		kept++;
	}
	free(proof->entries);
	proof->entries = entries;
	proof->n_slots = n_slots;
	proof->n_entries = kept;
	return 0;
}

static struct proof_entry *entry_get(struct proof *proof, const char *name)
{
	uint64_t hash = hash_name(name);
	struct proof_entry *entry;

	if ((proof->n_entries + 1) * 4 > proof->n_slots * 3 &&
	    rebuild(proof, 2 * (proof->n_entries + 1), false) < 0)
		return NULL;
	entry = slot_of(proof->entries, proof->n_slots, hash);
	if (entry->name == 0) {
		*entry = (struct proof_entry){.name = hash};
		proof->n_entries++;
	}
	return entry;
}

const struct proof_entry *proof_entry_find(const struct proof *proof, const char *name,
					   uint32_t leaf)
{
	const struct proof_entry *entry;

	if (!proof || proof->n_slots == 0)
		return NULL;
	entry = slot_of(proof->entries, proof->n_slots, hash_name(name));
	return entry->name != 0 && entry->leaf == leaf ? entry : NULL;
}

/* ---- what a page has found ---- */

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	(void)json_object_object_get_ex(object, key, &value);
	return value;
}

static enum proof_state state_of(struct json_object *verdict)
{
	const char *name = parameter_text(verdict, "state");

	for (int i = 0; i < PROOF_STATE__MAX; i++) {
		if (strcmp(name, state_names[i]) == 0)
			return (enum proof_state)i;
	}
	return PROOF_STATE_UNKNOWN;
}

static void keep_verdict(struct proof_entry *entry, int kind, struct json_object *verdict)
{
	entry->state[kind] = (uint8_t)state_of(verdict);
	entry->at[kind] = (uint32_t)parameter_number(verdict, "at", 0);
}

static struct proof_failure *failure_find(struct proof *proof, const char *name, bool is_mate,
					  const char *what)
{
	for (size_t i = 0; i < proof->n_failures; i++) {
		struct proof_failure *failure = &proof->failures[i];

		if (failure->is_mate == is_mate && strcmp(failure->what, what) == 0 &&
		    strcmp(failure->name, name) == 0)
			return failure;
	}
	return NULL;
}

void proof_failure_describe(const struct proof_failure *failure, struct why *ret_why)
{
	(void)why_set(ret_why, 0, "trustpoint %s is not %s on %s unit: %.300s", failure->name,
		      failure->what, failure->is_mate ? "the other" : "this", failure->why.text);
}

static void note_verdict(struct proof *proof, const char *name, bool is_mate, const char *what,
			 struct json_object *verdict)
{
	enum proof_state state = state_of(verdict);
	struct proof_failure *failure = failure_find(proof, name, is_mate, what);
	struct why why;

	if (state != PROOF_STATE_NO) {
		if (failure && state != PROOF_STATE_UNKNOWN)
			*failure = proof->failures[--proof->n_failures];
		return;
	}
	if (!failure && proof->n_failures == PROOF_FAILURES_MAX)
		return;
	if (failure) {
		(void)why_set(&failure->why, 0, "%s", parameter_text(verdict, "why"));
		return;
	}
	failure = &proof->failures[proof->n_failures++];
	*failure = (struct proof_failure){.is_mate = is_mate, .what = what};
	(void)snprintf(failure->name, sizeof(failure->name), "%s", name);
	(void)why_set(&failure->why, 0, "%s", parameter_text(verdict, "why"));
	proof_failure_describe(failure, &why);
	log_line(LOG_WARNING, "%s", why.text);
}

static bool is_entry_bound(struct json_object *entry)
{
	struct json_object *bound = member(entry, "bound");

	return bound && json_object_array_length(bound) > 0;
}

/* What nobody is served with may be expired; what the mate lacks is told by name already. */
static void take_failures(struct proof *proof, struct json_object *entry, const char *name)
{
	struct json_object *here = member(entry, "this"), *mate = member(entry, "mate");

	if (!is_entry_bound(entry))
		return;
	note_verdict(proof, name, false, "usable", member(here, "usable"));
	note_verdict(proof, name, true, "usable", member(mate, "usable"));
}

static void count(struct proof_sweep *sweep, const struct proof_entry *entry, bool is_replicated)
{
	sweep->total++;
	sweep->usable += entry->state[PROOF_HERE_USABLE] == PROOF_STATE_YES;
	sweep->replicated += is_replicated;
	sweep->mate_present += is_replicated && entry->state[PROOF_MATE_PRESENT] == PROOF_STATE_YES;
	sweep->mate_usable += is_replicated && entry->state[PROOF_MATE_USABLE] == PROOF_STATE_YES;
}

static void take_entry(struct proof *proof, struct json_object *object, bool is_of_sweep)
{
	const char *name = parameter_text(object, "name");
	struct json_object *here = member(object, "this"), *mate = member(object, "mate");
	struct proof_entry *entry;

	/* A name that somebody asked for, or a binding has, and nobody holds. */
	if (!parameter_text(object, "digest")[0])
		return;
	entry = entry_get(proof, name);
	if (!entry)
		return;
	entry->leaf = proof_leaf_of(parameter_text(object, "fingerprint"));
	keep_verdict(entry, PROOF_HERE_USABLE, member(here, "usable"));
	keep_verdict(entry, PROOF_MATE_PRESENT, member(mate, "present"));
	keep_verdict(entry, PROOF_MATE_USABLE, member(mate, "usable"));
	take_failures(proof, object, name);
	entry->sweep = proof->sweep;
	if (!is_of_sweep)
		return;
	count(&proof->running, entry, parameter_flag(object, "replicated"));
	if (!proof->suggested[0] && !is_entry_bound(object))
		(void)snprintf(proof->suggested, sizeof(proof->suggested), "%s", name);
}

void proof_take_page(struct proof *proof, struct json_object *page, bool is_of_sweep)
{
	struct json_object *entries = member(page, "trustpoints"), *mate = member(page, "mate");
	struct json_object *places = member(mate, "places");

	json_object_put(TAKE_PTR(proof->mate_places));
	if (places)
		proof->mate_places = json_object_get(places);
	proof->running.is_mate_asked = parameter_flag(mate, "asked");
	for (size_t i = 0; i < json_object_array_length(entries); i++)
		take_entry(proof, json_object_array_get_idx(entries, i), is_of_sweep);
}

void proof_take(struct proof *proof, struct json_object *page)
{
	proof_take_page(proof, page, false);
}

void proof_forget(struct proof *proof, struct json_object *names)
{
	(void)rebuild(proof, 2 * proof->n_entries, true);

	for (size_t i = 0; i < proof->n_failures;) {
		size_t j = 0, n = json_object_array_length(names);

		while (j < n && strcmp(json_object_get_string(json_object_array_get_idx(names, j)),
				       proof->failures[i].name) != 0)
			j++;
		if (j == n)
			proof->failures[i] = proof->failures[--proof->n_failures];
		else
			i++;
	}
}
