/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof of some trustpoints: the keeper opens the keys, the fronts shake hands (they are waited
 * for where somebody wants to know now), the mate is asked for the same of the same names, and each
 * half is judged. A job belongs to one asker and calls it once.
 */
#include "failover/methods/proof.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/hex.h"
#include "control/message.h"
#include "failover/methods/exec.h"
#include "failover/methods/handlers.h"

#define FRONTS_MS 5000 /* for all handshakes of a unit */
#define TIME_MAX (INT64_C(1) << 40)

struct proof_job {
	struct proof_job *next; /* while it waits for the fronts */
	struct engine *engine;
	struct json_object *page;
	bool is_pair, is_now;
	uint64_t round;		  /* of the fronts' tests; 0: any */
	sd_event_source *timeout; /* of the fronts */
	proof_page_fn fn;
	void *userdata;
};

static void job_end(struct proof_job *job, int code, const char *why)
{
	job->timeout = sd_event_source_disable_unref(job->timeout);
	job->fn(code, why, code < 0 ? NULL : job->page, job->userdata);
	json_object_put(job->page);
	free(job);
}

/* ---- the mate's half ---- */

static struct json_object *find_named(struct json_object *page, const char *name)
{
	struct json_object *array = NULL;

	(void)json_object_object_get_ex(page, "trustpoints", &array);
	for (size_t i = 0; array && i < json_object_array_length(array); i++) {
		struct json_object *entry = json_object_array_get_idx(array, i);

		if (strcmp(parameter_text(entry, "name"), name) == 0)
			return entry;
	}
	return NULL;
}

static struct json_object *array_of(struct json_object *object, const char *key)
{
	struct json_object *array = NULL;

	if (!json_object_object_get_ex(object, key, &array) ||
	    !json_object_is_type(array, json_type_array))
		return NULL;
	return array;
}

static bool is_object(struct json_object *object)
{
	return json_object_is_type(object, json_type_object);
}

/* Absent, or seconds since 1970 with which one can reckon. */
static bool is_time(struct json_object *object, const char *key)
{
	int64_t at = parameter_number(object, key, 0);

	return at >= 0 && at <= TIME_MAX;
}

static bool is_good_entry(struct json_object *entry)
{
	struct json_object *usable = NULL;

	return is_object(entry) && (!json_object_object_get_ex(entry, "usable", &usable) ||
				    (is_object(usable) && is_time(usable, "at")));
}

static bool is_good_place(struct json_object *place)
{
	return is_object(place) && is_time(place, "tested_at");
}

static bool is_list_of(struct json_object *array, bool (*is_good)(struct json_object *))
{
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		if (!is_good(json_object_array_get_idx(array, i)))
			return false;
	}
	return true;
}

/* What the mate sent has the shape of a proof: the rest of this file builds on it. */
static bool is_proof(struct json_object *answer)
{
	struct json_object *entries = array_of(answer, "trustpoints");
	struct json_object *places = array_of(answer, "places");

	return entries && is_list_of(entries, is_good_entry) &&
	       (!places || is_list_of(places, is_good_place)) && is_time(answer, "now");
}

/* A time by the other unit's clock, by ours. */
static int64_t shift(int64_t at, int64_t by)
{
	return at == 0 ? 0 : at + by;
}

static void shift_verdict(struct json_object *verdict, int64_t by)
{
	int64_t at = parameter_number(verdict, "at", 0);

	json_object_object_del(verdict, "at");
	json_add_number(verdict, "at", shift(at, by));
}

static struct json_object *judge_present(struct json_object *entry, struct json_object *there)
{
	const char *digest = parameter_text(entry, "digest");
	int64_t now = (int64_t)time(NULL);

