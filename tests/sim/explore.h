/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fsm.h"

/*
 * The pair for the exhaustive search: two real state machines by value, and between them the least
 * that keeps what matters: the latest hello in each direction, the disk's and the kernel's answers
 * that are due, who holds the addresses. Time goes in polltimes. A step is one of struct x_move;
 * the search tries them all.
 */

/* The first polltime: 0 means never in the machine's timers. */
#define X_START 100
#define X_TICK_MS 1000 /* a polltime */
#define X_HOLD_TICKS 3
#define X_WRITES_MAX 6
#define X_KERNEL_MAX 3

enum x_mode {
	X_MODE_PATH,  /* every hello arrives within a polltime, and nobody stands still */
	X_MODE_APART, /* a hello may arrive, late or never; units stand still */
	X_MODE__MAX,
};

/* What this unit's codec knows of the mate's boot. */
enum x_proof { X_PROOF_NONE, X_PROOF_CURRENT, X_PROOF_EARLIER };

struct x_write {
	uint64_t term;
	bool is_activation;
};

struct x_hello {
	bool is_full;
	bool is_echo;	 /* of the receiver's boot */
	bool is_earlier; /* the sender booted since */
	struct fo_mate_view view;
};

struct x_node {
	struct fo_fsm fsm;
	struct x_hello in; /* on its way to this unit */
	struct x_write writes[X_WRITES_MAX];
	uint8_t n_writes;
	bool kernel[X_KERNEL_MAX]; /* true: a claim, false: a release */
	uint8_t n_kernel;
	bool is_up;
	bool is_tick_due;
	uint8_t asleep; /* polltimes, if it stands still; 0: it does not */
	bool holds;
	bool is_claimed;
	bool wants_sync;
	bool has_heard; /* the mate's boot, and echoes it */
	bool is_failing;
	enum x_proof proof;
	uint64_t promised, activated; /* on disk */
	uint64_t claimed;	      /* the latest term that it claimed in */
	uint64_t seen;
	struct fo_position position;
};

struct x_pair {
	struct x_node nodes[FO_UNIT__MAX];
	uint8_t faults; /* that are left */
	uint64_t now;	/* in polltimes */
};

enum x_move_type {
	X_MOVE_ADVANCE, /* a polltime passes */
	X_MOVE_TICK,
	X_MOVE_DELIVER,
	X_MOVE_KERNEL,
	X_MOVE_WRITE,
	X_MOVE_SYNC,
	X_MOVE_BOOT,
	X_MOVE_THAW,
	/* from here on each costs a fault */
	X_MOVE_CRASH,
	X_MOVE_CRASH_WRITTEN, /* the write under way is on the disk */
	X_MOVE_FREEZE,
	X_MOVE_WRITE_FAIL,
	X_MOVE_KERNEL_FAIL,
	X_MOVE_SYNC_FAIL,
	X_MOVE_HEALTH, /* fails, or is well again */
	X_MOVE_ACTIVE,
	X_MOVE_ACTIVE_FORCED,
	X_MOVE_STANDBY,
	X_MOVE_RESET,
	X_MOVE_MAINTENANCE,
	X_MOVE_IMPORT,
	X_MOVE_SHUTDOWN,
	X_MOVE__MAX,
};

struct x_move {
	enum x_move_type type;
	enum fo_unit unit;
};

/* Where a step broke a rule: the sentence; else NULL. */
struct x_run {
	enum x_mode mode;
	bool has_trace;
	const char *broken;
};

void x_pair_init(struct x_pair *ret_pair, uint8_t faults);
bool x_pair_may(const struct x_pair *pair, const struct x_run *run, struct x_move move);
void x_pair_do(struct x_pair *pair, struct x_run *run, struct x_move move);
void x_run_break(struct x_run *run, const char *rule);
bool x_node_holds(const struct x_node *node);
/* explore_calm.c */
/* Two that run, hear each other, and have been in maintenance for long; NEWER has newer data. */
void x_pair_idle(enum fo_unit newer, struct x_run *run, struct x_pair *ret_pair);
/* The same for two pairs that nothing can tell apart from here on. */
uint64_t x_pair_hash(const struct x_pair *pair);
/* From now on everything works and nobody asks for anything: the two must agree, in time. Works on
 * a copy. */
void x_pair_calm(const struct x_pair *pair, struct x_run *run, struct x_pair *ret_end);
