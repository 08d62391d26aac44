/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's command line. A failing seed prints its trace, and `--seed N --trace` replays it
 * exactly. */
#include "sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct arguments {
	uint64_t first_seed;
	uint64_t schedules;
	uint64_t seconds;
	bool is_single;
	bool has_trace;
	const char *script;
};

static int usage(void)
{
	(void)fputs("usage: sim [--schedules N] [--seconds N] [--from SEED]\n"
		    "       sim --seed N [--trace]\n"
		    "       sim --script NAME [--trace]\n",
		    stderr);
	return 2;
}

static int parse(int argc, char **argv, struct arguments *ret_arguments)
{
	static const struct option OPTIONS[] = {
		{"schedules", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 's'},
		{"from", required_argument, NULL, 'f'},
		{"seed", required_argument, NULL, 'S'},
		{"script", required_argument, NULL, 'x'},
		{"trace", no_argument, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	struct arguments arguments = {.schedules = 2000, .first_seed = 1};

	for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
		if (c == 'n')
			arguments.schedules = strtoull(optarg, NULL, 10);
		else if (c == 's')
			arguments.seconds = strtoull(optarg, NULL, 10);
		else if (c == 'f')
			arguments.first_seed = strtoull(optarg, NULL, 10);
		else if (c == 'S') {
			arguments.first_seed = strtoull(optarg, NULL, 10);
			arguments.is_single = true;
		} else if (c == 'x')
			arguments.script = optarg;
		else if (c == 't')
			arguments.has_trace = true;
		else
			return -1;
	}
	if (optind != argc)
		return -1;
	*ret_arguments = arguments;
	return 0;
}

static bool run_seed(struct sim_world *world, uint64_t seed, bool has_trace)
{
	uint64_t end_ms = SIM_ADVERSARY_MS + 4 * SIM_HOLD_MS + SIM_SETTLE_MS;

	sim_world_init(world, seed, has_trace);
	sim_schedule_random(world);
	sim_run(world, end_ms);
	if (!world->has_failed)
		sim_check_end(world);
	sim_world_done(world);
	return !world->has_failed;
}

static bool is_over(const struct arguments *arguments, uint64_t done, struct monotime started)
{
	if (arguments->seconds)
		return monotime_since(monotime_now(), started) >=
		       arguments->seconds * MONOTIME_NS_PER_SEC;
	return done >= arguments->schedules;
}

static int run_many(struct sim_world *world, const struct arguments *arguments)
{
	struct monotime started = monotime_now();
	uint64_t done = 0;

	for (; !is_over(arguments, done, started); done++) {
		uint64_t seed = arguments->first_seed + done;

		if (run_seed(world, seed, false))
			continue;
		(void)run_seed(world, seed, true);
		printf("seed %" PRIu64 ": %s\nreplay: sim --seed %" PRIu64 " --trace\n", seed,
		       world->failure, seed);
		return 1;
	}
	printf("%" PRIu64 " histories, none broke a promise\n", done);
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_free_ struct sim_world *world = calloc(1, sizeof(*world));
	struct arguments arguments;

	if (!world)
		return 1;
	if (parse(argc, argv, &arguments) < 0)
		return usage();
	if (arguments.is_single) {
		bool is_well = run_seed(world, arguments.first_seed, arguments.has_trace);

		printf("seed %" PRIu64 ": %s\n", arguments.first_seed,
		       is_well ? "no promise was broken" : world->failure);
		return is_well ? 0 : 1;
	}
	if (sim_scripts_run(world, arguments.script, arguments.has_trace) > 0)
		return 1;
	return arguments.script ? 0 : run_many(world, &arguments);
}