	if (!digest[0])
		return parameter_text(there, "digest")[0]
			       ? proof_verdict("no", now,
					       "this unit does not have it, the other has")
			       : proof_verdict("none", now, "neither unit has it");
	if (!parameter_flag(entry, "replicated"))
		return proof_verdict("none", 0, "it stays on this unit");
	if (!there || !parameter_text(there, "digest")[0])
		return proof_verdict("no", now, "the other unit does not have it");
	if (strcmp(parameter_text(there, "digest"), digest) != 0)
		return proof_verdict("no", now,
				     "the other unit has another certificate, key or generation "
				     "under this name");
	return proof_verdict("yes", now, "");
}

static struct json_object *mate_verdicts(const struct engine *engine, struct json_object *entry,
					 struct json_object *there, struct json_object *places,
					 int64_t by)
{
	struct json_object *object = json_object_new_object(), *usable = NULL;
	const char *name = parameter_text(entry, "name");

	(void)json_object_object_add(object, "present", judge_present(entry, there));
	if (there && parameter_text(there, "digest")[0] &&
	    json_object_object_get_ex(there, "usable", &usable)) {
		usable = json_object_get(usable);
		shift_verdict(usable, by);
	} else {
		usable = proof_verdict("none", 0, "it is not there");
	}
	(void)json_object_object_add(object, "usable", usable);
	/* What only this unit has need not be served there. */
	if (!parameter_flag(entry, "replicated") && !parameter_text(there, "digest")[0]) {
		(void)json_object_object_add(object, "served",
					     proof_verdict("none", 0, "it is not there"));
		return object;
	}
	usable = proof_judge_served(engine, places, name,
				    parameter_text(there, "digest")[0]
					    ? parameter_text(there, "fingerprint")
					    : parameter_text(entry, "fingerprint"));
	shift_verdict(usable, by);
	(void)json_object_object_add(object, "served", usable);
	return object;
}

static struct json_object *unknown_verdicts(const char *why)
{
	struct json_object *object = json_object_new_object();

	(void)json_object_object_add(object, "present", proof_verdict("unknown", 0, why));
	(void)json_object_object_add(object, "usable", proof_verdict("unknown", 0, why));
	(void)json_object_object_add(object, "served", proof_verdict("unknown", 0, why));
	return object;
}

/* Both halves together; THERE is NULL where the mate could not be asked. */
static void merge(struct proof_job *job, struct json_object *there, const char *why)
{
	struct json_object *entries = array_of(job->page, "trustpoints");
	struct json_object *mate = json_object_new_object();
	struct json_object *places = there ? array_of(there, "places") : NULL;
	int64_t by = there ? (int64_t)time(NULL) - parameter_number(there, "now", 0) : 0;
	struct json_object *none = json_object_new_array();

	json_add_flag(mate, "asked", there != NULL);
	json_add_text(mate, "why", why);
	if (places)
		(void)json_object_object_add(mate, "places", json_object_get(places));
	for (size_t i = 0; i < json_object_array_length(entries); i++) {
		struct json_object *entry = json_object_array_get_idx(entries, i);

		(void)json_object_object_add(
			entry, "mate",
			there ? mate_verdicts(job->engine, entry,
					      find_named(there, parameter_text(entry, "name")),
					      places ? places : none, by)
			      : unknown_verdicts(why));
	}
	json_object_put(none);
	(void)json_object_object_add(job->page, "mate", mate);
}

static void on_mate(const char *text, size_t size, void *userdata)
{
	struct proof_job *job = userdata;
	struct control_reply reply = {0};
	struct why why = {0};
	int r = control_reply_parse(text, size, &reply, &why);

	if (r == 0 && reply.is_error)
		why = reply.why;
	if (r < 0 || reply.is_error || !is_proof(reply.parameters))
		merge(job, NULL,
		      why.text[0] ? why.text
				  : "the other unit's answer is not understood: look at the "
				    "versions of both (asafo show version)");
	else
		merge(job, reply.parameters, "");
	control_reply_done(&reply);
	job_end(job, 0, "");
}

