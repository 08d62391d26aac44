/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/monotime.h"

/*
 * The failover state machine of one unit: a pure, total function. No clock, socket, log or
 * allocation in it; time comes in with the event, results of actions come back as events, nothing
 * re-enters.
 *
 * Terms count activations and never fall. A primary takes even ones, a secondary odd ones, so that
 * two activations never share a term. A standby has its next term *promised* (durable) ahead, so
 * that a takeover does not wait for a disk: see FO_ACTION_PERSIST_TERM.
 */

enum fo_unit {
	FO_UNIT_PRIMARY,
	FO_UNIT_SECONDARY,
	FO_UNIT__MAX,
};

/* The ASA's states, in its order. */
enum fo_state {
	FO_STATE_DISABLED,
	FO_STATE_NEGOTIATION,
	FO_STATE_COLD_STANDBY,
	FO_STATE_SYNC_CONFIG,
	FO_STATE_SYNC_FILE_SYSTEM,
	FO_STATE_BULK_SYNC,
	FO_STATE_STANDBY_READY,
	FO_STATE_JUST_ACTIVE,
	FO_STATE_ACTIVE_DRAIN,
	FO_STATE_ACTIVE_APPLYING_CONFIG,
	FO_STATE_ACTIVE_CONFIG_APPLIED,
	FO_STATE_ACTIVE,
	FO_STATE_FAILED,
	FO_STATE_NOT_DETECTED, /* only ever the mate's; and what a unit was before it started */
	FO_STATE__MAX,
};

/* Why a transition happened; the words are the ASA's (fo_reason_text). */
enum fo_reason {
	FO_REASON_NONE,			 /* No Error */
	FO_REASON_HELLO_NOT_HEARD,	 /* HELLO not heard from mate */
	FO_REASON_NO_ACTIVE_FOUND,	 /* No Active unit found */
	FO_REASON_ACTIVE_MATE,		 /* Detected an Active mate */
	FO_REASON_WANTS_ME_STANDBY,	 /* Other unit wants me Standby */
	FO_REASON_WANTS_ME_ACTIVE,	 /* Other unit wants me Active */
	FO_REASON_CONFIG_COMMAND,	 /* Set by the config command */
	FO_REASON_STATE_CHECK,		 /* Failover state check */
	FO_REASON_INTERFACE_CHECK,	 /* Interface check */
	FO_REASON_INTERFACE_OK,		 /* Failover interface become OK */
	FO_REASON_SYNC_DONE,		 /* Configuration synchronization done */
	FO_REASON_SYNC_FAILED,		 /* Configuration synchronization failed */
	FO_REASON_WRITE_STANDBY,	 /* Configuration mismatch due to wr standby in active */
	FO_REASON_CONFIG_MISMATCH,	 /* Configuration mismatch */
	FO_REASON_COMMUNICATION_FAILURE, /* My communication failed */
	FO_REASON_RECOVERED,		 /* Recovered from communication failure */
	FO_REASON_NOT_SCHEDULED,	 /* Unit was not scheduled for longer than its holdtime */
	FO_REASON_OLDER_TERM,		 /* Mate was activated later (newer term) */
	FO_REASON_PROGRESSION_FAILED,	 /* HA state progression failed */
	FO_REASON_STORE_FAILED,		 /* Certificate store not usable */
	FO_REASON_LEAVING,		 /* Mate left in an orderly way */
	FO_REASON_MATE_EMPTY,		 /* Active mate was replaced and holds no trustpoint */
	FO_REASON_OTHER_HISTORY,	 /* Certificate stores have different histories */
	FO_REASON_PREEMPT,		 /* Preempt */
	FO_REASON_TRACK_DOWN,		 /* Tracked object is down */
	FO_REASON_SERVICE_FAILED,	 /* Listener cannot serve clients */
	FO_REASON_HEALTH_OK,		 /* Health is restored: after one of these two */
	FO_REASON_REKEY, /* of no transition: the pair came to another failover key */
	FO_REASON__MAX,
};

