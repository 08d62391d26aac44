/* SPDX-License-Identifier: Apache-2.0 */
/* One unit: the loop of an engine around the real state machine. */
#include "sim.h"

#include <inttypes.h>
#include <string.h>

#include "base/err.h"

const uint8_t SIM_KEY[HELLO_KEY_SIZE] = "the simulated pair's hello key.";

/* 2026, in nanoseconds: what jumps stays as long on the wire. */
#define REALTIME_NS UINT64_C(1780000000000000000)

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
	return (local - now) + (local - now) / 900 + world->unit_ns;
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

struct fo_health sim_health(const struct sim_node *node)
{
	struct fo_health health = fo_health_of_interfaces(node->failed_interfaces, 1);

	/* A front that cannot serve. */
	if (node->is_front_failing) {
		health.score = health.score > 500 ? health.score - 500 : 0;
		health.is_failing = true;
	}
	return health;
}

bool sim_holds(const struct sim_world *world, const struct sim_node *node)
{
	bool is_frozen = node->frozen_until > world->now;

	return node->is_up && node->holds &&
	       !(is_frozen && world->now - node->frozen_since > SIM_LEASE_NS);
}

/* What an older release neither says nor knows. */
static void forget_news(struct fo_mate_view *view)
{
	view->stretch = (struct fo_stretch){0};
	view->served_term = 0;
}

static void send_hello(struct sim_world *world, struct sim_node *node)
{
	struct hello hello = {.view = fo_fsm_view(&node->fsm)};
	bool is_older = world->is_mixed && node->unit == FO_UNIT_SECONDARY;
	struct sim_datagram datagram = {
		.from = node->unit, .epoch = node->epoch, .sent_at = world->now};
	uint8_t data[HELLO_SIZE_MAX];

	if (is_older)
		forget_news(&hello.view);
	hello.echo_boot = node->mate_boot;
	hello.echo_counter = node->mate_counter;
	hello.echo_held_us = (world->now - node->mate_heard_at) / 1000;
	hello.sent_realtime_ns = REALTIME_NS + world->now + (uint64_t)node->realtime_offset;
	if (hello_seal(node->codec, &hello, data, &datagram.size) < 0 ||
	    datagram.size > SIM_DATAGRAM_MAX) {
		sim_fail(world, "a hello could not be sealed");
		return;
	}
	memcpy(datagram.data, data, datagram.size);
	datagram.counter = ++node->sent;
	node->sent_at[datagram.counter % SIM_SENT] = world->now;
	sim_send(world, &datagram);
}

uint64_t sim_keeper_delay(struct sim_world *world, struct sim_node *node)
{
	uint64_t at = world->now + sim_random(world, world->disk_ns);

	if (at < node->keeper_at)
		at = node->keeper_at;
	node->keeper_at = at;
	return at - world->now;
}

static void persist(struct sim_world *world, struct sim_node *node, const struct fo_action *action)
{
	struct sim_item item = {.type = SIM_ITEM_PERSISTED,
				.unit = node->unit,
				.epoch = node->epoch,
				.term = action->term,
				.is_activation = action->is_activation};

	sim_push(world, &item, sim_keeper_delay(world, node));
}

static void write_term(struct sim_node *node, const struct sim_item *item)
{
	struct sim_disk *disk = &node->disk;

	if (item->term > disk->promised_term)
		disk->promised_term = item->term;
	if (item->is_activation && item->term > disk->activated_term)
		disk->activated_term = item->term;
}

static void persisted(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	struct fo_event event = {.type = FO_EVENT_TERM_DURABLE, .term = item->term};

	if (node->is_disk_failing)
		event.type = FO_EVENT_TERM_FAILED;
	else
		write_term(node, item);
	sim_node_feed(world, node, event);
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
	sim_note(world, (uint64_t)node->unit);
	sim_note(world, (uint64_t)action->to);
	sim_note(world, world->now);
	if (action->to == FO_STATE_STANDBY_READY)
		sim_check_ready(world, node);
	sim_sync_role(world, node);
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
		node->watch.has_announced = false;
		node->watch.is_overridden = false;
		node->watch.claimed_term = action->term;
		node->is_claimed = true;
		/* Who is slow has the first of them for a while before the last is there. */
		node->holds |= world->work_ns > 0;
		node->busy_ns += world->work_ns;
		change_addresses(world, node, SIM_ITEM_CLAIMED, action->term);
		break;
	case FO_ACTION_RELEASE:
		node->is_claimed = false;
		node->busy_ns += world->work_ns;
		change_addresses(world, node, SIM_ITEM_RELEASED, 0);
		break;
	case FO_ACTION_START_SYNC:
		sim_sync_start(world, node);
		break;
	case FO_ACTION_STOP_SYNC:
		sim_sync_stop(world, node);
		break;
	case FO_ACTION_KEEP_ORPHANS:
		sim_trace(world, node, "keeps its orphans of term %" PRIu64, action->term);
		fo_orphans_add(&node->sync.orphans, action->term, action->is_everything);
		sim_orphans_keep(world, node);
		break;
	case FO_ACTION_STOPPED:
		sim_trace(world, node, "stopped");
		sim_node_crash(world, node);
		break;
	case FO_ACTION_SUSPENDED:
		sim_trace(world, node, "switches too often: no more of its own will");
		break;
	case FO_ACTION_STRETCHED:
		sim_trace(world, node, "asks for a holdtime of %u ms (0: the configured one)",
			  node->fsm.late.asked_ms);
		break;
	case FO_ACTION_ANNOUNCE:
		node->watch.announced_at = world->now;
		break;
	case FO_ACTION__MAX:
		break;
	}
}

