/* SPDX-License-Identifier: Apache-2.0 */
/* The histories that an operator would tell, each with what is to be seen at which time. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

#define OPS_MAX 32

struct row {
	uint64_t at_ms;
	enum sim_op_type type;
	enum fo_unit unit;
	int64_t arg;
};

struct script {
	const char *name;
	struct row rows[OPS_MAX];
	uint64_t until_ms;
};

/* Ops are {milliseconds, what, unit, argument}. */
#define P FO_UNIT_PRIMARY
#define S FO_UNIT_SECONDARY
/* Both boot, the primary becomes active and imports one; the secondary is ready with it at 1.9 s.
 */
#define PAIR                                                                                       \
	{0, SIM_OP_POWER_ON, P, 0}, {0, SIM_OP_POWER_ON, S, 0}, {500, SIM_OP_IMPORT, P, 0},        \
		{800, SIM_OP_WRITE_STANDBY, P, 0}, {1900, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},      \
		{1900, SIM_OP_EXPECT, S, FO_STATE_STANDBY_READY},                                  \
	{                                                                                          \
		1900, SIM_OP_EXPECT_WRITES, S, 1                                                   \
	}

static const struct script SCRIPTS[] = {
	{"both boot: the primary is active", {PAIR}, 2500},
	{"plug pulled, and the lost unit comes back as standby",
	 {PAIR,
	  {2000, SIM_OP_POWER_OFF, P, 0},
	  {2450, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {2500, SIM_OP_IMPORT, S, 0},
	  {3000, SIM_OP_POWER_ON, P, 0},
	  {4500, SIM_OP_EXPECT, P, FO_STATE_STANDBY_READY},
	  {4500, SIM_OP_EXPECT_WRITES, P, 2},
	  {4500, SIM_OP_EXPECT, S, FO_STATE_ACTIVE}},
	 5500},
	{"an empty replacement boots first, and the full unit wins",
	 {PAIR,
	  {2000, SIM_OP_POWER_OFF, S, 0},
	  {2100, SIM_OP_POWER_OFF, P, 0},
	  {2200, SIM_OP_WIPE, P, 0},
	  {2300, SIM_OP_POWER_ON, P, 0},
	  {3000, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {3000, SIM_OP_POWER_ON, S, 0},
	  {4500, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {4500, SIM_OP_EXPECT_WRITES, S, 1},
	  {4500, SIM_OP_EXPECT_WRITES, P, 1},
	  {4500, SIM_OP_EXPECT, P, FO_STATE_STANDBY_READY}},
	 5500},
	{"an empty replacement boots first and has the newer term, and the full unit wins",
	 {PAIR,
	  {2000, SIM_OP_POWER_OFF, S, 0},
	  {2000, SIM_OP_POWER_OFF, P, 0},
	  {2000, SIM_OP_WIPE, S, 0},
	  {2100, SIM_OP_POWER_ON, S, 0},
	  {2800, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {2900, SIM_OP_POWER_OFF, S, 0},
	  {3000, SIM_OP_POWER_ON, S, 0},
	  {3700, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {3700, SIM_OP_POWER_ON, P, 0},
	  {5000, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {5000, SIM_OP_EXPECT_WRITES, P, 1},
	  {5000, SIM_OP_EXPECT, S, FO_STATE_STANDBY_READY},
	  {5000, SIM_OP_EXPECT_WRITES, S, 1}},
	 6500},
	{"an empty replacement that was active apart gives way, whatever its term",
	 {PAIR,
	  {2000, SIM_OP_APART, P, 0},
	  {2000, SIM_OP_WIPE, S, 0},
	  {2100, SIM_OP_POWER_ON, S, 0},
	  {2900, SIM_OP_POWER_OFF, S, 0},
	  {3000, SIM_OP_POWER_ON, S, 0},
	  {3700, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {3700, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {3700, SIM_OP_HEAL_ALL, P, 0},
	  {5000, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {5000, SIM_OP_EXPECT_WRITES, P, 1},
	  {5000, SIM_OP_EXPECT, S, FO_STATE_STANDBY_READY},
	  {5000, SIM_OP_EXPECT_WRITES, S, 1}},
	 6500},
	{"two histories meet: the later activation stays, the other's imports are kept aside",
	 {PAIR,
	  {2000, SIM_OP_POWER_OFF, S, 0},
	  {2000, SIM_OP_POWER_OFF, P, 0},
	  {2000, SIM_OP_WIPE, S, 0},
	  {2100, SIM_OP_POWER_ON, S, 0},
	  {2900, SIM_OP_POWER_OFF, S, 0},
	  {3000, SIM_OP_POWER_ON, S, 0},
	  {3600, SIM_OP_IMPORT, S, 0},
	  {3610, SIM_OP_IMPORT, S, 0},
	  {3700, SIM_OP_POWER_ON, P, 0},
	  {5000, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {5000, SIM_OP_EXPECT, P, FO_STATE_STANDBY_READY},
	  {5000, SIM_OP_EXPECT_WRITES, P, 2}},
	 6500},
	{"split brain and heal: the later activation stays",
	 {PAIR,
	  {2000, SIM_OP_APART, P, 0},
	  {2500, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {2500, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {2600, SIM_OP_IMPORT, P, 0},
	  {3000, SIM_OP_HEAL_ALL, P, 0},
	  {3300, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {4500, SIM_OP_EXPECT, P, FO_STATE_STANDBY_READY}},
	 5500},
	{"the winner announces again, although it never heard that the other served",
	 {PAIR,
	  {2000, SIM_OP_APART, P, 0},
	  {3000, SIM_OP_HEAL, S, 0},
	  {3400, SIM_OP_EXPECT, P, FO_STATE_COLD_STANDBY},
	  {3400, SIM_OP_HEAL_ALL, P, 0},
	  {4500, SIM_OP_EXPECT, P, FO_STATE_STANDBY_READY},
	  {4500, SIM_OP_EXPECT, S, FO_STATE_ACTIVE}},
	 5500},
	{"the winner announces again, although the other served between two words of a standby",
	 {PAIR,
	  {1950, SIM_OP_CUT, P, 0},
	  {1950, SIM_OP_CUT, S, 0},
	  {2000, SIM_OP_POWER_OFF, S, 0},
	  {2050, SIM_OP_POWER_OFF, P, 0},
	  {2100, SIM_OP_POWER_ON, P, 0},
	  {2800, SIM_OP_IMPORT, P, 0},
	  {2900, SIM_OP_POWER_ON, S, 0},
	  {3700, SIM_OP_EXPECT, S, FO_STATE_COLD_STANDBY},
	  /* Twice the holdtime: room for each step, whatever the phase of the polls. The first
	   * word of the new boot is the last that the secondary hears. */
	  {3700, SIM_OP_POLLTIME, S, 2},
	  {3700, SIM_OP_POWER_OFF, P, 0},
	  {3720, SIM_OP_POWER_ON, P, 0},
	  {3725, SIM_OP_POLLTIME, P, 2},
	  {3740, SIM_OP_CUT, P, 1},
	  {3740, SIM_OP_CUT, P, 2},
	  {4300, SIM_OP_CUT, S, 1},
	  {4300, SIM_OP_CUT, S, 2},
	  {4360, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {4360, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {4365, SIM_OP_HEAL, P, 1},
	  {4475, SIM_OP_EXPECT, S, FO_STATE_COLD_STANDBY},
	  {4480, SIM_OP_HEAL_ALL, P, 0},
	  {5000, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {6000, SIM_OP_EXPECT, S, FO_STATE_STANDBY_READY}},
	 8000},
	{"one path lost: nothing happens",
	 {PAIR,
	  {2000, SIM_OP_CUT, P, 0},
	  {2000, SIM_OP_CUT, S, 0},
	  {4000, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {4000, SIM_OP_EXPECT, S, FO_STATE_STANDBY_READY},
	  {4000, SIM_OP_HEAL_ALL, P, 0}},
	 5500},
	{"a frozen active gives way when it wakes",
	 {PAIR,
	  {2000, SIM_OP_FREEZE, P, 900},
	  {2500, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {4500, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {4500, SIM_OP_EXPECT, P, FO_STATE_STANDBY_READY}},
	 5500},
	{"a frozen standby does not steal when it wakes",
	 {PAIR,
	  {2000, SIM_OP_FREEZE, S, 900},
	  {4500, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {4500, SIM_OP_EXPECT, S, FO_STATE_STANDBY_READY}},
	 5500},
	{"failover active, and back with no failover active",
	 {PAIR,
	  {2000, SIM_OP_FAILOVER_ACTIVE, S, 0},
	  {2200, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {2200, SIM_OP_EXPECT, P, FO_STATE_STANDBY_READY},
	  {3000, SIM_OP_NO_FAILOVER_ACTIVE, S, 0},
	  {3200, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {3200, SIM_OP_EXPECT, S, FO_STATE_STANDBY_READY}},
	 5500},
	{"failover active on a standby that lacks an import is not followed",
	 {PAIR,
	  {2000, SIM_OP_IMPORT, P, 0},
	  {2200, SIM_OP_FAILOVER_ACTIVE, S, 0},
	  {2300, SIM_OP_NO_FAILOVER_ACTIVE, P, 0},
	  {2500, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {3500, SIM_OP_WRITE_STANDBY, P, 0}},
	 5500},
	{"an interface fails on the active",
	 {PAIR,
	  {2000, SIM_OP_INTERFACES, P, 1},
	  {2300, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {2500, SIM_OP_EXPECT, P, FO_STATE_FAILED},
	  {3000, SIM_OP_INTERFACES, P, 0},
	  {4000, SIM_OP_EXPECT, P, FO_STATE_STANDBY_READY}},
	 5500},
	{"the front of the active cannot serve: the standby takes over, once",
	 {PAIR,
	  {2000, SIM_OP_FRONT, P, 1},
	  {2300, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {2500, SIM_OP_FRONT, S, 1},
	  {3500, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {3600, SIM_OP_FRONT, S, 0},
	  {3700, SIM_OP_FRONT, P, 0},
	  {4500, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {4500, SIM_OP_EXPECT, P, FO_STATE_STANDBY_READY}},
	 6500},
	{"a unit that cannot serve does not become active beside one that can",
	 {{0, SIM_OP_FRONT, P, 1},
	  {0, SIM_OP_POWER_ON, P, 0},
	  {0, SIM_OP_POWER_ON, S, 0},
	  {250, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {1000, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {1500, SIM_OP_FRONT, P, 0},
	  {4000, SIM_OP_WRITE_STANDBY, P, 0}},
	 5500},
	{"both have lost as much: nothing moves, and the standby is one again",
	 {PAIR,
	  {2000, SIM_OP_INTERFACES, S, 1},
	  {2300, SIM_OP_EXPECT, S, FO_STATE_FAILED},
	  {2300, SIM_OP_INTERFACES, P, 1},
	  {4000, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {4000, SIM_OP_EXPECT, S, FO_STATE_STANDBY_READY},
	  {4200, SIM_OP_INTERFACES, S, 0},
	  {4250, SIM_OP_INTERFACES, P, 0}},
	 6500},
	{"a unit in maintenance is not active, and not when it is alone either",
	 {PAIR,
	  {2000, SIM_OP_MAINTENANCE, P, 1},
	  {2300, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {2500, SIM_OP_POWER_OFF, S, 0},
	  {4000, SIM_OP_EXPECT, P, FO_STATE_NEGOTIATION},
	  {4000, SIM_OP_MAINTENANCE, P, 0},
	  {5000, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {5000, SIM_OP_POWER_ON, S, 0}},
	 7500},
	{"of two that leave maintenance the one with the newer data is active, be it the later",
	 {PAIR,
	  {2000, SIM_OP_POWER_OFF, S, 0},
	  {2100, SIM_OP_IMPORT, P, 0},
	  {2300, SIM_OP_POWER_OFF, P, 0},
	  {2400, SIM_OP_POWER_ON, P, 0},
	  {2400, SIM_OP_POWER_ON, S, 0},
	  {2401, SIM_OP_MAINTENANCE, P, 1},
	  {2401, SIM_OP_MAINTENANCE, S, 1},
	  {4000, SIM_OP_EXPECT, P, FO_STATE_NEGOTIATION},
	  {4000, SIM_OP_MAINTENANCE, S, 0},
	  {4130, SIM_OP_MAINTENANCE, P, 0},
	  {5000, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {6500, SIM_OP_EXPECT, S, FO_STATE_STANDBY_READY},
	  {6500, SIM_OP_EXPECT_WRITES, S, 2}},
	 7500},
	{"with preempt the primary is active again once it is ready",
	 {PAIR,
	  {1910, SIM_OP_PREEMPT, S, 1},
	  {2400, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {2400, SIM_OP_POWER_OFF, P, 0},
	  {2900, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {3000, SIM_OP_POWER_ON, P, 0},
	  {3010, SIM_OP_PREEMPT, P, 1},
	  {6000, SIM_OP_EXPECT, P, FO_STATE_ACTIVE},
	  {6000, SIM_OP_EXPECT, S, FO_STATE_STANDBY_READY}},
	 7500},
	{"an orderly shutdown is followed at once",
	 {PAIR,
	  {2000, SIM_OP_SHUTDOWN, P, 0},
	  {2070, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {2500, SIM_OP_POWER_ON, P, 0}},
	 5500},
	{"a restart within the holdtime moves the service at once",
	 {PAIR,
	  {2000, SIM_OP_POWER_OFF, P, 0},
	  {2020, SIM_OP_POWER_ON, P, 0},
	  {2350, SIM_OP_EXPECT, S, FO_STATE_ACTIVE}},
	 5500},
	{"both lost power: the one with the newer data is active again",
	 {PAIR,
	  {2000, SIM_OP_POWER_OFF, P, 0},
	  {2600, SIM_OP_IMPORT, S, 0},
	  {2800, SIM_OP_POWER_OFF, S, 0},
	  {3000, SIM_OP_POWER_ON, P, 0},
	  {3000, SIM_OP_POWER_ON, S, 0},
	  {4500, SIM_OP_EXPECT, S, FO_STATE_ACTIVE},
	  {4500, SIM_OP_EXPECT, P, FO_STATE_STANDBY_READY},
	  {4500, SIM_OP_EXPECT_WRITES, P, 2}},
	 5500},
	{"a replication that the failover link breaks is done once it is back",
	 {PAIR,
	  {1950, SIM_OP_CUT, P, 0},
	  {2000, SIM_OP_POWER_OFF, S, 0},
	  {2100, SIM_OP_POWER_ON, S, 0},
	  {3000, SIM_OP_EXPECT, S, FO_STATE_COLD_STANDBY},
	  {4000, SIM_OP_HEAL_ALL, P, 0},
	  {5400, SIM_OP_EXPECT, S, FO_STATE_STANDBY_READY}},
	 6500},
	{"a link that loses three of ten hellos",
	 {PAIR, {2000, SIM_OP_LOSS, P, 30}, {10000, SIM_OP_HEAL_ALL, P, 0}},
	 15000},
};

static bool run(struct sim_world *world, const struct script *script, bool has_trace)
{
	if (has_trace)
		printf("== %s\n", script->name);
	sim_world_init(world, 1, has_trace);
	sim_world_time(world, 0);
	world->is_import_time = false;
	world->is_preempt = false;
	world->preempt_delay_ms = 0;
	world->disk_ns = 20 * SIM_MS;
	world->kernel_ns = SIM_MS;
	for (size_t i = 0; i < OPS_MAX; i++) {
		const struct row *row = &script->rows[i];
		struct sim_item item = {
			.type = SIM_ITEM_OP,
			.op = {.type = row->type, .unit = row->unit, .arg = row->arg}};

		if (row->type != SIM_OP_NONE)
			sim_push(world, &item, row->at_ms * SIM_MS);
	}
	sim_run(world, script->until_ms * SIM_MS);
	if (!world->has_failed)
		sim_check_end(world);
	sim_world_done(world);
	return !world->has_failed;
}

unsigned sim_scripts_run(struct sim_world *world, const char *only, bool has_trace)
{
	unsigned n_failed = 0, n_run = 0;

	for (size_t i = 0; i < sizeof(SCRIPTS) / sizeof(SCRIPTS[0]); i++) {
		if (only && !strstr(SCRIPTS[i].name, only))
			continue;
		n_run++;
		if (run(world, &SCRIPTS[i], has_trace))
			continue;
		if (!has_trace)
			(void)run(world, &SCRIPTS[i], true);
		printf("script \"%s\": %s\n", SCRIPTS[i].name, world->failure);
		n_failed++;
	}
	if (n_run == 0) {
		printf("no such script: %s\n", only);
		return 1;
	}
	if (n_failed == 0)
		printf("%u scripts, all as told\n", n_run);
	return n_failed;
}
