/* SPDX-License-Identifier: Apache-2.0 */
/* Time, chance and the wires. */
#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Most have the polltime of the scripts. Short ones are many events, long ones few. */
const struct sim_timing SIM_TIMING[SIM_TIMINGS] = {
	{100, 300, 120}, {100, 500, 30},   {2, 6, 1},
	{10, 50, 4},	 {1000, 5000, 65}, {15000, 45000, 80},
};

uint64_t sim_random(struct sim_world *world, uint64_t below)
{
	uint64_t z = world->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return below ? z % below : z;
}

static void print_time(const struct sim_world *world)
{
	printf("%8" PRIu64 ".%03" PRIu64 " ", world->now / SIM_MS / 1000,
	       world->now / SIM_MS % 1000);
}

void sim_trace(struct sim_world *world, const struct sim_node *node, const char *format, ...)
{
	va_list args;

	if (!world->has_trace)
		return;
	print_time(world);
	printf("%-10s", node ? fo_unit_text(node->unit) : "");
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	printf("\n");
}

void sim_note(struct sim_world *world, uint64_t value)
{
	/* FNV-1a, by the word */
	world->history = (world->history ^ value) * UINT64_C(1099511628211);
}

void sim_fail(struct sim_world *world, const char *format, ...)
{
	va_list args;

	if (world->has_failed)
		return;
	world->has_failed = true;
	va_start(args, format);
	(void)vsnprintf(world->failure, sizeof(world->failure), format, args);
	va_end(args);
	sim_trace(world, NULL, "FAILED: %s", world->failure);
}

static unsigned draw_timing(struct sim_world *world)
{
	uint64_t pick, total = 0;

	for (unsigned i = 0; i < SIM_TIMINGS; i++)
		total += SIM_TIMING[i].weight;
	pick = sim_random(world, total);
	for (unsigned i = 0; i < SIM_TIMINGS; i++) {
		if (pick < SIM_TIMING[i].weight)
			return i;
		pick -= SIM_TIMING[i].weight;
	}
	return 0;
}

void sim_world_time(struct sim_world *world, unsigned timing)
{
	world->timing = timing;
	world->poll_ns = SIM_TIMING[timing].poll_ms * SIM_MS;
	world->hold_ns = SIM_TIMING[timing].hold_ms * SIM_MS;
	world->unit_ns = world->poll_ns / 100;
	for (size_t i = 0; i < SIM_PATHS; i++)
		world->paths[i].delay_ns = 2 * world->unit_ns;
}

uint64_t sim_longest_ns(const struct sim_world *world)
{
	uint64_t most = FO_STRETCH_MAX_MS * SIM_MS;

	if (world->hold_ns >= most)
		return world->hold_ns;
	return FO_STRETCH_TIMES * world->hold_ns < most ? FO_STRETCH_TIMES * world->hold_ns : most;
}

/* One machine in three is slow: where the holdtime can be stretched, slower than that. */
static uint64_t draw_work(struct sim_world *world)
{
	uint64_t most = sim_longest_ns(world) - world->poll_ns;

	if (world->hold_ns == sim_longest_ns(world) || world->is_mixed)
		most = world->hold_ns / 2;
	return sim_random(world, 3) ? 0 : sim_random(world, most);
}

uint64_t sim_delay_good(const struct sim_world *world)
{
	return 30 * world->unit_ns;
}

void sim_world_init(struct sim_world *world, uint64_t seed, bool has_trace)
{
	/* The items are written before they are read: most of the world is not touched here. */
	memset(world, 0, offsetof(struct sim_world, heap));
	world->seed = seed;
	world->random = seed * UINT64_C(0xd1342543de82ef95) + 1;
	world->has_trace = has_trace;
	world->calm_since = UINT64_MAX;
	world->split_since = UINT64_MAX;
	world->history = 14695981039346656037u;
	world->now = SIM_MS;
	for (uint32_t i = 0; i < SIM_ITEMS_MAX; i++)
		world->spare[i] = i;
	for (size_t i = 0; i < SIM_PATHS; i++)
		world->paths[i] = (struct sim_path){.is_open = {true, true}};
	sim_world_time(world, draw_timing(world));
	for (unsigned i = 0; i < FO_UNIT__MAX; i++) {
		world->nodes[i].unit = (enum fo_unit)i;
		world->nodes[i].crash_in_actions = -1;
		sim_store_make(world, &world->nodes[i]);
		sim_sync_boot(&world->nodes[i]);
		world->nodes[i].clock_offset = sim_random(world, 1000) * MONOTIME_NS_PER_SEC;
		world->nodes[i].clock_ppm = (int64_t)sim_random(world, 2001) - 1000;
	}
	world->is_import_time = sim_random(world, 2);
	world->disk_ns = sim_random(world, 40) * SIM_MS + 1;
	world->kernel_ns = sim_random(world, 4) * SIM_MS;
	world->is_mixed = sim_random(world, 8) == 0;
	world->work_ns = draw_work(world);
	world->is_long = world->poll_ns >= 100 * SIM_MS && sim_random(world, 64) == 0;
	world->is_preempt = sim_random(world, 4) == 0;
	world->preempt_delay_ms = (uint32_t)(sim_random(world, 10) * world->poll_ns / SIM_MS);
}

