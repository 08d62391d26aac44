/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator may name as a file: each is an import, or one sentence, and never a wait without
 * an end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "tests/unit/cli_world.h"
#include "tests/unit/hung_file.h"

#define PATIENCE_MS 300u

static void contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static int setup(void **state)
{
	int r = cli_world_setup(state);
	struct cli_world *w = *state;

	w->patience_ms = PATIENCE_MS;
	return r;
}

/* NAME in the world's directory; "other" and "file" go with it. */
static void path_of(const struct cli_world *w, const char *name, char ret_path[static 128])
{
	(void)snprintf(ret_path, 128, "%s/%s", w->directory, name);
}

static void make_pipe(const struct cli_world *w, const char *name, char ret_path[static 128])
{
	path_of(w, name, ret_path);
	assert_int_equal(mkfifo(ret_path, 0600), 0);
}

/* A process that opens PATH and writes TEXT to it, byte by byte. */
static pid_t feed(const char *path, const char *text)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

		for (; fd >= 0 && *text; text++)
			if (io_write_full(fd, text, 1) < 0)
				_exit(1);
		_exit(fd < 0);
	}
	return pid;
}

static void ended_well(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void refused(struct cli_world *w, const char *file, const char *passphrase, const char *why)
{
	assert_int_equal(RUN(w, "import", "vpn", file, "--passphrase-file", passphrase),
			 CLI_FAILED);
	contains(w->err, why);
	/* One sentence. */
	assert_ptr_equal(strchr(w->err, '\n'), w->err + strlen(w->err) - 1);
}

static void a_file_that_is_none_is_refused_in_one_sentence(void **state)
{
	struct cli_world *w = *state;
	char loop[128];

	path_of(w, "other", loop);
	assert_int_equal(symlink(loop, loop), 0);
	refused(w, "/dev/zero", "/dev/null", "/dev/zero is larger than 1 MiB: this is no PKCS#12");
	refused(w, "/dev/null", "/dev/null", "/dev/null is empty");
	refused(w, "/", "/dev/null", "cannot read /: ");
	refused(w, loop, "/dev/null", "cannot read ");
	contains(w->err, strerror(ELOOP));
	assert_int_equal(RUN(w, "check-config", "/dev/zero"), CLI_FAILED);
	contains(w->err, "/dev/zero is larger than 1 MiB: this is no configuration");
}

static void a_pipe_that_nobody_writes_to_ends_the_command(void **state)
{
	struct cli_world *w = *state;
	char path[128];

	make_pipe(w, "other", path);
	refused(w, path, "/dev/null", "nothing came from it for 0 s");
	refused(w, cli_world_file(w, "file", "PKCS12"), path, "nothing came from it for 0 s");
	assert_int_equal(RUN(w, "restore", path, "--passphrase-file", "/dev/null"), CLI_FAILED);
	contains(w->err, "is it a pipe that nobody writes to?");
}

static void a_pipe_that_is_fed_byte_by_byte_is_read_to_its_end(void **state)
{
	struct cli_world *w = *state;
	char path[128];
	pid_t pid;

	make_pipe(w, "other", path);
	pid = feed(path, "PKCS12");
	assert_int_equal(RUN_WITH(w, "pass word\n", "import", "vpn", path), CLI_OK);
	ended_well(pid);
	pid = feed(path, "pass word\n");
	assert_int_equal(RUN(w, "import", "vpn", cli_world_file(w, "file", "PKCS12"),
			     "--passphrase-file", path),
			 CLI_OK);
	ended_well(pid);
}

static void a_passphrase_file_may_end_as_editors_end_it(void **state)
{
	static const char *const taken[] = {"pass word", "pass word\n", "pass word\r\n",
					    "pass word\nmore\n"};
	struct cli_world *w = *state;
	char file[128];

	(void)snprintf(file, sizeof(file), "%s", cli_world_file(w, "file", "PKCS12"));
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		assert_int_equal(RUN(w, "import", "vpn", file, "--passphrase-file",
				     cli_world_file(w, "other", taken[i])),
				 CLI_OK);
	refused(w, file, "/dev/zero", "the passphrase in /dev/zero is longer than 1024 bytes");
	refused(w, file, "/", "cannot read the passphrase from /: ");
	refused(w, file, "/nonexistent", "cannot read the passphrase from /nonexistent: ");
}

static void what_does_not_begin_as_a_backup_is_not_read_to_its_end(void **state)
{
	struct cli_world *w = *state;
	_cleanup_close_ int fd = -1;
	char path[128];

	/* Whoever feeds this one waits with the rest. */
	make_pipe(w, "other", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(io_write_full(fd, "certificate", 11), 0);
	assert_int_equal(RUN(w, "restore", path, "--passphrase-file", "/dev/null"), CLI_FAILED);
	assert_null(strstr(w->err, "nothing came from it"));
}

/* Nobody is asked for anything: what a local CA has issued stays issued. */
static void a_result_that_cannot_be_stored_is_found_out_before_the_work(void **state)
{
	struct cli_world *w = *state;
	char path[128];

	path_of(w, "nowhere/file", path);
	assert_int_equal(
		RUN_WITH(w, "x\n", "--control", "/nonexistent", "localca", "issue", "joe", path),
		CLI_FAILED);
	contains(w->err, "nowhere/file: No such file or directory");
	assert_int_equal(RUN_WITH(w, "x\n", "--control", "/nonexistent", "export", "vpn",
				  "--output", w->directory),
			 CLI_FAILED);
	contains(w->err, "Is a directory");
	/* What is no file is written to. */
	assert_int_equal(RUN_WITH(w, "x\n", "--control", "/nonexistent", "backup", "/dev/null"),
			 CLI_UNREACHABLE);
}

/* Opens PATH to read when the first byte comes from NOTICE, and keeps what it says. */
static pid_t read_when_told(const char *path, int notice, const char *keep)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		char text[1024], content[64];
		struct pollfd told = {.fd = notice, .events = POLLIN};
		ssize_t n = poll(&told, 1, 20000) > 0 ? read(notice, text, sizeof(text)) : 0;
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (n <= 0 || io_replace_file(keep, 0600, text, (size_t)n) < 0)
			_exit(1);
		while ((n = read(fd, content, sizeof(content))) > 0)
			;
		_exit(n < 0);
	}
	return pid;
}

