/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner on a loop of the test's, which is its engine: what it executes, in which order, and
 * what it refuses. Scripts lie in a folder of the test's own user, which counts as root here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "ipc/channel.h"
#include "runner/runner.h"
#include "runner/script.h"
#include "src/ipc/ipc.pb-c.h"

#define PATIENCE_US (20u * 1000000)

struct world {
	char folder[64];
	sd_event *event;
	struct runner *runner;
	struct ipc_channel *engine;
	char notes[4096];
	char answers[4096]; /* "NAME code/exit/signal[ timeout]; " */
	unsigned n_last;    /* requests that are answered to the end */
	bool is_idle;
};

static void on_note(int priority, const char *text, void *userdata)
{
	struct world *world = userdata;
	size_t used = strlen(world->notes);

	(void)priority;
	(void)snprintf(world->notes + used, sizeof(world->notes) - used, "%s\n", text);
}

static void on_idle(void *userdata)
{
	((struct world *)userdata)->is_idle = true;
}

static void on_answer(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__RunnerResult *result = (const Asafo__Ipc__RunnerResult *)body;
	struct world *world = userdata;
	size_t used = strlen(world->answers);

	if (result)
		(void)snprintf(world->answers + used, sizeof(world->answers) - used,
			       "%s %d/%d/%u%s; ", result->name, (int)result->status->code,
			       (int)result->exit_code, result->signal,
			       result->is_timeout ? " timeout" : "");
	else
		assert_true(code < 0);
	world->n_last += !has_more;
}

