/* SPDX-License-Identifier: Apache-2.0 */
/* The links to the mate in a configuration: several failover links and the stateful link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "config/config.h"

#define TWO                                                                                        \
	"failover lan interface first eth2\n"                                                      \
	"failover lan interface second eth3\n"                                                     \
	"failover interface ip first 203.0.113.1 255.255.255.252 standby 203.0.113.2\n"            \
	"failover interface ip second fd00::1/126 standby fd00::2\n"

static struct config *make(const char *text)
{
	struct config_error error = {0};
	struct config *config = NULL;

	assert_int_equal(config_new(&config), 0);
	if (config_apply_text(config, "test", text, strlen(text), &error) < 0)
		fail_msg("%u:%u: %s", error.line, error.column, error.why.text);
	return config;
}

static char *render(const struct config *config)
{
	struct buf text = {0};

	assert_int_equal(config_render(config, CONFIG_PART_ALL, &text), 0);
	return (char *)text.data;
}

static void expect_lines(const char *text, const char *lines)
{
	struct config *config = make(text);
	char *rendered = render(config);

	if (!strstr(rendered, lines))
		fail_msg("not in it: %s\n---\n%s", lines, rendered);
	free(rendered);
	config_free(config);
}

static void several_links_are_kept_in_the_order_of_their_lines(void **state)
{
	struct config *config = make(TWO "failover link state eth4\n");

	(void)state;
	assert_int_equal(config->failover.n_links, 3);
	assert_string_equal(config->failover.links[0].name, "first");
	assert_string_equal(config->failover.links[1].name, "second");
	assert_true(config->failover.links[2].is_stateful);
	assert_false(config->failover.links[2].is_failover);
	assert_int_equal(config_check(config, NULL), 0);
	config_free(config);
}

static void links_are_rendered_so_that_they_read_back_the_same(void **state)
{
	struct config *config = make(TWO "failover link state eth4\nfailover interface ip state "
					 "192.0.2.1 255.255.255.252 standby 192.0.2.2\n");
	char *text = render(config), *again;
	struct config *copy = make(text);

	(void)state;
	again = render(copy);
	assert_string_equal(text, again);
	assert_non_null(strstr(text, "failover lan interface first eth2\n"
				     "failover lan interface second eth3\n"
				     "failover link state eth4\n"));
	free(text);
	free(again);
	config_free(config);
	config_free(copy);
}

static void the_stateful_link_may_be_a_failover_link(void **state)
{
	(void)state;
	expect_lines(TWO "failover link second\n", "failover lan interface second eth3\n"
						   "failover link second eth3\n");
	/* A later line moves it. */
	expect_lines(TWO "failover link second\nfailover link first\n",
		     "failover lan interface first eth2\nfailover link first eth2\n"
		     "failover lan interface second eth3\n");
}

static void a_link_goes_with_the_last_line_that_names_it(void **state)
{
	struct config *config =
		make(TWO "failover link second\nno failover lan interface second\n");

	(void)state;
	assert_int_equal(config->failover.n_links, 2);
	assert_false(config->failover.links[1].is_failover);
	assert_int_equal(config->failover.links[1].active.family, AF_INET6);
	config_free(config);
	config = make(TWO "failover link second\nno failover lan interface second\n"
			  "no failover link\n");
	assert_int_equal(config->failover.n_links, 1);
	assert_string_equal(config->failover.links[0].name, "first");
	config_free(config);
	config = make(TWO "failover link state eth4\nno failover lan interface\n");
	assert_int_equal(config->failover.n_links, 1);
	assert_string_equal(config->failover.links[0].name, "state");
	config_free(config);
}

static void a_failover_link_comes_before_a_stateful_one_whatever_the_lines_say(void **state)
{
	struct config *config = make("failover link state eth4\n" TWO);

	(void)state;
	assert_string_equal(config->failover.links[0].name, "first");
	assert_string_equal(config->failover.links[2].name, "state");
	config_free(config);
}

