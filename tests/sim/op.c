/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to the pair from outside: by an adversary or a script. */
#include "sim.h"

#include <inttypes.h>
#include <string.h>

static void feed_type(struct sim_world *world, struct sim_node *node, enum fo_event_type type)
{
	if (node->is_up && node->frozen_until <= world->now)
		sim_node_feed(world, node, (struct fo_event){.type = type});
}

static void set_paths(struct sim_world *world, const struct sim_op *op)
{
	for (size_t i = 0; i < SIM_PATHS; i++) {
		struct sim_path *path = &world->paths[i];

		if (op->type == SIM_OP_LOSS)
			path->loss_percent = (unsigned)op->arg;
		else if (op->type == SIM_OP_DUPLICATE)
			path->duplicate_percent = (unsigned)op->arg;
		else if (op->type == SIM_OP_DELAY)
			path->delay_ns = (uint64_t)op->arg * SIM_MS;
		else
			*path = (struct sim_path){.is_open = {true, true}, .delay_ns = 2 * SIM_MS};
	}
}

/* What lay on this disk only is lost with it, which is nobody's fault. */
static void wipe(struct sim_world *world, struct sim_node *node)
{
	const struct sim_disk *other = &sim_mate(world, node)->disk;

	sim_node_crash(world, node);
	sim_store_make(world, node);
	node->claimed_term = 0;
	for (uint16_t id = 0; id < world->n_writes; id++) {
		struct sim_write *write = &world->writes[id];

		write->is_on_both = false;
		if (!sim_has_write(&other->content, id) && !other->orphans[id])
			write->is_acknowledged = false;
	}
}

static void write_standby(struct sim_world *world)
{
	for (unsigned i = 0; i < FO_UNIT__MAX; i++) {
		struct sim_node *node = &world->nodes[i], *mate = sim_mate(world, node);

		if (sim_link_is_up(world) && fo_fsm_is_active(&node->fsm) &&
		    mate->fsm.state >= FO_STATE_COLD_STANDBY &&
		    mate->fsm.state <= FO_STATE_STANDBY_READY)
			sim_sync_start(world, mate);
	}
}

static void set_store(struct sim_world *world, struct sim_node *node, bool is_failing)
{
	if (node->is_disk_failing == is_failing || !node->is_up || node->frozen_until > world->now)
		return;
	node->is_disk_failing = is_failing;
	feed_type(world, node, is_failing ? FO_EVENT_STORE_FAILED : FO_EVENT_STORE_OK);
}

static void set_interfaces(struct sim_world *world, struct sim_node *node, int64_t failed)
{
	struct fo_event event = {.type = FO_EVENT_HEALTH,
				 .health = fo_health_of_interfaces((uint32_t)failed, 1)};

	node->failed_interfaces = (uint32_t)failed;
	if (node->is_up)
		sim_node_feed(world, node, event);
}

static void expect(struct sim_world *world, const struct sim_op *op)
{
	const struct sim_node *node = &world->nodes[op->unit];
	enum fo_state state = node->is_up ? node->fsm.state : FO_STATE_NOT_DETECTED;

	if (op->type == SIM_OP_EXPECT_WRITES && node->disk.content.n != op->arg)
		sim_fail(world, "the %s has %u imports, not %" PRId64, fo_unit_text(op->unit),
			 node->disk.content.n, op->arg);
	else if (op->type == SIM_OP_EXPECT && (int64_t)state != op->arg)
		sim_fail(world, "the %s is %s, not %s", fo_unit_text(op->unit),
			 fo_state_text(state), fo_state_text((enum fo_state)op->arg));
}