static void script_write(const struct world *world, const char *folder, const char *name,
			 const char *text, mode_t mode)
{
	char path[PATH_MAX];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s/%s", world->folder, folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int world_make(void **state)
{
	static const struct runner_ops ops = {on_note, on_idle};
	static const bool permitted[IPC_TYPE__MAX];
	static const struct ipc_channel_ops channel_ops = {permitted, NULL, NULL};
	struct world *world = test_calloc(1, sizeof(*world));
	static char hooks[128], track[128];
	struct runner_folders folders = {hooks, track};
	int fds[2];

	(void)snprintf(world->folder, sizeof(world->folder), "/tmp/asafo-test-runner-XXXXXX");
	if (!mkdtemp(world->folder))
		return -1;
	(void)snprintf(hooks, sizeof(hooks), "%s/hooks", world->folder);
	(void)snprintf(track, sizeof(track), "%s/track", world->folder);
	if (mkdir(hooks, 0755) < 0 || mkdir(track, 0755) < 0 || sd_event_new(&world->event) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0 ||
	    runner_new(world->event, &folders, &ops, world, &world->runner) < 0 ||
	    runner_engine_attach(world->runner, fds[0]) < 0 ||
	    ipc_channel_new(world->event, fds[1], &channel_ops, world, &world->engine) < 0)
		return -1;
	*state = world;
	return 0;
}

static int world_remove(void **state)
{
	struct world *world = *state;
	char command[128];

	runner_free(world->runner);
	ipc_channel_free(world->engine);
	(void)sd_event_unref(world->event);
	(void)snprintf(command, sizeof(command), "%s", world->folder);
	if (fork() == 0) {
		(void)execlp("rm", "rm", "-rf", command, (char *)NULL);
		_exit(1);
	}
	test_free(world);
	return 0;
}

static void ask(struct world *world, const char *kind, const char *name, unsigned timeout_ms)
{
	Asafo__Ipc__RunnerExec message = ASAFO__IPC__RUNNER_EXEC__INIT;
	char *argv[] = {(char *)(uintptr_t) "one two", (char *)(uintptr_t) "three"};
	char *env[] = {(char *)(uintptr_t) "ASAFO_ROLE=active"};

	message.kind = (char *)(uintptr_t)kind;
	message.name = (char *)(uintptr_t)name;
	message.argv = argv;
	message.n_argv = 2;
	message.env = env;
	message.n_env = 1;
	message.timeout_ms = timeout_ms;
	assert_int_equal(ipc_channel_call(world->engine, IPC_RUNNER_EXEC, &message.base, NULL, 0,
					  on_answer, world),
			 0);
}

static void wait_for(struct world *world, unsigned n_last)
{
	while (world->n_last < n_last)
		assert_true(sd_event_run(world->event, PATIENCE_US) > 0);
}

static void wait_for_note(struct world *world, const char *text)
{
	while (!strstr(world->notes, text))
		assert_true(sd_event_run(world->event, PATIENCE_US) > 0);
}

static void test_order(void **state)
{
	struct world *world = *state;

	script_write(world, "hooks", "20-b", "#!/bin/sh\necho \"b $1 $2 $ASAFO_ROLE $#\"\n", 0755);
	script_write(world, "hooks", "10-a", "#!/bin/sh\necho a $ASAFO_SCRIPT $HOME; exit 4\n",
		     0755);
	script_write(world, "hooks", "README", "not for execution\n", 0644);
	script_write(world, "hooks", "15-forgotten", "#!/bin/sh\necho forgotten\n", 0644);
	script_write(world, "hooks", "30-c.dpkg-old", "#!/bin/sh\necho old\n", 0755);
	script_write(world, "hooks", ".hidden", "#!/bin/sh\necho hidden\n", 0755);
	ask(world, "hook", "", 5000);
	wait_for(world, 1);
	assert_string_equal(world->answers, "10-a 0/4/0; 20-b 0/0/0;  0/0/0; ");
	assert_non_null(strstr(world->notes, "hook 10-a: a 10-a\n"));
	assert_non_null(strstr(world->notes, "hook 20-b: b one two three active 2\n"));
	assert_non_null(strstr(world->notes, "hook 10-a ended with exit code 4"));
	assert_non_null(strstr(world->notes,
			       "/hooks/15-forgotten\" is not executable: it is not run; "
			       "chmod +x it, or remove it (1 such file there)\n"));
	assert_null(strstr(world->notes, "README"));
	assert_null(strstr(world->notes, "old"));
	assert_null(strstr(world->notes, "hidden"));
}

static void test_refusals(void **state)
{
	struct world *world = *state;
	char path[PATH_MAX];

	script_write(world, "track", "open", "#!/bin/sh\n", 0757);
	script_write(world, "track", "plain", "#!/bin/sh\n", 0644);
	script_write(world, "hooks", "outside", "#!/bin/sh\n", 0755);
	(void)snprintf(path, sizeof(path), "%s/track/link", world->folder);
	assert_int_equal(symlink("/bin/true", path), 0);
	(void)snprintf(path, sizeof(path), "%s/track/folder", world->folder);
	assert_int_equal(mkdir(path, 0755), 0);
	ask(world, "track", "open", 5000);
	ask(world, "track", "plain", 5000);
	ask(world, "track", "link", 5000);
	ask(world, "track", "folder", 5000);
	ask(world, "track", "../hooks/outside", 5000);
	ask(world, "track", "", 5000);
	ask(world, "track", "missing", 5000);
	ask(world, "neither", "open", 5000);
	ask(world, "track", "open", 0);
	wait_for(world, 9);
	assert_string_equal(world->answers,
			    "open -1002/0/0; plain -1002/0/0; link -1002/0/0; folder -1002/0/0; "
			    "../hooks/outside -1002/0/0;  -1002/0/0; missing -1006/0/0; "
			    "open -1005/0/0; open -1002/0/0; ");
}

static void test_foreign_owner(void **state)
{
	struct world *world = *state;
	char path[PATH_MAX];

	if (geteuid() != 0)
		skip();
	script_write(world, "track", "theirs", "#!/bin/sh\n", 0755);
	(void)snprintf(path, sizeof(path), "%s/track/theirs", world->folder);
	assert_int_equal(chown(path, 12345, 0), 0);
	ask(world, "track", "theirs", 5000);
	wait_for(world, 1);
	script_write(world, "track", "mine", "#!/bin/sh\n", 0755);
	(void)snprintf(path, sizeof(path), "%s/track", world->folder);
	assert_int_equal(chown(path, 12345, 0), 0);
	ask(world, "track", "mine", 5000);
	wait_for(world, 2);
	assert_string_equal(world->answers, "theirs -1002/0/0; mine -1002/0/0; ");
}

static bool is_alive(pid_t pid)
{
	char path[64], line[256] = "";
	_cleanup_fclose_ FILE *file = NULL;
	const char *state;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file || !fgets(line, sizeof(line), file))
		return false;
	state = strrchr(line, ')');
	return state && state[2] != 'Z' && state[2] != 'X';
}

