/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor, by what its children see of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon.h"

static pid_t pid_of(const char *text)
{
	return (pid_t)strtol(text, NULL, 10);
}

static void all_ready(struct daemon *daemon)
{
	(void)daemon_expect(daemon, "all 8 processes are ready");
}

static void test_equipment(void **state)
{
	struct daemon *daemon = *state;
	const char *log;

	daemon_start(daemon, NULL);
	all_ready(daemon);
	(void)daemon_expect_anywhere(daemon, "front 1 peer keeper 0");
	(void)daemon_expect_anywhere(daemon, "front 1 peer engine 0");
	(void)daemon_expect_anywhere(daemon, "keeper 0 peer front 1");
	(void)daemon_expect_anywhere(daemon, "engine 0 peer front 1");
	(void)daemon_expect_anywhere(daemon, "keeper 0 peer engine 0");
	log = daemon_expect_anywhere(daemon, "engine 0 credential control []");
	log = strstr(log, "engine 0 credential startup-config [hostname gw]");
	assert_non_null(log);
	assert_non_null(strstr(log, "engine 0 peer keeper 0"));
	assert_null(strstr(daemon->log, "leak"));
	assert_non_null(strstr(daemon->log, "clean"));
	assert_null(strstr(daemon->log, "environment 1"));
	assert_null(strstr(daemon->log, "front 0 peer front"));
	(void)daemon_expect_anywhere(daemon, "runner 0 peer engine 0");
	(void)daemon_expect_anywhere(daemon, "engine 0 peer runner 0");
	(void)daemon_expect_anywhere(daemon, "auth 0 peer engine 0");
	(void)daemon_expect_anywhere(daemon, "front 0 peer auth 0");
	(void)daemon_expect_anywhere(daemon, "auth 0 peer keeper 0");
	(void)daemon_expect_anywhere(daemon, "fetch 0 peer engine 0");
	assert_null(strstr(daemon->log, "auth 0 peer runner"));
	assert_null(strstr(daemon->log, "runner 0 peer keeper"));
	assert_null(strstr(daemon->log, "front 0 peer runner"));
}

static void test_users(void **state)
{
	struct daemon *daemon = *state;
	char path[PATH_MAX];
	struct stat st;

	if (geteuid() != 0)
		skip();
	daemon_start(daemon, NULL);
	all_ready(daemon);
	assert_non_null(strstr(daemon_expect_anywhere(daemon, "keeper 0 start "),
			       " uid 61200 gid 61200 caps 0000000000000000"));
	/* NET_BIND_SERVICE, NET_ADMIN, NET_RAW, IPC_LOCK; SYS_NICE */
	assert_non_null(strstr(daemon_expect_anywhere(daemon, "engine 0 start "),
			       " uid 61201 gid 61201 caps 0000000000807400"));
	assert_non_null(strstr(daemon_expect_anywhere(daemon, "front 1 start "),
			       " uid 61202 gid 61202 caps 0000000000000400"));
	/* Root; NET_ADMIN, NET_RAW, KILL */
	assert_non_null(strstr(daemon_expect_anywhere(daemon, "runner 0 start "),
			       " uid 0 gid 0 caps 0000000000003020"));
	assert_non_null(strstr(daemon_expect_anywhere(daemon, "auth 0 start "),
			       " uid 61204 gid 61204 caps 0000000000000000"));
	daemon_path(daemon, "state/keeper", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, UID_BASE);
	assert_int_equal(st.st_mode & 07777, 0700);
	daemon_path(daemon, "run/control", path);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0666);
}

static void test_restart(void **state)
{
	struct daemon *daemon = *state;
	pid_t first, second;

	daemon_start(daemon, NULL);
	first = pid_of(daemon_expect_anywhere(daemon, "engine 0 start "));
	all_ready(daemon);
	assert_int_equal(kill(first, SIGKILL), 0);
	(void)daemon_expect(daemon, "was killed by signal 9 (Killed)");
	second = pid_of(daemon_expect(daemon, "engine 0 start "));
	assert_int_not_equal(first, second);
	(void)daemon_expect(daemon, "engine 0 credential startup-config [hostname gw]");
	(void)daemon_expect_anywhere(daemon, "keeper 0 peer gone");
	(void)daemon_expect(daemon, "engine is ready");
	assert_int_equal(kill(second, 0), 0);
}

