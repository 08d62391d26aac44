/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histories by the thousand, spread over processes: each takes every Nth seed, and tells what it
 * did through a pipe. Which seeds are run does not depend on how many processes there are.
 */
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/monotime.h"

#define JOBS_MAX 64
/* One of so many histories is run again with wall clocks that do not jump, and must be the same. */
#define REALTIME_SHARE 16
#define REPORT_NS MONOTIME_NS_PER_SEC
#define PROGRESS_NS (60 * MONOTIME_NS_PER_SEC)
#define YEAR_NS (UINT64_C(31557600) * MONOTIME_NS_PER_SEC)

struct tally {
	uint64_t histories;
	uint64_t simulated_ns;
};

/* What one process has to say since it last did, whole in one write: less than PIPE_BUF. */
struct report {
	bool is_last;
	bool has_failed;
	uint64_t failed_seed;
	struct tally tallies[SIM_TIMINGS];
};

static void run_history(struct sim_world *world, uint64_t seed, bool has_trace, bool is_deaf)
{
	sim_world_init(world, seed, has_trace);
	world->is_deaf_to_realtime = is_deaf;
	sim_run(world, sim_schedule_random(world));
	if (!world->has_failed)
		sim_check_end(world);
	sim_world_done(world);
}

bool sim_seed_run(struct sim_world *world, uint64_t seed, bool has_trace)
{
	uint64_t history, now;

	run_history(world, seed, has_trace, false);
	if (world->has_failed || seed % REALTIME_SHARE != 0)
		return !world->has_failed;
	history = world->history;
	now = world->now;
	run_history(world, seed, false, true);
	if (world->history != history)
		sim_fail(world, "a jump of a wall clock changed what the units did");
	world->now = now;
	return !world->has_failed;
}

/* Each broke a promise once, a long way behind those that every run has. */
static const struct {
	uint64_t seed;
	const char *told;
} RELAPSES[] = {
	{80307674, "the older term is served between two words of a standby"},
	{120374952, "somebody plays a word of a mate that waited for longer then"},
	{140047162, "a disk is full when orphans are owed, and they still are two roles later"},
	{300247515,
	 "who has the newer data failed to claim, and tries again as the mate's patience ends"},
	{300729298, "who has the newer data leaves maintenance a little after the other"},
};

unsigned sim_relapses_run(struct sim_world *world)
{
	size_t n = sizeof(RELAPSES) / sizeof(RELAPSES[0]);
	unsigned n_failed = 0;

	for (size_t i = 0; i < n; i++) {
		if (sim_seed_run(world, RELAPSES[i].seed, false))
			continue;
		(void)sim_seed_run(world, RELAPSES[i].seed, true);
		printf("seed %" PRIu64 ", %s: %s\n", RELAPSES[i].seed, RELAPSES[i].told,
		       world->failure);
		n_failed++;
	}
	if (n_failed == 0)
		printf("%zu histories that broke a promise once, none does\n", n);
	return n_failed;
}

/* What one process has done so far. */
struct worker {
	const struct sim_campaign *campaign;
	int pipe_fd;
	struct monotime started;
	struct monotime told;
	uint64_t simulated_ns;
	struct report report; /* not told yet */
};

static bool is_over(const struct worker *worker, uint64_t n)
{
	const struct sim_campaign *campaign = worker->campaign;

	/* Each process does its share. */
	if (campaign->years)
		return worker->simulated_ns >= campaign->years * (YEAR_NS / campaign->jobs);
	if (campaign->budget_s)
		return monotime_since(monotime_now(), worker->started) >=
		       campaign->budget_s * MONOTIME_NS_PER_SEC;
	return n >= campaign->schedules;
}

static bool tell(struct worker *worker)
{
	ssize_t n = write(worker->pipe_fd, &worker->report, sizeof(worker->report));

	worker->report = (struct report){0};
	worker->told = monotime_now();
	return n == sizeof(worker->report);
}

static bool work(struct worker *worker, struct sim_world *world, unsigned job)
{
	const struct sim_campaign *campaign = worker->campaign;
	struct report *report = &worker->report;
	bool is_told = true;

	for (uint64_t n = job; is_told && !report->has_failed && !is_over(worker, n);
	     n += campaign->jobs) {
		struct tally *tally;

		report->has_failed = !sim_seed_run(world, campaign->first_seed + n, false);
		report->failed_seed = campaign->first_seed + n;
		if (report->has_failed)
			break;
		tally = &report->tallies[world->timing];
		tally->histories++;
		tally->simulated_ns += world->now;
		worker->simulated_ns += world->now;
		if (monotime_since(monotime_now(), worker->told) >= REPORT_NS)
			is_told = tell(worker);
	}
	report->is_last = true;
	return is_told && tell(worker);
}