static void ask_mate(struct proof_job *job)
{
	struct engine *engine = job->engine;
	struct json_object *parameters = json_object_new_object(), *names = json_object_new_array();
	struct json_object *entries = array_of(job->page, "trustpoints");
	struct why why = {0};
	int r;

	for (size_t i = 0; i < json_object_array_length(entries); i++)
		(void)json_object_array_add(
			names, json_object_new_string(parameter_text(
				       json_object_array_get_idx(entries, i), "name")));
	(void)json_object_object_add(parameters, "names", names);
	json_add_flag(parameters, "now", job->is_now);
	if (!engine->config->failover.is_enabled)
		r = why_set(&why, ERR_NO_MATE, "failover is off: there is no other unit");
	else
		r = exec_ask_with(engine->exec, "asafo.Prove", parameters, "proof", on_mate, job,
				  &why);
	json_object_put(parameters);
	if (r == 0)
		return;
	merge(job, NULL, why.text);
	job_end(job, 0, "");
}

/* ---- this unit's half ---- */

/* The fronts are done, or are not waited for any longer. */
static void on_tried(struct proof_job *job)
{
	struct json_object *entries = array_of(job->page, "trustpoints");
	struct json_object *places = proof_places_since(job->engine, job->round);

	job->timeout = sd_event_source_disable_unref(job->timeout);
	for (size_t i = 0; i < json_object_array_length(entries); i++) {
		struct json_object *entry = json_object_array_get_idx(entries, i), *here, *usable;

		here = json_object_new_object();
		if (json_object_object_get_ex(entry, "usable", &usable))
			(void)json_object_object_add(here, "usable", json_object_get(usable));
		(void)json_object_object_add(
			here, "served",
			proof_judge_served(job->engine, places, parameter_text(entry, "name"),
					   parameter_text(entry, "fingerprint")));
		(void)json_object_object_add(entry, "this", here);
	}
	(void)json_object_object_add(job->page, "places", places);
	json_add_number(job->page, "now", (int64_t)time(NULL));
	if (job->is_pair)
		ask_mate(job);
	else
		job_end(job, 0, "");
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct proof_job *job = userdata, **at = proof_jobs(job->engine->proof);

	(void)source;
	(void)usec;
	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	on_tried(job);
	return 0;
}

static bool is_tried(const struct proof_job *job)
{
	struct json_object *places = proof_places_since(job->engine, job->round);
	bool is = proof_places_are_tried(places);

	json_object_put(places);
	return is;
}

void proof_jobs_check(struct proof_job **jobs)
{
	struct proof_job *done = NULL;

	for (struct proof_job **at = jobs; *at;) {
		struct proof_job *job = *at;

		if (!is_tried(job)) {
			at = &job->next;
			continue;
		}
		*at = job->next;
		job->next = done;
		done = job;
	}
	while (done) {
		struct proof_job *job = done;

		done = job->next;
		on_tried(job);
	}
}

void proof_jobs_drop(struct proof_job **jobs)
{
	while (*jobs) {
		struct proof_job *job = *jobs;

		*jobs = job->next;
		job_end(job, ERR_CLOSED, "this unit stops");
	}
}

static void wait_for_fronts(struct proof_job *job)
{
	struct proof_job **jobs = proof_jobs(job->engine->proof);

	if (!job->is_now || is_tried(job) ||
	    sd_event_add_time_relative(job->engine->event, &job->timeout, CLOCK_MONOTONIC,
				       FRONTS_MS * 1000u, 0, on_timeout, job) < 0) {
		on_tried(job);
		return;
	}
	job->next = *jobs;
	*jobs = job;
}

static const char *usable_state(const Asafo__Ipc__Proof *proof)
{
	if (proof->code == ERR_NO_KEY || proof->digest.len == 0)
		return "none";
	return proof->code == 0 ? "yes" : "no";
}