const char *fo_state_text(enum fo_state state);
const char *fo_reason_text(enum fo_reason reason);
const char *fo_unit_text(enum fo_unit unit); /* "Primary", "Secondary" */
/* JUST_ACTIVE to ACTIVE: claims, or is about to claim, the active addresses. */
bool fo_state_is_active(enum fo_state state);

/*
 * A place in the history of the replicated store, for elections: newer data wins. Term and seq of
 * two units tell which is newer only where LINEAGE is the same; that of a replaced, empty unit is
 * another.
 */
struct fo_position {
	uint64_t term;
	uint64_t seq;
	uint64_t lineage; /* 0: not known, counts as the other's */
	uint64_t config;  /* hash of the lines that the pair shares; 0: not told, counts as equal */
	bool has_data;	  /* more than the fallback certificate */
};

/* From this polltime on both units' hellos come in one wakeup of each. */
#define FO_TOGETHER_MIN_MS 50u

/*
 * What a unit makes of itself: a score that is compared, not a flag that blocks. Each failed
 * monitored interface and each track object that is down takes its decrement, a front that cannot
 * serve takes 500. All the rest together never takes more than 499, so that a unit that could not
 * serve is always below one that could.
 */
#define FO_HEALTH_FULL 1000u
#define FO_HEALTH_INTERFACE 10u
#define FO_HEALTH_FRONT 500u

enum fo_cause {
	FO_CAUSE_INTERFACES, /* what an older version means */
	FO_CAUSE_TRACK,
	FO_CAUSE_SERVICE,
	FO_CAUSE__MAX,
};

struct fo_health {
	uint32_t score; /* FO_HEALTH_FULL: nothing is wrong */
	uint32_t failed_interfaces;
	bool is_failing;     /* reason enough to hand over to a mate with a higher score */
	bool is_unsettled;   /* by lines that the mate may not have read: said only in part, and no
				reason to ask for a change of roles */
	enum fo_cause cause; /* ... above all by this */
};

/* Of a unit that knows nothing of itself but how many monitored interfaces failed. */
struct fo_health fo_health_of_interfaces(uint32_t failed, uint32_t policy);

struct fo_params {
	enum fo_unit unit;
	bool is_enabled;	   /* `failover` */
	uint32_t poll_ms;	   /* unit polltime */
	uint32_t hold_ms;	   /* unit holdtime, at least 3 polltimes */
	bool is_preempt;	   /* a ready primary asks to be active again */
	uint32_t preempt_delay_ms; /* ... after so long without any reason against it */
};

/* How long the silences are that a unit stretches; 0: its holdtime. See struct fo_late. */
struct fo_stretch {
	uint32_t asked_ms;  /* it was late: the mate is asked to wait for so long */
	uint32_t fence_ms;  /* it steps down after so long a silence of its own */
	uint32_t judged_ms; /* it takes its mate for lost after so long a silence */
};

/* What the mate's latest hello said. */
struct fo_mate_view {
	enum fo_state state;
	uint64_t term; /* of the latest activation it knows */
	struct fo_position position;
	struct fo_health health;
	bool may_activate;
	bool is_leaving;
	bool is_maintenance;
	bool is_term_pending; /* a standby whose next term is not durable yet */
	bool wants_active;
	bool is_forced; /* with one of the two: although the standby is not ready, or not level */
	bool wants_mate_active;
	bool is_serving; /* holds, or may hold, the active addresses: in TERM (a Disabled unit may,
			    too) */
	uint64_t served_term; /* that it serves, or last served in since it started; 0: none, or an
				 older version. What it says of that activation may all be lost, or
				 overtaken, but for this */
	struct fo_stretch stretch;
	uint32_t hold_ms; /* its configured holdtime; 0: not told */
};