static void test_new_peers(void **state)
{
	struct daemon *daemon = *state;
	pid_t keeper;

	daemon_start(daemon, NULL);
	keeper = pid_of(daemon_expect_anywhere(daemon, "keeper 0 start "));
	(void)daemon_expect_anywhere(daemon, "keeper 0 got 196544");
	all_ready(daemon);
	(void)daemon_expect_anywhere(daemon, "front 1 peer keeper 0");
	daemon->seen = daemon->size;
	assert_int_equal(kill(keeper, SIGKILL), 0);
	(void)daemon_expect(daemon, "keeper 0 start ");
	/* The engine sends the largest frame to each keeper that it meets. */
	(void)daemon_expect(daemon, "keeper 0 got 196544");
	assert_null(strstr(daemon_expect_anywhere(daemon, "engine 0 start"), "engine 0 start"));
}

static void test_backoff(void **state)
{
	struct daemon *daemon = *state;

	daemon_start(daemon, NULL);
	all_ready(daemon);
	daemon->seen = 0;
	assert_int_equal(kill(pid_of(daemon_expect(daemon, "front 1 start ")), SIGKILL), 0);
	assert_int_equal(kill(pid_of(daemon_expect(daemon, "front 1 start ")), SIGKILL), 0);
	(void)daemon_expect(daemon, "front 1 is started again in 100 ms");
	assert_int_equal(kill(pid_of(daemon_expect(daemon, "front 1 start ")), SIGKILL), 0);
	(void)daemon_expect(daemon, "front 1 is started again in 200 ms");
	(void)daemon_expect(daemon, "front 1 start ");
}

static void test_watchdog(void **state)
{
	char *extra[] = {(char *)"--watchdog", (char *)"1", NULL};
	struct daemon *daemon = *state;
	pid_t front;

	daemon_start(daemon, extra);
	front = pid_of(daemon_expect_anywhere(daemon, "front 0 start "));
	all_ready(daemon);
	assert_int_equal(kill(front, SIGSTOP), 0);
	(void)daemon_expect(daemon, "front 0 gave no sign of life for ");
	front = pid_of(daemon_expect(daemon, "front 0 start "));
	/* One that ends in a debugger's hands is ours when that lets go. */
	if (ptrace(PTRACE_SEIZE, front, NULL, NULL) < 0)
		return;
	assert_int_equal(kill(front, SIGKILL), 0);
	(void)daemon_expect(daemon, "front 0 gave no sign of life for ");
	assert_int_equal(waitpid(front, NULL, __WALL), front);
	(void)daemon_expect(daemon, "front 0 start ");
}

/* A debugger keeps one that was killed from its end, as the kernel does for a disk. */
static void test_shutdown_without_end(void **state)
{
	struct daemon *daemon = *state;
	pid_t keeper;

	daemon_start(daemon, NULL);
	keeper = pid_of(daemon_expect_anywhere(daemon, "keeper 0 start "));
	all_ready(daemon);
	if (ptrace(PTRACE_SEIZE, keeper, NULL, NULL) < 0)
		skip();
	assert_int_equal(kill(keeper, SIGSTOP), 0);
	assert_int_equal(kill(daemon->pid, SIGTERM), 0);
	(void)daemon_expect(daemon, "keeper did not end in 3000 ms: it is killed");
	(void)daemon_expect(daemon, "keeper was killed and does not end: it is left");
	assert_int_equal(daemon_wait(daemon), 0);
	assert_int_equal(kill(keeper, SIGKILL), 0);
	while (waitpid(keeper, NULL, __WALL) < 0 && errno == EINTR)
		;
}

