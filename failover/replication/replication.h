/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/monotime.h"
#include "base/why.h"
#include "failover/core/wire.pb-c.h"

/*
 * Bulk replication, both ends (DESIGN.md, Replication). The standby asks with its position; the
 * active offers nothing, the changes since, or what differs from the standby's manifest; the
 * standby stages, commits once, and answers with its new position; the active acknowledges equal
 * digests. The running-config's replicated lines go the same way, unless they agree already. A link
 * that dies in the middle costs a pause (core/sync.h).
 */
struct engine;
struct engine_position;
struct replication;

/* Figures of one replication, for `write standby` and `show failover`. */
struct replication_result {
	int code;
	struct why why;
	uint64_t items; /* durable at the standby's end or, where it does not tell, sent */
	uint64_t items_total;
	uint64_t bytes; /* handed to the link, or received; again where a session went on */
	uint64_t ms;
	uint64_t resumed; /* how often the link was lost and the session went on */
	/* Of progress: "comparing", "sending", "committing", "paused" (it waits for the link); and
	 * how many items will have been brought, as far as that is known. */
	const char *phase;
	uint64_t items_expected;
	const char *mode; /* "equal", "delta", "full" */
	uint64_t term, seq;
	uint8_t digest[32];
	int64_t at;	  /* seconds since 1970; 0: never */
	uint32_t command; /* of a command: its id */
};

/* PROGRESS (several times) with is_done false, then once with is_done true. */
typedef void (*replication_progress_fn)(const struct replication_result *progress, bool is_done,
					void *userdata);

int replication_new(struct engine *engine, struct replication **ret_replication);
void replication_free(struct replication *replication);

/*
 * Standby: asks the active for a replication; where the link is not up it is remembered and asked
 * when it is. QUIET: the state machine is not told (import-time replication does not leave Standby
 * Ready).
 */
void replication_request(struct replication *replication, const char *reason, bool is_quiet);
/* The keeper put aside what only this unit accepted, or could not (CODE, WHY): a session that waits
 * for it goes on. */
void replication_orphans_kept(struct replication *replication, int code, const char *why);
/*
 * After a change of the configuration or of the mate: says once, in the log, which lines a mate of
 * an older version does not know. The same sentence for `show`; false: there are none.
 */
void replication_compare_versions(struct replication *replication);
bool replication_version_trouble(const struct replication *replication, struct why *ret_why);
/* Forgets what is under way, on either end. */
void replication_stop(struct replication *replication);

/*
 * Active: makes the standby ask (`write standby`). Errors, with the sentence: ERR_NOT_ACTIVE,
 * ERR_NO_MATE, ERR_BUSY. Otherwise ON_PROGRESS is called with the outcome later.
 */
int replication_push(struct replication *replication, const char *reason, bool is_quiet,
		     replication_progress_fn on_progress, void *userdata, struct why *ret_why);
/*
 * Active, import-time replication: the store or configuration changed. Pushes now or, if one is
 * under way, right after it.
 */
void replication_changed(struct replication *replication);
/*
 * Active, on a hello of a ready standby that is not where this unit is: with import-time
 * replication what an earlier one could not bring follows, ever more rarely while it fails.
 */
void replication_catch_up(struct replication *replication);
/*
 * Active, import-time replication in mode sync: ON_DONE is called once (is_done true) when the
 * standby has everything up to POSITION of this store, or with the reason when it does not within
 * REPLICATION_WAIT_MS. A dead or slow mate never blocks longer.
 */
#define REPLICATION_WAIT_MS 2000
void replication_wait(struct replication *replication, const struct engine_position *position,
		      replication_progress_fn on_done, void *userdata);
/*
 * Active, before a planned switchover: makes the standby level with this unit now, whatever the
 * mode of import-time replication. ON_DONE is called once with is_done true, maybe from inside this
 * call: code 0 when the standby has, durably and with the digest that this unit acknowledged,
 * everything that this store held at the call (term and seq tell the place that was reached; it
 * costs one round trip where the two were level already). Otherwise the reason: ERR_NOT_ACTIVE,
 * ERR_NO_MATE (the link is down), ERR_TIMEOUT (not within TIMEOUT_MS), or what the replication
 * failed with; nothing is undone then, and the standby keeps what it committed. What is imported
 * after the call is not waited for: hold imports back first, or compare the positions in the mate's
 * next hello.
 */
void replication_flush(struct engine *engine, uint32_t timeout_ms, replication_progress_fn on_done,
		       void *userdata);
/* The machine moved: an active unit receives nothing, another one sends nothing. */
void replication_on_role(struct replication *replication);
/* This unit is the active one now: makes the fallback certificate if there is none. */
void replication_on_active(struct replication *replication);

/* From the link. */
void replication_link_up(struct replication *replication);
void replication_link_down(struct replication *replication, const char *why);
void replication_link_writable(struct replication *replication);
/* The keeper went away, with what it held for a session. */
void replication_keeper_gone(struct replication *replication);
/* Wraps BODY into a Link message and queues it; counted. Errors: those of link_send. */
int replication_post(struct replication *replication, Asafo__Wire__Link__BodyCase kind, void *body);
/* Returns false for a message that is not replication's. */
bool replication_message(struct replication *replication, const Asafo__Wire__Link *message);

/* The latest finished one (code, figures); at is 0 when there was none since the start. */
const struct replication_result *replication_last(const struct replication *replication);
/* ... that it sent as the active unit, or received as the standby; never: its time is 0. */
const struct replication_result *replication_last_as(const struct replication *replication,
						     bool is_active);
bool replication_is_busy(const struct replication *replication);
/* A session waits for the link to come back. */
bool replication_is_paused(const struct replication *replication);
/* Sessions that went on after the link was lost, since the start of this unit. */
uint64_t replication_resumed(const struct replication *replication);

/*
 * The lines of this unit's that the active's replaced, as text that can be typed again, and when;
 * NULL: none since the start. Only those of the first configuration that came since this unit had
 * lines of its own: what is missing in a later one was taken back on the active unit. Borrowed
 * until the next.
 */
const char *replication_given_lines(struct replication *replication, struct monotime *ret_at);

/* This unit may have lines of its own from now on: it serves, it is configured, or the active unit
 * starts anew. */
void replication_lines_own(struct replication *replication);
/* It is level: it has the lines of the unit that is active from now on. */
void replication_lines_level(struct replication *replication);

/*
 * Command replication: sends the replicated lines to the standby as they are now; its answer
 * changes nothing here but is logged when it refuses. Nothing happens without a mate.
 */
void replication_send_config(struct replication *replication);
/* `write memory` on the mate, too: ON_DONE is called once, when it is on its disk or will not be,
 * at the latest after REPLICATION_WAIT_MS. */
void replication_send_write_memory(struct replication *replication, replication_progress_fn on_done,
				   void *userdata);
/* Writes the startup-config of this unit. ON_DONE may be NULL. */
int replication_write_memory(struct replication *replication,
			     void (*on_done)(int code, const char *why, void *userdata),
			     void *userdata);