static int start(struct sim_world *world, const struct sim_campaign *campaign, unsigned job,
		 const int pipe_fds[2])
{
	struct worker worker = {.campaign = campaign,
				.pipe_fd = pipe_fds[1],
				.started = monotime_now(),
				.told = monotime_now()};
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	if (pid != 0)
		return pid < 0 ? -1 : 0;
	/* Where nobody reads any more it ends. */
	(void)close(pipe_fds[0]);
	_exit(work(&worker, world, job) ? 0 : 1);
}

static void add(struct report *total, const struct report *report)
{
	if (report->has_failed &&
	    (!total->has_failed || report->failed_seed < total->failed_seed)) {
		total->has_failed = true;
		total->failed_seed = report->failed_seed;
	}
	for (size_t i = 0; i < SIM_TIMINGS; i++) {
		total->tallies[i].histories += report->tallies[i].histories;
		total->tallies[i].simulated_ns += report->tallies[i].simulated_ns;
	}
}

static struct tally sum_up(const struct report *total)
{
	struct tally sum = {0};

	for (size_t i = 0; i < SIM_TIMINGS; i++) {
		sum.histories += total->tallies[i].histories;
		sum.simulated_ns += total->tallies[i].simulated_ns;
	}
	return sum;
}

static void print_years(FILE *stream, uint64_t ns)
{
	if (ns < YEAR_NS)
		(void)fprintf(stream, "%.1f simulated days", (double)ns / (double)YEAR_NS * 365.25);
	else
		(void)fprintf(stream, "%.2f simulated years", (double)ns / (double)YEAR_NS);
}

static void print_progress(const struct report *total, struct monotime started)
{
	struct tally sum = sum_up(total);

	(void)fprintf(stderr, "%" PRIu64 " s: %" PRIu64 " histories, ",
		      monotime_since(monotime_now(), started) / MONOTIME_NS_PER_SEC, sum.histories);
	print_years(stderr, sum.simulated_ns);
	(void)fprintf(stderr, "; so far none broke a promise\n");
}

/* A worker that died without a word is a failure, too. */
static int gather(int pipe_fd, const struct sim_campaign *campaign, struct report *ret_total)
{
	struct monotime started = monotime_now(), printed = started;
	unsigned n = 0;
	int status, r = 0;

	*ret_total = (struct report){0};
	for (struct report report; read(pipe_fd, &report, sizeof(report)) == sizeof(report);) {
		add(ret_total, &report);
		n += report.is_last;
		if (!campaign->has_progress || ret_total->has_failed ||
		    monotime_since(monotime_now(), printed) < PROGRESS_NS)
			continue;
		print_progress(ret_total, started);
		printed = monotime_now();
	}
	while (wait(&status) > 0)
		r |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	return r || n != campaign->jobs ? -1 : 0;
}

static void print_total(const struct report *total, uint64_t elapsed_ns)
{
	double seconds = (double)elapsed_ns / (double)MONOTIME_NS_PER_SEC;
	struct tally sum = sum_up(total);

	for (size_t i = 0; i < SIM_TIMINGS; i++) {
		const struct tally *tally = &total->tallies[i];

		printf("  %5u ms polltime, %5u ms holdtime: %8" PRIu64 " histories, ",
		       SIM_TIMING[i].poll_ms, SIM_TIMING[i].hold_ms, tally->histories);
		print_years(stdout, tally->simulated_ns);
		printf("\n");
	}
	printf("%" PRIu64 " histories, ", sum.histories);
	print_years(stdout, sum.simulated_ns);
	printf(", none broke a promise; %.1f s, %.0f histories/s\n", seconds,
	       (double)sum.histories / seconds);
}

static unsigned sane_jobs(unsigned jobs)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (jobs == 0)
		jobs = online > 0 ? (unsigned)online : 1;
	return jobs < JOBS_MAX ? jobs : JOBS_MAX;
}

int sim_campaign_run(struct sim_world *world, const struct sim_campaign *wanted)
{
	struct sim_campaign campaign = *wanted;
	struct monotime started = monotime_now();
	struct report total;
	unsigned n = 0;
	int fds[2];

	campaign.jobs = sane_jobs(campaign.jobs);
	if (pipe(fds) < 0)
		return 1;
	while (n < campaign.jobs && start(world, &campaign, n, fds) == 0)
		n++;
	(void)close(fds[1]);
	if (gather(fds[0], &campaign, &total) < 0) {
		(void)close(fds[0]);
		printf("a worker died: no result\n");
		return 1;
	}
	(void)close(fds[0]);
	if (!total.has_failed) {
		print_total(&total, monotime_since(monotime_now(), started));
		return 0;
	}
	(void)sim_seed_run(world, total.failed_seed, true);
	printf("seed %" PRIu64 ": %s\nreplay: sim --seed %" PRIu64 " --trace\n", total.failed_seed,
	       world->failure, total.failed_seed);
	return 1;
}