enum fo_event_type {
	FO_EVENT_START, /* with boot: what the store says */
	FO_EVENT_TICK,	/* a deadline was reached (fo_fsm_deadline), sockets were drained before */
	FO_EVENT_HELLO, /* an authentic hello, newer than any before on all paths; mate is valid */
	FO_EVENT_STRANGER, /* a hello on the failover link from the mate's address that cannot be
			      read: another key, another version. It proves nothing, so it takes
			      nothing away; but who does not serve yet does not begin beside it */
	FO_EVENT_TERM_DURABLE, /* PERSIST_TERM(term) is on disk */
	FO_EVENT_TERM_FAILED,  /* ... could not be written */
	FO_EVENT_POSITION,     /* the store moved on: position */
	FO_EVENT_SYNC_STARTED, /* bulk replication from the mate began: SYNC_CONFIG */
	FO_EVENT_SYNC_FILES,   /* ... offer accepted: SYNC_FILE_SYSTEM */
	FO_EVENT_SYNC_BULK,    /* ... items are coming: BULK_SYNC */
	FO_EVENT_SYNC_DONE,    /* ... committed, and the active acknowledged the same digest */
	FO_EVENT_SYNC_FAILED,  /* ... failed or the link broke; START_SYNC comes again after a
				  polltime */
	FO_EVENT_CLAIMED,      /* CLAIM is done: addresses are ours and announced */
	FO_EVENT_CLAIM_FAILED,
	FO_EVENT_RELEASED,	   /* RELEASE is done: the mate is not told to take over before */
	FO_EVENT_HEALTH,	   /* health of this unit changed; before the first: full */
	FO_EVENT_NOT_SCHEDULED,	   /* the loop slept longer than the holdtime (SIGSTOP, VM pause) */
	FO_EVENT_OPERATOR_ACTIVE,  /* `failover active`: is_forced */
	FO_EVENT_OPERATOR_STANDBY, /* `no failover active` / `failover standby`: is_forced */
	FO_EVENT_OPERATOR_RESET,   /* `failover reset` */
	FO_EVENT_OPERATOR_MAINTENANCE, /* maintenance mode: is_on. Said again after each START */
	FO_EVENT_PARAMS,       /* configuration changed, `failover` / `no failover` included */
	FO_EVENT_STORE_FAILED, /* the keeper cannot use its store: not eligible until STORE_OK */
	FO_EVENT_STORE_OK,
	FO_EVENT_SHUTDOWN, /* release, tell the mate, stop */
	FO_EVENT__MAX,
};

struct fo_boot {
	uint64_t promised_term;	 /* highest ever made durable on this unit */
	uint64_t activated_term; /* highest activation it is known to have seen */
	struct fo_position position;
};

struct fo_event {
	enum fo_event_type type;
	struct monotime at;
	uint64_t term;		     /* TERM_DURABLE, TERM_FAILED */
	struct fo_health health;     /* HEALTH */
	bool is_forced;		     /* OPERATOR_ACTIVE, OPERATOR_STANDBY */
	bool is_on;		     /* OPERATOR_MAINTENANCE */
	bool is_stranger_serving;    /* STRANGER: it says so in clear */
	struct fo_position position; /* POSITION, SYNC_DONE */
	struct fo_mate_view mate;    /* HELLO */
	uint32_t age_ms;	     /* HELLO: it was said no longer ago, by what it echoes */
	bool is_mate_new;	     /* HELLO: the mate started since the last one */
	struct fo_boot boot;	     /* START */
	struct fo_params params;     /* START, PARAMS */
};

enum fo_action_type {
	FO_ACTION_TRANSITION,	/* state changed: log it, tell the front and the history (from, to,
				   reason) */
	FO_ACTION_PERSIST_TERM, /* make TERM durable, then TERM_DURABLE; is_activation: it is (or
				   was) in use */
	FO_ACTION_SEND_HELLO,	/* now, on every path */
	FO_ACTION_CLAIM,    /* take the active addresses in TERM and announce them, then CLAIMED */
	FO_ACTION_ANNOUNCE, /* gratuitous ARP / unsolicited NA for the addresses that we hold */
	FO_ACTION_RELEASE,  /* give up the active addresses at once, then RELEASED */
	FO_ACTION_START_SYNC, /* ask the active mate for a bulk replication, unless one is under way
			       */
	FO_ACTION_STOP_SYNC,  /* forget one that is under way */
	FO_ACTION_KEEP_ORPHANS, /* this unit was active in an older TERM: keep what only it accepted
				 */
	FO_ACTION_SUSPENDED,	/* the units switch back and forth: see struct fo_flap */
	FO_ACTION_STRETCHED,	/* what this unit asks for changed: see struct fo_late */
	FO_ACTION_STOPPED,	/* after SHUTDOWN: everything is released */
	FO_ACTION__MAX,
};

