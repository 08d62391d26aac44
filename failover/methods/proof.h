/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Proof of each trustpoint, on both units: PRESENT (the mate's record has the digest of ours),
 * USABLE (that unit's keeper opened the sealed key and signed with it, and the certificate is valid
 * by that unit's clock), SERVED (each front of that unit shook hands with itself where it is bound,
 * and the client's end got exactly its leaf). What is bound is proven soon after each change, and
 * every few seconds; everything in the background, at a bounded rate; and now for `asafo verify`.
 * Each unit proves both: the mate is asked for its half with a method of its own, over the failover
 * link.
 *
 * A verdict is an object: "state" ("yes", "no", "unknown", or "none": it does not apply), "at"
 * (seconds since 1970 by this unit's clock; 0: never), "why" (a sentence where it is not "yes").
 */
struct engine;
struct proof;

int proof_new(struct engine *engine, struct proof **ret_proof);
/* Fails what waits. Takes NULL. */
void proof_free(struct proof *proof);
/* The store, the configuration or the mate changed: what is bound is proven at once. Takes NULL. */
void proof_kick(struct proof *proof);
/* A front has reported: whoever waits for its handshakes may go on. Takes NULL. */
void proof_reported(struct proof *proof);

/* ---- proof_page.c: some trustpoints ---- */
struct proof_request {
	struct json_object *names; /* array of texts, borrowed; NULL: what comes behind AFTER */
	const char *after;
	uint32_t max, max_ms; /* so many, and so long of the keeper's time */
	bool is_without_keys; /* digests only: nothing is proven */
	bool is_whole;	      /* every item that the pair shares; AFTER is a key */
	bool is_now;	      /* the fronts shake hands anew, and only that counts */
};
/* PAGE is borrowed; NULL with an error: CODE < 0 and a sentence. */
typedef void (*proof_page_fn)(int code, const char *why, struct json_object *page, void *userdata);
struct proof_job;
/* This unit's half; both. FN is called once, never from inside. Errors: -ENOMEM, ERR_CLOSED. */
int proof_page_here(struct engine *engine, const struct proof_request *request, proof_page_fn fn,
		    void *userdata);
int proof_page_pair(struct engine *engine, const struct proof_request *request, proof_page_fn fn,
		    void *userdata);
/* Those that wait for fronts. */
void proof_jobs_check(struct proof_job **jobs);
void proof_jobs_drop(struct proof_job **jobs);
struct proof_job **proof_jobs(struct proof *proof);

/* ---- proof_served.c: what clients get ---- */
/* What each place (interface, name) serves on this unit, the worst of its fronts. */
struct json_object *proof_places(const struct engine *engine);
/* The same; what was tested before ROUND (engine_fronts_test) was asked for counts as not tested.
 */
struct json_object *proof_places_since(const struct engine *engine, uint64_t round);
/* Every place of PLACES was tested. */
bool proof_places_are_tried(struct json_object *places);
/* The verdict for NAME by PLACES of a unit; FINGERPRINT is that of the record there. */
struct json_object *proof_judge_served(const struct engine *engine, struct json_object *places,
				       const char *name, const char *fingerprint);
/* Sentences: where a client gets the self-signed certificate, or none; what to type. SUGGESTED (or
 * NULL) is a trustpoint that is bound nowhere. */
void proof_add_gaps(const struct engine *engine, struct json_object *places, bool is_mate,
		    const char *suggested, struct json_object *array);
/* Bindings of which no client ever sees anything. */
void proof_add_idle_bindings(const struct engine *engine, struct json_object *array);

/* ---- what is known ---- */
/* Adds "this" and "mate", with what was last found, to an entry of `show trustpoints`. PLACES are
 * this unit's (proof_places). */
void proof_add_verdicts(const struct engine *engine, struct json_object *places,
			struct json_object *trustpoint);
/* Remembers what PAGE of proof_page_pair has found. */
void proof_take(struct proof *proof, struct json_object *page);
/* How far the background is, what failed. */
struct json_object *proof_summary(const struct engine *engine);
/* Sentences for `show failover` and `asafo check`. */
void proof_add_troubles(const struct engine *engine, struct json_object *array);

struct json_object *proof_verdict(const char *state, int64_t at, const char *why);
