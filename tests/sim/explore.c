/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every state that the pair can be in, within a bound: breadth first from a few beginnings, each
 * state visited once. A state is known by a hash of 64 bits; how it came about is kept as one move
 * and the state before it, from which the trace of a broken promise is told, the shortest there is.
 */
#include "explore.h"
#include "share.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/monotime.h"

/* One of so many states is followed into the calm. */
#define CALM_SHARE 8
#define TABLE_MIN (UINT32_C(1) << 16)

/* How a state came about. */
struct step {
	uint32_t before; /* UINT32_MAX: a beginning */
	uint8_t type;
	uint8_t unit;
};

struct bounds {
	unsigned depth;
	uint32_t states;
	uint8_t faults;
};

struct frontier {
	struct x_pair *pairs;
	uint32_t *ids;
	size_t n, size;
};

struct search {
	struct x_run run;
	struct bounds bounds;
	uint64_t *table; /* hashes; 0: free */
	size_t table_size;
	struct step *steps; /* by number of the state */
	uint32_t n, steps_size;
	struct x_pair start;
	struct frontier now, next;
	unsigned depth;
	uint64_t moves;
	uint64_t calms;
	bool is_out_of_memory;
};

/* ---- what was visited ---- */

static bool put(uint64_t *table, size_t size, uint64_t hash)
{
	size_t i = hash & (size - 1);

	for (; table[i]; i = (i + 1) & (size - 1)) {
		if (table[i] == hash)
			return false;
	}
	table[i] = hash;
	return true;
}

static int grow_table(struct search *search)
{
	size_t size = search->table_size ? 2 * search->table_size : TABLE_MIN;
	uint64_t *table = calloc(size, sizeof(*table));

	if (!table)
		return -1;
	for (size_t i = 0; i < search->table_size; i++) {
		if (search->table[i])
			(void)put(table, size, search->table[i]);
	}
	free(search->table);
	search->table = table;
	search->table_size = size;
	return 0;
}

static int note_step(struct search *search, struct step step)
{
	if (search->n == search->steps_size) {
		uint32_t size = search->steps_size ? 2 * search->steps_size : TABLE_MIN;
		struct step *steps = realloc(search->steps, size * sizeof(*steps));

		if (!steps)
			return -1;
		search->steps = steps;
		search->steps_size = size;
	}
	search->steps[search->n++] = step;
	return 0;
}

static int frontier_add(struct frontier *frontier, const struct x_pair *pair, uint32_t id)
{
	if (frontier->n == frontier->size) {
		size_t size = frontier->size ? 2 * frontier->size : 1024;
		struct x_pair *pairs = realloc(frontier->pairs, size * sizeof(*pairs));
		uint32_t *ids;

		if (pairs)
			frontier->pairs = pairs;
		ids = pairs ? realloc(frontier->ids, size * sizeof(*ids)) : NULL;
		if (!ids)
			return -1;
		frontier->ids = ids;
		frontier->size = size;
	}
	memcpy(&frontier->pairs[frontier->n], pair, sizeof(*pair));
	frontier->ids[frontier->n++] = id;
	return 0;
}

static void frontier_done(struct frontier *frontier)
{
	free(frontier->pairs);
	free(frontier->ids);
	*frontier = (struct frontier){0};
}

/* ---- the search ---- */

/* Only where the rules held so far; what they do to a broken state says nothing. */
static void check_calm(struct search *search, const struct x_pair *pair, uint64_t hash)
{
	struct x_pair end;

	if (search->run.broken || hash / 7 % CALM_SHARE != 0)
		return;
	search->calms++;
	x_pair_calm(pair, &search->run, &end);
}

static void visit(struct search *search, const struct x_pair *pair, struct step step)
{
	uint64_t hash = x_pair_hash(pair);

	if ((search->n + 1) * UINT64_C(2) > search->table_size && grow_table(search) < 0) {
		search->is_out_of_memory = true;
		return;
	}
	if (!put(search->table, search->table_size, hash))
		return;
	if (note_step(search, step) < 0 || frontier_add(&search->next, pair, search->n - 1) < 0) {
		search->is_out_of_memory = true;
		return;
	}
	check_calm(search, pair, hash);
}

static void expand(struct search *search, const struct x_pair *pair, uint32_t id)
{
	for (unsigned i = 0; i < 2u * X_MOVE__MAX && !search->run.broken; i++) {
		struct x_move move = {(enum x_move_type)(i / 2), (enum fo_unit)(i % 2)};
		struct x_pair after;
		struct step step = {id, (uint8_t)move.type, (uint8_t)move.unit};

		if (!x_pair_may(pair, &search->run, move))
			continue;
		memcpy(&after, pair, sizeof(after));
		x_pair_do(&after, &search->run, move);
		search->moves++;
		if (search->run.broken && note_step(search, step) < 0)
			search->is_out_of_memory = true;
		if (!search->run.broken)
			visit(search, &after, step);
	}
}

static bool goes_on(const struct search *search)
{
	return !search->run.broken && !search->is_out_of_memory &&
	       search->n < search->bounds.states;
}

