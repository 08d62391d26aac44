/* SPDX-License-Identifier: Apache-2.0 */
/* The adversary: a history at random, then everything is mended and the pair has time to settle. */
#include "sim.h"

static void plan(struct sim_world *world, struct sim_op op)
{
	struct sim_item item = {.type = SIM_ITEM_OP, .op = op};

	sim_push(world, &item, op.at_ms * SIM_MS);
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

static int64_t draw_arg(struct sim_world *world, enum sim_op_type type)
{
	if (type == SIM_OP_FREEZE)
		return (int64_t)sim_random(world, 4 * SIM_HOLD_MS);
	if (type == SIM_OP_CRASH_AT)
		return (int64_t)sim_random(world, 12);
	if (type == SIM_OP_CUT || type == SIM_OP_HEAL)
		return (int64_t)sim_random(world, SIM_PATHS);
	if (type == SIM_OP_LOSS || type == SIM_OP_DUPLICATE)
		return (int64_t)sim_random(world, 60);
	if (type == SIM_OP_DELAY)
		return (int64_t)sim_random(world, 2 * SIM_POLL_MS);
	return type == SIM_OP_INTERFACES ? (int64_t)sim_random(world, 3) : 0;
}

/* Off units come back; a wiped one, too. */
static void plan_consequences(struct sim_world *world, struct sim_op op)
{
	bool is_off = op.type == SIM_OP_POWER_OFF || op.type == SIM_OP_WIPE ||
		      op.type == SIM_OP_SHUTDOWN || op.type == SIM_OP_CRASH_AT;

	if (is_off && sim_random(world, 4))
		plan(world, (struct sim_op){.at_ms = op.at_ms + sim_random(world, 2000),
					    .type = SIM_OP_POWER_ON,
					    .unit = op.unit});
	if (op.type == SIM_OP_CUT && sim_random(world, 2)) {
		for (unsigned path = 0; path < SIM_PATHS; path++)
			plan(world, (struct sim_op){.at_ms = op.at_ms,
						    .type = SIM_OP_CUT,
						    .unit = op.unit,
						    .arg = path});
		if (sim_random(world, 2))
			plan(world, (struct sim_op){.at_ms = op.at_ms + sim_random(world, 2000),
						    .type = SIM_OP_HEAL_ALL});
	}
}

static void plan_mending(struct sim_world *world)
{
	static const enum sim_op_type MENDS[] = {SIM_OP_POWER_ON, SIM_OP_STORE_OK,
						 SIM_OP_INTERFACES};
	uint64_t at_ms = SIM_ADVERSARY_MS + 4 * SIM_HOLD_MS;

	plan(world, (struct sim_op){.at_ms = at_ms, .type = SIM_OP_HEAL_ALL});
	for (unsigned unit = 0; unit < FO_UNIT__MAX; unit++) {
		for (size_t i = 0; i < sizeof(MENDS) / sizeof(MENDS[0]); i++)
			plan(world, (struct sim_op){.at_ms = at_ms,
						    .type = MENDS[i],
						    .unit = (enum fo_unit)unit});
		plan(world, (struct sim_op){.at_ms = at_ms + 2500,
					    .type = SIM_OP_POWER_ON,
					    .unit = (enum fo_unit)unit});
	}
	plan(world,
	     (struct sim_op){.at_ms = at_ms + SIM_SETTLE_MS - 3000, .type = SIM_OP_WRITE_STANDBY});
}

void sim_schedule_random(struct sim_world *world)
{
	uint64_t gap_ms = 20 + sim_random(world, 800);
	struct temper temper;

	draw_temper(world, &temper);
	for (unsigned unit = 0; unit < FO_UNIT__MAX; unit++)
		plan(world, (struct sim_op){.at_ms = sim_random(world, 2) * sim_random(world, 2000),
					    .type = SIM_OP_POWER_ON,
					    .unit = (enum fo_unit)unit});
	for (uint64_t at_ms = 500; at_ms < SIM_ADVERSARY_MS;
	     at_ms += sim_random(world, 2 * gap_ms)) {
		struct sim_op op = {.at_ms = at_ms, .type = draw_op(world, &temper)};

		op.unit = (enum fo_unit)sim_random(world, FO_UNIT__MAX);
		op.arg = draw_arg(world, op.type);
		plan(world, op);
		plan_consequences(world, op);
	}
	plan_mending(world);
}
