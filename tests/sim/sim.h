/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fsm.h"
#include "core/hello.h"
#include "core/orphans.h"
#include "core/sync.h"

/*
 * The pair in one process: two units with the real state machine and the real hello codec, their
 * disks, clocks and paths under a simulated clock, and a seeded adversary. One seed is one history:
 * it is replayed exactly.
 */

#define SIM_BATCH_MAX 4 /* items */
#define SIM_PATHS 3	/* 0 is the failover link, on which replication runs, too */
#define SIM_WRITES_MAX 256
#define SIM_MS MONOTIME_NS_PER_MS
#define SIM_RECORDS_MAX 64
#define SIM_ITEMS_MAX 4096
#define SIM_DATAGRAM_MAX 256
#define SIM_LEASE_NS (1000 * SIM_MS)

/* What the store holds: the imports, in order. */
struct sim_content {
	uint16_t n;
	uint16_t ids[SIM_WRITES_MAX];
};

struct sim_disk {
	uint64_t promised_term;
	uint64_t activated_term;
	struct fo_position position;
	struct sim_content content;
	bool has_fallback;
	bool orphans[SIM_WRITES_MAX];
};

struct sim_path {
	bool is_open[FO_UNIT__MAX]; /* by sender */
	unsigned loss_percent;
	unsigned duplicate_percent;
	uint64_t delay_ns; /* at most */
};

/* A store at one time. */
struct sim_snapshot {
	struct fo_position position;
	struct sim_content content;
	bool has_fallback;
};

/* Replication at one unit: the engine's own logic, and what its keeper and its end of the
 * connection know. */
struct sim_sync {
	struct sync_sender sender;
	struct sync_receiver receiver;
	struct sim_snapshot snapshot, stage;
	bool has_snapshot, has_stage, is_committing;
	uint64_t next; /* item of the snapshot */
	bool is_link_up;
	uint32_t connection;	     /* which one it is */
	uint64_t keeper_at, link_at; /* answers and messages keep their order */
	struct fo_orphans orphans;
	bool is_waited_for[SIM_WRITES_MAX]; /* imports that wait for the standby */
	uint64_t waits_until;
	struct fo_position position; /* that the active acknowledged, for the checks */
	struct sim_content content;
};

/* The latest hello of the mate that this life believed. */
struct sim_belief {
	uint32_t epoch; /* the mate's */
	uint64_t counter;
	uint64_t said_at;
};

/* What the checks remember of a unit; the unit itself knows nothing of it. */
struct sim_watch {
	uint64_t claimed_term;
	uint64_t seen_term; /* the highest that this life knew */
	uint64_t booted_at;
	uint64_t announced_at;
	bool has_announced; /* since the latest claim */
	bool is_overridden; /* the operator said so, whoever else there is */
	bool is_standing;   /* for election ... */
	uint64_t stands_since;
	struct sim_belief belief;
};

#define SIM_EVENTS_MAX 64

struct sim_queue {
	struct fo_event events[SIM_EVENTS_MAX];
	size_t n;
	bool is_running;
};

#define SIM_SENT 512 /* as many as the engine remembers */

struct sim_node {
	enum fo_unit unit;
	struct sim_queue queue;
	bool is_up;
	uint32_t epoch; /* counts boots: what was meant for an earlier one is dropped */
	struct sim_watch watch;
	struct fo_fsm fsm;
	struct hello_codec *codec;
	struct sim_disk disk;
	struct sim_sync sync;
	bool holds;	 /* the active addresses are in its kernel; sim_holds has the leases, too */
	bool is_claimed; /* CLAIM was the last word to the kernel, not RELEASE */
	uint64_t frozen_since;
	uint64_t frozen_until;
	uint64_t busy_ns; /* what the step under way does takes so long, without a breath */
	uint64_t sent;	  /* hellos of this life */
	uint64_t sent_at[SIM_SENT];			 /* when, by their counter */
	uint64_t mate_boot, mate_counter, mate_heard_at; /* the latest that it believed */
	uint64_t answered_at;				 /* a hello that proved nothing yet */
	uint64_t last_loop;				 /* its own clock */
	uint64_t clock_offset;
	int64_t clock_ppm;
	int64_t realtime_offset; /* the wall clock's */
	uint32_t tick_id;
	uint64_t keeper_at;   /* when it has done what it was asked for so far */
	int crash_in_actions; /* the plug is pulled at that action; -1: not planned */
	bool is_disk_failing;
	bool is_store_failed;  /* ... and the machine was told */
	bool is_claim_failing; /* the next one */
	uint32_t failed_interfaces;
	bool is_front_failing;
};