static void wait_until_gone(pid_t pid)
{
	struct monotime until = monotime_add_ms(monotime_now(), PATIENCE_US / 1000);

	while (is_alive(pid))
		assert_false(monotime_reached(monotime_now(), until));
}

static void test_limit(void **state)
{
	struct world *world = *state;
	const char *child;

	/* A child of its own, which a signal to the first process alone would leave. */
	script_write(world, "track", "hangs",
		     "#!/bin/sh\ntail -f /dev/null &\necho child $!\nwait\n", 0755);
	ask(world, "track", "hangs", 300);
	wait_for(world, 1);
	assert_string_equal(world->answers, "hangs 0/0/9 timeout; ");
	assert_non_null(strstr(world->notes, "track script hangs did not end within 300 ms"));
	child = strstr(world->notes, "child ");
	assert_non_null(child);
	/* Killed, but perhaps not reaped yet by whoever took it over. */
	wait_until_gone((pid_t)strtol(child + strlen("child "), NULL, 10));
}

/* Out of the group and of the session, and its parent is gone. */
#define STARTS_DAEMON                                                                              \
	"#!/bin/sh\n"                                                                              \
	"child=$( (setsid sh -c 'echo $$; exec tail -f /dev/null >/dev/null 2>&1' &) )\n"          \
	"echo \"child $child\"\n"

static void test_setsid(void **state)
{
	struct world *world = *state;
	const char *child;

	script_write(world, "track", "hangs", STARTS_DAEMON "exec tail -f /dev/null\n", 0755);
	ask(world, "track", "hangs", 2000);
	wait_for(world, 1);
	assert_string_equal(world->answers, "hangs 0/0/9 timeout; ");
	child = strstr(world->notes, "child ");
	assert_non_null(child);
	wait_until_gone((pid_t)strtol(child + strlen("child "), NULL, 10));
}

static void test_daemon(void **state)
{
	struct world *world = *state;
	const char *child;
	pid_t pid;

	script_write(world, "hooks", "starts", STARTS_DAEMON, 0755);
	ask(world, "hook", "", 20000);
	wait_for(world, 1);
	child = strstr(world->notes, "child ");
	assert_non_null(child);
	pid = (pid_t)strtol(child + strlen("child "), NULL, 10);
	assert_true(is_alive(pid));
	assert_int_equal(kill(pid, SIGKILL), 0);
}

static void test_left_behind(void **state)
{
	struct world *world = *state;
	const char *child;

	script_write(world, "track", "leaves", STARTS_DAEMON "exit 4\n", 0755);
	ask(world, "track", "leaves", 20000);
	wait_for(world, 1);
	assert_string_equal(world->answers, "leaves 0/4/0; ");
	child = strstr(world->notes, "child ");
	assert_non_null(child);
	assert_false(is_alive((pid_t)strtol(child + strlen("child "), NULL, 10)));
}

static void test_bounds(void **state)
{
	struct world *world = *state;
	unsigned n = 0;

	script_write(
		world, "track", "talks",
		"#!/bin/sh\nyes \"$(printf 'x\\033[1m\\303\\244')\" | head -n 5000\nprintf last\n",
		0755);
	ask(world, "track", "talks", 10000);
	wait_for(world, 1);
	assert_string_equal(world->answers, "talks 0/0/0; ");
	for (const char *at = world->notes; (at = strchr(at, '\n')); at++)
		n++;
	assert_true(n <= 110);
	assert_non_null(strstr(world->notes, "x?[1m??\n"));
}

