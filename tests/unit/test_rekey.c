/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every state that two units can come into while the pair is rekeyed: each delivers, loses its
 * connection, dies, is asked for a key, is told to give it up, at any place; two units may be asked
 * at once. In each state each unit must accept what the other speaks, and from each state an end in
 * peace leads to one key. A second model breaks one rule, to see that this test would notice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rekey.h"

#define ROOM 2	/* messages under way in one direction */
#define KEYS 5u /* ids 1 to 4 */
#define TABLE (1u << 16)
#define SCHEDULE 64

struct word {
	uint8_t phase, current, other, leads, offered; /* OFFERED: the key that comes along */
	uint8_t under;				       /* ... and the one that it is sealed under */
};

struct one {
	struct word is;	 /* durable */
	struct word had; /* of the mate; current 0: nothing on this connection */
	struct word coming[ROOM];
	uint8_t n_coming;
};

struct world {
	struct one units[2];
	uint8_t is_up, next_key;
};

struct model {
	struct world *seen;
	uint8_t *is_used;
	struct world *queue;
	size_t head, tail;
	bool settles_early; /* the broken rule */
	bool found_deaf, found_stuck;
};

static struct rekey_view view_of(const struct word *word)
{
	return (struct rekey_view){.phase = (enum rekey_phase)word->phase,
				   .current = word->current,
				   .other = word->other,
				   .is_leading = word->leads};
}

static bool accepts(const struct word *listener, uint8_t key)
{
	return listener->current == key || (listener->phase != 0 && listener->other == key);
}

static bool hears_both_ways(const struct world *world)
{
	return accepts(&world->units[0].is, world->units[1].is.current) &&
	       accepts(&world->units[1].is, world->units[0].is.current);
}

/* False: no room. Where the link is down nothing is said. */
static bool tell(struct world *world, int from, bool has_offer)
{
	struct one *to = &world->units[1 - from];
	struct word word = world->units[from].is;

	if (!world->is_up)
		return true;
	if (to->n_coming == ROOM)
		return false;
	word.offered = word.under = 0;
	if (has_offer && word.phase == REKEY_PHASE_PREPARED) {
		word.offered = word.other;
		word.under = word.current;
	} else if (has_offer) {
		word.offered = word.current;
		word.under = word.other;
	}
	to->coming[to->n_coming++] = word;
	return true;
}

static void hang_up(struct world *world)
{
	world->is_up = 0;
	for (int i = 0; i < 2; i++) {
		memset(&world->units[i].had, 0, sizeof(world->units[i].had));
		memset(world->units[i].coming, 0, sizeof(world->units[i].coming));
		world->units[i].n_coming = 0;
	}
}

static void connect_units(struct world *world)
{
	hang_up(world);
	world->is_up = 1;
	(void)tell(world, 0, false);
	(void)tell(world, 1, false);
}

static bool deliver(struct world *world, int to)
{
	struct one *unit = &world->units[to];

	if (unit->n_coming == 0)
		return false;
	unit->had = unit->coming[0];
	memmove(&unit->coming[0], &unit->coming[1], (ROOM - 1) * sizeof(unit->coming[0]));
	memset(&unit->coming[--unit->n_coming], 0, sizeof(unit->coming[0]));
	return true;
}

static void set_phase(struct word *word, enum rekey_phase phase, uint8_t current, uint8_t other,
		      bool leads)
{
	*word = (struct word){
		.phase = (uint8_t)phase, .current = current, .other = other, .leads = leads};
}

/* Durable first, then told. False: nothing to do, or no room. */
static bool act(const struct model *model, struct world *world, int i)
{
	struct one *unit = &world->units[i];
	struct word *is = &unit->is;
	struct rekey_view own = view_of(is), mate = view_of(&unit->had);
	bool has_offer = unit->had.offered && accepts(is, unit->had.under);

	if (unit->had.current == 0)
		return false;
	if (model->settles_early && own.phase == REKEY_PHASE_SWITCHED) {
		set_phase(is, REKEY_PHASE_SETTLED, is->current, 0, false);
		return tell(world, i, false);
	}
	switch (rekey_decide(&own, &mate, has_offer, i == 0)) {
	case REKEY_ACTION_NONE:
	case REKEY_ACTION__MAX:
		return false;
	case REKEY_ACTION_OFFER:
		return tell(world, i, true);
	case REKEY_ACTION_ACCEPT:
		set_phase(is, REKEY_PHASE_PREPARED, is->current, unit->had.offered, false);
		unit->had.offered = 0;
		break;
	case REKEY_ACTION_SWITCH:
		set_phase(is, REKEY_PHASE_SWITCHED, is->other, is->current, false);
		break;
	case REKEY_ACTION_SETTLE:
	case REKEY_ACTION_CANCEL:
		set_phase(is, REKEY_PHASE_SETTLED, is->current, 0, false);
		break;
	}
	return tell(world, i, false);
}

/* `asafo rekey`: the mate was heard, and nothing is under way here. */
static bool ask(struct world *world, int i)
{
	struct one *unit = &world->units[i];

	if (world->next_key == KEYS || unit->is.phase != REKEY_PHASE_SETTLED ||
	    unit->had.current != unit->is.current)
		return false;
	set_phase(&unit->is, REKEY_PHASE_PREPARED, unit->is.current, world->next_key++, true);
	return tell(world, i, true);
}

