/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/monotime.h"
#include "core/fsm.h"

/*
 * A replication session, decided: pure, total functions of the unit that sends (the active) and of
 * the one that receives. No link, keeper, clock or log in it; time comes in with the event, results
 * of actions come back as events, nothing re-enters.
 *
 *   active                                  standby
 *   START (write standby)             ->    has its keeper put its orphans aside, and
 *                                           asks it where it is
 *   opens a snapshot                  <-    REQUEST (its place)
 *   OFFER (the snapshot's place)      ->    opens a stage
 *   CONFIG, unless the lines agree    ->    checks them
 *                                     <-    MANIFEST, where the journal does not reach back
 *   ITEMS, ITEMS, ...                 ->    stages; PROGRESS now and then
 *   DONE                              ->    commits, once
 *   compares digests                  <-    RESULT (its new place)
 *   ACK                               ->    is what it says it is
 *
 * A link that dies between ITEMS and RESULT costs a pause: both ends keep what they have for
 * SYNC_RESUME_MS. The standby asks again, naming the session and how many items its keeper has
 * taken; the active goes on with the same snapshot behind these. Where either end has lost its half
 * the same REQUEST begins an ordinary session. What was committed already is never sent again: the
 * standby's place says so.
 */

#define SYNC_TIMEOUT_MS 30000u /* without progress */
#define SYNC_RESUME_MS 15000u  /* that a session waits for the link */
#define SYNC_SESSION_MS                                                                            \
	300000u		   /* an older snapshot is not resumed: it keeps the store from reusing    \
			      its pages */
#define SYNC_AHEAD_MAX 16u /* batches on their way to the standby's keeper */
#define SYNC_PROGRESS_EVERY 8u /* batches, and when the keeper has taken all that came */
#define SYNC_DIGEST_SIZE 32

/* A place in the replicated store's history, whole: equal ones are equal contents. */
struct sync_place {
	uint64_t term, seq, count;
	uint8_t digest[SYNC_DIGEST_SIZE];
	uint64_t lineage; /* 0: not known, counts as the other's */
	bool has_data;
};

bool sync_place_equal(const struct sync_place *a, const struct sync_place *b);

/* The values of ipc.ReplicaOpenReply.Mode. */
enum sync_mode {
	SYNC_MODE_EQUAL,
	SYNC_MODE_DELTA,
	SYNC_MODE_MANIFEST, /* the standby's manifest is needed first */
	SYNC_MODE__MAX,
};

/* Why a session ended. Where there is a sentence to add, the I/O has it with the event. */
enum sync_cause {
	SYNC_CAUSE_NONE,
	SYNC_CAUSE_MATE,	/* the mate says so */
	SYNC_CAUSE_KEEPER,	/* this unit's keeper, or the link's queue, says so */
	SYNC_CAUSE_LINK,	/* the link went down, nothing is there to be resumed */
	SYNC_CAUSE_NOT_RESUMED, /* the link did not come back in time */
	SYNC_CAUSE_TIMEOUT,
	SYNC_CAUSE_NOT_ACTIVE,
	SYNC_CAUSE_ROLE,    /* this unit is (no longer) the active one */
	SYNC_CAUSE_STOPPED, /* the state machine wants none */
	SYNC_CAUSE_DIFFERS, /* the standby is not where the snapshot is */
	SYNC_CAUSE_CONFIG,  /* ... its configuration is not this unit's */
	SYNC_CAUSE_NOT_STANDBY,
	SYNC_CAUSE_REFUSED,   /* the active's configuration cannot be taken */
	SYNC_CAUSE_HISTORY,   /* the active's store has another history */
	SYNC_CAUSE_MALFORMED, /* what the mate sent is no session */
	SYNC_CAUSE__MAX,
};

