/* SPDX-License-Identifier: Apache-2.0 */
/* Imports and replication, reduced to what the state machine sees of them: positions, contents,
 * acknowledgements. */
#include "sim.h"

#include <inttypes.h>

/* Steps of a bulk replication. */
enum {
	SYNC_OFFER,
	SYNC_FILES,
	SYNC_BULK,
	SYNC_COMMIT,
	SYNC_ACKNOWLEDGE,
};

static bool is_at(struct fo_position a, struct fo_position b)
{
	return a.term == b.term && a.seq == b.seq && a.lineage == b.lineage;
}

void sim_store_make(struct sim_world *world, struct sim_node *node)
{
	node->disk = (struct sim_disk){.position.lineage = ++world->n_lineages};
}

bool sim_has_write(const struct sim_content *content, uint16_t id)
{
	for (uint16_t i = 0; i < content->n; i++) {
		if (content->ids[i] == id)
			return true;
	}
	return false;
}

static void feed_position(struct sim_world *world, struct sim_node *node, enum fo_event_type type)
{
	sim_node_feed(world, node,
		      (struct fo_event){.type = type, .position = node->disk.position});
}

/* ---- bulk ---- */

static void next_step(struct sim_world *world, struct sim_node *node, uint32_t step)
{
	struct sim_item item = {.type = SIM_ITEM_SYNC,
				.unit = node->unit,
				.epoch = node->epoch,
				.id = node->sync.id,
				.step = step};

	sim_push(world, &item, (1 + sim_random(world, 30)) * SIM_MS);
}

void sim_sync_start(struct sim_world *world, struct sim_node *node)
{
	if (node->sync.is_running)
		return;
	if (node->sync.must_keep) {
		sim_orphans_keep(world, node);
		return;
	}
	node->sync.id++;
	node->sync.is_running = true;
	next_step(world, node, SYNC_OFFER);
}

static bool is_served(struct sim_world *world, const struct sim_node *node)
{
	const struct sim_node *mate = sim_mate(world, node);

	return sim_link_is_up(world) && fo_fsm_is_active(&mate->fsm) &&
	       mate->frozen_until <= world->now && !fo_fsm_is_active(&node->fsm);
}

static void fail_sync(struct sim_world *world, struct sim_node *node)
{
	node->sync.is_running = false;
	sim_node_feed(world, node, (struct fo_event){.type = FO_EVENT_SYNC_FAILED});
}

static void offer(struct sim_world *world, struct sim_node *node)
{
	const struct sim_node *mate = sim_mate(world, node);

	if (!fo_fsm_may_adopt(&node->fsm, mate->disk.position.lineage)) {
		fail_sync(world, node);
		return;
	}
	node->sync.mate_epoch = mate->epoch;
	node->sync.position = mate->disk.position;
	node->sync.content = mate->disk.content;
	node->sync.has_fallback = mate->disk.has_fallback;
	sim_node_feed(world, node, (struct fo_event){.type = FO_EVENT_SYNC_STARTED});
}

static void write_commit(struct sim_world *world, struct sim_node *node)
{
	if (!is_at(node->disk.position, node->sync.position))
		sim_check_commit(world, node, &node->sync.content);
	node->disk.position = node->sync.position;
	node->disk.content = node->sync.content;
	node->disk.has_fallback = node->sync.has_fallback;
}

static void commit(struct sim_world *world, struct sim_node *node)
{
	write_commit(world, node);
	feed_position(world, node, FO_EVENT_POSITION);
}

static void sync_step(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	static const enum fo_event_type EVENTS[] = {
		[SYNC_FILES] = FO_EVENT_SYNC_FILES,
		[SYNC_BULK] = FO_EVENT_SYNC_BULK,
	};

	if (!node->sync.is_running || item->id != node->sync.id)
		return;
	if (!is_served(world, node) ||
	    (item->step > SYNC_OFFER && node->sync.mate_epoch != sim_mate(world, node)->epoch)) {
		fail_sync(world, node);
		return;
	}
	if (item->step == SYNC_OFFER)
		offer(world, node);
	else if (item->step == SYNC_COMMIT)
		commit(world, node);
	else if (item->step == SYNC_ACKNOWLEDGE) {
		node->sync.is_running = false;
		if (is_at(node->disk.position, node->sync.position))
			feed_position(world, node, FO_EVENT_SYNC_DONE);
		else
			fail_sync(world, node);
		return;
	} else
		sim_node_feed(world, node, (struct fo_event){.type = EVENTS[item->step]});
	if (node->is_up && node->sync.is_running && item->id == node->sync.id)
		next_step(world, node, item->step + 1);
}

/* ---- orphans ---- */

void sim_orphans_keep(struct sim_world *world, struct sim_node *node)
{
	struct sim_item item = {.type = SIM_ITEM_ORPHANS, .unit = node->unit, .epoch = node->epoch};

	if (node->sync.is_keeping)
		return;
	node->sync.is_keeping = true;
	sim_push(world, &item, sim_random(world, world->disk_ns));
}

static void write_orphans(struct sim_node *node)
{
	for (uint16_t i = 0; i < node->disk.content.n; i++)
		node->disk.orphans[node->disk.content.ids[i]] = true;
}

/* The mate's state comes after this, or what is not kept would be gone. */
static void kept(struct sim_world *world, struct sim_node *node)
{
	node->sync.is_keeping = false;
	if (node->is_disk_failing) {
		sim_node_feed(world, node, (struct fo_event){.type = FO_EVENT_SYNC_FAILED});
		return;
	}
	write_orphans(node);
	node->sync.must_keep = false;
	if (node->fsm.state == FO_STATE_COLD_STANDBY)
		sim_sync_start(world, node);
}

