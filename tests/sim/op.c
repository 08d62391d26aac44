/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to the pair from outside: by an adversary or a script. */
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void feed_type(struct sim_world *world, struct sim_node *node, enum fo_event_type type)
{
	if (node->is_up && node->frozen_until <= world->now)
		sim_node_feed(world, node, (struct fo_event){.type = type});
}

static void set_path(struct sim_world *world, const struct sim_op *op, struct sim_path *path)
{
	if (op->type == SIM_OP_LOSS)
		path->loss_percent = (unsigned)op->arg;
	else if (op->type == SIM_OP_DUPLICATE)
		path->duplicate_percent = (unsigned)op->arg;
	else if (op->type == SIM_OP_DELAY)
		path->delay_ns = (uint64_t)op->arg * world->unit_ns;
	else if (op->type == SIM_OP_APART)
		path->is_open[0] = path->is_open[1] = false;
	else
		*path = (struct sim_path){.is_open = {true, true}, .delay_ns = 2 * world->unit_ns};
}

static void set_paths(struct sim_world *world, const struct sim_op *op)
{
	for (unsigned i = 0; i < SIM_PATHS; i++) {
		if (op->only_path == 0 || op->only_path == i + 1)
			set_path(world, op, &world->paths[i]);
	}
}

/* What lay on this disk only is lost with it, which is nobody's fault. */
static void wipe(struct sim_world *world, struct sim_node *node)
{
	const struct sim_disk *other = &sim_mate(world, node)->disk;

	sim_node_crash(world, node);
	sim_store_make(world, node);
	node->watch.claimed_term = 0;
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
			sim_sync_push(world, node, false);
	}
}

static void plan_later(struct sim_world *world, const struct sim_op *op, enum sim_op_type type,
		       uint64_t delay_ns)
{
	struct sim_item item = {.type = SIM_ITEM_OP, .op = *op};

	item.op.type = type;
	sim_push(world, &item, delay_ns);
}

/* Writes fail first; that the store is unusable is found out some time after. */
static void set_store(struct sim_world *world, struct sim_node *node, const struct sim_op *op)
{
	bool is_awake = node->is_up && node->frozen_until <= world->now;

	if (!is_awake)
		return;
	if (op->type == SIM_OP_STORE_FAIL && !node->is_disk_failing) {
		node->is_disk_failing = true;
		plan_later(world, op, SIM_OP_STORE_TOLD, (uint64_t)op->arg * world->unit_ns);
	} else if (op->type == SIM_OP_STORE_TOLD && node->is_disk_failing &&
		   !node->is_store_failed) {
		node->is_store_failed = true;
		feed_type(world, node, FO_EVENT_STORE_FAILED);
	} else if (op->type == SIM_OP_STORE_OK) {
		bool was_told = node->is_store_failed;

		node->is_disk_failing = false;
		node->is_store_failed = false;
		if (was_told)
			feed_type(world, node, FO_EVENT_STORE_OK);
	}
}

/* Configuration is replicated: the mate has it a little later. */
static void set_params(struct sim_world *world, struct sim_node *node, const struct sim_op *op)
{
	struct fo_event event = {.type = FO_EVENT_PARAMS, .params = node->fsm.params};
	const struct sim_timing *timing = &SIM_TIMING[world->timing];

	if (!node->is_up || node->frozen_until > world->now)
		return;
	if (op->type == SIM_OP_POLLTIME) {
		event.params.poll_ms = timing->poll_ms / (op->arg == 1 ? 2 : 1);
		event.params.hold_ms = timing->hold_ms;
		/* A longer one than the longest cannot be configured. */
		if (op->arg == 2 && 2 * timing->hold_ms <= FO_HOLD_MAX_MS)
			event.params.hold_ms *= 2;
	} else if (op->type == SIM_OP_PREEMPT)
		event.params.is_preempt = op->arg != 0;
	else
		event.params.is_enabled = op->type == SIM_OP_FAILOVER;
	sim_node_feed(world, node, event);
}

