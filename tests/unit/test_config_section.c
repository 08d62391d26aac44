/* SPDX-License-Identifier: Apache-2.0 */
/* `show running-config [all] [SECTION]`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "config/config.h"

static const char lines[] = "hostname gw\n"
			    "interface eth0\n"
			    " nameif outside\n"
			    " ip address 198.51.100.10 255.255.255.0 standby 198.51.100.11\n"
			    "interface eth1\n"
			    " nameif inside\n"
			    "failover lan unit primary\n"
			    "failover lan interface fover eth2\n"
			    "failover key secret\n"
			    "failover interface ip fover 203.0.113.1 255.255.255.252 standby "
			    "203.0.113.2\n"
			    "failover\n"
			    "failover mac address eth0 0200.0000.0001 0200.0000.0002\n"
			    "no monitor-interface inside\n"
			    "route outside 0.0.0.0 0.0.0.0 198.51.100.1\n"
			    "ipv6 route outside ::/0 2001:db8::1\n"
			    "track 7 ping 192.0.2.9\n"
			    "failover track 7\n"
			    "crypto ca trustpoint WEB\n"
			    "crypto ca alerts expiration begin 30 repeat 2\n"
			    "ssl trust-point WEB\n"
			    "webvpn\n"
			    " enable outside\n";

static struct config *config;
static struct buf text;

static int set_up(void **state)
{
	(void)state;
	if (config_new(&config) < 0)
		return -1;
	return config_apply_text(config, "test", lines, strlen(lines), NULL);
}

static int tear_down(void **state)
{
	(void)state;
	config_free(config);
	buf_done(&text);
	return 0;
}

static const char *section(const char *name, const char *device)
{
	buf_clear(&text);
	assert_int_equal(config_render_section(config, CONFIG_PART_ALL, name, device, &text), 0);
	return buf_text(&text);
}

static void a_section_is_its_lines_and_no_others(void **state)
{
	(void)state;
	assert_string_equal(section("failover", NULL),
			    "failover\n"
			    "failover lan unit primary\n"
			    "failover lan interface fover eth2\n"
			    "failover key *****\n"
			    "failover interface ip fover 203.0.113.1 255.255.255.252 standby "
			    "203.0.113.2\n"
			    "failover replication trustpoint off\n"
			    "failover mac address eth0 0200.0000.0001 0200.0000.0002\n"
			    "failover track 7\n");
	assert_string_equal(section("track", NULL), "track 7 ping 192.0.2.9\n");
	assert_string_equal(section("route", NULL), "route outside 0.0.0.0 0.0.0.0 198.51.100.1\n"
						    "ipv6 route outside ::/0 2001:db8::1\n");
	assert_string_equal(section("monitor-interface", NULL), "no monitor-interface inside\n");
	assert_string_equal(section("crypto", NULL),
			    "crypto ca trustpoint WEB\n"
			    "crypto ca alerts expiration begin 30 repeat 2\n");
	assert_string_equal(section("ssl", NULL), "ssl trust-point WEB\n");
	assert_string_equal(section("webvpn", NULL), "webvpn\n enable outside\n!\n");
	assert_string_equal(section("hostname", NULL), "hostname gw\n");
}

static void an_interface_is_found_by_its_device_and_by_its_name(void **state)
{
	static const char inside[] = "interface eth1\n nameif inside\n!\n";

	(void)state;
	assert_string_equal(section("interface", "eth1"), inside);
	assert_string_equal(section("interface", "inside"), inside);
	assert_non_null(strstr(section("interface", NULL), "standby 198.51.100.11\n!\n"));
	assert_non_null(strstr(section("interface", NULL), inside));
	buf_clear(&text);
	assert_int_equal(config_render_section(config, CONFIG_PART_ALL, "interface", "eth", &text),
			 ERR_NOT_FOUND);
	assert_int_equal(config_render_section(config, CONFIG_PART_ALL, "interface", "", &text),
			 ERR_NOT_FOUND);
}

static void what_is_no_section_is_refused(void **state)
{
	static const char *const names[] = {"", "fail", "failover ", "no failover",
					    "interface eth0"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(
			config_render_section(config, CONFIG_PART_ALL, names[i], NULL, &text),
			ERR_NOT_FOUND);
}

/* With the words of a line that is put out only where it is no default. */
static void all_has_what_is_at_its_default(void **state)
{
	static const char *const defaults[] = {
		"failover polltime unit msec 100 holdtime msec 500\n",
		"failover polltime interface msec 200 holdtime 1\n",
		"failover interface-policy 1\n",
		"no failover maintenance\n",
		"no failover preempt\n",
		"failover standby config-lock\n",
		"monitor-interface outside\n",
		"no monitor-interface inside\n",
		"route outside 0.0.0.0 0.0.0.0 198.51.100.1 1\n",
		"track 7 ping 192.0.2.9 frequency 1 timeout 500 down 3 up 3\n",
		"failover track 7 decrement 10\n",
		"ssl server-version tlsv1.2\n",
		" port 443\n",
		" no shutdown\n",
	};
	struct config *again = NULL;
	struct buf second = {0};

	(void)state;
	buf_clear(&text);
	assert_int_equal(config_render(config, CONFIG_PART_DEFAULTS, &text), 0);
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		if (!strstr(buf_text(&text), defaults[i]))
			fail_msg("\"%s\" is not in\n%s", defaults[i], buf_text(&text));
	assert_int_equal(config_new(&again), 0);
	assert_int_equal(config_apply_text(again, "again", buf_text(&text), text.size, NULL), 0);
	assert_int_equal(config_render(again, CONFIG_PART_DEFAULTS, &second), 0);
	assert_string_equal(buf_text(&second), buf_text(&text));
	buf_done(&second);
	config_free(again);
}

/* The sections together hold every line of the whole. */
static void no_line_is_without_a_section(void **state)
{
	static const char *const names[] = {
		"hostname", "interface", "failover",	 "monitor-interface",
		"route",    "track",	 "crypto",	 "ssl",
		"webvpn",   "ip",	 "group-policy", "tunnel-group",
		"username"};
	struct buf whole = {0};
	size_t n_whole = 0, n_sections = 0;

	(void)state;
	assert_int_equal(config_render(config, CONFIG_PART_DEFAULTS, &whole), 0);
	for (const char *at = buf_text(&whole); (at = strchr(at, '\n')); at++)
		n_whole += at == buf_text(&whole) || at[-1] != '!';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		buf_clear(&text);
		assert_int_equal(
			config_render_section(config, CONFIG_PART_DEFAULTS, names[i], NULL, &text),
			0);
		for (const char *at = buf_text(&text); (at = strchr(at, '\n')); at++)
			n_sections += at == buf_text(&text) || at[-1] != '!';
	}
	assert_int_equal(n_sections, n_whole);
	buf_done(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_section_is_its_lines_and_no_others),
		cmocka_unit_test(an_interface_is_found_by_its_device_and_by_its_name),
		cmocka_unit_test(what_is_no_section_is_refused),
		cmocka_unit_test(all_has_what_is_at_its_default),
		cmocka_unit_test(no_line_is_without_a_section),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
