/* SPDX-License-Identifier: Apache-2.0 */
/* A line of the log is one line of printable text, whatever was put into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pace.h"
#include "base/utf8.h"
#include "netns.h"

static void check_clean(const char *text, const char *want)
{
	char line[128];

	(void)snprintf(line, sizeof(line), "%s", text);
	utf8_clean(line);
	assert_string_equal(line, want);
}

static void what_steers_a_terminal_is_replaced(void **state)
{
	(void)state;
	check_clean("a\nb\tc\033[2J\x7f", "a?b?c?[2J?");
	check_clean("C1: \xc2\x9b"
		    "31m",
		    "C1: ??31m");
}

static void text_of_any_language_stays(void **state)
{
	(void)state;
	check_clean("Zürich, 東京, \U0001F512", "Zürich, 東京, \U0001F512");
	check_clean("\xc2\xa0", "\xc2\xa0");
}

static void what_is_no_utf8_is_replaced_byte_by_byte(void **state)
{
	(void)state;
	check_clean("\xff\xfe", "??");
	check_clean("\xc0\xaf", "??");				  /* overlong */
	check_clean("\xe0\x80\xaf \xf0\x80\x80\xaf", "??? ????"); /* overlong */
	check_clean("\xed\xa0\x80", "???");			  /* a surrogate */
	check_clean("\xf4\x90\x80\x80", "????");		  /* past the last one */
	check_clean("cut \xe6\x9d", "cut ??");			  /* at the end of a buffer */
	check_clean("\xe6(\x9d", "?(?");
}

/* A login's user may be named by anybody. */
static void what_turns_the_text_around_it_is_replaced(void **state)
{
	(void)state;
	check_clean("a\u202eb \u2066c", "a???b ???c");
	check_clean("a\u200bb \ufeff", "a???b ???");
	check_clean("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"); /* a joiner */
}

