/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of the proofs, for the operator. */
#include <stdio.h>

#include "failover/methods/proof_internal.h"

#define SHOWN_MAX 3

static struct json_object *kept_verdict(const struct proof_entry *entry, int kind)
{
	if (!entry)
		return proof_verdict("unknown", 0, "not proven yet");
	return proof_verdict(proof_state_name(entry->state[kind]), entry->at[kind], "");
}

void proof_add_verdicts(const struct engine *engine, struct json_object *places,
			struct json_object *trustpoint)
{
	const struct proof *proof = engine->proof;
	const char *name = parameter_text(trustpoint, "name");
	const char *fingerprint = parameter_text(trustpoint, "fingerprint");
	const struct proof_entry *entry = proof_entry_find(proof, name, proof_leaf_of(fingerprint));
	struct json_object *here = json_object_new_object(), *mate = json_object_new_object();
	bool has_mate = proof && proof->mate_places && entry &&
			(entry->state[PROOF_MATE_PRESENT] == PROOF_STATE_YES ||
			 entry->state[PROOF_MATE_PRESENT] == PROOF_STATE_NO);

	(void)json_object_object_add(here, "usable", kept_verdict(entry, PROOF_HERE_USABLE));
	(void)json_object_object_add(here, "served",
				     proof_judge_served(engine, places, name, fingerprint));
	(void)json_object_object_add(mate, "present", kept_verdict(entry, PROOF_MATE_PRESENT));
	(void)json_object_object_add(mate, "usable", kept_verdict(entry, PROOF_MATE_USABLE));
	(void)json_object_object_add(
		mate, "served",
		entry && entry->state[PROOF_MATE_PRESENT] == PROOF_STATE_NONE
			? proof_verdict("none", 0, "it stays on this unit")
		: has_mate ? proof_judge_served(engine, proof->mate_places, name, fingerprint)
			   : proof_verdict("unknown", 0, "not proven yet"));
	(void)json_object_object_add(trustpoint, "this", here);
	(void)json_object_object_add(trustpoint, "mate", mate);
}

static void add_failures(const struct proof *proof, struct json_object *array)
{
	for (size_t i = 0; i < proof->n_failures; i++) {
		struct why why;

		proof_failure_describe(&proof->failures[i], &why);
		(void)json_object_array_add(array, json_object_new_string(why.text));
	}
}

struct json_object *proof_summary(const struct engine *engine)
{
	const struct proof *proof = engine->proof;
	const struct proof_sweep *sweep = proof->last.ended_at ? &proof->last : &proof->running;
	struct json_object *object = json_object_new_object(), *array = json_object_new_array();

	json_add_number(object, "trustpoints", (int64_t)sweep->total);
	json_add_number(object, "replicated", (int64_t)sweep->replicated);
	json_add_number(object, "usable", (int64_t)sweep->usable);
	json_add_flag(object, "mate_asked", sweep->is_mate_asked);
	json_add_number(object, "mate_present", (int64_t)sweep->mate_present);
	json_add_number(object, "mate_usable", (int64_t)sweep->mate_usable);
	json_add_number(object, "began_at", sweep->began_at);
	json_add_number(object, "ended_at", sweep->ended_at);
	add_failures(proof, array);
	(void)json_object_object_add(object, "failures", array);
	return object;
}

static bool is_settled(enum fo_state state)
{
	return state == FO_STATE_ACTIVE || state == FO_STATE_STANDBY_READY;
}

void proof_add_troubles(const struct engine *engine, struct json_object *array)
{
	const struct proof *proof = engine->proof;
	const char *suggested = proof->suggested[0] ? proof->suggested : NULL;
	struct json_object *places;

	if (!is_settled(engine->fsm.state))
		return;
	places = proof_places(engine);
	proof_add_gaps(engine, places, false, suggested, array);
	json_object_put(places);
	if (engine_hears_mate(engine) && is_settled(engine->mate.view.state) && proof->mate_places)
		proof_add_gaps(engine, proof->mate_places, true, suggested, array);
	proof_add_idle_bindings(engine, array);
	for (size_t i = 0; i < proof->n_failures && i < SHOWN_MAX; i++) {
		struct why why;

		proof_failure_describe(&proof->failures[i], &why);
		(void)json_object_array_add(array, json_object_new_string(why.text));
	}
}
