/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "failover/core/wire.pb-c.h"
#include "src/ipc/ipc.pb-c.h"

/*
 * When the key of session tickets changes, and that the mate has it, too. The active unit makes
 * another each day, or when it has none; the standby takes what the active sends. The engine sees
 * the keys sealed only.
 */
#define RESUMPTION_ROTATE_S (24 * 3600)

struct engine;

struct engine_resumption {
	sd_event_source *timer;
	uint64_t id, mate_id; /* of the newest key, here and there; 0: none, or not known */
	int64_t made_at, previous_left_s;
	bool is_asked;	  /* the keeper */
	bool is_taking;	  /* ... to take the mate's, which says it again each minute */
	bool is_rotating; /* ... for another one */
	bool is_warned;	  /* of a key of the mate's that could not be taken */
	bool is_told;	  /* since the link is up: not again before the timer */
};

/* Errors: -errno. */
int engine_resumption_start(struct engine *engine);
void engine_resumption_stop(struct engine *engine);
/* Something is different: the role, the keeper, what the mate has. */
void engine_resumption_kick(struct engine *engine);
void engine_resumption_link_up(struct engine *engine);
/* The mate has the pair's key-encryption key from now on. */
void engine_resumption_replicated(struct engine *engine);
/* The mate's, or its answer. Returns false for other messages. */
bool engine_resumption_message(struct engine *engine, const Asafo__Wire__Link *message);
/* What the keeper answered to IPC_RESUMPTION, whoever asked. */
void engine_resumption_read(struct engine *engine, const Asafo__Ipc__ResumptionReply *reply);