/* What was done took its time: nothing is heard or said meanwhile. */
static void work(struct sim_world *world, struct sim_node *node)
{
	if (node->busy_ns > 0 && node->is_up) {
		sim_trace(world, node, "works for %" PRIu64 " ms", node->busy_ns / SIM_MS);
		sim_freeze(world, node, node->busy_ns);
	}
	node->busy_ns = 0;
}

static void step(struct sim_world *world, struct sim_node *node, struct fo_event event)
{
	struct fo_update update;

	event.at.ns = local_now(world, node);
	fo_fsm_step(&node->fsm, &event, &update);
	/* Of that release, it knows the configured holdtime only. */
	if (world->is_mixed && node->unit == FO_UNIT_SECONDARY) {
		node->fsm.late = (struct fo_late){0};
		node->fsm.flags.is_blind = false;
	}
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
	work(world, node);
	sim_check_step(world, node);
	arm(world, node);
}

/* As the engine does: only when all actions of a step are done does the next one begin. */
void sim_node_feed(struct sim_world *world, struct sim_node *node, struct fo_event event)
{
	struct sim_queue *queue = &node->queue;

	if (queue->n == SIM_EVENTS_MAX) {
		sim_fail(world, "the %s has more events than its queue holds",
			 fo_unit_text(node->unit));
		return;
	}
	queue->events[queue->n++] = event;
	if (queue->is_running)
		return;
	queue->is_running = true;
	for (size_t i = 0; i < queue->n && node->is_up; i++)
		step(world, node, queue->events[i]);
	queue->n = 0;
	queue->is_running = false;
}

void sim_node_boot(struct sim_world *world, struct sim_node *node)
{
	struct fo_event event = {
		.type = FO_EVENT_START,
		.params = {.unit = node->unit,
			   .is_enabled = true,
			   .poll_ms = SIM_TIMING[world->timing].poll_ms,
			   .hold_ms = SIM_TIMING[world->timing].hold_ms,
			   .is_preempt = world->is_preempt,
			   .preempt_delay_ms = world->preempt_delay_ms},
		.boot = {.promised_term = node->disk.promised_term,
			 .activated_term = node->disk.activated_term,
			 .position = node->disk.position},
	};

	if (node->is_up)
		return;
	node->is_up = true;
	node->epoch++;
	node->frozen_until = 0;
	node->sent = 0;
	node->mate_boot = node->mate_counter = 0;
	node->answered_at = 0;
	node->watch.seen_term = 0;
	node->watch.booted_at = world->now;
	node->watch.is_overridden = false;
	node->watch.is_standing = false;
	node->watch.belief = (struct sim_belief){0};
	node->is_disk_failing = false;
	node->is_store_failed = false;
	node->clock_offset = sim_random(world, 1000) * MONOTIME_NS_PER_SEC;
	node->last_loop = local_now(world, node);
	fo_fsm_init(&node->fsm);
	if (hello_codec_new(SIM_KEY, node->unit, sim_random(world, 0), &node->codec) < 0) {
		sim_fail(world, "no codec");
		return;
	}
	sim_trace(world, node,
		  "boots: promised %" PRIu64 ", activated %" PRIu64 ", lineage %" PRIu64,
		  node->disk.promised_term, node->disk.activated_term, node->disk.position.lineage);
	sim_node_feed(world, node, event);
	if (node->is_up && sim_health(node).score != FO_HEALTH_FULL)
		sim_node_feed(
			world, node,
			(struct fo_event){.type = FO_EVENT_HEALTH, .health = sim_health(node)});
}

/* What was being written is on the disk, or is not, as chance has it. */
static void tear(struct sim_world *world, struct sim_node *node)
{
	for (size_t i = 0; i < world->n_items; i++) {
		const struct sim_item *item = &world->items[world->heap[i]];

		if (item->unit != node->unit || item->epoch != node->epoch ||
		    item->type == SIM_ITEM_DATAGRAM || item->type == SIM_ITEM_OP ||
		    sim_random(world, 2))
			continue;
		if (item->type == SIM_ITEM_PERSISTED && !node->is_disk_failing)
			write_term(node, item);
		else
			sim_store_tear(world, node, item);
	}
}

void sim_node_crash(struct sim_world *world, struct sim_node *node)
{
	if (!node->is_up)
		return;
	tear(world, node);
	node->is_up = false;
	node->holds = false;
	node->is_claimed = false;
	node->epoch++;
	node->crash_in_actions = -1;
	sim_sync_boot(node);
	hello_codec_free(node->codec);
	node->codec = NULL;
}

