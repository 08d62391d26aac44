/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fsm.h"
#include "core/hello.h"

/*
 * The pair in one process: two units with the real state machine and the real hello codec, their
 * disks, clocks and paths under a simulated clock, and a seeded adversary. One seed is one history:
 * it is replayed exactly.
 */

#define SIM_PATHS 2 /* 0 is the failover link, on which replication runs, too */
#define SIM_WRITES_MAX 256
#define SIM_POLL_MS 100
#define SIM_HOLD_MS 300
#define SIM_MS MONOTIME_NS_PER_MS
/* A path with more delay than this is not one that works. */
#define SIM_DELAY_GOOD_NS (30 * SIM_MS)
#define SIM_RECORDS_MAX 16
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

/* A bulk replication, at the unit that receives it. */
struct sim_sync {
	uint32_t id; /* of the latest */
	bool is_running;
	uint32_t mate_epoch;
	struct fo_position position; /* the snapshot */
	struct sim_content content;
	bool has_fallback;
};

struct sim_node {
	enum fo_unit unit;
	bool is_up;
	uint32_t epoch; /* counts boots: what was meant for an earlier one is dropped */
	struct fo_fsm fsm;
	struct hello_codec *codec;
	struct sim_disk disk;
	struct sim_sync sync;
	bool holds; /* the active addresses are in its kernel */
	uint64_t claimed_term;
	uint64_t seen_term; /* the highest that this life knew */
	uint64_t frozen_until;
	uint64_t last_loop; /* its own clock */
	uint64_t clock_offset;
	int64_t clock_ppm;
	uint32_t tick_id;
	uint64_t last_persist_at; /* writes are done in order */
	int crash_in_actions;	  /* the plug is pulled at that action; -1: not planned */
	bool is_disk_failing;
	bool is_claim_failing; /* the next one */
	uint32_t failed_interfaces;
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
	SIM_OP_LOSS,	  /* arg: percent, on every path */
	SIM_OP_DUPLICATE, /* arg: percent */
	SIM_OP_DELAY,	  /* arg: ms, on every path */
	SIM_OP_IMPORT,	  /* on whichever unit serves */
	SIM_OP_WRITE_STANDBY,
	SIM_OP_FAILOVER_ACTIVE,
	SIM_OP_NO_FAILOVER_ACTIVE,
	SIM_OP_RESET,
	SIM_OP_INTERFACES, /* arg: failed ones */
	SIM_OP_STORE_FAIL,
	SIM_OP_STORE_OK,
	SIM_OP_CLAIM_FAIL,    /* the kernel refuses the next claim */
	SIM_OP_WIPE,	      /* another, empty unit takes the place (powered off) */
	SIM_OP_SHUTDOWN,      /* orderly */
	SIM_OP_REPLAY,	      /* recorded hellos of the mate reach UNIT again */
	SIM_OP_EXPECT_PAIR,   /* fails the run unless one is active and the other ready */
	SIM_OP_EXPECT,	      /* arg: enum fo_state; fails the run when UNIT is not in it */
	SIM_OP_EXPECT_WRITES, /* arg: so many imports in UNIT's store */
};

struct sim_op {
	uint64_t at_ms;
	enum sim_op_type type;
	enum fo_unit unit;
	int64_t arg;
};

enum sim_item_type {
	SIM_ITEM_NONE,
	SIM_ITEM_DATAGRAM,
	SIM_ITEM_TICK,
	SIM_ITEM_PERSISTED,
	SIM_ITEM_CLAIMED,
	SIM_ITEM_RELEASED,
	SIM_ITEM_SYNC,
	SIM_ITEM_FALLBACK,  /* the self-signed certificate is on the active's disk */
	SIM_ITEM_WRITTEN,   /* an import is on the active's disk */
	SIM_ITEM_REPLICATE, /* ... and reaches the standby */
	SIM_ITEM_CONFIRM,   /* ... and the active hears that it is durable there */
	SIM_ITEM_OP,
};

struct sim_item {
	uint64_t at;
	uint64_t order;
	enum sim_item_type type;
	enum fo_unit unit;
	uint32_t epoch;
	uint32_t id; /* tick, sync, import */
	uint32_t step;
	uint64_t term;
	bool is_activation;
	struct fo_position position;
	struct sim_op op;
	unsigned path;
	size_t size;
	uint8_t data[SIM_DATAGRAM_MAX];
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

/* How this history differs from others, drawn once. */
struct sim_world {
	uint64_t seed;
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
	bool is_import_time; /* failover replication trustpoint sync */
	uint64_t disk_ns;    /* at most, a write */
	uint64_t kernel_ns;  /* a claim, a release */
	bool has_split;	     /* both held the addresses at some time */
	uint64_t n_lineages;
	uint64_t calm_since; /* both units run and a path works; or never */
	uint64_t split_since;
	uint64_t moved_at; /* the last transition */
	struct sim_record records[SIM_RECORDS_MAX];
	size_t n_items;
	uint32_t heap[SIM_ITEMS_MAX];
	uint32_t spare[SIM_ITEMS_MAX];
	struct sim_item items[SIM_ITEMS_MAX];
};

/* world.c */
void sim_world_init(struct sim_world *world, uint64_t seed, bool has_trace);
void sim_world_done(struct sim_world *world);
uint64_t sim_random(struct sim_world *world, uint64_t below);
/* A copy of ITEM, DELAY_NS from now. Sockets are drained before a tick of the same instant is
 * believed. */
void sim_push(struct sim_world *world, const struct sim_item *item, uint64_t delay_ns);
/* Runs until UNTIL_MS or a failure. */
void sim_run(struct sim_world *world, uint64_t until_ms);
void sim_send(struct sim_world *world, enum fo_unit from, const uint8_t *data, size_t size);
/* Somebody plays to UNIT what of the mate's hellos was recorded. */
void sim_replay(struct sim_world *world, enum fo_unit unit);
bool sim_link_is_up(const struct sim_world *world);
void sim_trace(struct sim_world *world, const struct sim_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void sim_fail(struct sim_world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* node.c */
static inline struct sim_node *sim_mate(struct sim_world *world, const struct sim_node *node)
{
	return &world->nodes[1 - node->unit];
}

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
void sim_sync_start(struct sim_world *world, struct sim_node *node);

/* op.c */
void sim_op_do(struct sim_world *world, const struct sim_op *op);

/* check.c */
void sim_check_calm(struct sim_world *world);
void sim_check_step(struct sim_world *world, const struct sim_node *node);
void sim_check_claim(struct sim_world *world, const struct sim_node *node, uint64_t term);
void sim_check_commit(struct sim_world *world, const struct sim_node *node,
		      const struct sim_content *next);
/* One unit is active, the other ready. Returns the active one, or NULL after a failure. */
const struct sim_node *sim_check_pair(struct sim_world *world);
void sim_check_end(struct sim_world *world);

/* schedule.c */
void sim_schedule_random(struct sim_world *world);
#define SIM_ADVERSARY_MS 10000
#define SIM_SETTLE_MS 12000

/* script.c: the named histories. Returns how many failed. */
unsigned sim_scripts_run(struct sim_world *world, const char *only, bool has_trace);
