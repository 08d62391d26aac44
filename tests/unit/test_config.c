/* SPDX-License-Identifier: Apache-2.0 */
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

/* Lines that others refer to. */
#define BASE                                                                                       \
	"failover lan interface fover eth2\n"                                                      \
	"interface eth0\n nameif outside\ninterface eth1\n nameif inside\n"
#define BASE_LINES 5

static const char full[] =
	"hostname gw.example.org\n"
	"!\n"
	"interface eth0\n"
	" nameif outside\n"
	" ip address 198.51.100.10 255.255.255.0 standby 198.51.100.11\n"
	" ipv6 address 2001:db8:100::10/64 standby 2001:db8:100::11\n"
	"!\n"
	"interface eth1\n"
	" shutdown\n"
	" nameif inside\n"
	" ip address 192.0.2.1 255.255.255.0 standby 192.0.2.2\n"
	"!\n"
	"failover\n"
	"failover lan unit primary\n"
	"failover lan interface fover eth2\n"
	"failover key *****\n"
	"failover interface ip fover 203.0.113.1 255.255.255.252 standby 203.0.113.2\n"
	"failover polltime unit msec 10 holdtime msec 30\n"
	"failover interface-policy 2\n"
	"failover replication trustpoint sync\n"
	"no monitor-interface inside\n"
	"!\n"
	"crypto ca trustpoint MANAGEMENT\n"
	"crypto ca trustpoint WEB\n"
	"!\n"
	"ssl server-version tlsv1.3\n"
	"ssl trust-point WEB\n"
	"ssl trust-point WEB outside\n"
	"ssl trust-point WILD domain *.example.org\n"
	"ssl trust-point WILD outside domain vpn.example.org\n"
	"webvpn\n"
	" port 8443\n"
	" enable outside\n"
	"!\n";

static int apply(struct config *config, const char *text, struct config_error *ret_error)
{
	return config_apply_text(config, "test", text, strlen(text), ret_error);
}

static struct config *make(const char *text)
{
	struct config *config = NULL;
	struct config_error error = {0};
	int r;

	assert_int_equal(config_new(&config), 0);
	r = apply(config, text, &error);
	if (r != 0) {
		char message[1024];

		config_error_format(&error, message, sizeof(message));
		config_free(config);
		fail_msg("%s", message);
	}
	return config;
}

static char *render(const struct config *config, enum config_part part)
{
	struct buf text = {0};
	char *copy;

	assert_int_equal(config_render(config, part, &text), 0);
	copy = strdup(buf_text(&text));
	buf_done(&text);
	return copy;
}

static void a_full_configuration_is_rendered_as_it_was_read(void **state)
{
	struct config *config = make(full);
	char *text = render(config, CONFIG_PART_ALL);
	struct why why = {0};

	(void)state;
	assert_string_equal(text, full);
	assert_int_equal(config_check(config, &why), 0);
	assert_int_equal(config->failover.unit, FO_UNIT_PRIMARY);
	assert_int_equal(config->failover.hold_ms, 30);
	assert_int_equal(config->interfaces[0].active6.prefix_length, 64);
	assert_false(config->interfaces[1].is_monitored);
	assert_int_equal(config->webvpn.port, 8443);
	assert_string_equal(config->bindings[2].domain, "*.example.org");
	assert_ptr_equal(config_interface_find(config, "inside"), &config->interfaces[1]);
	assert_null(config_interface_find(config, ""));
	free(text);
	config_free(config);
}

static void the_defaults_are_a_lone_secondary_with_failover_off(void **state)
{
	struct config *config = make("");

	(void)state;
	assert_string_equal(config->hostname, "asafo");
	assert_false(config->failover.is_enabled);
	assert_int_equal(config->failover.unit, FO_UNIT_SECONDARY);
	assert_int_equal(config->failover.poll_ms, 100);
	assert_int_equal(config->failover.hold_ms, 500);
	assert_int_equal(config->failover.replication, CONFIG_REPLICATION_OFF);
	assert_int_equal(config_check(config, NULL), 0);
	config_free(config);
}

struct wrong_line {
	const char *line;
	unsigned column;
	const char *sentence; /* how it begins behind the quoted line; NULL: only the place is
				 checked */
};