void sim_world_done(struct sim_world *world)
{
	for (unsigned i = 0; i < FO_UNIT__MAX; i++) {
		hello_codec_free(world->nodes[i].codec);
		world->nodes[i].codec = NULL;
	}
	hello_codec_free(world->foreign);
	world->foreign = NULL;
}

/* ---- the queue: a binary heap ---- */

static bool is_before(const struct sim_item *a, const struct sim_item *b)
{
	if (a->at != b->at)
		return a->at < b->at;
	if ((a->type == SIM_ITEM_TICK) != (b->type == SIM_ITEM_TICK))
		return b->type == SIM_ITEM_TICK;
	return a->order < b->order;
}

static bool is_heap_before(const struct sim_world *world, size_t a, size_t b)
{
	return is_before(&world->items[world->heap[a]], &world->items[world->heap[b]]);
}

static void swap(struct sim_world *world, size_t a, size_t b)
{
	uint32_t index = world->heap[a];

	world->heap[a] = world->heap[b];
	world->heap[b] = index;
}

static void insert(struct sim_world *world, const struct sim_item *item)
{
	size_t i = world->n_items;

	if (world->n_items == SIM_ITEMS_MAX) {
		sim_fail(world, "more than %d things are under way", SIM_ITEMS_MAX);
		return;
	}
	world->heap[i] = world->spare[SIM_ITEMS_MAX - 1 - world->n_items++];
	world->items[world->heap[i]] = *item;
	while (i > 0 && is_heap_before(world, i, (i - 1) / 2)) {
		swap(world, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

static struct sim_item pop(struct sim_world *world)
{
	struct sim_item item = world->items[world->heap[0]];
	size_t i = 0;

	world->n_items--;
	world->spare[SIM_ITEMS_MAX - 1 - world->n_items] = world->heap[0];
	world->heap[0] = world->heap[world->n_items];
	for (;;) {
		size_t least = i, left = 2 * i + 1, right = 2 * i + 2;

		if (left < world->n_items && is_heap_before(world, left, least))
			least = left;
		if (right < world->n_items && is_heap_before(world, right, least))
			least = right;
		if (least == i)
			return item;
		swap(world, i, least);
		i = least;
	}
}

void sim_push(struct sim_world *world, const struct sim_item *item, uint64_t delay_ns)
{
	struct sim_item copy = *item;

	copy.at = world->now + delay_ns;
	copy.order = world->order++;
	insert(world, &copy);
}

/* ---- the run ---- */

/* What was said to a unit that worked, and lost power before it heard it, nobody hears. */
static void take_op(struct sim_world *world, struct sim_item *item)
{
	const struct sim_node *node = &world->nodes[item->op.unit];
	bool has_waited = item->epoch != 0;

	if (has_waited && (!node->is_up || item->epoch != node->epoch))
		return;
	if (sim_op_waits(world, &item->op)) {
		item->epoch = node->epoch;
		item->at = node->frozen_until;
		insert(world, item);
		return;
	}
	sim_op_do(world, &item->op);
}

static void take(struct sim_world *world, struct sim_item *item)
{
	struct sim_node *node = &world->nodes[item->unit];

	if (item->type == SIM_ITEM_OP) {
		take_op(world, item);
		return;
	}
	if (!node->is_up || (item->type != SIM_ITEM_DATAGRAM && item->epoch != node->epoch))
		return;
	/* A unit that stands still finds everything in its queues, in order, when it wakes. */
	if (node->frozen_until > world->now) {
		item->at = node->frozen_until;
		insert(world, item);
		return;
	}
	sim_node_take(world, node, item);
}

void sim_run(struct sim_world *world, uint64_t until_ns)
{
	unsigned n_now = 0;

	while (world->n_items > 0 && !world->has_failed) {
		struct sim_item item;

		if (world->items[world->heap[0]].at > until_ns)
			break;
		item = pop(world);
		n_now = item.at == world->now ? n_now + 1 : 0;
		if (n_now > SIM_ITEMS_MAX)
			sim_fail(world, "time stands still");
		world->now = item.at;
		take(world, &item);
		sim_check_calm(world);
	}
}
