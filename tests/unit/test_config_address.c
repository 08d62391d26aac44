/* SPDX-License-Identifier: Apache-2.0 */
/* Lines about addresses that the role brings along. */
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

#define BASE                                                                                       \
	"interface eth0\n nameif outside\n ip address 198.51.100.10 255.255.255.0"                 \
	" standby 198.51.100.11\ninterface eth1\n nameif inside\n"                                 \
	" ip address 192.0.2.1 255.255.255.0\nfailover lan interface fover eth2\n"                 \
	"failover interface ip fover 203.0.113.1 255.255.255.252 standby 203.0.113.2\n"

static int apply(struct config *config, const char *text, struct config_error *ret_error)
{
	return config_apply_text(config, "test", text, strlen(text), ret_error);
}

static struct config *make(const char *text)
{
	struct config *config = NULL;
	struct config_error error = {0};

	assert_int_equal(config_new(&config), 0);
	if (apply(config, text, &error) != 0)
		fail_msg("%u:%u: %s", error.line, error.column, error.why.text);
	return config;
}

static bool renders(const struct config *config, const char *what)
{
	struct buf text = {0};
	bool is_there;

	assert_int_equal(config_render(config, CONFIG_PART_REPLICATED, &text), 0);
	is_there = strstr(buf_text(&text), what) != NULL;
	buf_done(&text);
	return is_there;
}

static void secondary_addresses_are_kept_in_their_order(void **state)
{
	struct config *config = make(BASE "interface eth0\n"
					  " ip address 198.51.100.30 255.255.255.0 secondary\n"
					  " ipv6 address 2001:db8::30/64 secondary\n"
					  " ip address 10.0.0.1 255.0.0.0 secondary\n");
	struct why why = {0};

	(void)state;
	assert_int_equal(config_check(config, &why), 0);
	assert_true(renders(config, " standby 198.51.100.11\n"
				    " ip address 198.51.100.30 255.255.255.0 secondary\n"
				    " ipv6 address 2001:db8::30/64 secondary\n"
				    " ip address 10.0.0.1 255.0.0.0 secondary\n!\n"));
	/* Again changes nothing; another mask is a change. */
	assert_int_equal(
		apply(config, "interface eth0\n ip address 10.0.0.1 255.255.0.0 secondary\n", NULL),
		0);
	assert_int_equal(config->n_secondaries, 3);
	assert_true(renders(config, " ip address 10.0.0.1 255.255.0.0 secondary\n!\n"));
	config_free(config);
}

static void more_addresses_than_a_holdtime_can_move_are_refused(void **state)
{
	struct config *config = make(BASE "failover polltime msec 2 holdtime msec 6\n");
	struct why why = {0};
	char line[100];

	(void)state;
	for (int i = 1; i <= 61; i++) {
		assert_int_equal(config_check(config, &why), 0);
		(void)snprintf(line, sizeof(line),
			       "interface eth0\n ip address 10.0.0.%d 255.0.0.0 secondary\n", i);
		assert_int_equal(apply(config, line, NULL), 0);
	}
	assert_true(config_check(config, &why) < 0);
	assert_non_null(strstr(why.text, "at least 7 ms"));
	assert_int_equal(apply(config, "failover polltime msec 2 holdtime msec 7\n", NULL), 0);
	assert_int_equal(config_check(config, &why), 0);
	config_free(config);
}

static void one_secondary_address_goes_or_all_with_the_interface(void **state)
{
	static const char lines[] =
		"interface eth0\n"
		" ip address 198.51.100.30 255.255.255.0 secondary\n"
		" ip address 198.51.100.31 255.255.255.0 secondary\n"
		" ipv6 address 2001:db8::30/64 secondary\n"
		"interface eth1\n ip address 192.0.2.9 255.255.255.0 secondary\n";
	struct config *config = make(BASE);

	(void)state;
	assert_int_equal(apply(config, lines, NULL), 0);
	assert_int_equal(apply(config,
			       "interface eth0\n"
			       " no ip address 198.51.100.30 255.255.255.0 secondary\n",
			       NULL),
			 0);
	assert_int_equal(config->n_secondaries, 3);
	assert_true(renders(config, "198.51.100.31 255.255.255.0 secondary"));
	assert_true(renders(config, "198.51.100.10"));
	/* The first one goes alone where it is named, and with all of its family where not. */
	assert_int_equal(
		apply(config, "interface eth0\n no ip address 198.51.100.10 255.255.255.0", NULL),
		0);
	assert_int_equal(config->n_secondaries, 3);
	assert_int_equal(apply(config, "interface eth0\n no ip address", NULL), 0);
	assert_int_equal(config->n_secondaries, 2);
	assert_true(renders(config, "2001:db8::30/64 secondary"));
	assert_int_equal(apply(config, "no interface eth0", NULL), 0);
	assert_int_equal(config->n_secondaries, 1);
	assert_true(renders(config, "192.0.2.9"));
	config_free(config);
}