static void say(struct sim_world *world, const struct sim_op *op)
{
	static const char *const TEXTS[] = {
		[SIM_OP_POWER_OFF] = "power off",
		[SIM_OP_POWER_ON] = "power on",
		[SIM_OP_FREEZE] = "freeze",
		[SIM_OP_CRASH_AT] = "power off soon",
		[SIM_OP_CUT] = "cut path",
		[SIM_OP_HEAL] = "heal path",
		[SIM_OP_HEAL_ALL] = "heal all paths",
		[SIM_OP_LOSS] = "loss",
		[SIM_OP_DUPLICATE] = "duplicates",
		[SIM_OP_DELAY] = "delay",
		[SIM_OP_WRITE_STANDBY] = "write standby",
		[SIM_OP_FAILOVER_ACTIVE] = "failover active",
		[SIM_OP_NO_FAILOVER_ACTIVE] = "no failover active",
		[SIM_OP_RESET] = "failover reset",
		[SIM_OP_INTERFACES] = "failed interfaces",
		[SIM_OP_STORE_FAIL] = "store fails",
		[SIM_OP_STORE_OK] = "store is well",
		[SIM_OP_CLAIM_FAIL] = "the next claim fails",
		[SIM_OP_WIPE] = "replaced by an empty unit",
		[SIM_OP_SHUTDOWN] = "shutdown",
		[SIM_OP_REPLAY] = "hears recordings",
		[SIM_OP_EXPECT_WRITES] = NULL,
	};

	if (TEXTS[op->type])
		sim_trace(world, &world->nodes[op->unit], "* %s %" PRId64, TEXTS[op->type],
			  op->arg);
}

static void do_power(struct sim_world *world, struct sim_node *node, const struct sim_op *op)
{
	if (op->type == SIM_OP_POWER_OFF)
		sim_node_crash(world, node);
	else if (op->type == SIM_OP_POWER_ON)
		sim_node_boot(world, node);
	else if (op->type == SIM_OP_FREEZE && node->is_up)
		node->frozen_until = world->now + (uint64_t)op->arg * SIM_MS;
	else if (op->type == SIM_OP_CRASH_AT && node->is_up)
		node->crash_in_actions = (int)op->arg;
	else if (op->type == SIM_OP_WIPE)
		wipe(world, node);
	else if (op->type == SIM_OP_SHUTDOWN)
		feed_type(world, node, FO_EVENT_SHUTDOWN);
}

void sim_op_do(struct sim_world *world, const struct sim_op *op)
{
	struct sim_node *node = &world->nodes[op->unit];

	say(world, op);
	switch (op->type) {
	case SIM_OP_POWER_OFF:
	case SIM_OP_POWER_ON:
	case SIM_OP_FREEZE:
	case SIM_OP_CRASH_AT:
	case SIM_OP_WIPE:
	case SIM_OP_SHUTDOWN:
		do_power(world, node, op);
		break;
	case SIM_OP_CUT:
	case SIM_OP_HEAL:
		world->paths[op->arg].is_open[op->unit] = op->type == SIM_OP_HEAL;
		break;
	case SIM_OP_HEAL_ALL:
	case SIM_OP_LOSS:
	case SIM_OP_DUPLICATE:
	case SIM_OP_DELAY:
		set_paths(world, op);
		break;
	case SIM_OP_IMPORT:
		sim_store_import(world);
		break;
	case SIM_OP_WRITE_STANDBY:
		write_standby(world);
		break;
	case SIM_OP_FAILOVER_ACTIVE:
		feed_type(world, node, FO_EVENT_OPERATOR_ACTIVE);
		break;
	case SIM_OP_NO_FAILOVER_ACTIVE:
		feed_type(world, node, FO_EVENT_OPERATOR_STANDBY);
		break;
	case SIM_OP_RESET:
		feed_type(world, node, FO_EVENT_OPERATOR_RESET);
		break;
	case SIM_OP_INTERFACES:
		set_interfaces(world, node, op->arg);
		break;
	case SIM_OP_STORE_FAIL:
	case SIM_OP_STORE_OK:
		set_store(world, node, op->type == SIM_OP_STORE_FAIL);
		break;
	case SIM_OP_CLAIM_FAIL:
		node->is_claim_failing = true;
		break;
	case SIM_OP_REPLAY:
		sim_replay(world, op->unit);
		break;
	case SIM_OP_EXPECT_PAIR:
		(void)sim_check_pair(world);
		break;
	case SIM_OP_EXPECT:
	case SIM_OP_EXPECT_WRITES:
		expect(world, op);
		break;
	case SIM_OP_NONE:
		break;
	}
}