static void operator_says(struct sim_world *world, struct sim_node *node, const struct sim_op *op)
{
	static const enum fo_event_type EVENTS[] = {
		[SIM_OP_FAILOVER_ACTIVE] = FO_EVENT_OPERATOR_ACTIVE,
		[SIM_OP_NO_FAILOVER_ACTIVE] = FO_EVENT_OPERATOR_STANDBY,
		[SIM_OP_RESET] = FO_EVENT_OPERATOR_RESET,
		[SIM_OP_MAINTENANCE] = FO_EVENT_OPERATOR_MAINTENANCE,
	};
	bool is_forced = op->type != SIM_OP_MAINTENANCE && op->arg != 0;
	enum fo_state state = node->fsm.state;

	/* Where there is no mate to ask, the operator's word counts for more than the checks. */
	if (op->type == SIM_OP_FAILOVER_ACTIVE &&
	    (state == FO_STATE_DISABLED || state == FO_STATE_NEGOTIATION))
		node->watch.is_overridden = true;
	/* What is not on the mate is given up, and kept aside. */
	world->has_given_up |= is_forced;
	if (node->is_up && node->frozen_until <= world->now)
		sim_node_feed(
			world, node,
			(struct fo_event){.type = EVENTS[op->type],
					  .is_forced = is_forced,
					  .is_on = op->type == SIM_OP_MAINTENANCE && op->arg});
}