/* What one call writes to stderr. */
static void written(char *text, size_t size, void (*say)(void))
{
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	say();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(fds[1]);
	n = read(fds[0], text, size - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	(void)close(fds[0]);
	(void)close(saved);
}

static void say_event(void)
{
	const struct log_field fields[] = {{"ASAFO_UNIT", "Primary"}, {"ASAFO_REASON", NULL}};

	log_event(LOG_ALERT, 104001, fields, 2, "(Primary) Switching\nto ACTIVE");
}

static void say_long(void)
{
	char text[3000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_message(LOG_CRIT, 709007, "%s", text);
}

static void say_detail(void)
{
	log_line(LOG_DEBUG, "too much");
}

/* $JOURNAL_STREAM is of another file: the line goes to stderr. */
static void a_message_has_its_number_and_severity(void **state)
{
	char text[4096];

	(void)state;
	(void)setenv("JOURNAL_STREAM", "1:1", 1);
	log_open("engine", LOG_INFO);
	written(text, sizeof(text), say_event);
	assert_non_null(strstr(text, "<1>asafo-engine["));
	assert_non_null(strstr(text, "]: %ASAFO-1-104001: (Primary) Switching?to ACTIVE\n"));
	written(text, sizeof(text), say_detail);
	assert_string_equal(text, "");
}

static void a_long_message_is_cut_to_one_line(void **state)
{
	char text[4096];

	(void)state;
	written(text, sizeof(text), say_long);
	assert_in_range(strlen(text), 1000, 1100);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

/* Who waits after all is ended by this, and the test with it. */
#define NEVER_S 20
#define MANY 3000
#define BURST 500 /* more than fit a socket's usual buffer */

static void say_many(void)
{
	(void)alarm(NEVER_S);
	for (unsigned i = 0; i < MANY; i++)
		log_line(LOG_NOTICE, "line %u of those that nobody reads yet", i);
	(void)alarm(0);
}

/* More than a socket's queue takes, and less than a pipe. */
static void say_few(void)
{
	(void)alarm(NEVER_S);
	for (unsigned i = 0; i < 800; i++)
		log_line(LOG_NOTICE, "line %u", i);
	(void)alarm(0);
}

/* Reads what there is; returns how many lines that were. */
static unsigned drain(int fd, char last[static 2048])
{
	unsigned n = 0;
	size_t at = 0;
	char c;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (read(fd, &c, 1) == 1) {
		assert_true(at < 2047);
		last[at++] = c;
		if (c == '\n') {
			last[at] = '\0';
			at = 0;
			n++;
		}
	}
	assert_int_equal(at, 0);
	return n;
}

/* Stderr is FDS[1] meanwhile, and nobody reads it; then somebody does. */
static void check_unread(const int fds[static 2])
{
	int saved = dup(STDERR_FILENO);
	char last[2048], text[4096], want[128];
	unsigned n;
	ssize_t got;

	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	log_never_wait();
	say_many();
	n = drain(fds[0], last);
	log_line(LOG_NOTICE, "somebody reads again");
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(saved);
	assert_in_range(n, 1, MANY - 1);
	got = read(fds[0], text, sizeof(text) - 1);
	assert_true(got > 0);
	text[got] = '\0';
	(void)snprintf(want, sizeof(want), "]: %u lines of this process are lost", MANY - n);
	assert_non_null(strstr(text, want));
	assert_non_null(strstr(text, "]: somebody reads again\n"));
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void who_does_not_read_the_log_stops_nobody_and_hears_what_is_lost(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	check_unread(fds);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	check_unread(fds);
}

static void say_many_and_end(int told, int ready)
{
	char byte = 'x';

	log_open("engine", LOG_INFO);
	log_never_wait();
	say_many();
	(void)!write(told, &byte, 1);
	(void)!read(ready, &byte, 1);
	exit(0);
}

/* Nobody says anything after it. */
static void what_is_lost_is_said_at_the_end_of_the_process(void **state)
{
	int fds[2], told[2], ready[2], status;
	char last[2048], text[4096];
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_true(pipe(fds) == 0 && pipe(told) == 0 && pipe(ready) == 0);
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], STDERR_FILENO);
		say_many_and_end(told[1], ready[0]);
	}
	assert_int_equal(read(told[0], text, 1), 1);
	assert_in_range(drain(fds[0], last), 1, MANY - 1);
	assert_int_equal(write(ready[1], text, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	n = read(fds[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, " lines of this process are lost"));
	for (size_t i = 0; i < 2; i++) {
		(void)close(fds[i]);
		(void)close(told[i]);
		(void)close(ready[i]);
	}
}

/* A pipe is often a shell's, too, which does not know what to do with EAGAIN. */
static void whoever_shares_the_pipe_still_waits(void **state)
{
	int fds[2], saved = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	log_never_wait();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(saved);
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static int journal_listen(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void a_journal_that_stands_still_stops_nobody(void **state)
{
	char folder[] = "/tmp/asafo-test-log.XXXXXX", path[64], text[4096];
	int fd;
	ssize_t n;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/socket", folder);
	fd = journal_listen(path);
	log_set_journal(path);
	say_event();
	n = recv(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(
		text,
		"PRIORITY=1\nSYSLOG_IDENTIFIER=test_log\nASAFO_PROCESS=engine\nASAFO_ID=104001\n"
		"MESSAGE_ID=6f1d0a7c54e94b3aa5af0c0de0104001\nASAFO_UNIT=Primary\n"
		"MESSAGE=%ASAFO-1-104001: (Primary) Switching?to ACTIVE\n");
	written(text, sizeof(text), say_few);
	assert_non_null(strstr(text, "engine: line "));
	(void)close(fd);
	(void)unlink(path);
	(void)rmdir(folder);
}

static void say_burst(void)
{
	(void)alarm(NEVER_S);
	for (unsigned i = 0; i < BURST; i++)
		log_message(LOG_ALERT, 104001, "(Primary) Switching to ACTIVE, %u", i);
	(void)alarm(0);
}

/* A journal's queue takes as much as systemd has it take, and so does what this process may have
 * under way. */
static void a_burst_of_lines_keeps_its_fields(void **state)
{
	char folder[] = "/tmp/asafo-test-log.XXXXXX", path[64], text[4096];
	unsigned n = 0;
	int fd;

	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0 ||
	    netns_sysctl("/proc/sys/net/unix/max_dgram_qlen", "512") < 0)
		skip();
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/socket", folder);
	fd = journal_listen(path);
	log_set_journal(path);
	written(text, sizeof(text), say_burst);
	assert_string_equal(text, "");
	while (recv(fd, text, sizeof(text), 0) > 0)
		n++;
	assert_int_equal(n, BURST);
	(void)close(fd);
	(void)unlink(path);
	(void)rmdir(folder);
}

static void what_strangers_bring_about_is_said_ten_times_and_then_counted(void **state)
{
	struct pace pace = {.n_said = 0};
	struct monotime now = {MONOTIME_NS_PER_SEC};
	char more[PACE_TEXT_MAX];

	(void)state;
	for (unsigned i = 0; i < PACE_LINES; i++) {
		assert_true(pace_take(&pace, now, more));
		assert_string_equal(more, "");
	}
	assert_false(pace_take(&pace, now, more));
	assert_false(pace_take(&pace, monotime_add_ms(now, PACE_MS - 1), more));
	now = monotime_add_ms(now, PACE_MS);
	assert_true(pace_take(&pace, now, more));
	assert_string_equal(more, " (and 2 more before it)");
	assert_true(pace_take(&pace, now, more));
	assert_string_equal(more, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_steers_a_terminal_is_replaced),
		cmocka_unit_test(text_of_any_language_stays),
		cmocka_unit_test(what_turns_the_text_around_it_is_replaced),
		cmocka_unit_test(what_is_no_utf8_is_replaced_byte_by_byte),
		cmocka_unit_test(a_message_has_its_number_and_severity),
		cmocka_unit_test(a_long_message_is_cut_to_one_line),
		cmocka_unit_test(who_does_not_read_the_log_stops_nobody_and_hears_what_is_lost),
		cmocka_unit_test(what_is_lost_is_said_at_the_end_of_the_process),
		cmocka_unit_test(whoever_shares_the_pipe_still_waits),
		cmocka_unit_test(a_journal_that_stands_still_stops_nobody),
		cmocka_unit_test(a_burst_of_lines_keeps_its_fields),
		cmocka_unit_test(what_strangers_bring_about_is_said_ten_times_and_then_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
