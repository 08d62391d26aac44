/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/monotime.h"
#include "tests/unit/folder.h"

void daemon_path(const struct daemon *daemon, const char *name, char ret_path[static PATH_MAX])
{
	(void)snprintf(ret_path, PATH_MAX, "%s/%s", daemon->folder, name);
}

void daemon_write(const struct daemon *daemon, const char *name, const char *content)
{
	char path[PATH_MAX];
	FILE *file;

	daemon_path(daemon, name, path);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(content, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void program_copy(const struct daemon *daemon, const char *name)
{
	const char *fake = getenv("FAKE_CHILD") ? getenv("FAKE_CHILD") : "tests/unit/fake_child";
	char path[PATH_MAX], chunk[65536];
	_cleanup_close_ int in = open(fake, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int out = -1;
	ssize_t n;

	daemon_path(daemon, name, path);
	out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, chunk, sizeof(chunk))) > 0)
		assert_int_equal(write(out, chunk, (size_t)n), n);
	assert_int_equal(n, 0);
}

static int notify_open(const struct daemon *daemon)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/notify", daemon->folder);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

int daemon_make(void **state)
{
	static const char *const programs[] = {"asafo-keeper", "asafo-engine", "asafo-front",
					       "asafo-runner", "asafo-auth",   "asafo-fetch",
					       "asafo-pam"};
	struct daemon *daemon = test_calloc(1, sizeof(*daemon));

	daemon->out = -1;
	(void)snprintf(daemon->folder, sizeof(daemon->folder), "/tmp/asafo-test-super-XXXXXX");
	if (!mkdtemp(daemon->folder) || chmod(daemon->folder, 0755) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		program_copy(daemon, programs[i]);
	daemon_write(daemon, "config", "hostname gw\n");
	daemon->notify = notify_open(daemon);
	*state = daemon;
	return 0;
}

/* The user database of this process alone is the file "passwd". */
static void users_put(const struct daemon *daemon)
{
	char path[PATH_MAX];

	daemon_path(daemon, "passwd", path);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(path, "/etc/passwd", NULL, MS_BIND, NULL) < 0)
		_exit(125);
}

static void daemon_exec(const struct daemon *daemon, int out, char *const *extra)
{
	const char *program = getenv("ASAFOD") ? getenv("ASAFOD") : "./asafod";
	char config[PATH_MAX], state[PATH_MAX], run[PATH_MAX], notify[PATH_MAX], base[16];
	char *argv[32] = {(char *)(uintptr_t)program,
			  (char *)"--config",
			  config,
			  (char *)"--state-dir",
			  state,
			  (char *)"--run-dir",
			  run,
			  (char *)"--libexec-dir",
			  (char *)(uintptr_t)daemon->folder,
			  (char *)"--fronts",
			  (char *)"2"};
	size_t n = 11;

	daemon_path(daemon, "config", config);
	daemon_path(daemon, "state", state);
	daemon_path(daemon, "run", run);
	daemon_path(daemon, "notify", notify);
	(void)snprintf(base, sizeof(base), "%d", UID_BASE);
	if (daemon->is_by_name) {
		users_put(daemon);
	} else {
		argv[n++] = (char *)"--uid-base";
		argv[n++] = base;
	}
	for (; extra && *extra; extra++)
		argv[n++] = *extra;
	(void)setenv("NOTIFY_SOCKET", notify, 1);
	(void)dup2(out, STDOUT_FILENO);
	(void)dup2(out, STDERR_FILENO);
	(void)execv(program, argv);
	_exit(126);
}

void daemon_start(struct daemon *daemon, char *const *extra)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	daemon->pid = fork();
	if (daemon->pid == 0)
		daemon_exec(daemon, fds[1], extra);
	(void)close(fds[1]);
	assert_true(daemon->pid > 0);
	daemon->out = fds[0];
}

/* False at the end of the output or of patience. */
static bool daemon_read(struct daemon *daemon, struct monotime until)
{
	struct pollfd poll_fd = {.fd = daemon->out, .events = POLLIN};
	struct monotime now = monotime_now();
	ssize_t n;

	if (monotime_reached(now, until) ||
	    poll(&poll_fd, 1, (int)(monotime_since(until, now) / MONOTIME_NS_PER_MS) + 1) <= 0)
		return false;
	n = read(daemon->out, daemon->log + daemon->size, LOG_MAX - 1 - daemon->size);
	if (n <= 0)
		return false;
	daemon->size += (size_t)n;
	daemon->log[daemon->size] = '\0';
	return true;
}

/* Waits until TEXT is said after what was waited for before; returns what follows it. */
const char *daemon_expect(struct daemon *daemon, const char *text)
{
	struct monotime until = monotime_add_ms(monotime_now(), PATIENCE_MS);
	const char *found;

	do {
		found = strstr(daemon->log + daemon->seen, text);
		/* The whole line, so that what follows can be read. */
		if (found && strchr(found, '\n')) {
			daemon->seen = (size_t)(found - daemon->log) + strlen(text);
			return daemon->log + daemon->seen;
		}
	} while (daemon_read(daemon, until));
	fail_msg("\"%s\" did not come; after it should have:\n%s", text,
		 daemon->log + daemon->seen);
	return NULL;
}

/* Waits for TEXT anywhere in the log, leaving the position. */
const char *daemon_expect_anywhere(struct daemon *daemon, const char *text)
{
	size_t seen = daemon->seen;
	const char *at;

	daemon->seen = 0;
	at = daemon_expect(daemon, text);
	daemon->seen = seen;
	return at;
}

int daemon_wait(struct daemon *daemon)
{
	struct monotime until = monotime_add_ms(monotime_now(), PATIENCE_MS);
	int status;

	while (daemon_read(daemon, until)) {
	}
	assert_int_equal(waitpid(daemon->pid, &status, 0), daemon->pid);
	daemon->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int daemon_remove(void **state)
{
	struct daemon *daemon = *state;

	if (daemon->pid > 0) {
		(void)kill(daemon->pid, SIGKILL);
		(void)waitpid(daemon->pid, NULL, 0);
	}
	if (daemon->out >= 0)
		(void)close(daemon->out);
	(void)close(daemon->notify);
	folder_remove(daemon->folder);
	test_free(daemon);
	return 0;
}
