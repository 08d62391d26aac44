/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between fork and exec. The order counts: the inheritable and ambient sets need the bounding set,
 * the change of user clears the ambient set and the parent-death signal, so those two come last.
 */
#include "launch.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "ipc/child.h"
#include "lifeline.h"

#define EXIT_NOT_STARTED 127
#define OOM_YIELD 300
#define OOM_MOST 1000

static const char *const kept_environment[] = {
	"PATH",
	"TZ",
	"LANG",
	"JOURNAL_STREAM",
	"INVOCATION_ID",
	"ASAN_OPTIONS",
	"UBSAN_OPTIONS",
	"LSAN_OPTIONS",
	"GCOV_PREFIX",
	/* A recording of the failover link is read with it in tests: no process within its walls
	   can open it. */
	"SSLKEYLOGFILE",
};

/* Only what a child has a use for: no NOTIFY_SOCKET, no CREDENTIALS_DIRECTORY. */
static int environment_reduce(void)
{
	char *kept[ARRAY_SIZE(kept_environment)] = {NULL};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kept_environment); i++) {
		const char *value = getenv(kept_environment[i]);

		kept[i] = value ? strdup(value) : NULL;
	}
	if (clearenv() != 0)
		r = -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(kept_environment) && r == 0; i++) {
		if (kept[i] && setenv(kept_environment[i], kept[i], 1) < 0)
			r = -ENOMEM;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kept_environment); i++)
		free(kept[i]);
	return r;
}

static int signals_reset(void)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int signal = 1; signal < SIGRTMIN; signal++) {
		if (signal != SIGKILL && signal != SIGSTOP)
			(void)sigaction(signal, &by_default, NULL);
	}
	(void)sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

static int lifeline_arrange(int fd)
{
	/*
	 * The supervisor's own descriptors are far below LIFELINE_FD. Where the limit of open files
	 * is lower still, a death is seen by the exit only.
	 */
	bool has_lifeline = fd >= 0 && dup2(fd, LIFELINE_FD) >= 0;

	if (close_range(CHILD_SUPERVISOR_FD + 1, LIFELINE_FD - has_lifeline, 0) < 0)
		return -errno;
	return close_range(LIFELINE_FD + 1, ~0u, 0) < 0 ? -errno : 0;
}

static int descriptors_arrange(int channel_fd, int lifeline_fd)
{
	int null_fd;

	/* Twice: dup2 onto itself would leave close-on-exec set. */
	if (channel_fd == CHILD_SUPERVISOR_FD) {
		if (fcntl(channel_fd, F_SETFD, 0) < 0)
			return -errno;
	} else if (dup2(channel_fd, CHILD_SUPERVISOR_FD) < 0) {
		return -errno;
	}
	if (lifeline_arrange(lifeline_fd) < 0)
		return -errno;
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0)
		return -errno;
	return null_fd > CHILD_SUPERVISOR_FD ? close(null_fd) : 0;
}

static int user_become(const struct launch *launch)
{
	const struct table_row *row = launch->row;
	capng_type_t sets = CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE | CAPNG_AMBIENT;
	bool has[TABLE_CAPABILITIES_MAX] = {false};

	for (size_t i = 0; i < row->n_capabilities; i++)
		has[i] =
			capng_have_capability(CAPNG_PERMITTED, (unsigned)row->capabilities[i]) == 1;
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < row->n_capabilities; i++) {
		if (has[i])
			(void)capng_update(CAPNG_ADD, sets | CAPNG_BOUNDING_SET,
					   (unsigned)row->capabilities[i]);
	}
	if (capng_apply(CAPNG_SELECT_BOUNDS) != 0)
		return -EPERM;
	if (capng_change_id((int)launch->user.uid, (int)launch->user.gid, CAPNG_DROP_SUPP_GRP) != 0)
		return -EPERM;
	if (row->n_capabilities > 0 && capng_apply(CAPNG_SELECT_AMBIENT) != 0)
		return -EPERM;
	return 0;
}

/*
 * Where memory is short the kernel kills somebody: rather who has what strangers send, and comes
 * back in a moment, than the engine or the keeper, without which the unit gives its addresses away.
 * No worse than any other process on the machine where the service is preferred to those. Best
 * effort; proc(5), oom_score_adj: 1000 is killed first.
 */
static void memory_yield(const struct launch *launch)
{
	enum ipc_peer kind = launch->row->kind;
	int fd, now, wanted;
	char text[16] = "";

	if (kind == IPC_PEER_ENGINE || kind == IPC_PEER_KEEPER)
		return;
	fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0) {
		now = (int)strtol(text, NULL, 10);
		wanted = now < -OOM_YIELD ? 0 : now + OOM_YIELD;
		(void)dprintf(fd, "%d", wanted > OOM_MOST ? OOM_MOST : wanted);
	}
	(void)close(fd);
}

static const char *become_child(const struct launch *launch, pid_t parent)
{
	(void)setpgid(0, 0);
	if (signals_reset() < 0)
		return "its signals";
	if (environment_reduce() < 0)
		return "its environment";
	if (descriptors_arrange(launch->channel_fd, launch->lifeline_fd) < 0)
		return "its descriptors";
	memory_yield(launch);
	if (geteuid() == 0 && user_become(launch) < 0)
		return "its user and capabilities";
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		return "its parent";
	(void)execv(launch->program, (char *const *)(uintptr_t)launch->argv);
	return launch->program;
}

int launch_child(const struct launch *launch, pid_t *ret_pid)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		const char *what = become_child(launch, parent);

		log_line(LOG_ERR, "cannot start %s: %s: %s", launch->row->program, what,
			 strerror(errno));
		_exit(EXIT_NOT_STARTED);
	}
	(void)setpgid(pid, pid); /* whoever comes first */
	*ret_pid = pid;
	return 0;
}

int launch_drop_capabilities(struct why *ret_why)
{
	capng_type_t sets = CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET;
	size_t n;
	const int *keep = table_supervisor_capabilities(&n);
	bool has[16] = {false};

	if (geteuid() != 0)
		return 0;
	for (size_t i = 0; i < n && i < ARRAY_SIZE(has); i++)
		has[i] = capng_have_capability(CAPNG_PERMITTED, (unsigned)keep[i]) == 1;
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < n && i < ARRAY_SIZE(has); i++) {
		if (has[i])
			(void)capng_update(CAPNG_ADD, sets, (unsigned)keep[i]);
	}
	if (capng_apply(CAPNG_SELECT_BOTH) != 0)
		return why_set(ret_why, -EPERM,
			       "cannot give up capabilities: start asafod with all of "
			       "them, or with the list in its unit file");
	return 0;
}