static void run(struct search *search)
{
	visit(search, &search->start, (struct step){.before = UINT32_MAX});
	while (search->next.n > 0 && search->depth < search->bounds.depth && goes_on(search)) {
		struct frontier done = search->now;

		search->now = search->next;
		search->next = done;
		search->next.n = 0;
		for (size_t i = 0; i < search->now.n && goes_on(search); i++)
			expand(search, &search->now.pairs[i], search->now.ids[i]);
		if (goes_on(search))
			search->depth++;
	}
}

/* ---- what is told ---- */

static void tell(const struct search *search, uint32_t id, struct x_pair *pair, struct x_run *again)
{
	const struct step *step = &search->steps[id];

	if (step->before == UINT32_MAX)
		return;
	tell(search, step->before, pair, again);
	x_pair_do(pair, again,
		  (struct x_move){(enum x_move_type)step->type, (enum fo_unit)step->unit});
}

static void report_broken(const struct search *search)
{
	struct x_run again = {.mode = search->run.mode, .has_trace = true};
	struct x_pair pair = search->start, end;

	tell(search, search->n - 1, &pair, &again);
	if (!again.broken) {
		printf("      from here on everything works, and nobody asks for anything\n");
		x_pair_calm(&pair, &again, &end);
	}
	printf("FAILED: %s\n", search->run.broken);
}

static const char *const MODE_TEXTS[] = {
	[X_MODE_PATH] = "with a path",
	[X_MODE_APART] = "with and without a path",
};

static int explore(enum x_mode mode, const char *beginning, const struct x_pair *start,
		   const struct bounds *bounds)
{
	struct search search = {.run = {.mode = mode}, .bounds = *bounds, .start = *start};
	struct monotime started = monotime_now();
	const char *end = "as deep as asked for";

	search.start.faults = bounds->faults;
	run(&search);
	if (search.run.broken)
		report_broken(&search);
	if (search.run.broken)
		end = "a rule was broken";
	else if (search.next.n == 0)
		end = "that is all there are";
	else if (search.n >= bounds->states)
		end = "as many as asked for";
	else if (search.is_out_of_memory)
		end = "no more memory";
	printf("%s, %s, %u faults: %" PRIu32 " states, %" PRIu64 " moves, %" PRIu64
	       " followed into the calm, depth %u (%s), %.1f s\n",
	       MODE_TEXTS[mode], beginning, bounds->faults, search.n, search.moves, search.calms,
	       search.depth, end,
	       (double)monotime_since(monotime_now(), started) / (double)MONOTIME_NS_PER_SEC);
	frontier_done(&search.now);
	frontier_done(&search.next);
	free(search.table);
	free(search.steps);
	return search.run.broken || search.is_out_of_memory ? 1 : 0;
}

/* Neither serves, and one has the newer data: whoever of them may begin, and when, it is its turn.
 */
static int explore_idle(const struct bounds *bounds)
{
	static const char *const BEGINNINGS[FO_UNIT__MAX] = {
		[FO_UNIT_PRIMARY] = "both in maintenance, the primary's data newer",
		[FO_UNIT_SECONDARY] = "both in maintenance, the secondary's data newer"};
	int r = 0;

	for (unsigned newer = 0; newer < FO_UNIT__MAX && r == 0; newer++) {
		struct x_run run = {.mode = X_MODE_PATH};
		struct x_pair idle;

		x_pair_idle((enum fo_unit)newer, &run, &idle);
		r = explore(X_MODE_PATH, BEGINNINGS[newer], &idle, bounds);
	}
	return r;
}

/* Two beginnings: nothing runs yet; a pair at rest. */
static int explore_all(const struct bounds *bounds)
{
	struct x_run calm = {0};
	struct x_pair cold, whole;
	int r = 0;

	x_pair_init(&cold, 0);
	x_pair_calm(&cold, &calm, &whole);
	if (calm.broken) {
		calm = (struct x_run){.has_trace = true};
		x_pair_calm(&cold, &calm, &whole);
		printf("FAILED: from nothing, everything works: %s\n", calm.broken);
		return 1;
	}
	for (uint8_t faults = 0; faults <= bounds->faults && r == 0; faults++) {
		struct bounds one = *bounds;

		one.faults = faults;
		for (unsigned mode = 0; mode < X_MODE__MAX && r == 0; mode++) {
			r = explore((enum x_mode)mode, "both off", &cold, &one);
			if (r == 0)
				r = explore((enum x_mode)mode, "a pair at rest", &whole, &one);
		}
	}
	return r ? r : explore_idle(bounds);
}

int main(int argc, char **argv)
{
	static const struct option OPTIONS[] = {
		{"depth", required_argument, NULL, 'd'},
		{"states", required_argument, NULL, 's'},
		{"faults", required_argument, NULL, 'f'},
		{NULL, 0, NULL, 0},
	};
	struct bounds bounds = {
		.depth = 1000, .states = (uint32_t)sim_share_of(300000), .faults = 2};

	for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
		if (c == 'd')
			bounds.depth = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 's')
			bounds.states = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 'f')
			bounds.faults = (uint8_t)strtoul(optarg, NULL, 10);
		else {
			(void)fputs(
				"usage: explore [--faults N] [--depth N] [--states N]\n"
				"  faults: at most so many in one history; states: of one search\n",
				stderr);
			return 2;
		}
	}
	return explore_all(&bounds);
}
