/* SPDX-License-Identifier: Apache-2.0 */
/* What a standby's configuration loses to the active's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "config/config.h"

static const char shared[] = "hostname gw\n"
			     "interface eth0\n"
			     " nameif outside\n"
			     " ip address 198.51.100.10 255.255.255.0 standby 198.51.100.11\n"
			     "interface eth1\n"
			     " nameif inside\n";

static struct config *config_of(const char *more)
{
	struct config *config = NULL;

	assert_int_equal(config_new(&config), 0);
	assert_int_equal(config_apply_text(config, "test", shared, strlen(shared), NULL), 0);
	assert_int_equal(config_apply_text(config, "test", more, strlen(more), NULL), 0);
	return config;
}

static void expect_missing(const char *ours, const char *theirs, const char *expected)
{
	struct config *config = config_of(ours), *other = config_of(theirs);
	struct buf text = {0};

	assert_int_equal(config_missing_lines(config, other, CONFIG_PART_REPLICATED, &text), 0);
	assert_string_equal(buf_text(&text), expected);
	buf_done(&text);
	config_free(config);
	config_free(other);
}

static void equal_configurations_lack_nothing(void **state)
{
	(void)state;
	expect_missing("", "", "");
	expect_missing("no monitor-interface inside\n", "no monitor-interface inside\n", "");
}

static void what_only_the_other_has_is_not_missing(void **state)
{
	(void)state;
	expect_missing("", "route outside 0.0.0.0 0.0.0.0 198.51.100.1\n", "");
}

static void a_line_of_its_own_is_named(void **state)
{
	(void)state;
	expect_missing("route outside 0.0.0.0 0.0.0.0 198.51.100.1\n", "",
		       "route outside 0.0.0.0 0.0.0.0 198.51.100.1\n");
}

static void a_line_of_a_section_comes_below_its_heading(void **state)
{
	(void)state;
	expect_missing("interface eth1\n ip address 192.0.2.1 255.255.255.0 standby 192.0.2.2\n",
		       "",
		       "interface eth1\n"
		       " ip address 192.0.2.1 255.255.255.0 standby 192.0.2.2\n");
}

static void the_same_words_below_another_heading_do_not_count(void **state)
{
	(void)state;
	expect_missing("interface eth2\n nameif dmz\n shutdown\n",
		       "interface eth1\n shutdown\ninterface eth2\n nameif dmz\n",
		       "interface eth2\n shutdown\n");
}

static void a_changed_line_is_named_as_it_was(void **state)
{
	(void)state;
	expect_missing("hostname left\n", "hostname right\n", "hostname left\n");
}

static void what_is_this_units_own_is_never_missing(void **state)
{
	(void)state;
	expect_missing("failover lan unit primary\n", "failover lan unit secondary\n", "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_configurations_lack_nothing),
		cmocka_unit_test(what_only_the_other_has_is_not_missing),
		cmocka_unit_test(a_line_of_its_own_is_named),
		cmocka_unit_test(a_line_of_a_section_comes_below_its_heading),
		cmocka_unit_test(the_same_words_below_another_heading_do_not_count),
		cmocka_unit_test(a_changed_line_is_named_as_it_was),
		cmocka_unit_test(what_is_this_units_own_is_never_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
