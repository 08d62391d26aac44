/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The background: what is bound right after a change and every few seconds, then a sweep over
 * everything, page by page, which takes at most a tenth of the time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/proof_internal.h"

#define SOON_MS 100	      /* after a change: others may follow */
#define PAGE_MS 1000	      /* between two pages of a sweep */
#define PAGE_NAMES 64	      /* of a sweep */
#define PAGE_WORK_MS 10	      /* of the keeper's time a page */
#define BOUND_MS 10000	      /* between two looks at what is bound, and */
#define BOUND_EACH_MS 500     /* ... for each of them */
#define SWEEP_MS 600000	      /* between two sweeps where nothing changed */
#define SWEEP_CHANGED_MS 1000 /* ... where something did */
#define SWEEP_REST 9	      /* times as long as the last sweep took */

struct proof_job **proof_jobs(struct proof *proof)
{
	return &proof->jobs;
}

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	(void)json_object_object_get_ex(object, key, &value);
	return value;
}

/* ---- the background ---- */

static void arm(struct proof *proof)
{
	struct monotime due = monotime_min(proof->bound_at,
					   proof->is_sweeping ? proof->page_at : proof->sweep_at);

	if (proof->is_running) {
		(void)sd_event_source_set_enabled(proof->timer, SD_EVENT_OFF);
		return;
	}
	(void)sd_event_source_set_time(proof->timer, due.ns / 1000 + 1);
	(void)sd_event_source_set_enabled(proof->timer, SD_EVENT_ONESHOT);
}

/* Names each once. */
static struct json_object *bound_names(const struct engine *engine)
{
	struct json_object *array = json_object_new_array();
	const struct config *config = engine->config;

	for (size_t i = 0; i < config->n_bindings; i++) {
		size_t j = 0;

		while (strcmp(config->bindings[j].trustpoint, config->bindings[i].trustpoint) != 0)
			j++;
		if (j == i)
			(void)json_object_array_add(
				array, json_object_new_string(config->bindings[i].trustpoint));
	}
	return array;
}

static void sweep_begin(struct proof *proof)
{
	proof->is_sweeping = true;
	proof->is_changed = false;
	proof->sweep++;
	proof->after[0] = 0;
	proof->suggested[0] = 0;
	proof->began_at = monotime_now();
	proof->running = (struct proof_sweep){.began_at = (int64_t)time(NULL)};
}

static void sweep_end(struct proof *proof)
{
	struct monotime now = monotime_now();
	uint64_t took_ms = monotime_since(now, proof->began_at) / MONOTIME_NS_PER_MS;
	struct json_object *names = bound_names(proof->engine);
	uint64_t rest_ms = proof->is_changed ? SWEEP_CHANGED_MS : SWEEP_MS;

	proof->is_sweeping = false;
	proof->running.ended_at = (int64_t)time(NULL);
	proof->last = proof->running;
	/* One page is no work, however long the mate took to answer. */
	if (proof->last.total > PAGE_NAMES && took_ms * SWEEP_REST > rest_ms)
		rest_ms = took_ms * SWEEP_REST;
	proof->sweep_at = monotime_add_ms(now, rest_ms);
	proof_forget(proof, names);
	json_object_put(names);
}

static void sweep_on(struct proof *proof, struct json_object *page, struct json_object *entries,
		     size_t n)
{
	if (n > 0)
		(void)snprintf(proof->after, sizeof(proof->after), "%s",
			       parameter_text(json_object_array_get_idx(entries, n - 1), "name"));
	if (parameter_flag(page, "last"))
		sweep_end(proof);
}

/* There are more of them than a page took. */
static void bound_on(struct proof *proof, size_t n)
{
	proof->bound_from += n;
	proof->bound_at = monotime_min(proof->bound_at, monotime_add_ms(monotime_now(), PAGE_MS));
}

static void on_page(int code, const char *why, struct json_object *page, void *userdata)
{
	struct engine *engine = userdata;
	struct proof *proof = engine->proof;
	struct json_object *entries = page ? member(page, "trustpoints") : NULL;
	size_t n = entries ? json_object_array_length(entries) : 0;

	(void)code;
	(void)why;
	if (engine->is_exiting)
		return;
	proof->is_running = false;
	if (page)
		proof_take_page(proof, page, proof->is_page_of_sweep);
	if (page && proof->is_page_of_sweep)
		sweep_on(proof, page, entries, n);
	else if (page && parameter_flag(page, "last"))
		proof->bound_from = 0;
	else if (page)
		bound_on(proof, n);
	proof->page_at = monotime_add_ms(monotime_now(), PAGE_MS);
	arm(proof);
}

