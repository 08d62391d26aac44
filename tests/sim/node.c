/* SPDX-License-Identifier: Apache-2.0 */
/* One unit: the loop of an engine around the real state machine. */
#include "sim.h"

#include <inttypes.h>
#include <string.h>

static const uint8_t KEY[HELLO_KEY_SIZE] = "the simulated pair's hello key.";

static uint64_t local_now(const struct sim_world *world, const struct sim_node *node)
{
	int64_t drift = (int64_t)(world->now / 1000) * node->clock_ppm / 1000;

	return node->clock_offset + MONOTIME_NS_PER_SEC + world->now + (uint64_t)drift;
}

/* How long until this unit's clock says LOCAL. */
static uint64_t delay_until(const struct sim_world *world, const struct sim_node *node,
			    uint64_t local)
{
	uint64_t now = local_now(world, node);

	if (local <= now)
		return 0;
	/* A clock that is slow by a thousandth, and a rounding: late by a little, never early. */
	return (local - now) + (local - now) / 900 + 1000000;
}

static void arm(struct sim_world *world, struct sim_node *node)
{
	struct monotime deadline = fo_fsm_deadline(&node->fsm);
	struct sim_item item = {.type = SIM_ITEM_TICK,
				.unit = node->unit,
				.epoch = node->epoch,
				.id = ++node->tick_id};

	if (node->is_up && deadline.ns != UINT64_MAX)
		sim_push(world, &item, delay_until(world, node, deadline.ns));
}

static void send_hello(struct sim_world *world, struct sim_node *node)
{
	struct hello hello = {.view = fo_fsm_view(&node->fsm), .hold_ms = SIM_HOLD_MS};
	uint8_t data[HELLO_SIZE_MAX];
	size_t size;

	if (hello_seal(node->codec, &hello, data, &size) < 0)
		sim_fail(world, "a hello could not be sealed");
	else
		sim_send(world, node->unit, data, size);
}

static void persist(struct sim_world *world, struct sim_node *node, const struct fo_action *action)
{
	struct sim_item item = {.type = SIM_ITEM_PERSISTED,
				.unit = node->unit,
				.epoch = node->epoch,
				.term = action->term,
				.is_activation = action->is_activation};
	uint64_t at = world->now + sim_random(world, world->disk_ns);

	if (at < node->last_persist_at)
		at = node->last_persist_at;
	node->last_persist_at = at;
	sim_push(world, &item, at - world->now);
}

static void persisted(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	struct fo_event event = {.type = FO_EVENT_TERM_DURABLE, .term = item->term};
	struct sim_disk *disk = &node->disk;

	if (node->is_disk_failing) {
		event.type = FO_EVENT_TERM_FAILED;
	} else {
		if (item->term > disk->promised_term)
			disk->promised_term = item->term;
		if (item->is_activation && item->term > disk->activated_term)
			disk->activated_term = item->term;
	}
	sim_node_feed(world, node, event);
}

static void keep_orphans(struct sim_node *node)
{
	for (uint16_t i = 0; i < node->disk.content.n; i++)
		node->disk.orphans[node->disk.content.ids[i]] = true;
}

static void change_addresses(struct sim_world *world, struct sim_node *node,
			     enum sim_item_type type, uint64_t term)
{
	struct sim_item item = {
		.type = type, .unit = node->unit, .epoch = node->epoch, .term = term};

	sim_push(world, &item, world->kernel_ns);
}

static void transition(struct sim_world *world, struct sim_node *node,
		       const struct fo_action *action)
{
	sim_trace(world, node, "%s -> %s: %s (term %" PRIu64 ", position %" PRIu64 ".%" PRIu64 ")",
		  fo_state_text(action->from), fo_state_text(action->to),
		  fo_reason_text(action->reason), node->fsm.term, node->fsm.position.term,
		  node->fsm.position.seq);
	world->moved_at = world->now;
	if (action->to == FO_STATE_ACTIVE)
		sim_store_fallback(world, node);
}

static void act(struct sim_world *world, struct sim_node *node, const struct fo_action *action)
{
	switch (action->type) {
	case FO_ACTION_TRANSITION:
		transition(world, node, action);
		break;
	case FO_ACTION_PERSIST_TERM:
		persist(world, node, action);
		break;
	case FO_ACTION_SEND_HELLO:
		send_hello(world, node);
		break;
	case FO_ACTION_CLAIM:
		sim_check_claim(world, node, action->term);
		node->claimed_term = action->term;
		change_addresses(world, node, SIM_ITEM_CLAIMED, action->term);
		break;
	case FO_ACTION_RELEASE:
		change_addresses(world, node, SIM_ITEM_RELEASED, 0);
		break;
	case FO_ACTION_START_SYNC:
		sim_sync_start(world, node);
		break;
	case FO_ACTION_STOP_SYNC:
		node->sync.is_running = false;
		break;
	case FO_ACTION_KEEP_ORPHANS:
		sim_trace(world, node, "keeps its orphans of term %" PRIu64, action->term);
		keep_orphans(node);
		break;
	case FO_ACTION_STOPPED:
		sim_trace(world, node, "stopped");
		sim_node_crash(world, node);
		break;
	case FO_ACTION_ANNOUNCE:
	case FO_ACTION__MAX:
		break;
	}
}