static void set_health(struct sim_world *world, struct sim_node *node, const struct sim_op *op)
{
	if (op->type == SIM_OP_INTERFACES)
		node->failed_interfaces = (uint32_t)op->arg;
	else
		node->is_front_failing = op->arg != 0;
	if (node->is_up && node->frozen_until <= world->now)
		sim_node_feed(
			world, node,
			(struct fo_event){.type = FO_EVENT_HEALTH, .health = sim_health(node)});
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

/* What comes before and after the argument; after: NULL where there is none. */
static const struct {
	const char *before, *after;
} TEXTS[SIM_OP__MAX] = {
	[SIM_OP_POWER_OFF] = {"loses power", NULL},
	[SIM_OP_POWER_ON] = {"has power", NULL},
	[SIM_OP_FREEZE] = {"stands still for", "hundredths of a polltime"},
	[SIM_OP_CRASH_AT] = {"will lose power", "actions from now"},
	[SIM_OP_CUT] = {"is not heard any more on path", ""},
	[SIM_OP_HEAL] = {"is heard again on path", ""},
	[SIM_OP_HEAL_ALL] = {"sees every path work", NULL},
	[SIM_OP_APART] = {"is apart from the mate: every path is cut", NULL},
	[SIM_OP_LOSS] = {"sees", "of 100 datagrams lost"},
	[SIM_OP_DUPLICATE] = {"sees", "of 100 datagrams doubled"},
	[SIM_OP_DELAY] = {"sees datagrams come up to", "hundredths of a polltime late"},
	[SIM_OP_CLOCK_JUMP] = {"has its wall clock set by", "s"},
	[SIM_OP_IMPORT] = {"'s operator imports a certificate", NULL},
	[SIM_OP_WRITE_STANDBY] = {"'s operator says `write standby`", NULL},
	[SIM_OP_FAILOVER_ACTIVE] = {"'s operator says `failover active`, forced:", ""},
	[SIM_OP_NO_FAILOVER_ACTIVE] = {"'s operator says `no failover active`, forced:", ""},
	[SIM_OP_RESET] = {"'s operator says `failover reset`", NULL},
	[SIM_OP_NO_FAILOVER] = {"'s operator says `no failover`", NULL},
	[SIM_OP_FAILOVER] = {"'s operator says `failover`", NULL},
	[SIM_OP_POLLTIME] = {"gets other timers", ""},
	[SIM_OP_MAINTENANCE] = {"'s operator says `maintenance`, on:", ""},
	[SIM_OP_PREEMPT] = {"gets `preempt`, or loses it:", ""},
	[SIM_OP_INTERFACES] = {"finds", "interfaces failed"},
	[SIM_OP_FRONT] = {"'s front cannot serve, or can again:", ""},
	[SIM_OP_STORE_FAIL] = {"'s disk is full", NULL},
	[SIM_OP_STORE_TOLD] = {"finds out that its disk is full", NULL},
	[SIM_OP_STORE_OK] = {"'s disk has room", NULL},
	[SIM_OP_CLAIM_FAIL] = {"'s kernel will refuse the next claim, or not:", ""},
	[SIM_OP_WIPE] = {"is replaced by an empty unit", NULL},
	[SIM_OP_SHUTDOWN] = {"is shut down", NULL},
	[SIM_OP_REPLAY] = {"hears recordings", NULL},
	[SIM_OP_FORGE] = {"hears a forgery", ""},
};

static void say(struct sim_world *world, const struct sim_op *op)
{
	const char *before = TEXTS[op->type].before, *after = TEXTS[op->type].after;
	char number[32] = "", path[32] = "";

	if (!before || !world->has_trace)
		return;
	if (after)
		(void)snprintf(number, sizeof(number), " %" PRId64 "%s", op->arg,
			       *after ? " " : "");
	if (op->only_path)
		(void)snprintf(path, sizeof(path), " on path %u", op->only_path - 1);
	sim_trace(world, NULL, "* the %s%s%s%s%s%s", fo_unit_text(op->unit),
		  before[0] == '\'' ? "" : " ", before, number, after ? after : "", path);
}

void sim_freeze(struct sim_world *world, struct sim_node *node, uint64_t ns)
{
	if (node->frozen_until <= world->now) {
		node->frozen_since = world->now;
		node->frozen_until = world->now;
	}
	if (world->now + ns > node->frozen_until)
		node->frozen_until = world->now + ns;
}

static void do_power(struct sim_world *world, struct sim_node *node, const struct sim_op *op)
{
	if (op->type == SIM_OP_POWER_OFF)
		sim_node_crash(world, node);
	else if (op->type == SIM_OP_POWER_ON)
		sim_node_boot(world, node);
	else if (op->type == SIM_OP_FREEZE && node->is_up)
		sim_freeze(world, node, (uint64_t)op->arg * world->unit_ns);
	else if (op->type == SIM_OP_CRASH_AT && node->is_up)
		node->crash_in_actions = (int)op->arg;
	else if (op->type == SIM_OP_WIPE)
		wipe(world, node);
	else if (op->type == SIM_OP_SHUTDOWN)
		feed_type(world, node, FO_EVENT_SHUTDOWN);
}

/* What is said to a unit, rather than done to it. */
static bool is_heard_by_loop(enum sim_op_type type)
{
	return type == SIM_OP_SHUTDOWN || type == SIM_OP_RESET || type == SIM_OP_NO_FAILOVER ||
	       type == SIM_OP_FAILOVER || type == SIM_OP_POLLTIME || type == SIM_OP_MAINTENANCE ||
	       type == SIM_OP_PREEMPT || type == SIM_OP_INTERFACES || type == SIM_OP_FRONT ||
	       type == SIM_OP_STORE_FAIL || type == SIM_OP_STORE_TOLD || type == SIM_OP_STORE_OK;
}

bool sim_op_waits(const struct sim_world *world, const struct sim_op *op)
{
	const struct sim_node *node = &world->nodes[op->unit];

	return world->work_ns > 0 && node->is_up && node->frozen_until > world->now &&
	       is_heard_by_loop(op->type);
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
	case SIM_OP_APART:
	case SIM_OP_LOSS:
	case SIM_OP_DUPLICATE:
	case SIM_OP_DELAY:
		set_paths(world, op);
		break;
	case SIM_OP_CLOCK_JUMP:
		if (!world->is_deaf_to_realtime)
			node->realtime_offset += op->arg * (int64_t)MONOTIME_NS_PER_SEC;
		break;
	case SIM_OP_IMPORT:
		sim_store_import(world);
		break;
	case SIM_OP_WRITE_STANDBY:
		write_standby(world);
		break;
	case SIM_OP_FAILOVER_ACTIVE:
	case SIM_OP_NO_FAILOVER_ACTIVE:
	case SIM_OP_RESET:
	case SIM_OP_MAINTENANCE:
		operator_says(world, node, op);
		break;
	case SIM_OP_NO_FAILOVER:
	case SIM_OP_FAILOVER:
	case SIM_OP_POLLTIME:
	case SIM_OP_PREEMPT:
		set_params(world, node, op);
		break;
	case SIM_OP_INTERFACES:
	case SIM_OP_FRONT:
		set_health(world, node, op);
		break;
	case SIM_OP_STORE_FAIL:
	case SIM_OP_STORE_TOLD:
	case SIM_OP_STORE_OK:
		set_store(world, node, op);
		break;
	case SIM_OP_CLAIM_FAIL:
		node->is_claim_failing = op->arg != 0;
		break;
	case SIM_OP_REPLAY:
		sim_replay(world, op->unit);
		break;
	case SIM_OP_FORGE:
		sim_forge(world, op->unit, (enum sim_forgery)op->arg);
		break;
	case SIM_OP_EXPECT_PAIR:
		(void)sim_check_pair(world);
		break;
	case SIM_OP_EXPECT:
	case SIM_OP_EXPECT_WRITES:
		expect(world, op);
		break;
	case SIM_OP_NONE:
	case SIM_OP__MAX:
		break;
	}
}
