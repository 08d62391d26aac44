/* SPDX-License-Identifier: Apache-2.0 */
/* The adversary: a history at random, then everything is mended and the pair has time to settle. */
#include "sim.h"

/* In units (hundredths of a polltime): how long the adversary has, and the pair after it. */
#define FREEZE 4 /* holdtimes */
#define FREEZE_LONG 40
#define ADVERSARY 10000
#define SETTLE 12000
/* ... and not less than this: some patience of the machine is in seconds. */
#define SETTLE_NS (12000 * SIM_MS)

/* OP, AT units after the start. */
static void plan(struct sim_world *world, uint64_t at, struct sim_op op)
{
	struct sim_item item = {.type = SIM_ITEM_OP, .op = op};

	sim_push(world, &item, at * world->unit_ns);
}

/* How often each of the adversary's means is used, drawn anew for each history, so that some are
 * rare in some. */
struct temper {
	unsigned weights[SIM_OP_EXPECT_PAIR];
	unsigned total;
};

static void draw_temper(struct sim_world *world, struct temper *ret_temper)
{
	*ret_temper = (struct temper){0};
	for (unsigned i = SIM_OP_POWER_OFF; i < SIM_OP_EXPECT_PAIR; i++) {
		unsigned weight = sim_random(world, 3) ? (unsigned)sim_random(world, 8) : 0;

		if (i == SIM_OP_WIPE)
			weight = sim_random(world, 4) ? 0 : 1;
		if (i == SIM_OP_IMPORT)
			weight = 8;
		ret_temper->weights[i] = weight;
		ret_temper->total += weight;
	}
}

static enum sim_op_type draw_op(struct sim_world *world, const struct temper *temper)
{
	uint64_t pick = sim_random(world, temper->total);

	for (unsigned i = SIM_OP_POWER_OFF; i < SIM_OP_EXPECT_PAIR; i++) {
		if (pick < temper->weights[i])
			return (enum sim_op_type)i;
		pick -= temper->weights[i];
	}
	return SIM_OP_NONE;
}

/* Most pauses are around the holdtime, where it matters; some are long. */
static int64_t draw_freeze(struct sim_world *world)
{
	uint64_t hold = world->hold_ns / world->unit_ns;

	return (int64_t)sim_random(world, (world->is_slow ? FREEZE_LONG : FREEZE) * hold);
}

static int64_t draw_arg(struct sim_world *world, enum sim_op_type type)
{
	if (type == SIM_OP_FREEZE)
		return draw_freeze(world);
	if (type == SIM_OP_CRASH_AT)
		return (int64_t)sim_random(world, 12);
	if (type == SIM_OP_CUT || type == SIM_OP_HEAL)
		return (int64_t)sim_random(world, SIM_PATHS);
	if (type == SIM_OP_LOSS || type == SIM_OP_DUPLICATE)
		return (int64_t)sim_random(world, 90);
	if (type == SIM_OP_DELAY)
		return (int64_t)sim_random(world, sim_random(world, 4) ? 200 : 1000);
	if (type == SIM_OP_CLOCK_JUMP)
		return (int64_t)sim_random(world, 200000000) - 100000000;
	if (type == SIM_OP_POLLTIME)
		return (int64_t)sim_random(world, 3);
	if (type == SIM_OP_STORE_FAIL)
		return (int64_t)sim_random(world, 300);
	if (type == SIM_OP_FORGE)
		return (int64_t)sim_random(world, SIM_FORGERY__MAX);
	if (type == SIM_OP_FAILOVER_ACTIVE || type == SIM_OP_NO_FAILOVER_ACTIVE)
		return sim_random(world, 4) == 0;
	if (type == SIM_OP_CLAIM_FAIL)
		return 1;
	if (type == SIM_OP_MAINTENANCE || type == SIM_OP_FRONT || type == SIM_OP_PREEMPT)
		return (int64_t)sim_random(world, 2);
	return type == SIM_OP_INTERFACES ? (int64_t)sim_random(world, 3) : 0;
}

static bool is_of_paths(enum sim_op_type type)
{
	return type == SIM_OP_LOSS || type == SIM_OP_DUPLICATE || type == SIM_OP_DELAY;
}

