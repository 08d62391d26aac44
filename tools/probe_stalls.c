/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When did the machine itself stand still? A process on each processor, of the highest priority
 * that there is, sleeps for a millisecond at a time: where it comes late nobody else ran in time
 * either, be it for interrupts that were off or for a virtual machine that was not scheduled.
 */
#include "tools/probe.h"

#include <inttypes.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/monotime.h"

#define SLEEP_NS MONOTIME_NS_PER_MS
#define STALL_NS (2 * MONOTIME_NS_PER_MS)

static void stalls_look(int processor)
{
	const struct timespec sleep = {.tv_nsec = SLEEP_NS};
	struct monotime before = monotime_now();

	while (!probe_is_stopped) {
		struct monotime now;

		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &sleep, NULL);
		now = monotime_now();
		if (monotime_since(now, before) > SLEEP_NS + STALL_NS) {
			(void)printf("%" PRIu64 " %" PRIu64 " %d\n", before.ns, now.ns, processor);
			(void)fflush(stdout);
		}
		before = monotime_now();
	}
}

static int stalls_begin(int processor)
{
	const struct sched_param highest = {.sched_priority = sched_get_priority_max(SCHED_FIFO)};
	cpu_set_t processors;

	CPU_ZERO(&processors);
	CPU_SET((size_t)processor, &processors);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 ||
	    sched_setaffinity(0, sizeof(processors), &processors) < 0 ||
	    sched_setscheduler(0, SCHED_FIFO, &highest) < 0 ||
	    mlockall(MCL_CURRENT | MCL_FUTURE) < 0) {
		perror("probe: stalls");
		return EXIT_FAILURE;
	}
	stalls_look(processor);
	return EXIT_SUCCESS;
}

int probe_stalls(void)
{
	cpu_set_t processors;
	int status, r = EXIT_SUCCESS;

	if (sched_getaffinity(0, sizeof(processors), &processors) < 0) {
		perror("probe: stalls");
		return EXIT_FAILURE;
	}
	for (int i = 0; i < CPU_SETSIZE; i++) {
		pid_t pid;

		if (!CPU_ISSET((size_t)i, &processors))
			continue;
		pid = fork();
		if (pid == 0)
			_exit(stalls_begin(i));
		if (pid < 0) {
			perror("probe: stalls");
			return EXIT_FAILURE;
		}
	}
	while (!probe_is_stopped && wait(&status) > 0) {
		if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS)
			r = EXIT_FAILURE;
	}
	return r;
}