struct fo_action {
	enum fo_action_type type;
	uint64_t term;
	bool is_activation;
	bool is_everything; /* KEEP_ORPHANS: the mate's store has another history altogether */
	enum fo_state from, to;
	enum fo_reason reason;
};

#define FO_ACTIONS_MAX 20

struct fo_update {
	struct fo_action actions[FO_ACTIONS_MAX]; /* to be done in this order */
	size_t n_actions;
};

/* How far an activation has come. A Disabled unit has them, too; an enabled one shows them as
 * states. */
enum fo_stage {
	FO_STAGE_NONE,
	FO_STAGE_WAITING,  /* for its term to be durable, or for the last RELEASE: Just Active */
	FO_STAGE_CLAIMING, /* CLAIM is under way: Active Applying Config */
	FO_STAGE_CLAIMED,  /* Active */
};

struct fo_terms {
	uint64_t own;	   /* that this unit serves in, or last served in */
	uint64_t promised; /* the highest that is durable here */
	uint64_t ready;	   /* durable here in this life, ours, not used yet; 0: none */
	uint64_t asked;	   /* promise under way; 0: none */
};

struct fo_flags {
	bool is_started;
	bool is_stopping;
	bool is_stopped;
	bool is_released; /* no active address is ours */
	bool is_store_failed;
	bool is_mate_heard;	/* within the holdtime */
	bool is_stranger_heard; /* within the holdtime, and no authentic hello since */
	bool is_stranger_serving;
	bool has_listened;   /* in Negotiation: for the time in which a mate would be heard */
	bool has_waited;     /* in Negotiation: for a stranger that is the primary */
	bool is_outvoted;    /* in Negotiation: the mate should become active */
	bool is_handed_over; /* Standby Ready on its own word: until the mate's position proves it
			      */
	bool is_contested;   /* the mate serves, too, in an older term */
	bool is_maintenance;
	bool is_set_aside; /* standby by an operator's word: does not preempt */
	bool wants_active; /* in our hellos */
	bool wants_mate_active;
	bool is_forced; /* one of the two is */
	bool is_blind;	/* since timers.blind: what the mate asks for is not known */
};

struct fo_timers {
	struct monotime said;	    /* the latest hello */
	struct monotime mate_heard; /* when */
	struct monotime mate_first; /* both negotiate: since when it is the mate's turn; or never */
	struct monotime mate_waited; /* ... however often it started over since */
	struct monotime stranger_heard;
	struct monotime mate_idle; /* since when the mate that we hear does not serve; or never */
	struct monotime next_hello;
	struct monotime retry;	 /* START_SYNC, a failed activation */
	struct monotime promise; /* no promise is asked for before this */
	struct monotime elect;	 /* in Negotiation: no election before this */
	struct monotime
		until; /* in Negotiation: the listening or waiting ends; in Just Active, too */
	struct monotime request; /* wants_active ends */
	struct monotime preempt; /* this unit may ask to be active from then on; or never */
	struct monotime blind;	 /* started, or stood still */
};

/*
 * Role changes that this unit made of its own will (health, preemption; not for the loss of the
 * mate, not for an operator). More than FO_FLAP_CHANGES within FO_FLAP_WITHIN_MS, and it makes no
 * more of them for a while, which doubles each time. A lost mate is taken over from all the same.
 */