static bool give_up(struct world *world, int i)
{
	struct word *is = &world->units[i].is;

	if (is->phase != REKEY_PHASE_PREPARED || !is->leads)
		return false;
	set_phase(is, REKEY_PHASE_SETTLED, is->current, 0, false);
	return tell(world, i, false);
}

static uint64_t hash_of(const struct world *world)
{
	const uint8_t *bytes = (const uint8_t *)world;
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < sizeof(*world); i++)
		hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
	return hash;
}

static void visit(struct model *model, const struct world *world)
{
	size_t slot = (size_t)hash_of(world) % TABLE;

	while (model->is_used[slot]) {
		if (memcmp(&model->seen[slot], world, sizeof(*world)) == 0)
			return;
		slot = (slot + 1) % TABLE;
	}
	assert_true(model->tail < TABLE / 2);
	model->is_used[slot] = 1;
	model->seen[slot] = *world;
	model->queue[model->tail++] = *world;
}

/* Nobody dies any more, and each has its turn. */
static bool comes_to_peace(const struct model *model, struct world world)
{
	connect_units(&world);
	for (int i = 0; i < SCHEDULE; i++) {
		for (int unit = 0; unit < 2; unit++) {
			while (deliver(&world, unit)) {
			}
			(void)act(model, &world, unit);
		}
	}
	return world.units[0].is.phase == REKEY_PHASE_SETTLED &&
	       world.units[1].is.phase == REKEY_PHASE_SETTLED &&
	       world.units[0].is.current == world.units[1].is.current;
}

static void step(struct model *model, const struct world *now)
{
	static bool (*const moves[])(struct world *, int) = {deliver, ask, give_up};
	struct world next;

	for (int unit = 0; unit < 2; unit++) {
		for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
			next = *now;
			if (moves[i](&next, unit))
				visit(model, &next);
		}
		next = *now;
		if (act(model, &next, unit))
			visit(model, &next);
		/* Durable, and then dead before a word of it was out. */
		if (now->is_up) {
			next.is_up = 0;
			hang_up(&next);
			visit(model, &next);
		}
	}
	next = *now;
	if (now->is_up)
		hang_up(&next);
	else
		connect_units(&next);
	visit(model, &next);
}

static void walk(struct model *model)
{
	struct world start = {.next_key = 2};

	model->seen = calloc(TABLE, sizeof(*model->seen));
	model->queue = calloc(TABLE / 2, sizeof(*model->queue));
	model->is_used = calloc(TABLE, 1);
	assert_non_null(model->seen);
	assert_non_null(model->queue);
	assert_non_null(model->is_used);
	start.units[0].is.current = start.units[1].is.current = 1;
	visit(model, &start);
	while (model->head < model->tail) {
		struct world now = model->queue[model->head++];

		model->found_deaf |= !hears_both_ways(&now);
		model->found_stuck |= !comes_to_peace(model, now);
		if (model->found_deaf || model->found_stuck)
			break;
		step(model, &now);
	}
	free(model->seen);
	free(model->queue);
	free(model->is_used);
}

static void units_killed_at_any_step_hear_each_other_and_end_with_one_key(void **state)
{
	struct model model = {0};

	(void)state;
	walk(&model);
	assert_false(model.found_deaf);
	assert_false(model.found_stuck);
	assert_true(model.tail > 1000);
	print_message("%zu states\n", model.tail);
}

static void a_rule_that_forgets_the_old_key_too_early_is_found(void **state)
{
	struct model model = {.settles_early = true};

	(void)state;
	walk(&model);
	assert_true(model.found_deaf);
}

static void a_mate_whose_disk_came_from_a_backup_gets_the_new_key_again(void **state)
{
	struct model model = {0};
	struct world world = {.next_key = 3};

	(void)state;
	set_phase(&world.units[0].is, REKEY_PHASE_SWITCHED, 2, 1, false);
	set_phase(&world.units[1].is, REKEY_PHASE_SETTLED, 1, 0, false);
	assert_true(comes_to_peace(&model, world));
}

static void any_two_views_have_an_answer(void **state)
{
	struct rekey_view views[3 * 3 * 3 * 2];
	size_t n = 0;

	(void)state;
	for (unsigned i = 0; i < 3 * 3 * 3 * 2; i++)
		views[n++] = (struct rekey_view){.phase = (enum rekey_phase)(i % 3),
						 .current = 1 + i / 3 % 3,
						 .other = i / 9 % 3,
						 .is_leading = i / 27 % 2};
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			for (unsigned flags = 0; flags < 4; flags++)
				assert_in_range(rekey_decide(&views[i], &views[j], flags & 1,
							     (flags & 2) != 0),
						0, REKEY_ACTION__MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units_killed_at_any_step_hear_each_other_and_end_with_one_key),
		cmocka_unit_test(a_rule_that_forgets_the_old_key_too_early_is_found),
		cmocka_unit_test(a_mate_whose_disk_came_from_a_backup_gets_the_new_key_again),
		cmocka_unit_test(any_two_views_have_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