static void test_shutdown(void **state)
{
	struct daemon *daemon = *state;
	char path[PATH_MAX];

	daemon_start(daemon, NULL);
	all_ready(daemon);
	assert_int_equal(kill(daemon->pid, SIGTERM), 0);
	(void)daemon_expect(daemon, "engine 0 shutdown");
	(void)daemon_expect(daemon, "engine ended");
	(void)daemon_expect(daemon, "keeper 0 shutdown");
	/* In the order of the log: what is read of it at once may hold more than one step. */
	assert_true(strstr(daemon->log, "engine ended") < strstr(daemon->log, "keeper 0 shutdown"));
	assert_int_equal(daemon_wait(daemon), 0);
	assert_non_null(strstr(daemon->log, "front 1 shutdown"));
	daemon_path(daemon, "run/control", path);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_no_stop(void **state)
{
	struct daemon *daemon = *state;

	daemon_start(daemon, NULL);
	all_ready(daemon);
	assert_int_equal(kill(pid_of(daemon_expect_anywhere(daemon, "front 0 start ")), SIGUSR1),
			 0);
	(void)daemon_expect(daemon, "front 0 broke the rules of its channel");
	(void)daemon_expect(daemon, "front 0 start ");
	assert_null(strstr(daemon->log, "engine 0 shutdown"));
	assert_null(strstr(daemon->log, "keeper 0 shutdown"));
}

static void test_deaf_child(void **state)
{
	struct daemon *daemon = *state;
	pid_t engine;

	daemon_start(daemon, NULL);
	engine = pid_of(daemon_expect_anywhere(daemon, "engine 0 start "));
	all_ready(daemon);
	assert_int_equal(kill(engine, SIGSTOP), 0);
	assert_int_equal(kill(daemon->pid, SIGTERM), 0);
	(void)daemon_expect(daemon, "engine did not end in 3000 ms");
	(void)daemon_expect(daemon, "keeper 0 shutdown");
	assert_int_equal(daemon_wait(daemon), 0);
}

static void test_orphans(void **state)
{
	struct daemon *daemon = *state;

	daemon_start(daemon, NULL);
	all_ready(daemon);
	assert_int_equal(kill(daemon->pid, SIGKILL), 0);
	/* The end of the output: every holder of the pipe is gone. */
	(void)daemon_wait(daemon);
	assert_int_equal(poll(&(struct pollfd){.fd = daemon->out, .events = POLLIN}, 1, 0), 1);
}

static void notify_expect(const struct daemon *daemon, const char *text)
{
	char message[512];
	struct pollfd poll_fd = {.fd = daemon->notify, .events = POLLIN};
	ssize_t n;

	do {
		assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
		n = recv(daemon->notify, message, sizeof(message) - 1, 0);
		assert_true(n >= 0);
		message[n] = '\0';
		/* A child's text never becomes an assignment of its own. */
		assert_null(strstr(message, "\nREADY=0"));
	} while (!strstr(message, text));
}

static void test_notify(void **state)
{
	struct daemon *daemon = *state;

	daemon_start(daemon, NULL);
	notify_expect(daemon, "STATUS=all is well READY=0");
	notify_expect(daemon, "READY=1");
	assert_int_equal(kill(daemon->pid, SIGTERM), 0);
	notify_expect(daemon, "STOPPING=1");
}

static size_t descriptors_of(pid_t pid)
{
	char path[64];
	size_t n = 0;
	DIR *directory;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	directory = opendir(path);
	assert_non_null(directory);
	while (readdir(directory))
		n++;
	(void)closedir(directory);
	return n;
}

static void test_descriptors(void **state)
{
	struct daemon *daemon = *state;
	size_t before;
	pid_t engine;

	if (geteuid() != 0)
		skip(); /* the supervisor is not dumpable: its /proc is root's */
	daemon_start(daemon, NULL);
	all_ready(daemon);
	before = descriptors_of(daemon->pid);
	engine = pid_of(daemon_expect_anywhere(daemon, "engine 0 start "));
	for (int i = 0; i < 5; i++) {
		assert_int_equal(kill(engine, SIGKILL), 0);
		(void)daemon_expect(daemon, "was killed by signal 9");
		engine = pid_of(daemon_expect(daemon, "engine 0 start "));
		(void)daemon_expect(daemon, "engine is ready");
		assert_int_equal(descriptors_of(daemon->pid), before);
	}
}

static void test_refusals(void **state)
{
	struct daemon *daemon = *state;
	char *again[] = {(char *)"--fronts", (char *)"0", NULL};
	char path[PATH_MAX];
	struct daemon second = *daemon;

	daemon_start(daemon, NULL);
	all_ready(daemon);
	daemon_start(&second, NULL);
	(void)daemon_expect(&second, "another asafod is running on");
	assert_int_equal(daemon_wait(&second), 1);
	second = (struct daemon){.out = -1};
	memcpy(second.folder, daemon->folder, sizeof(second.folder));
	daemon_start(&second, again);
	(void)daemon_expect(&second, "\"0\" is not a number from 1 to 64");
	assert_int_equal(daemon_wait(&second), 2);
	assert_int_equal(kill(daemon->pid, SIGTERM), 0);
	assert_int_equal(daemon_wait(daemon), 0);
	daemon_path(daemon, "asafo-front", path);
	(void)unlink(path);
	second = (struct daemon){.out = -1};
	memcpy(second.folder, daemon->folder, sizeof(second.folder));
	daemon_start(&second, NULL);
	(void)daemon_expect(&second,
			    "asafo-front\": No such file or directory; --libexec-dir says where");
	assert_int_equal(daemon_wait(&second), 1);
}

static void test_without_pam(void **state)
{
	struct daemon *daemon = *state;

	if (geteuid() != 0)
		skip();
	daemon->is_by_name = true;
	daemon_write(daemon, "passwd",
		     "root:x:0:0::/:/bin/sh\nasafo-keeper:x:61200:61200::/:\n"
		     "asafo-engine:x:61201:61201::/:\nasafo-front:x:61202:61202::/:\n"
		     "asafo-auth:x:61204:61204::/:\nasafo-fetch:x:61205:61205::/:\n");
	daemon_start(daemon, NULL);
	(void)daemon_expect(daemon, "no login by PAM is possible on this unit: there is no user "
				    "asafo-pam: run systemd-sysusers");
	(void)daemon_expect(daemon, "all 7 processes are ready");
	(void)daemon_expect_anywhere(daemon, "engine 0 without pam");
	(void)daemon_expect_anywhere(daemon, "auth 0 peer engine 0");
	assert_null(strstr(daemon->log, "pam 0 start"));
}

/* Nor does a unit serve without what it cannot do without. */
static void test_without_keeper(void **state)
{
	struct daemon *daemon = *state;

	if (geteuid() != 0)
		skip();
	daemon->is_by_name = true;
	daemon_write(daemon, "passwd", "root:x:0:0::/:/bin/sh\nasafo-pam:x:61206:61206::/:\n");
	daemon_start(daemon, NULL);
	(void)daemon_expect(daemon, "there is no user asafo-keeper");
	assert_int_equal(daemon_wait(daemon), 1);
}

static void test_bad_config(void **state)
{
	struct daemon *daemon = *state;

	daemon_write(daemon, "config", "exit 78\n");
	daemon_start(daemon, NULL);
	(void)daemon_expect(daemon, "engine cannot work with this configuration");
	assert_int_equal(daemon_wait(daemon), 78);
}

static void test_symlinked_config(void **state)
{
	struct daemon *daemon = *state;
	char path[PATH_MAX];

	daemon_path(daemon, "config", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/shadow", path), 0);
	daemon_start(daemon, NULL);
	(void)daemon_expect(daemon, "engine 0 credential control []");
	(void)daemon_expect_anywhere(daemon, "cannot open ");
	assert_null(strstr(daemon->log, "root:"));
	assert_null(strstr(daemon->log, "credential startup-config"));
	assert_int_equal(daemon_wait(daemon), 78);
}

static void test_no_config(void **state)
{
	struct daemon *daemon = *state;
	char path[PATH_MAX];

	daemon_path(daemon, "config", path);
	assert_int_equal(unlink(path), 0);
	daemon_start(daemon, NULL);
	(void)daemon_expect_anywhere(daemon, "starting with an empty configuration");
	(void)daemon_expect_anywhere(daemon, "engine 0 credential startup-config []");
}

#define TEST(name, function)                                                                       \
	{                                                                                          \
		name, function, daemon_make, daemon_remove, NULL                                   \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("every child gets its channel, its credentials, its peers", test_equipment),
		TEST("every child has its user and only its capabilities", test_users),
		TEST("a killed engine is started again and told everything", test_restart),
		TEST("survivors meet the new one, and the largest frame passes", test_new_peers),
		TEST("a child that keeps dying is started ever more slowly", test_backoff),
		TEST("a child that is silent is killed and started again", test_watchdog),
		TEST("on SIGTERM the engine ends before the others", test_shutdown),
		TEST("a child that cannot end does not hold up a stop", test_shutdown_without_end),
		TEST("a child that wants to stop the service is stopped itself", test_no_stop),
		TEST("an engine that does not listen is killed after 3 s", test_deaf_child),
		TEST("no child outlives the supervisor", test_orphans),
		TEST("systemd is told, and a child cannot forge what it is told", test_notify),
		TEST("restarts leak no descriptor", test_descriptors),
		TEST("a second asafod, a bad option, a missing program are refused", test_refusals),
		TEST("a unit without the user asafo-pam serves, and says it", test_without_pam),
		TEST("one without the keeper's does not start", test_without_keeper),
		TEST("an engine whose configuration is no good ends the service", test_bad_config),
		TEST("a startup-config that is a link is not followed", test_symlinked_config),
		TEST("without a startup-config the engine gets an empty one", test_no_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