static struct json_object *entry_of(const struct engine *engine, const Asafo__Ipc__Proof *proof)
{
	static const char *const origins[] = {"imported", "fallback", "local-ca"};
	struct json_object *entry = json_object_new_object();

	json_add_text(entry, "name", proof->name);
	json_add_text(entry, "key", proof->key);
	json_add_flag(entry, "replicated", proof->is_replicated);
	json_add_hex(entry, "digest", proof->digest.data, proof->digest.len);
	json_add_hex(entry, "fingerprint", proof->fingerprint.data, proof->fingerprint.len);
	json_add_number(entry, "generation", (int64_t)proof->generation);
	json_add_number(entry, "not_before", proof->not_before);
	json_add_number(entry, "not_after", proof->not_after);
	json_add_text(entry, "kept_home", proof->kept_home);
	json_add_text(entry, "origin",
		      (unsigned)proof->origin < ARRAY_SIZE(origins) ? origins[proof->origin]
								    : "unknown");
	(void)json_object_object_add(entry, "bound", json_bound_to(engine->config, proof->name));
	(void)json_object_object_add(entry, "usable",
				     proof_verdict(usable_state(proof), proof->at, proof->why));
	return entry;
}

static void on_proofs(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__ProveReply *reply = (const Asafo__Ipc__ProveReply *)body;
	struct proof_job *job = userdata;
	struct json_object *entries;

	(void)has_more;
	if (job->engine->is_exiting || code < 0) {
		job_end(job, ERR_CLOSED, "the keeper went away: try again");
		return;
	}
	if (reply->status && reply->status->code < 0) {
		job_end(job, reply->status->code, reply->status->why);
		return;
	}
	entries = json_object_new_array();
	for (size_t i = 0; i < reply->n_proofs; i++)
		(void)json_object_array_add(entries, entry_of(job->engine, reply->proofs[i]));
	(void)json_object_object_add(job->page, "trustpoints", entries);
	json_add_text(job->page, "unit", fo_unit_text(job->engine->config->failover.unit));
	/* None is no reason to ask again and again. */
	json_add_flag(job->page, "last", reply->is_last || reply->n_proofs == 0);
	wait_for_fronts(job);
}

static int start(struct engine *engine, const struct proof_request *request, bool is_pair,
		 proof_page_fn fn, void *userdata)
{
	Asafo__Ipc__Prove message = ASAFO__IPC__PROVE__INIT;
	size_t n = request->names ? json_object_array_length(request->names) : 0;
	_cleanup_free_ char **names = calloc(n ? n : 1, sizeof(*names));
	struct proof_job *job = calloc(1, sizeof(*job));
	int r = -ENOMEM;

	if (names && job) {
		*job = (struct proof_job){.engine = engine,
					  .page = json_object_new_object(),
					  .is_pair = is_pair,
					  .is_now = request->is_now,
					  .fn = fn,
					  .userdata = userdata};
		for (size_t i = 0; i < n; i++)
			names[i] = (char *)(uintptr_t)json_object_get_string(
				json_object_array_get_idx(request->names, i));
		message.names = names;
		message.n_names = n;
		message.after = (char *)(uintptr_t)(request->after ? request->after : "");
		message.max = request->max;
		message.max_ms = request->max_ms;
		message.without_keys = request->is_without_keys;
		message.whole = request->is_whole;
		r = engine_keeper_call(engine, IPC_PROVE, &message.base, NULL, 0, on_proofs, job);
	}
	if (r < 0) {
		if (job)
			json_object_put(job->page);
		free(job);
		return r;
	}
	if (request->is_now)
		job->round = engine_fronts_test(engine);
	return 0;
}

int proof_page_here(struct engine *engine, const struct proof_request *request, proof_page_fn fn,
		    void *userdata)
{
	return start(engine, request, false, fn, userdata);
}

int proof_page_pair(struct engine *engine, const struct proof_request *request, proof_page_fn fn,
		    void *userdata)
{
	return start(engine, request, true, fn, userdata);
}