enum sync_event_type {
	/* From this unit. */
	SYNC_EVENT_PUSH, /* sender: make the standby ask (id, is_quiet) */
	SYNC_EVENT_ASK,	 /* receiver: ask, now or when the link is up (id, is_quiet) */
	SYNC_EVENT_STOP, /* receiver: forget what is under way */
	SYNC_EVENT_ROLE, /* is_active may have changed */
	SYNC_EVENT_TICK, /* a deadline was reached */
	SYNC_EVENT_KEEPER_GONE,
	SYNC_EVENT_FAILED, /* an action could not be done: code */
	/* From the link. */
	SYNC_EVENT_LINK_UP,
	SYNC_EVENT_LINK_DOWN,
	SYNC_EVENT_WRITABLE,
	/* From the keeper: serial as in the action, code. */
	SYNC_EVENT_OPENED, /* mode, place */
	SYNC_EVENT_MANIFEST_TAKEN,
	SYNC_EVENT_BATCH,    /* message: n_items, bytes, is_last */
	SYNC_EVENT_POSITION, /* place */
	SYNC_EVENT_KEPT,     /* whatever it waits for: nothing is owed any more */
	SYNC_EVENT_STAGE_OPENED,
	SYNC_EVENT_MANIFEST_READ, /* message: is_last */
	SYNC_EVENT_STAGED,
	SYNC_EVENT_COMMITTED, /* place */
	SYNC_EVENT_APPLIED,   /* the configuration */
	/* From the mate. */
	SYNC_EVENT_START,
	SYNC_EVENT_REQUEST,
	SYNC_EVENT_OFFER,
	SYNC_EVENT_CONFIG, /* code: whether it could be applied */
	SYNC_EVENT_MANIFEST,
	SYNC_EVENT_ITEMS,
	SYNC_EVENT_DONE,
	SYNC_EVENT_RESULT,
	SYNC_EVENT_ACK,
	SYNC_EVENT_PROGRESS,
	SYNC_EVENT__MAX,
};

/* What crosses the link of it, in either direction. */
struct sync_message {
	enum sync_event_type type; /* the event that it is at the mate */
	uint32_t id;
	int code;	  /* OFFER, RESULT: below 0: failed */
	uint64_t session; /* REQUEST, START: to be resumed; OFFER: 0: cannot be */
	uint64_t items;	  /* REQUEST, PROGRESS: taken by the keeper; ITEMS: sent before these */
	uint64_t n_items;
	size_t bytes;
	bool is_last;
	bool is_quiet;
	bool can_resume; /* REQUEST: knows sessions */
	bool is_resumed; /* OFFER */
	bool is_config_equal;
	enum sync_mode mode; /* OFFER */
	bool has_place;
	struct sync_place place;
};

struct sync_event {
	enum sync_event_type type;
	struct monotime at;
	bool is_active;	   /* this unit serves as the active one */
	bool is_standby;   /* it has joined an active mate */
	bool must_keep;	   /* what only it accepted is to be put aside before (orphans.h) */
	bool is_link_up;   /* ASK, STAGED, APPLIED */
	bool is_congested; /* the link's queue is long: no more batches */
	bool may_adopt;	   /* OFFER: a store of that lineage may take the place of ours */
	int code;
	uint32_t serial;
	uint64_t token; /* REQUEST: a random number, not 0 */
	struct sync_message message;
};

enum sync_action_type {
	SYNC_ACTION_SEND, /* message; cause, where its code is below 0 */
	/* The sender's. */
	SYNC_ACTION_OPEN_SNAPSHOT, /* at the mate's place: then OPENED */
	SYNC_ACTION_GIVE_MANIFEST, /* the piece at hand: then MANIFEST_TAKEN */
	SYNC_ACTION_ASK_BATCH,	   /* then BATCH; is_seek: from behind message.items */
	SYNC_ACTION_CLOSE_SNAPSHOT,
	SYNC_ACTION_PAUSED,  /* waits for the link */
	SYNC_ACTION_RESUMED, /* goes on behind message.items */
	SYNC_ACTION_REPORT,  /* progress */
	/* The receiver's. */
	SYNC_ACTION_KEEP_ORPHANS,  /* unless the keeper is at it: then KEPT */
	SYNC_ACTION_ASK_POSITION,  /* then POSITION */
	SYNC_ACTION_OPEN_STAGE,	   /* then STAGE_OPENED */
	SYNC_ACTION_READ_MANIFEST, /* then MANIFEST_READ; is_seek: from the start */
	SYNC_ACTION_KEEP_CONFIG,   /* the lines at hand */
	SYNC_ACTION_STAGE,	   /* the batch at hand: then STAGED */
	SYNC_ACTION_HOLD_LINK,	   /* read no more than a trickle */
	SYNC_ACTION_RELEASE_LINK,
	SYNC_ACTION_COMMIT,	  /* at message.place: then COMMITTED */
	SYNC_ACTION_APPLY_CONFIG, /* what was kept, if any: then APPLIED */
	SYNC_ACTION_CLOSE_STAGE,
	SYNC_ACTION_TELL, /* the state machine: tell, with message.place */
	/* Both. */
	SYNC_ACTION_FINISH, /* code, cause; the machine is idle again */
	SYNC_ACTION__MAX,
};

