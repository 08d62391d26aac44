/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include "failover/methods/answer.h"
#include "failover/methods/proof.h"

/* What proof.c (the background), proof_table.c (what is known) and proof_show.c share. */
#define PROOF_FAILURES_MAX 32

enum proof_state {
	PROOF_STATE_UNKNOWN,
	PROOF_STATE_YES,
	PROOF_STATE_NO,
	PROOF_STATE_NONE,
	PROOF_STATE__MAX
};

/* here: usable; mate: present, usable. What is served is known by place. */
enum { PROOF_HERE_USABLE, PROOF_MATE_PRESENT, PROOF_MATE_USABLE, PROOF_KINDS };

struct proof_entry {
	uint64_t name; /* hash; 0: free */
	uint32_t leaf; /* the fingerprint's beginning */
	uint32_t at[PROOF_KINDS];
	uint8_t state[PROOF_KINDS];
	uint8_t sweep; /* of which it was last part */
};

struct proof_failure {
	char name[CONFIG_NAME_MAX];
	bool is_mate;
	const char *what; /* "present", "usable", "served" */
	struct why why;
};

struct proof_sweep {
	uint64_t total, usable, mate_present, mate_usable, replicated;
	bool is_mate_asked;
	int64_t began_at, ended_at;
};

struct proof {
	struct engine *engine;
	sd_event_source *timer;
	struct proof_job *jobs;
	struct proof_entry *entries;
	size_t n_entries, n_slots;
	struct proof_failure failures[PROOF_FAILURES_MAX];
	size_t n_failures;
	char suggested[CONFIG_NAME_MAX]; /* a trustpoint that is bound nowhere */
	struct json_object *mate_places;
	struct proof_sweep running, last;
	uint8_t sweep;
	char after[CONFIG_NAME_MAX];
	size_t bound_from; /* what is bound is asked for from there on; a page may not hold all */
	bool is_running, is_sweeping, is_page_of_sweep, is_bound_due, is_changed;
	struct monotime bound_at, page_at, sweep_at, began_at; /* due; due; due; of the sweep */
};

/* "yes" and the like. */
const char *proof_state_name(enum proof_state state);
/* NULL: nothing is known of a record with this name and beginning of a fingerprint. */
const struct proof_entry *proof_entry_find(const struct proof *proof, const char *name,
					   uint32_t leaf);
uint32_t proof_leaf_of(const char *fingerprint);
/* A page's verdicts are kept; those of a sweep are counted. */
void proof_take_page(struct proof *proof, struct json_object *page, bool is_of_sweep);
/* Forgets what a sweep that has ended did not see, and failures of what is bound no longer. */
void proof_forget(struct proof *proof, struct json_object *bound_names);
void proof_failure_describe(const struct proof_failure *failure, struct why *ret_why);