enum sim_op_type {
	SIM_OP_NONE,
	SIM_OP_POWER_OFF,
	SIM_OP_POWER_ON,
	SIM_OP_FREEZE,	 /* arg: ms */
	SIM_OP_CRASH_AT, /* arg: actions from now */
	SIM_OP_CUT,	 /* arg: path; what UNIT sends is lost */
	SIM_OP_HEAL,	 /* arg: path */
	SIM_OP_HEAL_ALL,
	SIM_OP_APART,	   /* no path either way */
	SIM_OP_LOSS,	   /* arg: percent; on every path, or on that of ONLY_PATH */
	SIM_OP_DUPLICATE,  /* arg: percent */
	SIM_OP_DELAY,	   /* arg: units, and so much out of order */
	SIM_OP_CLOCK_JUMP, /* arg: s; the wall clock of UNIT */
	SIM_OP_IMPORT,	   /* on whichever unit serves */
	SIM_OP_WRITE_STANDBY,
	SIM_OP_FAILOVER_ACTIVE,	   /* arg: forced */
	SIM_OP_NO_FAILOVER_ACTIVE, /* arg: forced */
	SIM_OP_RESET,
	SIM_OP_NO_FAILOVER, /* until FAILOVER, or a reboot: it was not saved */
	SIM_OP_FAILOVER,
	SIM_OP_POLLTIME,    /* arg: 0 the pair's own; 1 half the polltime, 2 twice the holdtime, on
			       both   units, a little apart */
	SIM_OP_MAINTENANCE, /* arg: on */
	SIM_OP_PREEMPT,	    /* arg: `preempt` is configured; on both units */
	SIM_OP_INTERFACES,  /* arg: failed ones */
	SIM_OP_FRONT,	    /* arg: the front cannot serve */
	SIM_OP_STORE_FAIL,  /* arg: units until the machine is told */
	SIM_OP_STORE_TOLD,
	SIM_OP_STORE_OK,
	SIM_OP_CLAIM_FAIL,  /* arg: the kernel refuses the next claim */
	SIM_OP_WIPE,	    /* another, empty unit takes the place (powered off) */
	SIM_OP_SHUTDOWN,    /* orderly */
	SIM_OP_REPLAY,	    /* somebody plays recorded hellos to UNIT */
	SIM_OP_FORGE,	    /* arg: enum sim_forgery; somebody sends UNIT what looks like a hello */
	SIM_OP_EXPECT_PAIR, /* fails the run unless one is active and the other ready */
	SIM_OP_EXPECT,	    /* arg: enum fo_state; fails the run when UNIT is not in it */
	SIM_OP_EXPECT_WRITES, /* arg: so many imports in UNIT's store */
	SIM_OP__MAX,
};

struct sim_op {
	enum sim_op_type type;
	enum fo_unit unit;
	int64_t arg;
	unsigned only_path; /* 1 + a path; 0: all */
};

enum sim_forgery {
	SIM_FORGERY_NOISE,
	SIM_FORGERY_BIT,       /* of a recorded one is flipped */
	SIM_FORGERY_SHORT,     /* a recorded one is cut */
	SIM_FORGERY_KEY,       /* whole, of somebody with another key */
	SIM_FORGERY_VERSION,   /* a recorded one of another release */
	SIM_FORGERY_REFLECTED, /* what this unit said itself */
	SIM_FORGERY__MAX,
};

enum sim_item_type {
	SIM_ITEM_NONE,
	SIM_ITEM_DATAGRAM,
	SIM_ITEM_TICK,
	SIM_ITEM_PERSISTED,
	SIM_ITEM_CLAIMED,
	SIM_ITEM_RELEASED,
	SIM_ITEM_SYNC,	   /* a message of a replication */
	SIM_ITEM_KEEPER,   /* the keeper's answer to a replication */
	SIM_ITEM_ORPHANS,  /* are kept */
	SIM_ITEM_FALLBACK, /* the self-signed certificate is on the active's disk */
	SIM_ITEM_WRITTEN,  /* an import is on the active's disk */
	SIM_ITEM_OP,
};

/* On its way, or kept by somebody on the wire. What follows DATA is not in it: it is for the
 * checks. */
struct sim_datagram {
	unsigned path;
	size_t size;
	uint8_t data[SIM_DATAGRAM_MAX];
	enum fo_unit from;
	uint32_t epoch;	  /* the sender's */
	uint64_t counter; /* 0: forged, nobody said this */
	uint64_t sent_at;
};

struct sim_item {
	uint64_t at;
	uint64_t order;
	enum sim_item_type type;
	enum fo_unit unit;
	uint32_t epoch;
	uint32_t id;   /* tick, import; of a replication: connection, serial */
	uint32_t step; /* of a replication: the event that it is */
	struct sync_message sync;
	uint16_t batch[SIM_BATCH_MAX + 1];
	uint64_t term;
	bool is_activation;
	struct fo_position position;
	struct sim_op op;
	struct sim_datagram datagram;
};

