/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/engine/engine.h"
#include "failover/core/sync.h"
#include "failover/replication/replication.h"

/*
 * Shared by replication.c (common), replication_send.c (active), replication_receive.c (standby),
 * replication_command.c and replication_wait.c. What a session does is decided in failover/core
 * (sync.h); here it is done.
 */
#define REPLICATION_BATCH (128u * 1024)

/* What an event came with; the machines see none of it. */
struct replication_input {
	const Asafo__Wire__Link *message;
	const ProtobufCMessage *reply;
	const char *why;
};

struct replication_send {
	struct sync_sender machine;
	struct replication_result result;
	struct monotime started_at;
	uint64_t config_generation; /* when the session began */
	replication_progress_fn on_progress;
	void *userdata;
};

struct replication_receive {
	struct sync_receiver machine;
	char reason[80];
	char *config_text;
	size_t config_size;
	struct replication_result result;
	struct monotime started_at;
};

/* A verb of a session that the keeper was asked. */
struct replication_call {
	struct replication *replication;
	uint32_t serial;
	uint64_t items; /* of the session, with it */
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
	struct replication_result last, last_sent, last_received;
	sd_event_source *timeout;
	uint32_t next_id;
	struct monotime ended_at; /* the latest that this unit sent */
	uint64_t catch_up_ms;	  /* after it, before what is missing is sent again */
	bool is_making_fallback;
	bool is_level;	  /* the active's lines came since this unit last had its own */
	struct buf given; /* lines that the active's configuration replaced */
	struct monotime given_at;
	struct buf unknown;	    /* lines of ours that the mate's version does not know */
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
/* An event with this unit's facts in it. */
struct sync_event replication_event(const struct replication *replication,
				    enum sync_event_type type);
/* Steps one end and does what it decided; INPUT (or NULL) is what the event came with. */
void replication_send_feed(struct replication *replication, const struct sync_event *event,
			   const struct replication_input *input);
void replication_receive_feed(struct replication *replication, const struct sync_event *event,
			      const struct replication_input *input);
/* Sets the timer to the next deadline of either end. */
void replication_arm(struct replication *replication);
/* Calls the keeper for a session; ON_REPLY gets a struct replication_call, which it frees. */
int replication_call_keeper(struct replication *replication, enum ipc_type type,
			    const ProtobufCMessage *message, const struct sync_action *action,
			    ipc_reply_fn on_reply);
/* Lets go of a snapshot or a stage, whether it is there or not. */
void replication_close(struct replication *replication, enum ipc_type type);
/* "equal", "delta", "full". */
const char *replication_mode_text(enum sync_mode mode);
/* The sentence for the end of a session. */
void replication_cause(enum sync_cause cause, int code, const struct replication_input *input,
		       struct why *ret_why);
/* It ended because this unit has another role now, which is no failure. */
bool replication_is_given_up(enum sync_cause cause);
struct sync_place replication_place(const struct engine_position *position);
struct engine_position replication_position(const struct sync_place *place);
bool replication_send_message(struct replication *replication, const Asafo__Wire__Link *message);
bool replication_receive_message(struct replication *replication, const Asafo__Wire__Link *message);
/* The text of a keeper's status, or of CODE. */
const char *replication_status_text(int code, const Asafo__Ipc__Status *status);
int replication_status_code(int code, const Asafo__Ipc__Status *status);
void replication_position_fill(const struct engine_position *position,
			       Asafo__Record__Position *ret_message);
/* Merges the active's lines into the running-config and swaps it; what only this unit had is kept
 * aside. */
int replication_take_config(struct replication *replication, const char *text, size_t size,
			    struct why *ret_why);
/* Before MERGED replaces the running-config. */
void replication_keep_given(struct replication *replication, const struct config *merged);
/* *MERGED, of the lines of an older active, gets back what that one cannot say. Errors: -ENOMEM. */
int replication_keep_newer(const struct replication *replication, struct config **merged);
/* Would it? */
int replication_check_config(struct replication *replication, const char *text, size_t size,
			     struct why *ret_why);