/* ---- imports ---- */

/* The next place in the same history. */
static void write_position(struct sim_node *node, uint64_t term)
{
	struct fo_position *position = &node->disk.position;

	position->term = term;
	position->seq++;
	position->has_data = node->disk.content.n > 0;
}

static void move_on(struct sim_world *world, struct sim_node *node, uint64_t term)
{
	write_position(node, term);
	feed_position(world, node, FO_EVENT_POSITION);
}

void sim_store_fallback(struct sim_world *world, struct sim_node *node)
{
	struct sim_item item = {.type = SIM_ITEM_FALLBACK,
				.unit = node->unit,
				.epoch = node->epoch,
				.term = node->watch.claimed_term};

	if (!node->disk.has_fallback)
		sim_push(world, &item, sim_random(world, world->disk_ns));
}

static void made_fallback(struct sim_world *world, struct sim_node *node, uint64_t term)
{
	if (node->disk.has_fallback || node->is_disk_failing || !fo_fsm_is_active(&node->fsm) ||
	    node->watch.claimed_term != term)
		return;
	node->disk.has_fallback = true;
	move_on(world, node, term);
}

void sim_store_import(struct sim_world *world)
{
	for (unsigned i = 0; i < FO_UNIT__MAX; i++) {
		struct sim_node *node = &world->nodes[i];
		struct sim_item item = {.type = SIM_ITEM_WRITTEN,
					.unit = node->unit,
					.epoch = node->epoch,
					.term = node->watch.claimed_term};

		if (!node->is_up || node->frozen_until > world->now || node->is_disk_failing ||
		    !fo_fsm_is_active(&node->fsm) || world->n_writes == SIM_WRITES_MAX)
			continue;
		item.id = world->n_writes++;
		sim_push(world, &item, sim_random(world, world->disk_ns));
	}
}

static void acknowledge(struct sim_world *world, const struct sim_node *node, uint32_t id,
			bool is_on_both)
{
	world->writes[id].is_acknowledged = true;
	world->writes[id].is_on_both = is_on_both;
	sim_trace(world, node, "import %u acknowledged%s", id, is_on_both ? ", on both units" : "");
}

static void written(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	struct sim_content *content = &node->disk.content;
	struct sim_item next = *item;

	/* No longer active, or again, or the disk is gone: refused. */
	if (!fo_fsm_is_active(&node->fsm) || node->watch.claimed_term != item->term ||
	    node->is_disk_failing)
		return;
	next.position = node->disk.position;
	content->ids[content->n++] = (uint16_t)item->id;
	move_on(world, node, item->term);
	if (!world->is_import_time || !sim_link_is_up(world)) {
		acknowledge(world, node, item->id, false);
		return;
	}
	next.type = SIM_ITEM_REPLICATE;
	next.from_epoch = node->epoch;
	next.unit = (enum fo_unit)(1 - node->unit);
	next.epoch = sim_mate(world, node)->epoch;
	sim_push(world, &next, (1 + sim_random(world, 10)) * SIM_MS);
}

/* The standby takes it only right after what it has: `next.position` is the place before. */
static void replicate(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	struct sim_content *content = &node->disk.content;
	struct sim_item next = *item;

	if (sim_mate(world, node)->epoch != item->from_epoch)
		return;
	next.unit = (enum fo_unit)(1 - node->unit);
	next.epoch = item->from_epoch;
	next.type = SIM_ITEM_CONFIRM;
	next.step = node->fsm.state == FO_STATE_STANDBY_READY && !node->is_disk_failing &&
		    is_at(node->disk.position, item->position);
	if (next.step) {
		content->ids[content->n++] = (uint16_t)item->id;
		move_on(world, node, item->term);
	}
	if (sim_link_is_up(world))
		sim_push(world, &next, (1 + sim_random(world, 10)) * SIM_MS);
}

void sim_store_item(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	if (item->type == SIM_ITEM_SYNC)
		sync_step(world, node, item);
	else if (item->type == SIM_ITEM_ORPHANS)
		kept(world, node);
	else if (item->type == SIM_ITEM_WRITTEN)
		written(world, node, item);
	else if (item->type == SIM_ITEM_REPLICATE)
		replicate(world, node, item);
	else if (item->type == SIM_ITEM_FALLBACK)
		made_fallback(world, node, item->term);
	else if (item->type == SIM_ITEM_CONFIRM && node->watch.claimed_term == item->term &&
		 fo_fsm_is_active(&node->fsm))
		/* The mate may have been replaced meanwhile. */
		acknowledge(world, node, item->id,
			    item->step == 1 && sim_has_write(&sim_mate(world, node)->disk.content,
							     (uint16_t)item->id));
}

void sim_store_tear(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	struct sim_content *content = &node->disk.content;
	bool is_current = fo_fsm_is_active(&node->fsm) && node->watch.claimed_term == item->term;

	if (node->is_disk_failing)
		return;
	if (item->type == SIM_ITEM_SYNC && item->step == SYNC_COMMIT && node->sync.is_running &&
	    item->id == node->sync.id) {
		write_commit(world, node);
	} else if (item->type == SIM_ITEM_ORPHANS) {
		write_orphans(node);
	} else if (item->type == SIM_ITEM_FALLBACK && is_current && !node->disk.has_fallback) {
		node->disk.has_fallback = true;
		write_position(node, item->term);
	} else if (item->type == SIM_ITEM_WRITTEN && is_current) {
		content->ids[content->n++] = (uint16_t)item->id;
		write_position(node, item->term);
	}
}