static void each_wrong_line_is_named_with_its_column(void **state)
{
	static const struct wrong_line lines[] = {
		{"hostname fw_1", 10, "expected a host name"},
		{"hostname", 9, "incomplete, expected a host name"},
		{"hostname a b", 12, "expected the end of the line"},
		{"failover on", 10, NULL},
		{"failover lan unit third", 19, "expected \"primary\" or \"secondary\""},
		{"failover lan interface inside eth5", 24, "an interface has this name already"},
		{"failover lan interface link eth0", 29, "this device is the interface outside"},
		{"failover lan interface link eth0123456789abcd", 29, "expected a network device"},
		{"failover interface ip other 203.0.113.1 255.255.255.252 standby 203.0.113.2", 23,
		 "the failover link has no such name"},
		{"failover interface ip fover 203.0.113.1 255.255.255.252", 56,
		 "incomplete, expected \"standby\""},
		{"failover interface ip fover 203.0.113.1 255.255.255.252 standby 203.0.113.1", 65,
		 "the standby's address must be another one"},
		{"failover interface ip fover 203.0.113.1 255.255.255.252 standby 203.0.113.5", 65,
		 "expected an address in the same network"},
		{"failover interface ip fover 203.0.113.0 255.255.255.252 standby 203.0.113.1", 29,
		 "this is the network's own address"},
		{"failover interface ip fover fd00::1/64 standby 192.0.2.1", 48,
		 "expected an IPv6 address"},
		{"failover key hex 0011", 18, "expected 32 hexadecimal digits"},
		{"failover key", 13, "incomplete"},
		{"failover polltime 16", 19,
		 "expected \"unit\", \"msec\", \"interface\" or a number from 1 to 15"},
		{"failover polltime msec 1", 24, "expected a number from 2 to 15000"},
		{"failover polltime msec 10 holdtime msec 29", 41,
		 "the holdtime must be at least 3 polltimes, here 30 ms"},
		{"failover polltime unit 15 holdtime 46", 36, NULL},
		{"failover interface-policy 0", 27,
		 "expected a percentage such as 50% or a number from 1 to 250"},
		{"failover replication trustpoint on", 33, NULL},
		{"monitor-interface dmz", 19, "no interface above has this name"},
		{"interface a/b", 11, "expected a network device"},
		{"nameif outside", 1, NULL},
		{"crypto ca trustpoint -x", 22, "expected a name"},
		{"ssl trust-point WEB dmz", 21, "no interface is named dmz"},
		{"ssl trust-point WEB outside domain", 35, "incomplete, expected a domain name"},
		{"ssl trust-point WEB domain 192.0.2.1", 28, "expected a domain name"},
		{"no ssl trust-point WEB", 20, "WEB is not bound"},
		{"ssl server-version sslv3", 20, "expected \"tlsv1.2\" or \"tlsv1.3\""},
		{"no interface eth9", 14, "there is no such interface"},
		{"no crypto ca trustpoint X", 25, "the configuration has no such trustpoint"},
		{"  \t hostname fw_1", 14, "expected a host name"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct config *config = make(BASE);
		struct config_error error = {0};
		char text[512];
		const char *sentence;

		(void)snprintf(text, sizeof(text), "!\n\n%s\n", lines[i].line);
		if (apply(config, text, &error) == 0)
			fail_msg("accepted: %s", lines[i].line);
		sentence = strstr(error.why.text, "\": ");
		if (error.line != 3 || error.column != lines[i].column || !sentence)
			fail_msg("%s: %u:%u: %s", lines[i].line, error.line, error.column,
				 error.why.text);
		if (lines[i].sentence &&
		    strncmp(sentence + 3, lines[i].sentence, strlen(lines[i].sentence)) != 0)
			fail_msg("%s: %s", lines[i].line, error.why.text);
		config_free(config);
	}
}

static void each_wrong_line_below_another_is_named_with_its_column(void **state)
{
	static const struct wrong_line lines[] = {
		{"interface eth3\n ip address 198.51.100.10 255.255.0.255", 27,
		 "expected a netmask such as 255.255.255.0"},
		{"interface eth3\n nameif inside", 9, "the device eth1 has this name already"},
		{"interface eth3\n bogus", 2, "unknown command, expected \"nameif\""},
		{"interface eth3\nbogus", 1, "unknown command, expected \"hostname\""},
		{"interface eth3\n nameif fover", 9, "the failover link has this name"},
		{"interface eth2\n nameif dmz", 9, "the device eth2 carries the failover link"},
		{"interface eth3\n nameif domain", 9, "this word is a keyword"},
		{"interface eth3\n ip address 224.0.0.1 255.255.255.0", 13,
		 "this is a multicast address"},
		{"interface eth3\n ipv6 address fe80::1/64", 15, "this is a link-local address"},
		{"interface eth3\n ipv6 address 2001:db8::1/64 standby 2001:db8:1::2", 38, NULL},
		{"interface eth3\n no nameif dmz", 12, "the interface has another name"},
		{"interface eth3\n shutdwon", 2, NULL},
		{"crypto ca trustpoint T\n scope both", 8, "expected \"unit\" or \"pair\""},
		{"crypto ca trustpoint T\n revocation-check none none", 24,
		 "revocation-check none has nothing"},
		{"crypto ca trustpoint T\n revocation-check ocsp", 19,
		 "expected \"none\" or \"crl\""},
		{"crypto ca trustpoint T\n redundancy maybe", 13, "expected \"yes\" or \"no\""},
		{"webvpn\n enable dmz", 9, "no interface above has this name"},
		{"webvpn\n no enable inside", 12, "webvpn is not enabled there"},
		{"webvpn\n port 0", 7, "expected a number from 1 to 65535"},
		{"webvpn\n port 65536", 7, NULL},
		{"webvpn\n exit\nport 8443", 1, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct config *config = make(BASE);
		struct config_error error = {0};
		unsigned expected = strstr(lines[i].line, "exit") ? 3 : 2;
		const char *sentence;

		if (apply(config, lines[i].line, &error) == 0)
			fail_msg("accepted: %s", lines[i].line);
		sentence = strstr(error.why.text, "\": ");
		if (error.line != expected || error.column != lines[i].column || !sentence ||
		    (lines[i].sentence &&
		     strncmp(sentence + 3, lines[i].sentence, strlen(lines[i].sentence)) != 0))
			fail_msg("%s: %u:%u: %s", lines[i].line, error.line, error.column,
				 error.why.text);
		config_free(config);
	}
}

static void a_message_names_file_line_and_column(void **state)
{
	struct config *config = make("");
	struct config_error error;
	char message[1024];

	(void)state;
	assert_int_equal(
		apply(config, "interface eth0\n ip address 198.51.100.10 255.255.0.255\n", &error),
		ERR_SYNTAX);
	config_error_format(&error, message, sizeof(message));
	assert_string_equal(message, "test:2:27: \"ip address 198.51.100.10 255.255.0.255\": "
				     "expected a netmask such as 255.255.255.0");
	config_free(config);
}

static void every_no_form_returns_to_the_default(void **state)
{
	static const char undo[] =
		"no hostname\nno failover\nno failover lan unit\nno failover key\n"
		"no failover polltime\nno failover interface-policy\n"
		"no failover replication trustpoint\nmonitor-interface inside\n"
		"no crypto ca trustpoint MANAGEMENT\nno crypto ca trustpoint WEB\n"
		"no ssl server-version\nno ssl trust-point WEB\nno ssl trust-point WEB outside\n"
		"no ssl trust-point WILD domain *.EXAMPLE.org\n"
		"no ssl trust-point WILD outside domain vpn.example.org\n"
		"webvpn\nno port\nno enable outside\nno webvpn\n"
		"interface eth0\nno ip address\nno ipv6 address\nno nameif\n"
		"interface eth1\nno shutdown\nno interface eth1\nno interface eth0\n"
		"no failover interface ip fover\nno failover lan interface\n";
	struct config *config = make(full);
	struct config *defaults = make("");
	char *text, *expected;

	(void)state;
	assert_int_equal(apply(config, undo, NULL), 0);
	text = render(config, CONFIG_PART_ALL);
	expected = render(defaults, CONFIG_PART_ALL);
	assert_string_equal(text, expected);
	free(text);
	free(expected);
	config_free(config);
	config_free(defaults);
}

static void a_polltime_alone_means_a_holdtime_of_five(void **state)
{
	static const struct {
		const char *line;
		uint32_t poll, hold;
	} cases[] = {
		{"failover polltime 1", 1000, 5000},
		{"failover polltime unit msec 2", 2, 10},
		{"failover polltime 15", 15000, 45000},
		{"failover polltime msec 200 holdtime 1", 200, 1000},
		{"failover polltime unit 1 holdtime 15", 1000, 15000},
		{"failover polltime msec 2 holdtime msec 6", 2, 6},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *config = make(cases[i].line);

		assert_int_equal(config->failover.poll_ms, cases[i].poll);
		assert_int_equal(config->failover.hold_ms, cases[i].hold);
		config_free(config);
	}
}

static void a_key_is_read_and_never_rendered(void **state)
{
	struct config *config = make("failover key sesame-open\n");
	char *text = render(config, CONFIG_PART_ALL);

	(void)state;
	assert_string_equal(config->failover.new_key, "sesame-open");
	assert_false(config->failover.is_new_key_hex);
	assert_false(config->failover.has_key);
	assert_null(strstr(text, "sesame"));
	assert_non_null(strstr(text, "failover key *****\n"));
	free(text);
	assert_int_equal(apply(config, "failover key hex 00112233445566778899aabbccddeeff", NULL),
			 0);
	assert_true(config->failover.is_new_key_hex);
	assert_int_equal(apply(config, "no failover key", NULL), 0);
	assert_int_equal(config->failover.new_key[0], 0);
	assert_int_equal(apply(config, "failover key *****", NULL), 0);
	assert_true(config->failover.has_key);
	assert_int_equal(config->failover.new_key[0], 0);
	config_free(config);
}

static void a_new_nameif_is_taken_over_wherever_the_old_one_was_used(void **state)
{
	struct config *config = make(full);

	(void)state;
	assert_int_equal(apply(config, "interface eth0\n nameif internet\n", NULL), 0);
	assert_string_equal(config->bindings[1].interface, "internet");
	assert_string_equal(config->webvpn.enabled_on[0], "internet");
	assert_int_equal(config_check(config, NULL), 0);
	assert_int_equal(apply(config, "interface eth0\n no nameif\n", NULL), 0);
	assert_int_equal(config->n_bindings, 2);
	assert_int_equal(config->webvpn.n_enabled, 0);
	assert_int_equal(config_check(config, NULL), 0);
	config_free(config);
}

static void a_place_has_room_for_keys_of_several_kinds(void **state)
{
	struct config *config = make(full);
	struct why why;
	char name[8];

	(void)state;
	assert_int_equal(config_bind(config, "NEW", "outside", "", &why), 0);
	assert_int_equal(config->n_bindings, 5);
	assert_string_equal(config->bindings[4].trustpoint, "NEW");
	/* The same again is no news; one that another went past is the last one again. */
	assert_int_equal(config_bind(config, "NEW", "outside", "", &why), 0);
	assert_int_equal(config->n_bindings, 5);
	assert_int_equal(config_bind(config, "MORE", "outside", "", &why), 0);
	assert_int_equal(config_bind(config, "NEW", "outside", "", &why), 0);
	assert_int_equal(config->n_bindings, 6);
	assert_string_equal(config->bindings[5].trustpoint, "NEW");
	assert_int_equal(config_check(config, NULL), 0);
	assert_int_equal(config_unbind(config, "OLD", "outside", NULL, &why), ERR_NOT_FOUND);
	assert_string_equal(why.text, "OLD is not bound to outside");
	assert_int_equal(config_unbind(config, "NEW", "outside", NULL, &why), 0);
	assert_int_equal(config_unbind(config, "MORE", "outside", NULL, &why), 0);
	assert_int_equal(config->n_bindings, 4);
	for (int i = 1; i < CONFIG_PLACE_MAX; i++) {
		(void)snprintf(name, sizeof(name), "T%d", i);
		assert_int_equal(config_bind(config, name, "outside", "", &why), 0);
	}
	assert_int_equal(config_bind(config, "TOO", "outside", "", &why), ERR_TOO_LARGE);
	assert_int_equal(config_bind(config, "A\nfailover", "", "", &why), ERR_SYNTAX);
	assert_int_equal(config_bind(config, "A", "dmz", "", &why), ERR_NOT_FOUND);
	assert_int_equal(config_bind(config, NULL, "", "", &why), ERR_SYNTAX);
	config_free(config);
}

static void a_line_that_the_mode_does_not_know_ends_the_mode(void **state)
{
	struct config *config = make("interface eth0\n nameif outside\nhostname fw\n"
				     "interface eth0\n no failover\nwebvpn\nenable outside\n"
				     "crypto ca trustpoint A\nscope pair\nno scope\n"
				     "ssl trust-point A\n");

	(void)state;
	assert_string_equal(config->hostname, "fw");
	assert_int_equal(config->webvpn.n_enabled, 1);
	assert_int_equal(config->n_trustpoints, 1);
	config_free(config);
}

static void comments_blank_lines_and_dos_line_ends_are_accepted(void **state)
{
	struct config *config = make(
		": Saved\r\n\r\n  ! comment \xc3\xa4\r\nhostname fw\r\n\t\r\nfailover key a!b");

	(void)state;
	assert_string_equal(config->hostname, "fw");
	assert_string_equal(config->failover.new_key, "a!b");
	config_free(config);
}

static void a_name_is_not_taken_for_a_device(void **state)
{
	static const char typed[] = "interface outside\n no shutdown\n";
	struct config *config = make("interface eth0\n nameif outside\n");
	struct config_error error = {0};

	(void)state;
	assert_int_equal(config_apply_typed(config, "test", typed, strlen(typed), &error),
			 ERR_EXISTS);
	assert_non_null(strstr(error.why.text, "outside is the name of interface eth0"));
	assert_int_equal(apply(config, "interface eth0\n fqdn vpn.example.net\n", &error), 0);
	/* What is stored is as it is: a device may bear that name. */
	assert_int_equal(apply(config, typed, &error), 0);
	config_free(config);
}

static void limits_and_control_characters_are_refused_with_their_position(void **state)
{
	struct config *config = make("");
	struct config_error error;
	char *large = malloc(CONFIG_TEXT_MAX + 1);
	char line[CONFIG_LINE_MAX + 2];

	(void)state;
	assert_int_equal(config_apply_text(config, "x", "hostname a\nhost\0name b", 22, &error),
			 ERR_SYNTAX);
	assert_int_equal(error.line, 2);
	assert_int_equal(error.column, 5);
	assert_int_equal(apply(config, "hostname a\033[2J\n", &error), ERR_SYNTAX);
	assert_int_equal(error.column, 11);
	assert_int_equal(apply(config, "hostname a\rb\n", &error), ERR_SYNTAX);
	memset(line, '!', sizeof(line));
	assert_int_equal(config_apply_text(config, "x", line, CONFIG_LINE_MAX, &error), 0);
	assert_int_equal(config_apply_text(config, "x", line, CONFIG_LINE_MAX + 1, &error),
			 ERR_TOO_LARGE);
	assert_int_equal(error.column, CONFIG_LINE_MAX + 1);
	assert_non_null(large);
	memset(large, '\n', CONFIG_TEXT_MAX + 1);
	assert_int_equal(config_apply_text(config, "x", large, CONFIG_TEXT_MAX, &error), 0);
	assert_int_equal(config_apply_text(config, "x", large, CONFIG_TEXT_MAX + 1, &error),
			 ERR_TOO_LARGE);
	free(large);
	config_free(config);
}

static void a_merge_takes_the_pairs_lines_and_keeps_the_units_own(void **state)
{
	struct config *active = make(full);
	struct config *local = make("hostname old\nfailover lan unit secondary\n"
				    "failover lan interface fo ens9\nfailover key local-secret\n"
				    "failover interface ip fo 203.0.113.1 255.255.255.252 standby "
				    "203.0.113.2\nno failover\ncrypto ca trustpoint GONE\n");
	struct config *merged = NULL;
	char *text = render(active, CONFIG_PART_REPLICATED), *again;

	(void)state;
	assert_null(strstr(text, "failover lan"));
	assert_null(strstr(text, "failover key"));
	assert_int_equal(config_merge_replicated(local, text, strlen(text), &merged, NULL), 0);
	assert_string_equal(merged->hostname, "gw.example.org");
	assert_int_equal(merged->failover.unit, FO_UNIT_SECONDARY);
	assert_string_equal(merged->failover.links[0].device, "ens9");
	assert_string_equal(merged->failover.new_key, "local-secret");
	assert_int_equal(merged->failover.hold_ms, 30);
	assert_int_equal(merged->n_trustpoints, 2);
	again = render(merged, CONFIG_PART_REPLICATED);
	assert_string_equal(again, text);
	config_free(merged);
	/* A whole configuration of the mate's changes nothing of what is the unit's own. */
	assert_int_equal(config_merge_replicated(local, full, strlen(full), &merged, NULL), 0);
	assert_int_equal(merged->failover.unit, FO_UNIT_SECONDARY);
	assert_false(merged->failover.is_enabled);
	config_free(merged);
	free(text);
	free(again);
	config_free(active);
	config_free(local);
}

static void the_whole_is_checked(void **state)
{
	static const struct {
		const char *text;
		const char *sentence;
	} cases[] = {
		{"failover\n", "there is no failover link"},
		{"failover\nfailover lan interface fo eth9\n", "its link has no addresses"},
		{"interface a\nip address 192.0.2.1 255.255.255.0\n"
		 "interface b\nip address 192.0.2.130 255.255.255.128\n",
		 "overlaps"},
		{"failover lan interface fo a\nfailover interface ip fo 192.0.2.1 255.255.255.0 "
		 "standby "
		 "192.0.2.2\ninterface b\nip address 192.0.2.9 255.255.255.0\n",
		 "overlaps with the failover link"},
		{"failover lan interface fo a\ninterface a\nip address 192.0.2.9 255.255.255.0\n",
		 "carries the failover link"},
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

static void a_snapshot_that_was_changed_otherwise_is_checked_too(void **state)
{
	struct config *config = make(full);

	(void)state;
	config->failover.hold_ms = 29;
	assert_int_equal(config_check(config, NULL), ERR_SYNTAX);
	config->failover.hold_ms = 30;
	memset(config->bindings[0].trustpoint, 'a', sizeof(config->bindings[0].trustpoint));
	assert_int_equal(config_check(config, NULL), ERR_SYNTAX);
	memcpy(config->bindings[0].trustpoint, "A B", 4);
	assert_int_equal(config_check(config, NULL), ERR_SYNTAX);
	memcpy(config->bindings[0].trustpoint, "A", 2);
	assert_int_equal(config_check(config, NULL), 0);
	config_free(config);
}

static void tables_that_are_full_say_so(void **state)
{
	struct config *config = make("");
	struct config_error error;
	char line[64];
	int r = 0;

	(void)state;
	for (int i = 0; i <= CONFIG_TRUSTPOINTS_MAX; i++) {
		(void)snprintf(line, sizeof(line), "crypto ca trustpoint T%d", i);
		r = apply(config, line, &error);
		assert_int_equal(r, i < CONFIG_TRUSTPOINTS_MAX ? 0 : ERR_TOO_LARGE);
	}
	for (int i = 0; i <= CONFIG_INTERFACES_MAX; i++) {
		(void)snprintf(line, sizeof(line), "interface eth%d", i);
		r = apply(config, line, &error);
		assert_int_equal(r, i < CONFIG_INTERFACES_MAX ? 0 : ERR_TOO_LARGE);
	}
	for (int i = 0; i <= CONFIG_BINDINGS_MAX; i++) {
		(void)snprintf(line, sizeof(line), "ssl trust-point T domain d%d.example.org", i);
		r = apply(config, line, &error);
		assert_int_equal(r, i < CONFIG_BINDINGS_MAX ? 0 : ERR_TOO_LARGE);
	}
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_configuration_is_rendered_as_it_was_read),
		cmocka_unit_test(the_defaults_are_a_lone_secondary_with_failover_off),
		cmocka_unit_test(each_wrong_line_is_named_with_its_column),
		cmocka_unit_test(each_wrong_line_below_another_is_named_with_its_column),
		cmocka_unit_test(a_message_names_file_line_and_column),
		cmocka_unit_test(every_no_form_returns_to_the_default),
		cmocka_unit_test(a_polltime_alone_means_a_holdtime_of_five),
		cmocka_unit_test(a_key_is_read_and_never_rendered),
		cmocka_unit_test(a_new_nameif_is_taken_over_wherever_the_old_one_was_used),
		cmocka_unit_test(a_place_has_room_for_keys_of_several_kinds),
		cmocka_unit_test(a_line_that_the_mode_does_not_know_ends_the_mode),
		cmocka_unit_test(comments_blank_lines_and_dos_line_ends_are_accepted),
		cmocka_unit_test(a_name_is_not_taken_for_a_device),
		cmocka_unit_test(limits_and_control_characters_are_refused_with_their_position),
		cmocka_unit_test(a_merge_takes_the_pairs_lines_and_keeps_the_units_own),
		cmocka_unit_test(the_whole_is_checked),
		cmocka_unit_test(a_snapshot_that_was_changed_otherwise_is_checked_too),
		cmocka_unit_test(tables_that_are_full_say_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