static void each_wrong_link_line_says_what_is_wrong(void **state)
{
	static const struct {
		const char *line;
		unsigned column;
		const char *sentence;
	} lines[] = {
		{"failover lan interface third eth2", 30,
		 "this device carries the failover link first already"},
		{"failover link state eth3", 21,
		 "this device carries the failover link second already"},
		{"failover link state", 15, "no failover link has this name: say which device"},
		{"failover link inside eth5", 15, "an interface has this name already"},
		{"failover link state eth9", 21, "this device is the interface inside"},
		{"no failover link first", 18, "the stateful link has another name"},
		{"no failover lan interface third", 27, "the failover link has another name"},
		{"failover interface ip third 192.0.2.1 255.255.255.252 standby 192.0.2.2", 23,
		 "the failover link has no such name"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct config *config = make(TWO "interface eth9\n nameif inside\n");
		struct config_error error = {0};

		assert_true(config_apply_text(config, "test", lines[i].line, strlen(lines[i].line),
					      &error) < 0);
		if (!strstr(error.why.text, lines[i].sentence) || error.column != lines[i].column)
			fail_msg("%s: %u: %s", lines[i].line, error.column, error.why.text);
		config_free(config);
	}
}

static void a_table_of_links_that_is_full_says_so(void **state)
{
	struct config *config = make("");
	char line[64];

	(void)state;
	for (int i = 0; i <= CONFIG_LINKS_MAX; i++) {
		(void)snprintf(line, sizeof(line), "failover lan interface f%d eth%d", i, i);
		assert_int_equal(config_apply_text(config, "test", line, strlen(line), NULL),
				 i < CONFIG_LINKS_MAX ? 0 : ERR_TOO_LARGE);
	}
	config_free(config);
}

static void links_that_collide_are_named(void **state)
{
	static const struct {
		const char *text;
		const char *sentence;
	} cases[] = {
		{TWO "failover interface ip second 203.0.113.129 255.255.255.0 standby "
		     "203.0.113.130\n",
		 "failover link second: its network overlaps with that of the failover link first"},
		{TWO "interface eth7\n nameif dmz\n ipv6 address fd00::9/64\n",
		 "overlaps with the failover link's"},
		{TWO "failover link state eth4\ninterface eth4\n ip address 192.0.2.1 "
		     "255.255.255.0\n",
		 "carries the stateful link"},
		{"failover\nfailover link state eth4\n", "there is no failover link"},
		{"failover\nfailover lan interface a eth4\nfailover lan interface b eth5\n",
		 "its link has no addresses"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *config = make(cases[i].text);
		struct why why = {0};

		assert_true(config_check(config, &why) < 0);
		if (!strstr(why.text, cases[i].sentence))
			fail_msg("%s", why.text);
		config_free(config);
	}
}

static void a_snapshot_with_two_links_on_a_device_is_refused(void **state)
{
	struct config *config = make(TWO);
	struct why why = {0};

	(void)state;
	memcpy(config->failover.links[1].device, config->failover.links[0].device, IFNAMSIZ);
	assert_int_equal(config_check(config, &why), ERR_EXISTS);
	assert_non_null(strstr(why.text, "each link needs a device of its own"));
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_links_are_kept_in_the_order_of_their_lines),
		cmocka_unit_test(links_are_rendered_so_that_they_read_back_the_same),
		cmocka_unit_test(the_stateful_link_may_be_a_failover_link),
		cmocka_unit_test(a_link_goes_with_the_last_line_that_names_it),
		cmocka_unit_test(
			a_failover_link_comes_before_a_stateful_one_whatever_the_lines_say),
		cmocka_unit_test(each_wrong_link_line_says_what_is_wrong),
		cmocka_unit_test(a_table_of_links_that_is_full_says_so),
		cmocka_unit_test(links_that_collide_are_named),
		cmocka_unit_test(a_snapshot_with_two_links_on_a_device_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