/* What the whole is refused for, and a part of the sentence. */
static void secondary_addresses_that_cannot_be_are_refused(void **state)
{
	static const struct {
		const char *text, *sentence;
	} cases[] = {
		{"interface eth0\n ip address 198.51.100.10 255.255.255.0 secondary",
		 "is the active's or the standby's on interface eth0"},
		{"interface eth0\n ip address 198.51.100.11 255.255.255.0 secondary",
		 "is the active's or the standby's on interface eth0"},
		{"interface eth0\n ip address 192.0.2.77 255.255.255.0 secondary",
		 "overlaps with that of interface eth1"},
		{"interface eth0\n ip address 203.0.113.9 255.255.255.0 secondary",
		 "in the network of the failover link"},
		{"interface eth0\n ip address 10.0.0.1 255.0.0.0 secondary\n"
		 "interface eth1\n ip address 10.9.0.1 255.255.0.0 secondary",
		 "overlaps with one of interface eth0"},
		{"interface eth2\n ip address 10.0.0.1 255.0.0.0 secondary",
		 "on the device of the failover link"},
		{"interface eth0\n ip address 10.0.0.1 255.0.0.0 secondary\n"
		 "interface eth1\n ip address 10.0.0.1 255.0.0.0 secondary",
		 "the interface eth0 has this address"},
		{"interface eth0\n ip address 10.0.0.0 255.0.0.0 secondary",
		 "this is the network's own address"},
		{"interface eth0\n no ip address 10.0.0.1 255.0.0.0 secondary",
		 "no such secondary address"},
		{"interface eth0\n ip address 10.0.0.1 255.0.0.0 second ary", "expected"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *config = make(BASE);
		struct config_error error = {0};
		struct why why = {0};

		if (apply(config, cases[i].text, &error) == 0)
			assert_true(config_check(config, &why) < 0);
		else
			why = error.why;
		if (!strstr(why.text, cases[i].sentence))
			fail_msg("%s: %s", cases[i].text, why.text);
		config_free(config);
	}
}

static void a_thousand_secondary_addresses_fit_and_one_more_does_not(void **state)
{
	struct config *config = make(BASE);
	struct config_error error = {0};
	struct buf text = {0};
	struct why why = {0};

	(void)state;
	assert_int_equal(buf_append_format(&text, "interface eth0\n"), 0);
	for (unsigned i = 0; i < CONFIG_SECONDARIES_MAX; i++)
		assert_int_equal(buf_append_format(&text,
						   " ip address 10.0.%u.%u 255.255.0.0 secondary\n",
						   i / 250, 1 + i % 250),
				 0);
	assert_int_equal(apply(config, buf_text(&text), NULL), 0);
	assert_int_equal(config_check(config, &why), 0);
	assert_int_equal(
		apply(config, "interface eth0\n ip address 10.0.9.1 255.255.0.0 secondary", &error),
		ERR_TOO_LARGE);
	assert_non_null(strstr(error.why.text, "more than 1000 secondary addresses"));
	buf_done(&text);
	config_free(config);
}

static void virtual_mac_addresses_and_routes_read_back(void **state)
{
	static const char lines[] = "failover mac address eth0 0200.5e00.0101 0200.5e00.0102\n"
				    "failover mac address eth1 0200.5e00.0103\n"
				    "route outside 0.0.0.0 0.0.0.0 198.51.100.1\n"
				    "route inside 10.9.0.0 255.255.0.0 192.0.2.254 7 active\n"
				    "ipv6 route outside ::/0 fe80::1\n";
	struct config *config = make(BASE), *again = make(BASE);
	struct config_error error = {0};
	struct buf text = {0};
	struct why why = {0};

	(void)state;
	if (apply(config, lines, &error) < 0)
		fail_msg("%u:%u: %s", error.line, error.column, error.why.text);
	if (config_check(config, &why) < 0)
		fail_msg("%s", why.text);
	assert_true(renders(config, lines));
	assert_int_equal(config_render(config, CONFIG_PART_REPLICATED, &text), 0);
	assert_int_equal(apply(again, buf_text(&text), NULL), 0);
	assert_memory_equal(config->routes, again->routes, sizeof(config->routes));
	assert_memory_equal(config->interfaces, again->interfaces, sizeof(config->interfaces));
	/* As others write it. */
	assert_int_equal(apply(config, "failover mac address eth1 02:00:5E:00:01:04\n", NULL), 0);
	assert_true(renders(config, "failover mac address eth1 0200.5e00.0104\n"));
	/* A new name, then none. */
	assert_int_equal(apply(config, "interface eth0\n nameif wan\n", NULL), 0);
	assert_true(renders(config, "route wan 0.0.0.0 0.0.0.0 198.51.100.1\n"));
	assert_int_equal(apply(config,
			       "no failover mac address eth0\nno failover mac address eth1\n"
			       "no route wan 0 0\nno route inside 10.9.0.0 255.255.0.0 "
			       "192.0.2.254\ninterface eth0\n no nameif\n",
			       &error),
			 0);
	assert_int_equal(config->n_routes, 0);
	assert_false(renders(config, "mac address"));
	buf_done(&text);
	config_free(config);
	config_free(again);
}

static void virtual_mac_addresses_and_routes_that_cannot_be_are_refused(void **state)
{
	static const struct {
		const char *text, *sentence;
	} cases[] = {
		{"failover mac address eth9 0200.5e00.0101", "no interface above is this device"},
		{"failover mac address eth0 0100.5e00.0101",
		 "expected a MAC address of one station"},
		{"failover mac address eth0 0000.0000.0000",
		 "expected a MAC address of one station"},
		{"failover mac address eth0 0200.5e00.01", "expected a MAC address"},
		{"failover mac address eth0 02-00-5e-00-01-01", "expected a MAC address"},
		{"failover mac address eth0 0200.5e00.0101 0200.5e00.0101", "must be another one"},
		{"failover mac address eth0 0200.5e00.0101\n"
		 "failover mac address eth1 0200.5e00.0102 0200.5e00.0101",
		 "has the same one"},
		{"route dmz 0.0.0.0 0.0.0.0 198.51.100.1", "no interface above has this name"},
		{"route outside 10.1.0.0 255.0.0.0 198.51.100.1", "bits behind its mask"},
		{"route outside 10.0.0.0 255.0.0.0 203.0.113.77", "in no network of the interface"},
		{"route outside 10.0.0.0 255.0.0.0 198.51.100.10",
		 "in no network of the interface"},
		{"route outside 10.0.0.0 255.0.0.0 198.51.100.1 256", "expected"},
		{"no route outside 10.0.0.0 255.0.0.0", "there is no such route"},
		{"ipv6 route outside 2001:db8::1/64 fe80::1", "bits behind its mask"},
		{"ipv6 route outside 2001:db8::/64 2001:db8:9::1",
		 "in no network of the interface"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *config = make(BASE);
		struct config_error error = {0};
		struct why why = {0};

		if (apply(config, cases[i].text, &error) == 0)
			assert_true(config_check(config, &why) < 0);
		else
			why = error.why;
		if (!strstr(why.text, cases[i].sentence))
			fail_msg("%s: %s", cases[i].text, why.text);
		config_free(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secondary_addresses_are_kept_in_their_order),
		cmocka_unit_test(more_addresses_than_a_holdtime_can_move_are_refused),
		cmocka_unit_test(one_secondary_address_goes_or_all_with_the_interface),
		cmocka_unit_test(secondary_addresses_that_cannot_be_are_refused),
		cmocka_unit_test(a_thousand_secondary_addresses_fit_and_one_more_does_not),
		cmocka_unit_test(virtual_mac_addresses_and_routes_read_back),
		cmocka_unit_test(virtual_mac_addresses_and_routes_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
