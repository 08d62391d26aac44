/* SPDX-License-Identifier: Apache-2.0 */
/* Of a configuration from elsewhere all wrong lines are told at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

static struct config_error error;

static int set_up(void **state)
{
	(void)state;
	error = (struct config_error){0};
	return 0;
}

static int apply(const char *text)
{
	struct config *config;
	int r;

	assert_int_equal(config_new(&config), 0);
	r = config_apply_text(config, "test", text, strlen(text), &error);
	config_free(config);
	return r;
}

static bool says(const char *words)
{
	return strstr(error.why.text, words) != NULL;
}

static void one_wrong_line_is_told_alone(void **state)
{
	(void)state;
	assert_int_equal(apply("hostname gw\nnames\nfailover\n"), ERR_SYNTAX);
	assert_int_equal(error.line, 2);
	assert_false(says("wrong, too"));
}

static void a_line_of_a_mode_that_is_not_open_names_what_opens_it(void **state)
{
	(void)state;
	assert_int_equal(apply("ip address 192.0.2.1 255.255.255.0"), ERR_SYNTAX);
	assert_string_equal(error.why.text,
			    "\"ip ...\" belongs below \"interface DEVICE\": give that line first");
	assert_int_equal(error.column, 1);
	/* Also where it is not whole, and in another mode. */
	assert_int_equal(apply("webvpn\n ip address 192.0.2.1"), ERR_SYNTAX);
	assert_true(says("belongs below \"interface DEVICE\""));
	assert_int_equal(error.line, 2);
	assert_int_equal(apply("anyconnect enable"), ERR_SYNTAX);
	assert_true(says("belongs below \"webvpn\""));
	/* In its own mode it is told what is missing. */
	assert_int_equal(apply("interface eth0\n ip address 192.0.2.1"), ERR_SYNTAX);
	assert_true(says("expected a netmask"));
	assert_int_equal(apply("nonsense"), ERR_SYNTAX);
	assert_true(says("unknown command, expected \"hostname\""));
	assert_true(says("or others (man startup-config)"));
}

static void of_modes_that_begin_alike_the_one_that_knows_the_line_is_named(void **state)
{
	static const struct {
		const char *line, *opener;
	} rows[] = {
		{"address-pool VPN", "tunnel-group NAME general-attributes"},
		{"address-pools value VPN", "group-policy NAME attributes"},
		{"authentication certificate", "tunnel-group NAME webvpn-attributes"},
		{"authentication aaa", "tunnel-group NAME webvpn-attributes"},
		{"anyconnect ssl dtls none", "group-policy NAME attributes"},
		{"anyconnect enable", "webvpn"},
		/* Not whole: the one that goes on the farthest. */
		{"anyconnect ssl dtls", "group-policy NAME attributes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[128];

		(void)snprintf(text, sizeof(text), "belongs below \"%s\"", rows[i].opener);
		assert_int_equal(apply(rows[i].line), ERR_SYNTAX);
		if (!says(text))
			fail_msg("\"%s\": %s", rows[i].line, error.why.text);
	}
}

static void the_others_are_told_by_their_numbers(void **state)
{
	(void)state;
	assert_int_equal(apply("hostname gw\nnames\n! names\nmtu 1500\nfailover\n"), ERR_SYNTAX);
	assert_int_equal(error.line, 2);
	assert_true(says("; line 4 is wrong, too"));
	assert_int_equal(apply("names\nmtu 1500\r\nhostname -\nfailover\n\x01\nmtu 9000"),
			 ERR_SYNTAX);
	assert_int_equal(error.line, 1);
	assert_true(says("\"names\": unknown command"));
	assert_true(says("; lines 2, 3, 5 and 6 are wrong, too"));
}

static void what_belongs_to_a_refused_line_is_not_told(void **state)
{
	(void)state;
	assert_int_equal(apply("interface a/0\n nameif outside\nmtu 1500\nmtu 9000\n mtu 9000\n"),
			 ERR_SYNTAX);
	assert_int_equal(error.line, 1);
	assert_true(says("; lines 3 and 4 are wrong, too"));
	/* The grammar knows the second line, but it refers to nothing. */
	assert_int_equal(apply("names\ngroup-policy GP attributes\n banner value hello\nmtu 1\n"),
			 ERR_SYNTAX);
	assert_true(says("; line 4 is wrong, too"));
}

static void modes_are_entered_behind_a_wrong_line(void **state)
{
	(void)state;
	assert_int_equal(apply("names\ninterface eth0\n nameif outside\n mtu 1500\nwebvpn\n"
			       " enable outside\n"),
			 ERR_SYNTAX);
	assert_true(says("; line 4 is wrong, too"));
	assert_int_equal(apply("interface eth0\n mtu 1500\n nameif outside\n speed auto\n"),
			 ERR_SYNTAX);
	assert_int_equal(error.line, 2);
	assert_true(says("; line 4 is wrong, too"));
}

static void of_many_some_are_counted(void **state)
{
	struct buf text = {0};

	(void)state;
	for (int i = 0; i < 40; i++)
		assert_int_equal(buf_append(&text, "names\n", 6), 0);
	assert_int_equal(buf_append(&text, "", 1), 0);
	assert_int_equal(apply(buf_text(&text)), ERR_SYNTAX);
	assert_true(says("; lines 2, 3, 4, "));
	assert_true(says(", 16, 17 and 23 more are wrong, too"));
	buf_done(&text);
}

static void a_comment_is_no_place_for_control_characters(void **state)
{
	(void)state;
	assert_int_equal(apply("! fine\n! \x01\n"), ERR_SYNTAX);
	assert_int_equal(error.line, 2);
	assert_int_equal(apply("names\n! fine\n! \x01\nfailover\n"), ERR_SYNTAX);
	assert_true(says("; line 3 is wrong, too"));
	/* Nor below a refused line; and what is indented behind it belongs to that one still. */
	assert_int_equal(apply("interface a/0\n ! \x01\n nameif outside\n"), ERR_SYNTAX);
	assert_true(says("; line 2 is wrong, too"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_wrong_line_is_told_alone),
		cmocka_unit_test(a_line_of_a_mode_that_is_not_open_names_what_opens_it),
		cmocka_unit_test(of_modes_that_begin_alike_the_one_that_knows_the_line_is_named),
		cmocka_unit_test(the_others_are_told_by_their_numbers),
		cmocka_unit_test(what_belongs_to_a_refused_line_is_not_told),
		cmocka_unit_test(modes_are_entered_behind_a_wrong_line),
		cmocka_unit_test(of_many_some_are_counted),
		cmocka_unit_test(a_comment_is_no_place_for_control_characters),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
