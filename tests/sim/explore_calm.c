/* SPDX-License-Identifier: Apache-2.0 */
/* What has to come of any state once everything works; and when two states are the same. */
#include "explore.h"

#include <string.h>

/* The older has given way after so long, the pair is whole after so long. */
#define MEET_TICKS (X_HOLD_TICKS + 3)
#define WHOLE_TICKS 40
/* Every patience is over by then. */
#define IDLE_TICKS (4 * X_HOLD_TICKS)

static void mend(struct x_pair *pair, struct x_run *run)
{
	for (unsigned i = 0; i < FO_UNIT__MAX; i++) {
		struct x_node *node = &pair->nodes[i];
		enum fo_unit unit = (enum fo_unit)i;

		if (node->asleep)
			x_pair_do(pair, run, (struct x_move){X_MOVE_THAW, unit});
		if (!node->is_up)
			x_pair_do(pair, run, (struct x_move){X_MOVE_BOOT, unit});
		if (node->fsm.flags.is_maintenance)
			x_pair_do(pair, run, (struct x_move){X_MOVE_MAINTENANCE, unit});
		if (node->is_failing)
			x_pair_do(pair, run, (struct x_move){X_MOVE_HEALTH, unit});
	}
}

static bool settle_one(struct x_pair *pair, struct x_run *run)
{
	static const enum x_move_type ORDER[] = {X_MOVE_KERNEL, X_MOVE_DELIVER, X_MOVE_WRITE,
						 X_MOVE_SYNC,	X_MOVE_BOOT,	X_MOVE_TICK};

	for (size_t i = 0; i < sizeof(ORDER) / sizeof(ORDER[0]); i++) {
		for (unsigned unit = 0; unit < FO_UNIT__MAX; unit++) {
			struct x_move move = {ORDER[i], (enum fo_unit)unit};

			if (!x_pair_may(pair, run, move))
				continue;
			x_pair_do(pair, run, move);
			return true;
		}
	}
	return false;
}

static bool is_whole(const struct x_pair *pair)
{
	for (size_t i = 0; i < FO_UNIT__MAX; i++) {
		if (pair->nodes[i].fsm.state == FO_STATE_ACTIVE && pair->nodes[i].holds &&
		    pair->nodes[1 - i].fsm.state == FO_STATE_STANDBY_READY)
			return true;
	}
	return false;
}

void x_pair_idle(enum fo_unit newer, struct x_run *run, struct x_pair *ret_pair)
{
	x_pair_init(ret_pair, 2);
	ret_pair->nodes[newer].position.seq++;
	for (unsigned i = 0; i < FO_UNIT__MAX; i++)
		x_pair_do(ret_pair, run, (struct x_move){X_MOVE_BOOT, (enum fo_unit)i});
	for (unsigned i = 0; i < FO_UNIT__MAX; i++)
		x_pair_do(ret_pair, run, (struct x_move){X_MOVE_MAINTENANCE, (enum fo_unit)i});
	for (unsigned ticks = 0; ticks < IDLE_TICKS; ticks++) {
		while (settle_one(ret_pair, run))
			;
		x_pair_do(ret_pair, run, (struct x_move){X_MOVE_ADVANCE, FO_UNIT_PRIMARY});
	}
}

void x_pair_calm(const struct x_pair *pair, struct x_run *run, struct x_pair *ret_end)
{
	struct x_run calm = {.mode = X_MODE_APART, .has_trace = run->has_trace};
	unsigned ticks = 0, steps = 0;

	*ret_end = *pair;
	ret_end->faults = UINT8_MAX; /* mending is none */
	mend(ret_end, &calm);
	ret_end->faults = 0;
	for (; ticks < WHOLE_TICKS && !calm.broken; ticks++) {
		for (; settle_one(ret_end, &calm); steps++) {
			if (steps > 5000) {
				x_run_break(&calm, "never comes to rest");
				break;
			}
		}
		if (ticks > MEET_TICKS && x_node_holds(&ret_end->nodes[0]) &&
		    x_node_holds(&ret_end->nodes[1]))
			x_run_break(&calm, "both hold the addresses long after they met");
		x_pair_do(ret_end, &calm, (struct x_move){X_MOVE_ADVANCE, FO_UNIT_PRIMARY});
	}
	if (!calm.broken && !is_whole(ret_end))
		x_run_break(&calm, "is no pair, long after everything works again");
	if (calm.broken)
		x_run_break(run, calm.broken);
}

/* ---- identity ---- */

static void mix(uint64_t *hash, uint64_t value)
{
	uint64_t z = (*hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);

	*hash = (z ^ z >> 29) * UINT64_C(0xbf58476d1ce4e5b9) + 1;
}

static void mix_bytes(uint64_t *hash, const void *data, size_t size)
{
	uint64_t word = 0;
	size_t i = 0;

	for (; i + sizeof(word) <= size; i += sizeof(word)) {
		memcpy(&word, (const uint8_t *)data + i, sizeof(word));
		mix(hash, word);
	}
	word = 0;
	memcpy(&word, (const uint8_t *)data + i, size - i);
	mix(hash, word);
}

/* The longest that something in the machine is counted from what was: a loser's patience. */
#define MEMORY_TICKS (2 * X_HOLD_TICKS)

/* What is due is due, since whenever; what happened so long ago happened long ago. */
static struct monotime relative(const struct x_pair *pair, struct monotime t)
{
	uint64_t tick = t.ns / (X_TICK_MS * MONOTIME_NS_PER_MS);

	if (t.ns == 0 || t.ns == UINT64_MAX)
		return t;
	return (struct monotime){tick + MEMORY_TICKS < pair->now ? 1 : tick + X_START - pair->now};
}

static void relate(const struct x_pair *pair, struct fo_timers *timers)
{
	struct monotime all[sizeof(*timers) / sizeof(struct monotime)];

	_Static_assert(sizeof(*timers) == sizeof(all), "timers are times");
	memcpy(all, timers, sizeof(all));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		all[i] = relative(pair, all[i]);
	memcpy(timers, all, sizeof(all));
}

/* Role changes are remembered for long; how long ago they were is all that counts, and up to when.
 */
static void relate_flap(const struct x_pair *pair, struct fo_flap *flap)
{
	uint64_t now_ns = pair->now * X_TICK_MS * MONOTIME_NS_PER_MS;

	for (size_t i = 0; i < FO_FLAP_CHANGES; i++) {
		uint64_t ago_ns = now_ns - flap->changes[i].ns;

		if (flap->changes[i].ns)
			flap->changes[i].ns =
				ago_ns > FO_FLAP_WITHIN_MS * MONOTIME_NS_PER_MS ? 1 : ago_ns + 2;
	}
	if (flap->until.ns)
		flap->until.ns -= now_ns;
}

uint64_t x_pair_hash(const struct x_pair *pair)
{
	uint64_t hash = pair->faults;

	for (size_t i = 0; i < FO_UNIT__MAX; i++) {
		struct x_node node;

		memcpy(&node, &pair->nodes[i], sizeof(node));
		/* For people only. */
		node.fsm.reason = FO_REASON_NONE;
		relate(pair, &node.fsm.timers);
		relate_flap(pair, &node.fsm.flap);
		mix_bytes(&hash, &node, sizeof(node));
	}
	return hash ? hash : 1;
}
