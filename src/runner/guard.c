/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As a subreaper it gets the children of each process that it kills, so that it kills until it has
 * none. What the kernel does not let go of within GRACE_MS is not waited for.
 */
#include "runner/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/monotime.h"

#define GRACE_MS 1000u
#define ROUND_NS 20000000L

struct guard {
	pid_t script;
	bool is_over;
	int status; /* of the script, where it is over */
};

static sigset_t waited_for(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	return set;
}

int guard_enter(pid_t parent)
{
	sigset_t set = waited_for();

	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

/* False: there is none left. */
static bool reap(struct guard *guard)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != guard->script)
			continue;
		guard->is_over = true;
		guard->status = status;
	}
	return pid == 0;
}

/* TEXT is numbers and spaces, and NUL-terminated. */
static void kill_listed(const char *text)
{
	char *end;

	for (long pid = strtol(text, &end, 10); end != text; pid = strtol(text, &end, 10)) {
		if (pid > 1)
			(void)kill((pid_t)pid, SIGKILL);
		text = end;
	}
}

/* A page at a time: the rest is there in the next round. A number that is cut is not tried. */
static void kill_children(void)
{
	_cleanup_close_ int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	while (n > 0 && text[n - 1] != ' ')
		n--;
	if (n <= 0)
		return;
	text[n] = '\0';
	kill_listed(text);
}

/* Its number is its own for as long as the script is not reaped. */
static void group_kill(const struct guard *guard)
{
	if (!guard->is_over)
		(void)kill(-guard->script, SIGKILL);
}

static void kill_all(struct guard *guard)
{
	struct monotime until = monotime_add_ms(monotime_now(), GRACE_MS);
	static const struct timespec round = {0, ROUND_NS};
	sigset_t set = waited_for();

	group_kill(guard);
	do {
		kill_children();
		if (!reap(guard))
			return;
		(void)sigtimedwait(&set, NULL, &round);
	} while (!monotime_reached(monotime_now(), until));
}

static bool has_ended(const struct guard *guard)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)guard->script, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == guard->script;
}

/* Orphans that ended by themselves; not the script, before its group is killed. */
static void reap_strangers(const struct guard *guard)
{
	siginfo_t info = {0};

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0 &&
	       info.si_pid != guard->script) {
		(void)waitpid(info.si_pid, NULL, WNOHANG);
		info = (siginfo_t){0};
	}
}

/* The signal that ended the script ends this process, without a core file of its own. */
static _Noreturn void end_as(const struct guard *guard)
{
	static const struct rlimit none = {0, 0};
	int number =
		guard->is_over && WIFSIGNALED(guard->status) ? WTERMSIG(guard->status) : SIGKILL;
	sigset_t set;

	if (guard->is_over && WIFEXITED(guard->status))
		_exit(WEXITSTATUS(guard->status));
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)signal(number, SIG_DFL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, number);
	(void)kill(getpid(), number);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(EXIT_FAILURE);
}

_Noreturn void guard_watch(pid_t script, bool is_thorough)
{
	struct guard guard = {.script = script};
	sigset_t set = waited_for();

	/* The runner's channels are its own; the output is the script's. */
	(void)close_range(STDERR_FILENO + 1, ~0u, 0);
	(void)prctl(PR_SET_NAME, "asafo-guard", 0, 0, 0);
	while (!has_ended(&guard)) {
		if (sigwaitinfo(&set, NULL) == SIGTERM) {
			kill_all(&guard);
			end_as(&guard);
		}
		reap_strangers(&guard);
	}
	if (is_thorough)
		kill_all(&guard);
	group_kill(&guard);
	(void)reap(&guard);
	end_as(&guard);
}
