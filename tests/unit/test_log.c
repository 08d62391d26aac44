/* SPDX-License-Identifier: Apache-2.0 */
/* A line of the log is one line of printable text, whatever was put into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pace.h"
#include "base/utf8.h"

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
		cmocka_unit_test(what_strangers_bring_about_is_said_ten_times_and_then_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