static bool may_run(const struct engine *engine)
{
	return engine->is_started && engine->store.is_known && !engine->store.why[0] &&
	       engine->rooms.keeper;
}

/* From where the last page of them ended. */
static struct json_object *next_bound(struct proof *proof)
{
	struct json_object *all = bound_names(proof->engine), *names = json_object_new_array();
	size_t n = json_object_array_length(all);

	if (proof->bound_from >= n)
		proof->bound_from = 0;
	for (size_t i = proof->bound_from; i < n; i++)
		(void)json_object_array_add(names,
					    json_object_get(json_object_array_get_idx(all, i)));
	json_object_put(all);
	/* Without names it would be a list; a name that nobody has tells the mate's places. */
	if (n == 0)
		(void)json_object_array_add(names, json_object_new_string("."));
	return names;
}

static void ask_bound(struct proof *proof)
{
	struct json_object *names = next_bound(proof);
	struct proof_request request = {.names = names, .max_ms = 10 * PAGE_WORK_MS};
	uint64_t each_ms = proof->engine->config->n_bindings * BOUND_EACH_MS;

	proof->bound_at = monotime_add_ms(monotime_now(), each_ms > BOUND_MS ? each_ms : BOUND_MS);
	proof->is_page_of_sweep = false;
	proof->is_running = proof_page_pair(proof->engine, &request, on_page, proof->engine) == 0;
	json_object_put(names);
}

static void ask_page(struct proof *proof)
{
	struct proof_request request = {
		.after = proof->after, .max = PAGE_NAMES, .max_ms = PAGE_WORK_MS};

	proof->page_at = monotime_add_ms(monotime_now(), PAGE_MS);
	proof->is_page_of_sweep = true;
	proof->is_running = proof_page_pair(proof->engine, &request, on_page, proof->engine) == 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct proof *proof = userdata;
	struct monotime now = monotime_now();

	(void)source;
	(void)usec;
	if (!may_run(proof->engine)) {
		proof->bound_at = proof->page_at = proof->sweep_at = monotime_add_ms(now, PAGE_MS);
	} else if (monotime_reached(now, proof->bound_at)) {
		ask_bound(proof);
	} else {
		if (!proof->is_sweeping)
			sweep_begin(proof);
		ask_page(proof);
	}
	arm(proof);
	return 0;
}

void proof_kick(struct proof *proof)
{
	struct monotime now = monotime_now();

	if (!proof)
		return;
	proof->is_changed = true;
	proof->bound_at = monotime_min(proof->bound_at, monotime_add_ms(now, SOON_MS));
	/* A long one is not begun again and again. */
	if (!proof->is_sweeping &&
	    monotime_since(proof->sweep_at, now) > SWEEP_CHANGED_MS * MONOTIME_NS_PER_MS &&
	    proof->last.total <= PAGE_NAMES)
		proof->sweep_at = monotime_add_ms(now, SWEEP_CHANGED_MS);
	arm(proof);
}

void proof_reported(struct proof *proof)
{
	if (proof && proof->jobs)
		proof_jobs_check(&proof->jobs);
}

int proof_new(struct engine *engine, struct proof **ret_proof)
{
	struct proof *proof = calloc(1, sizeof(*proof));
	int r;

	if (!proof)
		return -ENOMEM;
	proof->engine = engine;
	proof->bound_at = proof->page_at = proof->sweep_at =
		monotime_add_ms(monotime_now(), PAGE_MS);
	r = sd_event_add_time(engine->event, &proof->timer, CLOCK_MONOTONIC, 0, 10000, on_timer,
			      proof);
	if (r < 0) {
		free(proof);
		return r;
	}
	(void)sd_event_source_set_priority(proof->timer, SD_EVENT_PRIORITY_IDLE);
	arm(proof);
	*ret_proof = proof;
	return 0;
}

void proof_free(struct proof *proof)
{
	if (!proof)
		return;
	proof_jobs_drop(&proof->jobs);
	proof->timer = sd_event_source_disable_unref(proof->timer);
	json_object_put(proof->mate_places);
	free(proof->entries);
	free(proof);
}