struct sync_action {
	enum sync_action_type type;
	uint32_t serial;
	bool is_seek;
	bool is_again; /* FINISH: something changed meanwhile */
	int code;
	enum sync_cause cause;
	enum fo_event_type tell;
	struct sync_message message;
};

#define SYNC_ACTIONS_MAX 12

struct sync_update {
	struct sync_action actions[SYNC_ACTIONS_MAX]; /* to be done in this order */
	size_t n_actions;
};

enum sync_send_state {
	SYNC_SEND_IDLE,
	SYNC_SEND_ASKED,    /* START sent */
	SYNC_SEND_OPENING,  /* the keeper makes a snapshot */
	SYNC_SEND_MANIFEST, /* the standby's manifest comes in */
	SYNC_SEND_ITEMS,
	SYNC_SEND_COMMIT,   /* DONE sent */
	SYNC_SEND_PAUSED,   /* the link is down; the snapshot is kept */
	SYNC_SEND_RESUMING, /* the keeper looks whether it still has the snapshot */
	SYNC_SEND__MAX,
};

/* State by value; treat as opaque but for what is marked. */
struct sync_sender {
	enum sync_send_state state; /* readable */
	uint32_t id;		    /* readable */
	uint32_t serial;
	uint64_t session;
	uint64_t items;		  /* readable: sent */
	uint64_t taken;		  /* readable: of these, by the standby's keeper */
	uint64_t total;		  /* readable */
	uint64_t bytes;		  /* readable: handed to the link; again where it went on */
	uint64_t resumed;	  /* readable: sessions since the start of this unit */
	struct sync_place target; /* readable */
	struct sync_message request;
	enum sync_mode mode; /* readable */
	bool is_next_asked;
	bool is_again;
	bool is_quiet;
	struct monotime opened_at;
	struct monotime deadline; /* readable: when the next TICK is due */
};

enum sync_receive_state {
	SYNC_RECEIVE_IDLE,
	SYNC_RECEIVE_WANTED, /* asks as soon as the link is up */
	SYNC_RECEIVE_ASKING, /* our keeper puts orphans aside, then says its place */
	SYNC_RECEIVE_ASKED,  /* REQUEST sent */
	SYNC_RECEIVE_STAGING,
	SYNC_RECEIVE_COMMIT,	  /* cannot be undone any more */
	SYNC_RECEIVE_ACKNOWLEDGE, /* RESULT sent */
	SYNC_RECEIVE_PAUSED,	  /* the link is down; what is staged is kept */
	SYNC_RECEIVE__MAX,
};

struct sync_receiver {
	enum sync_receive_state state; /* readable */
	uint32_t id;		       /* readable */
	uint32_t serial;
	uint64_t session;   /* what is staged belongs to it; 0: nothing that could be resumed */
	uint64_t items;	    /* of it, came */
	uint64_t bytes;	    /* readable */
	uint64_t resumed;   /* readable: sessions since the start of this unit */
	unsigned staging;   /* batches that the keeper has not acknowledged */
	unsigned n_batches; /* since the latest PROGRESS */
	bool is_quiet;	    /* readable */
	bool is_done;	    /* DONE came */
	bool is_held;
	bool has_config;	  /* the lines came, or agree */
	bool is_link_lost;	  /* while it was committed */
	struct sync_place target; /* readable */
	struct monotime deadline; /* readable: when the next TICK is due */
};

/* Both: idle. */
void sync_sender_init(struct sync_sender *ret_sender);
void sync_receiver_init(struct sync_receiver *ret_receiver);
/* Total: every event in every state has a defined result. Writes RET_UPDATE whole. */
void sync_sender_step(struct sync_sender *sender, const struct sync_event *event,
		      struct sync_update *ret_update);
void sync_receiver_step(struct sync_receiver *receiver, const struct sync_event *event,
			struct sync_update *ret_update);
/* A RESULT under ID is the active's acknowledgement. */
bool sync_receiver_expects_ack(const struct sync_receiver *receiver, uint32_t id);
/* A sentence; empty where the I/O has it. Never NULL. */
const char *sync_cause_text(enum sync_cause cause);
const char *sync_send_state_text(enum sync_send_state state);
const char *sync_receive_state_text(enum sync_receive_state state);