/* Of this unit's peer on the failover link, but it cannot be read. */
static void refused(struct sim_world *world, struct sim_node *node,
		    const struct sim_datagram *datagram, int code)
{
	struct hello_outside outside;

	if (datagram->path != 0 || (code != ERR_VERSION && code != ERR_INTEGRITY) ||
	    hello_peek(datagram->data, datagram->size, &outside) < 0 || outside.unit == node->unit)
		return;
	sim_node_feed(world, node,
		      (struct fo_event){.type = FO_EVENT_STRANGER,
					.is_stranger_serving = outside.is_serving});
}

/* As the engine does: what proves nothing yet is answered, and no more. */
static void answer(struct sim_world *world, struct sim_node *node)
{
	if (world->now - node->answered_at < 2 * SIM_MS)
		return;
	node->answered_at = world->now;
	send_hello(world, node);
}

/* As the engine does: what the mate says is no older than what it echoes. */
static uint32_t age_ms(const struct sim_world *world, const struct sim_node *node,
		       const struct hello *hello)
{
	uint64_t round_us;

	if (hello->echo_counter == 0 || hello->echo_counter > node->sent ||
	    node->sent - hello->echo_counter >= SIM_SENT)
		return UINT32_MAX;
	round_us = (world->now - node->sent_at[hello->echo_counter % SIM_SENT]) / 1000;
	if (hello->echo_held_us < round_us)
		round_us -= hello->echo_held_us;
	return (uint32_t)(round_us / 1000);
}

static void datagram(struct sim_world *world, struct sim_node *node,
		     const struct sim_datagram *datagram)
{
	struct hello hello;
	bool is_current, is_new;
	int r = hello_open(node->codec, datagram->path, datagram->data, datagram->size, &hello,
			   &is_current);

	if (r < 0) {
		refused(world, node, datagram, r);
		return;
	}
	if (!is_current) {
		answer(world, node);
		return;
	}
	if (!hello.is_newest)
		return;
	sim_check_belief(world, node, datagram);
	if (world->is_mixed && node->unit == FO_UNIT_SECONDARY)
		forget_news(&hello.view);
	is_new = node->mate_boot != 0 && node->mate_boot != hello.boot;
	node->mate_boot = hello.boot;
	node->mate_counter = hello.counter;
	node->mate_heard_at = world->now;
	sim_node_feed(world, node,
		      (struct fo_event){.type = FO_EVENT_HELLO,
					.mate = hello.view,
					.is_mate_new = is_new,
					.age_ms = age_ms(world, node, &hello)});
	if (node->is_up && hello.view.is_serving && hello.view.term > node->watch.claimed_term &&
	    fo_fsm_is_active(&node->fsm))
		sim_fail(world, "%s serves in term %" PRIu64 " and heard of term %" PRIu64,
			 fo_unit_text(node->unit), node->watch.claimed_term, hello.view.term);
}

/* The loop finds that it did not run for longer than the holdtime: it says so before anything else.
 */
static void wake(struct sim_world *world, struct sim_node *node)
{
	uint64_t now = local_now(world, node);
	uint64_t gap = now - node->last_loop;

	node->last_loop = now;
	if (gap <= fo_fsm_fence_ms(&node->fsm) * SIM_MS)
		return;
	sim_trace(world, node, "was not scheduled for %" PRIu64 " ms", gap / SIM_MS);
	if (gap > SIM_LEASE_NS)
		node->holds = false;
	sim_node_feed(world, node, (struct fo_event){.type = FO_EVENT_NOT_SCHEDULED});
}

static void claimed(struct sim_world *world, struct sim_node *node)
{
	struct fo_event event = {.type = FO_EVENT_CLAIMED};

	/* A claim that fails may have done some of its work. */
	if (node->is_claim_failing)
		event.type = FO_EVENT_CLAIM_FAILED;
	node->is_claim_failing = false;
	node->holds = event.type == FO_EVENT_CLAIMED || sim_random(world, 2);
	if (event.type == FO_EVENT_CLAIMED) {
		node->watch.announced_at = world->now;
		node->watch.has_announced = true;
	}
	sim_node_feed(world, node, event);
}

void sim_node_take(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	wake(world, node);
	if (!node->is_up)
		return;
	switch (item->type) {
	case SIM_ITEM_DATAGRAM:
		datagram(world, node, &item->datagram);
		break;
	case SIM_ITEM_TICK:
		if (item->id != node->tick_id)
			break;
		sim_node_feed(world, node, (struct fo_event){.type = FO_EVENT_TICK});
		if (node->is_up)
			sim_sync_poll(world, node);
		if (node->is_up)
			sim_store_poll(world, node);
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
	case SIM_ITEM_KEEPER:
		sim_sync_item(world, node, item);
		break;
	case SIM_ITEM_ORPHANS:
	case SIM_ITEM_FALLBACK:
	case SIM_ITEM_WRITTEN:
		sim_store_item(world, node, item);
		break;
	case SIM_ITEM_NONE:
	case SIM_ITEM_OP:
		break;
	}
}