/* Off units come back; a wiped one, too. */
static void plan_consequences(struct sim_world *world, uint64_t at, struct sim_op op)
{
	bool is_off = op.type == SIM_OP_POWER_OFF || op.type == SIM_OP_WIPE ||
		      op.type == SIM_OP_SHUTDOWN || op.type == SIM_OP_CRASH_AT;
	struct sim_op next = {.unit = op.unit};

	if (is_off && sim_random(world, 4)) {
		next.type = SIM_OP_POWER_ON;
		plan(world, at + sim_random(world, 2000), next);
	}
	if ((op.type == SIM_OP_CUT || op.type == SIM_OP_APART) && sim_random(world, 2)) {
		next.type = SIM_OP_HEAL_ALL;
		plan(world, at + sim_random(world, 2000), next);
	}
	if (op.type == SIM_OP_CUT && sim_random(world, 2)) {
		next.type = SIM_OP_CUT;
		for (next.arg = 0; next.arg < SIM_PATHS; next.arg++)
			plan(world, at, next);
	}
	if (op.type == SIM_OP_POLLTIME) {
		op.unit = (enum fo_unit)(1 - op.unit);
		plan(world, at + sim_random(world, 50), op);
	}
	if (op.type == SIM_OP_NO_FAILOVER) {
		next.type = SIM_OP_FAILOVER;
		plan(world, at + sim_random(world, 2000), next);
	}
}

static void plan_mending(struct sim_world *world, uint64_t at, uint64_t settle)
{
	static const enum sim_op_type MENDS[] = {
		SIM_OP_POWER_ON,    SIM_OP_STORE_OK, SIM_OP_INTERFACES, SIM_OP_FRONT,
		SIM_OP_MAINTENANCE, SIM_OP_POLLTIME, SIM_OP_CLAIM_FAIL, SIM_OP_FAILOVER};

	plan(world, at, (struct sim_op){.type = SIM_OP_HEAL_ALL});
	for (unsigned unit = 0; unit < FO_UNIT__MAX; unit++) {
		struct sim_op op = {.unit = (enum fo_unit)unit};

		for (size_t i = 0; i < sizeof(MENDS) / sizeof(MENDS[0]); i++) {
			op.type = MENDS[i];
			plan(world, at, op);
		}
		op.type = SIM_OP_POWER_ON;
		plan(world, at + settle / 5, op);
	}
	plan(world, at + settle / 2, (struct sim_op){.type = SIM_OP_WRITE_STANDBY});
}

uint64_t sim_schedule_random(struct sim_world *world)
{
	uint64_t gap = 20 + sim_random(world, 800);
	uint64_t end = ADVERSARY, settle = SETTLE_NS / world->unit_ns;
	struct temper temper;

	/* Some are slow: a fault now and then, in a pair that rests. */
	world->is_slow = sim_random(world, 16) == 0;
	if (world->is_slow) {
		gap *= 8;
		end *= 8;
	}
	if (settle < SETTLE)
		settle = SETTLE;
	draw_temper(world, &temper);
	for (unsigned unit = 0; unit < FO_UNIT__MAX; unit++)
		plan(world, sim_random(world, 2) * sim_random(world, 2000),
		     (struct sim_op){.type = SIM_OP_POWER_ON, .unit = (enum fo_unit)unit});
	for (uint64_t at = 500; at < end; at += sim_random(world, 2 * gap)) {
		struct sim_op op = {.type = draw_op(world, &temper)};

		op.unit = (enum fo_unit)sim_random(world, FO_UNIT__MAX);
		op.arg = draw_arg(world, op.type);
		if (is_of_paths(op.type) && sim_random(world, 2))
			op.only_path = 1 + (unsigned)sim_random(world, SIM_PATHS);
		plan(world, at, op);
		plan_consequences(world, at, op);
	}
	/* Until the longest pause is over. */
	end += 2000 + (world->is_slow ? FREEZE_LONG : FREEZE) * world->hold_ns / world->unit_ns;
	plan_mending(world, end, settle);
	if (world->is_long && sim_longest_ns(world) > world->hold_ns)
		settle += 2 * FO_STRETCH_QUIET_MS * SIM_MS / world->unit_ns;
	return (end + settle) * world->unit_ns;
}