static void test_queue(void **state)
{
	struct world *world = *state;
	unsigned asked = RUNNER_JOBS_MAX + RUNNER_QUEUE_MAX + 3;

	script_write(world, "track", "waits", "#!/bin/sh\nexec tail -f /dev/null\n", 0755);
	for (unsigned i = 0; i < asked; i++)
		ask(world, "track", "waits", 100);
	wait_for(world, 3);
	assert_string_equal(world->answers, "waits -1005/0/0; waits -1005/0/0; waits -1005/0/0; ");
	wait_for(world, asked);
	assert_non_null(strstr(world->answers, "waits 0/0/9 timeout; "));
}

static void test_overtaken(void **state)
{
	struct world *world = *state;

	script_write(world, "hooks", "1", "#!/bin/sh\necho here\nexec tail -f /dev/null\n", 0755);
	script_write(world, "hooks", "2", "#!/bin/sh\necho second\n", 0755);
	ask(world, "hook", "", 1000);
	wait_for_note(world, "hook 1: here");
	script_write(world, "hooks", "1", "#!/bin/sh\n", 0755);
	ask(world, "hook", "", 2000);
	ask(world, "hook", "", 3000);
	wait_for(world, 3);
	/* The middle one at once; the first when its script was killed; the newest whole. */
	assert_string_equal(world->answers,
			    " -1005/0/0; 1 0/0/9 timeout;  -1005/0/0; 1 0/0/0; 2 0/0/0;  0/0/0; ");
}

static void test_end(void **state)
{
	struct world *world = *state;

	script_write(world, "hooks", "1", "#!/bin/sh\necho last words\n", 0755);
	script_write(world, "track", "waits", "#!/bin/sh\nexec tail -f /dev/null\n", 0755);
	ask(world, "hook", "", 5000);
	ask(world, "track", "waits", 100);
	wait_for_note(world, "last words");
	runner_stop(world->runner);
	while (!world->is_idle)
		assert_true(sd_event_run(world->event, PATIENCE_US) > 0);
}

static void test_names(void **state)
{
	(void)state;
	assert_true(script_name_is_valid("10-routes.sh"));
	assert_true(script_name_is_valid("a_B"));
	assert_false(script_name_is_valid(""));
	assert_false(script_name_is_valid("."));
	assert_false(script_name_is_valid(".."));
	assert_false(script_name_is_valid("a/b"));
	assert_false(script_name_is_valid("a b"));
	assert_false(script_name_is_valid("-x"));
	assert_false(script_name_is_valid("a\n"));
	assert_false(script_name_is_valid("a~"));
	assert_false(script_name_is_valid("a.ucf-dist"));
}

#define TEST(name, function)                                                                       \
	{                                                                                          \
		name, function, world_make, world_remove, NULL                                     \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("hooks run one after the other, with their arguments and nothing else",
		     test_order),
		TEST("what others can write, links and names that lead out are refused",
		     test_refusals),
		TEST("what is not root's is refused, and so is a folder", test_foreign_owner),
		TEST("at its limit a script is killed with its children", test_limit),
		TEST("nor does a child outlive it that left its group and session", test_setsid),
		TEST("a daemon that a hook started outlives it", test_daemon),
		TEST("nothing that a track script started outlives it", test_left_behind),
		TEST("what a script says is bounded and printable", test_bounds),
		TEST("eight run, sixty-four wait, the next is refused", test_queue),
		TEST("hooks of an older change do not begin beside a newer one", test_overtaken),
		TEST("hooks that were asked for end before the runner does", test_end),
		TEST("a script's name cannot be a path, hidden, or a leftover", test_names),
	};
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