#define FO_FLAP_CHANGES 5u
#define FO_FLAP_WITHIN_MS 60000u
#define FO_FLAP_FIRST_MS 30000u
#define FO_FLAP_MAX_MS 600000u

struct fo_flap {
	struct monotime changes[FO_FLAP_CHANGES]; /* the latest, as a ring */
	uint32_t n;				  /* since the last suspension */
	uint32_t count;				  /* suspensions in a row; 0: none of late */
	struct monotime until;			  /* suspended; in the past: not any more */
};

/*
 * A unit whose own work, or whose machine, takes longer than the holdtime would step down, the mate
 * would do the same work and step down, and so on. So one that was late while it was active, or was
 * about to be, asks for a longer holdtime: at least twice, and as often as the silence needs, but
 * no more than FO_STRETCH_TIMES the configured one and FO_STRETCH_MAX_MS. A longer silence is not
 * lateness but a stop, and asks for nothing. After FO_STRETCH_QUIET_MS without another the half of
 * it is asked for, and so on, until it is the configured one again.
 *
 * Three times move, and never against each other: (1) *asked*: what this unit was late by; (2) the
 * *fence*: after so long a silence of its own a unit that serves steps down; (3) *judged*: after so
 * long a silence the mate counts as lost. A fence is at most what the mate said that it judges by,
 * or, where the mate is not heard, what this unit asked for while it did not serve: the mate has
 * heard that since, or hears nothing of us and is past waiting. A word that may be older than
 * FO_STRETCH_FRESH_MS, since somebody held it back, is no such word. A unit judges by the longest
 * of both units' holdtimes, what both ask for, and the fence that the mate keeps; so it waits less
 * only after the mate's fence is lower, and FO_STRETCH_KEEP_MS after it asked for less itself. Who
 * starts, or stood still, may have missed what the mate asked for, and judges by the longest that
 * is possible until it has heard it afresh.
 */
#define FO_HOLD_MAX_MS 45000u /* the longest that can be configured */
#define FO_STRETCH_TIMES 16u
#define FO_STRETCH_MAX_MS 500u
#define FO_STRETCH_QUIET_MS 300000u
#define FO_STRETCH_KEEP_MS 1000u
#define FO_STRETCH_FRESH_MS (FO_STRETCH_KEEP_MS - FO_STRETCH_MAX_MS)

struct fo_late {
	uint32_t asked_ms;	    /* 0: nothing */
	uint32_t kept_ms;	    /* judged by at least; asked_ms, or an earlier one ... */
	struct monotime kept_until; /* ... until then */
	uint32_t count;		    /* so often late since ... */
	struct monotime since;
	struct monotime quiet; /* less is asked for then */
};

/* State by value; treat as opaque outside fsm*.c and their tests. */
struct fo_fsm {
	struct fo_params params;
	enum fo_state state;
	enum fo_reason reason; /* of the last transition */
	enum fo_stage stage;
	uint64_t term; /* latest activation known: ours or the mate's */
	struct fo_terms terms;
	struct fo_position position;
	struct fo_mate_view mate; /* as last heard */
	uint64_t joined_lineage;  /* of the mate that this standby put its own history aside for */
	struct fo_health health;
	uint32_t tolerated;  /* a hand-over for health's sake needs a score below this: an operator
				who makes a failing unit active is not contradicted */
	enum fo_reason wish; /* why wants_active */
	struct fo_flags flags;
	struct fo_timers timers;
	struct fo_flap flap;
	struct fo_late late;
};

/* What would come of an operator's command; the words are for him (fo_answer_text). */
enum fo_answer {
	FO_ANSWER_GO,
	FO_ANSWER_ALREADY,	/* it has that role: nothing is done */
	FO_ANSWER_NOT_STARTED,	/* no state machine runs */
	FO_ANSWER_STORE_FAILED, /* what follows cannot be forced */
	FO_ANSWER_OFF,		/* `no failover` froze the roles */
	FO_ANSWER_NO_MATE,	/* nobody would be active */
	FO_ANSWER_NO_DATA,	/* the standby holds nothing of what the active has: it would be
				   taken back at once */
	FO_ANSWER_MAINTENANCE,	/* ... the mate is, and says no */
	FO_ANSWER_NOT_READY,	/* what follows can be forced */
	FO_ANSWER_NOT_LEVEL,	/* Standby Ready, but what came last is not there yet */
	FO_ANSWER__MAX,
};

