/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's command line. A failing seed prints its trace, and `--seed N --trace` replays it
 * exactly. */
#include "share.h"
#include "sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

struct arguments {
	struct sim_campaign campaign;
	bool is_single;
	bool has_trace;
	bool is_help;
	const char *script;
};

static int usage(FILE *to)
{
	(void)fputs("usage: sim [--schedules N | --budget SECONDS | --years N] [--from SEED] "
		    "[--jobs N] "
		    "[--progress]\n"
		    "       sim --seed N [--trace]\n"
		    "       sim --script NAME [--trace]\n"
		    "The pair under a simulated clock and a seeded adversary. A seed that breaks a "
		    "promise\nis named; --seed runs it again, --trace tells what happened in it. "
		    "Years are simulated ones.\n--progress: how far it is, each minute, on stderr; "
		    "also without it where that is a terminal.\n",
		    to);
	return to == stderr ? 2 : 0;
}

static int parse(int argc, char **argv, struct arguments *ret_arguments)
{
	static const struct option OPTIONS[] = {
		{"schedules", required_argument, NULL, 'n'},
		{"budget", required_argument, NULL, 'b'},
		{"from", required_argument, NULL, 'f'},
		{"jobs", required_argument, NULL, 'j'},
		{"years", required_argument, NULL, 'y'},
		{"progress", no_argument, NULL, 'p'},
		{"seed", required_argument, NULL, 'S'},
		{"script", required_argument, NULL, 'x'},
		{"trace", no_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct arguments arguments = {.campaign = {.schedules = sim_share_of(10000),
						   .first_seed = 1,
						   .has_progress = isatty(STDERR_FILENO) == 1}};
	struct sim_campaign *campaign = &arguments.campaign;

	for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
		if (c == 'n')
			campaign->schedules = strtoull(optarg, NULL, 10);
		else if (c == 'b')
			campaign->budget_s = strtoull(optarg, NULL, 10);
		else if (c == 'y')
			campaign->years = strtoull(optarg, NULL, 10);
		else if (c == 'p')
			campaign->has_progress = true;
		else if (c == 'f')
			campaign->first_seed = strtoull(optarg, NULL, 10);
		else if (c == 'j')
			campaign->jobs = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'S') {
			campaign->first_seed = strtoull(optarg, NULL, 10);
			arguments.is_single = true;
		} else if (c == 'x')
			arguments.script = optarg;
		else if (c == 't')
			arguments.has_trace = true;
		else if (c == 'h')
			arguments.is_help = true;
		else
			return -1;
	}
	if (optind != argc)
		return -1;
	*ret_arguments = arguments;
	return 0;
}

static int run_one(struct sim_world *world, const struct arguments *arguments)
{
	uint64_t seed = arguments->campaign.first_seed;
	bool is_well = sim_seed_run(world, seed, arguments->has_trace);

	printf("seed %" PRIu64 ": %s\n", seed, is_well ? "no promise was broken" : world->failure);
	return is_well ? 0 : 1;
}

int main(int argc, char **argv)
{
	_cleanup_free_ struct sim_world *world = calloc(1, sizeof(*world));
	struct arguments arguments;

	if (!world)
		return 1;
	if (parse(argc, argv, &arguments) < 0)
		return usage(stderr);
	if (arguments.is_help)
		return usage(stdout);
	if (arguments.is_single)
		return run_one(world, &arguments);
	if (sim_scripts_run(world, arguments.script, arguments.has_trace) > 0)
		return 1;
	if (!arguments.script && sim_relapses_run(world) > 0)
		return 1;
	return arguments.script ? 0 : sim_campaign_run(world, &arguments.campaign);
}