void sim_node_feed(struct sim_world *world, struct sim_node *node, struct fo_event event)
{
	struct fo_update update;

	event.at.ns = local_now(world, node);
	fo_fsm_step(&node->fsm, &event, &update);
	for (size_t i = 0; i < update.n_actions && node->is_up; i++) {
		if (node->crash_in_actions == 0) {
			sim_trace(world, node, "power off, at an action");
			sim_node_crash(world, node);
			return;
		}
		if (node->crash_in_actions > 0)
			node->crash_in_actions--;
		act(world, node, &update.actions[i]);
	}
	sim_check_step(world, node);
	arm(world, node);
}

void sim_node_boot(struct sim_world *world, struct sim_node *node)
{
	struct fo_event event = {
		.type = FO_EVENT_START,
		.params = {.unit = node->unit,
			   .is_enabled = true,
			   .poll_ms = SIM_POLL_MS,
			   .hold_ms = SIM_HOLD_MS},
		.boot = {.promised_term = node->disk.promised_term,
			 .activated_term = node->disk.activated_term,
			 .position = node->disk.position},
	};

	if (node->is_up)
		return;
	node->is_up = true;
	node->epoch++;
	node->frozen_until = 0;
	node->seen_term = 0;
	node->is_disk_failing = false;
	node->clock_offset = sim_random(world, 1000) * MONOTIME_NS_PER_SEC;
	node->last_loop = local_now(world, node);
	fo_fsm_init(&node->fsm);
	if (hello_codec_new(KEY, node->unit, sim_random(world, 0), &node->codec) < 0) {
		sim_fail(world, "no codec");
		return;
	}
	sim_trace(world, node,
		  "boots: promised %" PRIu64 ", activated %" PRIu64 ", lineage %" PRIu64,
		  node->disk.promised_term, node->disk.activated_term, node->disk.position.lineage);
	sim_node_feed(world, node, event);
	if (node->failed_interfaces)
		sim_node_feed(world, node,
			      (struct fo_event){.type = FO_EVENT_HEALTH,
						.health = fo_health_of_interfaces(
							node->failed_interfaces, 1)});
}

void sim_node_crash(struct sim_world *world, struct sim_node *node)
{
	(void)world;
	if (!node->is_up)
		return;
	/* What was being written is lost, or was not, as chance has it: its item is of an old
	 * epoch. */
	node->is_up = false;
	node->holds = false;
	node->epoch++;
	node->crash_in_actions = -1;
	node->sync.is_running = false;
	hello_codec_free(node->codec);
	node->codec = NULL;
}

static void datagram(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	struct hello hello;
	bool is_current;
	int r = hello_open(node->codec, item->path, item->data, item->size, &hello, &is_current);

	if (r < 0 || !is_current || !hello.is_newest)
		return;
	sim_node_feed(world, node, (struct fo_event){.type = FO_EVENT_HELLO, .mate = hello.view});
	if (node->is_up && hello.view.is_serving && hello.view.term > node->claimed_term &&
	    fo_fsm_is_active(&node->fsm))
		sim_fail(world, "%s serves in term %" PRIu64 " and heard of term %" PRIu64,
			 fo_unit_text(node->unit), node->claimed_term, hello.view.term);
}

/* The loop finds that it did not run for longer than the holdtime: it says so before anything else.
 */
static void wake(struct sim_world *world, struct sim_node *node)
{
	uint64_t now = local_now(world, node);
	uint64_t gap = now - node->last_loop;

	node->last_loop = now;
	if (gap <= SIM_HOLD_MS * SIM_MS)
		return;
	sim_trace(world, node, "was not scheduled for %" PRIu64 " ms", gap / SIM_MS);
	if (gap > SIM_LEASE_NS)
		node->holds = false;
	sim_node_feed(world, node, (struct fo_event){.type = FO_EVENT_NOT_SCHEDULED});
}

static void claimed(struct sim_world *world, struct sim_node *node)
{
	struct fo_event event = {.type = FO_EVENT_CLAIMED};

	/* A claim that fails has done some of its work. */
	if (node->is_claim_failing)
		event.type = FO_EVENT_CLAIM_FAILED;
	node->is_claim_failing = false;
	node->holds = true;
	sim_node_feed(world, node, event);
}

void sim_node_take(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	wake(world, node);
	if (!node->is_up)
		return;
	switch (item->type) {
	case SIM_ITEM_DATAGRAM:
		datagram(world, node, item);
		break;
	case SIM_ITEM_TICK:
		if (item->id == node->tick_id)
			sim_node_feed(world, node, (struct fo_event){.type = FO_EVENT_TICK});
		break;
	case SIM_ITEM_PERSISTED:
		persisted(world, node, item);
		break;
	case SIM_ITEM_CLAIMED:
		claimed(world, node);
		break;
	case SIM_ITEM_RELEASED:
		node->holds = false;
		sim_node_feed(world, node, (struct fo_event){.type = FO_EVENT_RELEASED});
		break;
	case SIM_ITEM_SYNC:
	case SIM_ITEM_FALLBACK:
	case SIM_ITEM_WRITTEN:
	case SIM_ITEM_REPLICATE:
	case SIM_ITEM_CONFIRM:
		sim_store_item(world, node, item);
		break;
	case SIM_ITEM_NONE:
	case SIM_ITEM_OP:
		break;
	}
}