struct sim_write {
	bool is_acknowledged;
	bool is_on_both; /* acknowledged with the mate's word */
};

/* What somebody on the wire has kept. */
struct sim_record {
	enum fo_unit from;
	size_t size;
	uint8_t data[SIM_DATAGRAM_MAX];
};

/* Unit polltime and holdtime of the pair, as an operator sets them. */
struct sim_timing {
	uint32_t poll_ms;
	uint32_t hold_ms;
	unsigned weight; /* so many of all histories have it */
};

#define SIM_TIMINGS 6
extern const struct sim_timing SIM_TIMING[SIM_TIMINGS];

struct sim_world {
	uint64_t seed;
	bool is_slow;	  /* a fault now and then, some of them long */
	unsigned timing;  /* which of SIM_TIMING */
	uint64_t poll_ns; /* of that timing */
	uint64_t hold_ns;
	uint64_t unit_ns; /* a hundredth of a polltime: what the adversary counts in */
	uint64_t random;
	uint64_t now;
	uint64_t order;
	bool has_trace;
	bool has_failed;
	char failure[256];
	struct sim_node nodes[FO_UNIT__MAX];
	struct sim_path paths[SIM_PATHS];
	struct sim_write writes[SIM_WRITES_MAX];
	uint16_t n_writes;
	bool is_connected; /* the units, for replication */
	uint32_t connection;
	uint64_t connect_at;
	uint32_t n_sessions;
	uint64_t n_resumed;
	bool is_import_time; /* failover replication trustpoint sync */
	uint64_t disk_ns;    /* at most, a write */
	uint64_t kernel_ns;  /* a claim, a release */
	uint64_t work_ns;    /* ... for which a slow machine's loop stands still; 0: none does */
	bool is_long;	     /* in the end nobody is late for so long that it is forgotten */
	bool is_mixed;	     /* the secondary is of a release that stretches nothing, and
				does not say that it served */
	bool is_preempt;
	uint32_t preempt_delay_ms;
	bool has_given_up; /* the operator, by force, what only one unit had */
	bool has_split;	   /* both held the addresses at some time */
	uint64_t n_lineages;
	uint64_t calm_since; /* both units run and a path works; or never */
	uint64_t split_since;
	uint64_t moved_at;    /* the last transition */
	bool is_announce_due; /* both held the addresses, and WINNER has to say again that they are
				 its own */
	enum fo_unit winner;
	uint32_t loser_epoch;
	uint64_t announce_since;
	uint64_t history;	     /* a digest of all transitions and their times */
	bool is_deaf_to_realtime;    /* this time the wall clocks do not jump */
	struct hello_codec *foreign; /* the attacker's own, with another key */
	struct sim_datagram records[SIM_RECORDS_MAX];
	size_t n_items;
	uint32_t heap[SIM_ITEMS_MAX];
	uint32_t spare[SIM_ITEMS_MAX];
	struct sim_item items[SIM_ITEMS_MAX];
};

/* world.c */
void sim_world_init(struct sim_world *world, uint64_t seed, bool has_trace);
/* Which of SIM_TIMING; sim_world_init draws one. */
void sim_world_time(struct sim_world *world, unsigned timing);
void sim_world_done(struct sim_world *world);
uint64_t sim_random(struct sim_world *world, uint64_t below);
/* A copy of ITEM, DELAY_NS from now. Sockets are drained before a tick of the same instant is
 * believed. */
