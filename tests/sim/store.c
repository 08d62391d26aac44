/* SPDX-License-Identifier: Apache-2.0 */
/* Imports, reduced to what the state machine and replication see of them: positions, contents,
 * acknowledgements. */
#include "sim.h"

#include <inttypes.h>

#include "base/err.h"

#define WAIT_NS (2000 * SIM_MS)

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

/* ---- orphans ---- */

void sim_orphans_keep(struct sim_world *world, struct sim_node *node)
{
	struct sim_item item = {.type = SIM_ITEM_ORPHANS, .unit = node->unit, .epoch = node->epoch};

	if (!fo_orphans_begin(&node->sync.orphans))
		return;
	sim_push(world, &item, sim_keeper_delay(world, node));
}

static void write_orphans(struct sim_node *node)
{
	for (uint16_t i = 0; i < node->disk.content.n; i++)
		node->disk.orphans[node->disk.content.ids[i]] = true;
}

/* The mate's state comes after this, or what is not kept would be gone. */
static void kept(struct sim_world *world, struct sim_node *node)
{
	int code = node->is_disk_failing ? ERR_STORE : 0;

	if (code == 0)
		write_orphans(node);
	if (!fo_orphans_end(&node->sync.orphans, code) && code == 0)
		sim_orphans_keep(world, node);
	else
		sim_sync_kept(world, node, code);
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
		sim_push(world, &item, sim_keeper_delay(world, node));
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
		sim_push(world, &item, sim_keeper_delay(world, node));
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

	/* No longer active, or again, or the disk is gone: refused. */
	if (!fo_fsm_is_active(&node->fsm) || node->watch.claimed_term != item->term ||
	    node->is_disk_failing)
		return;
	content->ids[content->n++] = (uint16_t)item->id;
	move_on(world, node, item->term);
	if (!world->is_import_time || !sim_link_is_up(world)) {
		acknowledge(world, node, item->id, false);
		return;
	}
	node->sync.is_waited_for[item->id] = true;
	node->sync.waits_until = world->now + WAIT_NS;
	sim_sync_push(world, node, true);
	/* Nobody is there to take it. */
	if (!sim_sync_is_sending(node))
		sim_store_replicated(world, node, false, false);
}

void sim_store_replicated(struct sim_world *world, struct sim_node *node, bool is_done,
			  bool is_again)
{
	struct sim_sync *sync = &node->sync;
	bool is_left = false;

	for (uint32_t id = 0; id < SIM_WRITES_MAX; id++) {
		if (!sync->is_waited_for[id])
			continue;
		if (is_done && !sim_has_write(&sync->snapshot.content, (uint16_t)id)) {
			is_left = true;
			continue;
		}
		sync->is_waited_for[id] = false;
		if (fo_fsm_is_active(&node->fsm))
			acknowledge(world, node, id, is_done);
	}
	if (is_done && (is_left || (is_again && world->is_import_time)))
		sim_sync_push(world, node, true);
}

void sim_store_poll(struct sim_world *world, struct sim_node *node)
{
	if (world->now >= node->sync.waits_until)
		sim_store_replicated(world, node, false, false);
}

void sim_store_item(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	if (item->type == SIM_ITEM_ORPHANS)
		kept(world, node);
	else if (item->type == SIM_ITEM_WRITTEN)
		written(world, node, item);
	else if (item->type == SIM_ITEM_FALLBACK)
		made_fallback(world, node, item->term);
}

void sim_store_tear(struct sim_world *world, struct sim_node *node, const struct sim_item *item)
{
	struct sim_content *content = &node->disk.content;
	bool is_current = fo_fsm_is_active(&node->fsm) && node->watch.claimed_term == item->term;

	if (node->is_disk_failing)
		return;
	if (item->type == SIM_ITEM_KEEPER) {
		sim_sync_tear(world, node, item);
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