/*
 * Maintenance mode (OPERATOR_MAINTENANCE): whoever is active and has a standby that is ready and
 * level hands over. A unit in maintenance replicates, but never becomes active of itself, not even
 * where the mate is lost: it waits in Negotiation for the mate, for the end of maintenance, or for
 * `failover active`, which an operator may say to it at any time. Its hellos say so. A start does
 * not know of it: the event is fed again after START.
 *
 * Preemption (fo_params.is_preempt): a primary that is Standby Ready asks to be active once for
 * preempt_delay_ms on end the active mate was heard without a gap of half a holdtime, its score was
 * not above this unit's, nothing failed here, there was no maintenance and no suspension; and then
 * as soon as it is level. Not while it is standby by an operator's word (until `failover reset`,
 * the end of maintenance, or its next activation).
 *
 * Forced commands: a standby that is not ready, or not level, asks with wants_active and is_forced;
 * the active obeys if the hello knows of its activation, releases, and asks the other with
 * wants_mate_active to go on. What was released is kept as orphans when the other serves. So there
 * is one claim at a time, forced or not: who is not serving claims on the mate's word, by an
 * election, or after a holdtime of silence.
 */

/* A unit that was never started: DISABLED, not stepping until START. */
void fo_fsm_init(struct fo_fsm *ret_fsm);
/* Total: every event in every state has a defined result. Writes RET_UPDATE whole. */
void fo_fsm_step(struct fo_fsm *fsm, const struct fo_event *event, struct fo_update *ret_update);
/*
 * The answer to `failover active` (IS_ACTIVE) or `failover standby`, without doing it. NOT_LEVEL is
 * no refusal of an OPERATOR_ACTIVE: the wish stands until the standby is level, or runs out. Every
 * other answer but GO means that the event does nothing.
 */
enum fo_answer fo_fsm_ask(const struct fo_fsm *fsm, bool is_active, bool is_forced);
const char *fo_answer_text(enum fo_answer answer);
/* Own-initiative role changes are suspended at NOW. */
bool fo_fsm_is_suspended(const struct fo_fsm *fsm, struct monotime now);
/* The holdtime that the mate is judged by, stretched or not. */
uint32_t fo_fsm_hold_ms(const struct fo_fsm *fsm);
/* After so long a silence of its own this unit steps down. */
uint32_t fo_fsm_fence_ms(const struct fo_fsm *fsm);
/*
 * In the middle of an action that takes long. True: the mate is to be told now that this unit is
 * there, and the machine takes it as said. False: not due yet; or too late, so that the next event
 * finds that this unit stood still, and nothing is said before.
 */
bool fo_fsm_breathe(struct fo_fsm *fsm, struct monotime now);
/* This unit serves, or is about to, and was silent for longer than its fence: whatever event comes
 * next, it steps down first. Until then it must not do what a mate that took over would suffer by.
 */
bool fo_fsm_has_overslept(const struct fo_fsm *fsm, struct monotime now);
/* When the next TICK is due. */
struct monotime fo_fsm_deadline(const struct fo_fsm *fsm);
/* What this unit's hello says of itself. */
struct fo_mate_view fo_fsm_view(const struct fo_fsm *fsm);
/* True where the unit serves as active: from CLAIM on, until it releases, hands over or gives way.
 */
bool fo_fsm_is_active(const struct fo_fsm *fsm);
/*
 * May a store of LINEAGE take the place of this unit's? What is of another history, and not the
 * mate's that this unit joined, would silently replace the data here: the mate was replaced since
 * it was last heard.
 */
bool fo_fsm_may_adopt(const struct fo_fsm *fsm, uint64_t lineage);
