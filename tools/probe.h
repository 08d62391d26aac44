/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <signal.h>
#include <stddef.h>

/*
 * What of the probe is no stopwatch of its own: see probe.c. All times are CLOCK_MONOTONIC in
 * nanoseconds, so that what two runs on one machine print can be compared.
 */

/* Set by SIGINT and SIGTERM. */
extern volatile sig_atomic_t probe_is_stopped;

/*
 * Prints "TIME NAMESPACE +" or "TIME NAMESPACE -" when ADDRESS (IPv4) comes or goes in one of the
 * network namespaces, named as `ip netns` does, and "ready" when it listens; until a signal.
 * Returns what main() returns.
 */
int probe_watch(const char *address, char *const *namespaces, size_t n_namespaces);

/*
 * Sends SIGNAL to the processes and prints the time just before the first. Returns what main()
 * returns.
 */
int probe_signal(int signal, char *const *pids, size_t n_pids);

/*
 * Prints "BEGIN END PROCESSOR" each time that a process of the highest priority came 2 ms late on a
 * processor, until a signal. Needs CAP_SYS_NICE. Returns what main() returns.
 */
int probe_stalls(void);
