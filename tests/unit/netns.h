/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Network namespaces for tests that change addresses and links: made here, gone with the process.
 */

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define NETNS_SKIP 77 /* automake's code for a skipped test */
#define NETNS_ARGUMENTS 32

extern char **environ;

/* Splits LINE at blanks and runs it without a shell; its output goes to OUT (-1: ours). Returns its
 * exit code. */
static inline int netns_run_to(const char *line, int out)
{
	char copy[512];
	char *arguments[NETNS_ARGUMENTS] = {0};
	char *rest = copy;
	size_t n = 0;
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status = 0;

	(void)snprintf(copy, sizeof(copy), "%s", line);
	while (n < NETNS_ARGUMENTS - 1 && (arguments[n] = strsep(&rest, " ")))
		n++;
	(void)posix_spawn_file_actions_init(&actions);
	if (out >= 0)
		(void)posix_spawn_file_actions_adddup2(&actions, out, 1);
	if (posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ) != 0)
		return -1;
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline int netns_run(const char *line)
{
	return netns_run_to(line, -1);
}

/* As netns_run, with the output in RET_TEXT. */
static inline int netns_capture(const char *line, char *ret_text, size_t size)
{
	_cleanup_close_ int fd = memfd_create("output", MFD_CLOEXEC);
	int r = netns_run_to(line, fd);
	ssize_t n = pread(fd, ret_text, size - 1, 0);

	ret_text[n > 0 ? n : 0] = '\0';
	return r;
}

static inline int netns_sysctl(const char *path, const char *value)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, value, strlen(value)) > 0 ? 0 : -1;
}

/* A namespace of our own, or the test is skipped. No duplicate address detection: it would only
 * take time. */
static inline void netns_enter_or_skip(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
		(void)fprintf(stderr, "skipped: needs root and network namespaces\n");
		exit(NETNS_SKIP);
	}
	(void)netns_sysctl("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
	(void)netns_sysctl("/proc/sys/net/ipv4/conf/default/promote_secondaries", "0");
	if (netns_run("ip link set lo up") != 0 ||
	    netns_run("ip link add va type veth peer name vb") != 0) {
		(void)fprintf(stderr, "skipped: no veth devices here\n");
		exit(NETNS_SKIP);
	}
}

/* A process that holds a second namespace until it is killed or we die. *RET_FD is the namespace.
 */
static inline pid_t netns_hold(int *ret_fd)
{
	int ready[2];
	char path[64];
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0)
			_exit(1);
		(void)netns_sysctl("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
		(void)!write(ready[1], "r", 1);
		for (;;)
			(void)pause();
	}
	(void)close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		pid = -1;
	(void)close(ready[0]);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return pid;
}