void sim_push(struct sim_world *world, const struct sim_item *item, uint64_t delay_ns);
/* Runs until UNTIL_NS or a failure. */
void sim_run(struct sim_world *world, uint64_t until_ns);
/* A path with more delay than this is not one that works. */
uint64_t sim_delay_good(const struct sim_world *world);
void sim_trace(struct sim_world *world, const struct sim_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Into the digest of the history. */
void sim_note(struct sim_world *world, uint64_t value);
void sim_fail(struct sim_world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* wire.c */
/* DATAGRAM, but for its path, which is each of them. */
void sim_send(struct sim_world *world, const struct sim_datagram *datagram);
/* Somebody plays some of what was recorded to UNIT. */
void sim_replay(struct sim_world *world, enum fo_unit unit);
void sim_forge(struct sim_world *world, enum fo_unit unit, enum sim_forgery forgery);
bool sim_link_is_up(const struct sim_world *world);

/* node.c */
/* How long the keeper takes for the next thing: it does one after the other. */
uint64_t sim_keeper_delay(struct sim_world *world, struct sim_node *node);
struct fo_health sim_health(const struct sim_node *node);
/* A lease runs out while its unit stands still. */
bool sim_holds(const struct sim_world *world, const struct sim_node *node);
extern const uint8_t SIM_KEY[HELLO_KEY_SIZE];
static inline struct sim_node *sim_mate(struct sim_world *world, const struct sim_node *node)
{
	return &world->nodes[1 - node->unit];
}

/* The longest that a holdtime of this pair may be stretched to. */
uint64_t sim_longest_ns(const struct sim_world *world);
/* It does not run for NS from now. */
void sim_freeze(struct sim_world *world, struct sim_node *node, uint64_t ns);
void sim_node_boot(struct sim_world *world, struct sim_node *node);
void sim_node_crash(struct sim_world *world, struct sim_node *node);
void sim_node_feed(struct sim_world *world, struct sim_node *node, struct fo_event event);
void sim_node_take(struct sim_world *world, struct sim_node *node, const struct sim_item *item);

/* store.c: imports and replication */
void sim_store_item(struct sim_world *world, struct sim_node *node, const struct sim_item *item);
void sim_store_import(struct sim_world *world);
/* An active unit without a fallback makes one. */
void sim_store_fallback(struct sim_world *world, struct sim_node *node);
/* A store as it is made: empty, with a history of its own. */
void sim_store_make(struct sim_world *world, struct sim_node *node);
bool sim_has_write(const struct sim_content *content, uint16_t id);
/* The active's replication ended; IS_AGAIN: something changed meanwhile. */
void sim_store_replicated(struct sim_world *world, struct sim_node *node, bool is_done,
			  bool is_again);
/* Imports wait for the standby for no longer than that. */
void sim_store_poll(struct sim_world *world, struct sim_node *node);
void sim_orphans_keep(struct sim_world *world, struct sim_node *node);
/* The power failed while ITEM was written: it was, or it was not. */
void sim_store_tear(struct sim_world *world, struct sim_node *node, const struct sim_item *item);

/* sync.c: replication */
void sim_sync_boot(struct sim_node *node);
void sim_sync_start(struct sim_world *world, struct sim_node *node);
void sim_sync_push(struct sim_world *world, struct sim_node *node, bool is_quiet);
/* Its keeper put the orphans aside, or could not. */
void sim_sync_kept(struct sim_world *world, struct sim_node *node, int code);
bool sim_sync_is_sending(const struct sim_node *node);
void sim_sync_stop(struct sim_world *world, struct sim_node *node);
void sim_sync_role(struct sim_world *world, struct sim_node *node);
void sim_sync_poll(struct sim_world *world, struct sim_node *node);
void sim_sync_item(struct sim_world *world, struct sim_node *node, const struct sim_item *item);
void sim_sync_tear(struct sim_world *world, struct sim_node *node, const struct sim_item *item);

/* op.c */
/* A slow unit hears it when its work is done. */
bool sim_op_waits(const struct sim_world *world, const struct sim_op *op);
void sim_op_do(struct sim_world *world, const struct sim_op *op);

/* check.c */
/* NODE's machine is about to be told what DATAGRAM says. */
void sim_check_belief(struct sim_world *world, struct sim_node *node,
		      const struct sim_datagram *datagram);
void sim_check_ready(struct sim_world *world, const struct sim_node *node);
void sim_check_calm(struct sim_world *world);
void sim_check_step(struct sim_world *world, struct sim_node *node);
void sim_check_claim(struct sim_world *world, const struct sim_node *node, uint64_t term);
void sim_check_commit(struct sim_world *world, const struct sim_node *node,
		      const struct sim_content *next);
/* One unit is active, the other ready. Returns the active one, or NULL after a failure. */
const struct sim_node *sim_check_pair(struct sim_world *world);
void sim_check_end(struct sim_world *world);

/* schedule.c */
/* Plans a history at random. Returns when it ends. */
uint64_t sim_schedule_random(struct sim_world *world);

/* run.c: histories by the thousand */
struct sim_campaign {
	uint64_t first_seed;
	uint64_t schedules;
	uint64_t budget_s; /* instead of SCHEDULES, if not 0 */
	uint64_t years;	   /* simulated; instead of both, if not 0 */
	unsigned jobs;
	bool has_progress; /* a line a minute on stderr */
};
/* Returns 0, or 1 where one of them broke a promise; its trace is printed then. */
int sim_campaign_run(struct sim_world *world, const struct sim_campaign *campaign);
bool sim_seed_run(struct sim_world *world, uint64_t seed, bool has_trace);
/* The histories that broke a promise once. Returns how many do. */
unsigned sim_relapses_run(struct sim_world *world);

/* script.c: the named histories. Returns how many failed. */
unsigned sim_scripts_run(struct sim_world *world, const char *only, bool has_trace);