static void what_an_output_that_hangs_is_waited_for_is_said(void **state)
{
	struct cli_world *w = *state;
	_cleanup_(buf_done) struct buf said = {0};
	int saved = dup(STDERR_FILENO), notice[2];
	char path[128], keep[128];
	pid_t pid;

	make_pipe(w, "other", path);
	path_of(w, "file", keep);
	assert_int_equal(pipe(notice), 0);
	pid = read_when_told(path, notice[0], keep);
	assert_true(dup2(notice[1], STDERR_FILENO) >= 0);
	assert_int_equal(RUN_WITH(w, "pass word\n", "export", "vpn", "--output", path), CLI_OK);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(saved);
	(void)close(notice[0]);
	(void)close(notice[1]);
	ended_well(pid);
	assert_int_equal(io_read_file(keep, 1024, &said), 0);
	contains(buf_text(&said), path);
	contains(buf_text(&said), "Only this command waits for it\n");
}

/* Ends FILE's file system when the first byte comes from NOTICE, and keeps what it says. */
static pid_t end_when_told(const struct hung_file *file, int notice, const char *keep)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		char text[1024];
		struct pollfd told = {.fd = notice, .events = POLLIN};
		ssize_t n = poll(&told, 1, HUNG_FILE_SECONDS * 500) > 0
				    ? read(notice, text, sizeof(text))
				    : 0;

		(void)kill(file->pid, SIGKILL);
		_exit(n <= 0 || io_replace_file(keep, 0600, text, (size_t)n) < 0);
	}
	return pid;
}

/* Nothing but its end wakes who reads there. */
static void what_file_system_that_hangs_is_waited_for_is_said(void **state)
{
	struct cli_world *w = *state;
	_cleanup_(buf_done) struct buf said = {0};
	struct hung_file hung;
	char path[128], keep[128];
	int saved, notice[2];
	pid_t pid;

	if (!hung_file_open(&hung))
		skip();
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", hung.fd);
	path_of(w, "file", keep);
	assert_int_equal(pipe(notice), 0);
	pid = end_when_told(&hung, notice[0], keep);
	saved = dup(STDERR_FILENO);
	assert_true(dup2(notice[1], STDERR_FILENO) >= 0);
	(void)RUN(w, "import", "vpn", path);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(saved);
	(void)close(notice[0]);
	(void)close(notice[1]);
	ended_well(pid);
	hung_file_close(&hung);
	contains(w->err, "cannot read ");
	assert_int_equal(io_read_file(keep, 1024, &said), 0);
	contains(buf_text(&said), path);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, cli_world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(a_file_that_is_none_is_refused_in_one_sentence),
		IN_WORLD(a_pipe_that_nobody_writes_to_ends_the_command),
		IN_WORLD(a_pipe_that_is_fed_byte_by_byte_is_read_to_its_end),
		IN_WORLD(what_does_not_begin_as_a_backup_is_not_read_to_its_end),
		IN_WORLD(a_result_that_cannot_be_stored_is_found_out_before_the_work),
		IN_WORLD(what_file_system_that_hangs_is_waited_for_is_said),
		IN_WORLD(what_an_output_that_hangs_is_waited_for_is_said),
		IN_WORLD(a_passphrase_file_may_end_as_editors_end_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
