/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "failover/engine/engine.h"

/*
 * The engine's end of the channel to asafo-runner: the administrator's hooks, which run on each
 * change of role, and track scripts. The engine asks and goes on; what becomes of it is counted.
 */
#define HOOKS_TIMEOUT_MS 30000

struct hooks;

struct hooks_counts {
	uint64_t changes;  /* of role, for which hooks were asked for */
	uint64_t runs;	   /* of a hook that ended well */
	uint64_t failures; /* exit code, signal, limit, or not allowed to run */
	uint64_t overtaken;
	char failure[200];	/* the latest, a sentence; empty: none */
	uint64_t failure_at_ns; /* wall clock */
};

int hooks_new(struct engine *engine, struct hooks **ret_hooks);
void hooks_free(struct hooks *hooks);
/* The runner is there (again); FD is taken over. */
void hooks_attach(struct hooks *hooks, int fd);
/* The machine is in another state: runs the hooks where that is another role. HOOKS may be NULL. */
void hooks_on_transition(struct hooks *hooks, const struct engine_transition *transition);
/* Runs the executable NAME of the track folder once, with ARGV (after its name), at most TIMEOUT_MS
 * long. ON_REPLY gets a RunnerResult, or a code below 0 where the runner went away. Errors:
 * ERR_CLOSED, -ENOMEM. */
int hooks_run_track(struct hooks *hooks, const char *name, const char *const *argv, size_t n_argv,
		    unsigned timeout_ms, ipc_reply_fn on_reply, void *userdata);
/* What hooks_trouble says, too. */
void hooks_clear_counts(struct hooks *hooks);
/* A sentence on the INDEXth hook that failed when it last ran; false: there are not so many. HOOKS
 * may be NULL. */
bool hooks_trouble(const struct hooks *hooks, size_t index, struct why *ret_why);
const struct hooks_counts *hooks_counts(const struct hooks *hooks);
/* The role as hooks are told it: "active", "standby", "failed", "none"; NULL: on the way to
 * active. IS_ACTIVE: a Disabled unit may serve. */
const char *hooks_role(enum fo_state state, bool is_active);
