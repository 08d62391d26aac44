/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/engine/engine.h"
#include "failover/replication/replication.h"

/* Shared by replication.c (common, commands), replication_send.c (active) and replication_receive.c
 * (standby). */
#define REPLICATION_BATCH (128u * 1024)
#define REPLICATION_AHEAD_MAX                                                                      \
	(4u * 1024 * 1024)		/* bytes in the link's queue before the active pauses */
#define REPLICATION_TIMEOUT_MS 30000	/* without progress */
#define REPLICATION_STAGED_AHEAD_MAX 64 /* batches on their way to the keeper */

enum send_phase {
	SEND_IDLE,
	SEND_ASKED,    /* SyncStart sent, the standby has not asked yet */
	SEND_OPENING,  /* the keeper makes a snapshot */
	SEND_MANIFEST, /* the standby's manifest comes in */
	SEND_ITEMS,
	SEND_COMMIT, /* SyncDone sent, waiting for the standby's position */
};

enum receive_phase {
	RECEIVE_IDLE,
	RECEIVE_ASKING, /* our keeper's position is asked */
	RECEIVE_ASKED,	/* SyncRequest sent */
	RECEIVE_STAGING,
	RECEIVE_COMMIT,
	RECEIVE_ACKNOWLEDGE, /* SyncResult sent, the active has not acknowledged yet */
};

struct replication_send {
	enum send_phase phase;
	uint32_t id;
	struct engine_position target;
	struct replication_result result;
	struct monotime started_at;
	bool is_next_asked; /* a REPLICA_NEXT is under way */
	bool is_again;	    /* something changed meanwhile */
	bool is_quiet;
	replication_progress_fn on_progress;
	void *userdata;
};

struct replication_receive {
	enum receive_phase phase;
	uint32_t id;
	bool is_quiet;
	bool is_wanted;	  /* ask as soon as the link is up */
	bool wants_done;  /* SyncDone came, batches are still on their way to the keeper */
	unsigned staging; /* batches that the keeper has not acknowledged */
	char reason[80];
	char *config_text;
	size_t config_size;
	struct engine_position target;
	struct replication_result result;
	struct monotime started_at;
};

/* An import or a command that waits for the standby. */
struct replication_waiter {
	struct replication_waiter *next;
	uint32_t command;   /* that is waited for; 0: an import */
	uint64_t term, seq; /* of our store, with the import */
	uint32_t wait_ms;
	struct monotime deadline;
	replication_progress_fn on_done;
	void *userdata;
};

struct replication {
	struct replication_waiter *waiters;
	sd_event_source *wait_timeout;
	struct engine *engine;
	struct replication_send send;
	struct replication_receive receive;
	struct replication_result last;
	sd_event_source *timeout;
	uint32_t next_id;
	unsigned opening;	  /* snapshots that the keeper was asked for; the last one counts */
	struct monotime ended_at; /* the latest that this unit sent */
	uint64_t catch_up_ms;	  /* after it, before what is missing is sent again */
	bool is_making_fallback;
	char refused[WHY_TEXT_MAX]; /* the mate's answer to the latest command, empty: taken */
};

/* Answers the waiters that RESULT, a finished replication, serves; ERR codes answer all of them. */
void replication_answer_waiters(struct replication *replication,
				const struct replication_result *result);
int replication_waiters_new(struct replication *replication);
/* An import or a flush waits for what the latest replication did not bring. */
bool replication_is_waited_for(const struct replication *replication);
/* Adds a copy of WAITER, with its deadline and place. Errors: -ENOMEM. */
int replication_add_waiter(struct replication *replication,
			   const struct replication_waiter *waiter);
/* Answers whoever waits for command ID (0: any). */
void replication_answer_command(struct replication *replication, uint32_t id, int code,
				const char *why);
bool replication_command_message(struct replication *replication, const Asafo__Wire__Link *message);
/* Restarts the progress timer, or stops it where neither end is busy. */
void replication_touch(struct replication *replication);
void replication_send_fail(struct replication *replication, int code, const char *why);
void replication_receive_fail(struct replication *replication, int code, const char *why);
bool replication_send_message(struct replication *replication, const Asafo__Wire__Link *message);
bool replication_receive_message(struct replication *replication, const Asafo__Wire__Link *message);
void replication_send_continue(struct replication *replication);
/* Starts the standby's end under the active's ID. */
void replication_receive_start(struct replication *replication, uint32_t id, const char *reason,
			       bool is_quiet);
/* The text of a keeper's status, or of CODE. */
const char *replication_status_text(int code, const Asafo__Ipc__Status *status);
int replication_status_code(int code, const Asafo__Ipc__Status *status);
void replication_position_fill(const struct engine_position *position,
			       Asafo__Record__Position *ret_message);
/* Merges the active's lines into the running-config and swaps it. */
int replication_apply_config(struct replication *replication, const char *text, size_t size,
			     struct why *ret_why);
/* Would it? */
int replication_check_config(struct replication *replication, const char *text, size_t size,
			     struct why *ret_why);
