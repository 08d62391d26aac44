/* SPDX-License-Identifier: Apache-2.0 */
/* What a unit of an older version is told of the configuration. */
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
#include "config/grammar.h"

#define ROW(mode_, syntax_)                                                                        \
	{                                                                                          \
		.syntax = syntax_, .mode = COMMAND_MODE_##mode_, .help = "x"                       \
	}

/* The replicated lines that version 1 of the failover link's protocol came with, as they were. */
static const struct command_row version1[] = {
	ROW(CONFIG, "hostname <hostname:host>"),
	ROW(CONFIG, "no hostname [<hostname:host>]"),
	ROW(CONFIG, "interface <device>"),
	ROW(CONFIG, "no interface <device>"),
	ROW(INTERFACE, "nameif <name>"),
	ROW(INTERFACE, "no nameif [<name>]"),
	ROW(INTERFACE, "ip address <address:ipv4> <mask> [standby <standby:ipv4>]"),
	ROW(INTERFACE, "no ip address [<address:ipv4> <mask> [standby <standby:ipv4>]]"),
	ROW(INTERFACE, "ipv6 address <address:ipv6prefix> [standby <standby:ipv6>]"),
	ROW(INTERFACE, "no ipv6 address [<address:ipv6prefix> [standby <standby:ipv6>]]"),
	ROW(INTERFACE, "[no] shutdown"),
	ROW(INTERFACE, "exit"),
	ROW(CONFIG,
	    "failover polltime [unit] {msec <poll-ms:number(2,15000)>|<poll-s:number(1,15)>}"
	    " [holdtime {msec <hold-ms:number(6,45000)>|<hold-s:number(1,45)>}]"),
	ROW(CONFIG,
	    "no failover polltime [unit] [{msec <poll-ms:number(2,15000)>|<poll-s:number(1,15)>}]"
	    " [holdtime {msec <hold-ms:number(6,45000)>|<hold-s:number(1,45)>}]"),
	ROW(CONFIG, "failover interface-policy <count:number(1,250)>"),
	ROW(CONFIG, "no failover interface-policy [<count:number(1,250)>]"),
	ROW(CONFIG, "failover replication trustpoint <mode:{off|async|sync}>"),
	ROW(CONFIG, "no failover replication trustpoint [<mode:{off|async|sync}>]"),
	ROW(CONFIG, "[no] monitor-interface <name>"),
	ROW(CONFIG, "crypto ca trustpoint <name>"),
	ROW(CONFIG, "no crypto ca trustpoint <name>"),
	ROW(TRUSTPOINT, "scope <scope:{unit|pair}>"),
	ROW(TRUSTPOINT, "no scope [<scope:{unit|pair}>]"),
	ROW(TRUSTPOINT, "exit"),
	ROW(CONFIG, "[no] ssl trust-point <trustpoint:name> [<interface:name>]"
		    " [domain <domain:fqdn>]"),
	ROW(CONFIG, "ssl server-version <version:{tlsv1.2|tlsv1.3}>"),
	ROW(CONFIG, "no ssl server-version [<version:{tlsv1.2|tlsv1.3}>]"),
	ROW(CONFIG, "webvpn"),
	ROW(CONFIG, "no webvpn"),
	ROW(WEBVPN, "[no] enable <interface:name>"),
	ROW(WEBVPN, "port <port:number(1,65535)>"),
	ROW(WEBVPN, "no port [<port:number(1,65535)>]"),
	ROW(WEBVPN, "exit"),
};

#define BASE                                                                                       \
	"hostname gw\n"                                                                            \
	"interface eth0\n nameif outside\n ip address 198.51.100.10 255.255.255.0"                 \
	" standby 198.51.100.11\n ipv6 address 2001:db8::10/64 standby 2001:db8::11\n"             \
	"interface eth1\n nameif inside\n ip address 192.0.2.1 255.255.255.0 standby 192.0.2.2\n"  \
	"interface eth3\n shutdown\n"                                                              \
	"failover lan interface fover eth2\n"                                                      \
	"failover interface ip fover 203.0.113.1 255.255.255.252 standby 203.0.113.2\n"            \
	"failover polltime msec 50 holdtime msec 250\nfailover replication trustpoint sync\n"      \
	"no monitor-interface inside\ncrypto ca trustpoint VPN\nssl server-version tlsv1.3\n"      \
	"ssl trust-point VPN outside domain vpn.example.net\n"                                     \
	"webvpn\n port 8443\n enable outside\n"

/* A line of each kind that came later. One that is missing here fails a test below. */
#define NEWER                                                                                      \
	"interface eth0\n ip address 198.51.100.30 255.255.255.0 secondary\n"                      \
	" ipv6 address 2001:db8::30/64 secondary\n"                                                \
	" fqdn vpn.example.net standby gw2.example.net\n"                                          \
	"failover polltime interface msec 100 holdtime msec 500\n"                                 \
	"failover interface-policy 50%\n"                                                          \
	"crypto ca trustpoint VPN\n redundancy no\n scope unit\n validation-usage "                \
	"ssl-client\n ocsp url http://192.0.2.9/ocsp\n ocsp fetch\n revocation-check crl\ncrypto " \
	"ca alerts expiration "                                                                    \
	"begin 30 repeat 2\ncrypto ca permit-weak-crypto\n"                                        \
	"failover preempt delay 30\n"                                                              \
	"no failover standby config-lock\n"                                                        \
	"failover mac address eth1 0200.0000.0001 0200.0000.0002\n"                                \
	"route outside 10.0.0.0 255.0.0.0 198.51.100.1 active\n"                                   \
	"ipv6 route outside 2001:db8:9::/48 2001:db8::1\n"                                         \
	"track 1 interface inside line-protocol\n"                                                 \
	"track 2 ping 192.0.2.9 interface inside\n"                                                \
	"track 3 tcp 192.0.2.9 443\n"                                                              \
	"track 4 script probe\n"                                                                   \
	"failover track 1 decrement 20\n"                                                          \
	"ssl cipher tlsv1.2 custom \"ECDHE-RSA-AES256-GCM-SHA384\"\nssl cipher tlsv1.3 high\n"     \
	"ssl trust-point EC outside domain vpn.example.net\n"                                      \
	"webvpn\n anyconnect enable\n"                                                             \
	"ip local pool P4 10.9.0.10-10.9.0.20 mask 255.255.255.0\n"                                \
	"ipv6 local pool P6 fd00:9::10/64 20\n"                                                    \
	"group-policy GP internal\ngroup-policy GP attributes\n"                                   \
	" dns-server value 192.0.2.53 2001:db8::53\n default-domain value example.net\n"           \
	" banner value Be kind to each other\n split-tunnel-policy tunnelspecified\n"              \
	" split-tunnel-network-list value 10.0.0.0/8\n address-pools value P4\n"                   \
	" ipv6-address-pools value P6\n vpn-idle-timeout none\n vpn-session-timeout 600\n"         \
	" vpn-simultaneous-logins 1\n anyconnect ssl dtls none\n group-lock none\n"                \
	"tunnel-group TG type remote-access\ntunnel-group TG general-attributes\n"                 \
	" address-pool P4\n ipv6-address-pool P6\n"                                                \
	" authentication-server-group PAM LOCAL\n pam-service vpn\n"                               \
	" default-group-policy GP\n username-from-certificate UPN CN\n"                            \
	"tunnel-group TG webvpn-attributes\n group-alias staff enable\n"                           \
	" authentication aaa certificate\n"                                                        \
	"username ada password $y$j9T$abcdefghijklmnopqrstuv$0123456789\n"                         \
	"username ada attributes\n vpn-group-policy GP\n group-lock value TG\n"                    \
	" totp $t1$abcdefghijklmnopqrstuvabcdefghijklmnopqrstuvabcdefghijkl\n"

static struct config *make(const char *text)
{
	struct config *config = NULL;
	struct config_error error = {0};

	assert_int_equal(config_new(&config), 0);
	if (config_apply_text(config, "test", text, strlen(text), &error) != 0)
		fail_msg("%u:%u: %s", error.line, error.column, error.why.text);
	return config;
}

static struct grammar *compile(const struct command_row *rows, size_t n_rows)
{
	struct grammar *grammar = NULL;
	struct why why;

	if (grammar_new(rows, n_rows, &grammar, &why) < 0)
		fail_msg("%s", why.text);
	return grammar;
}

/* The row that takes LINE in MODE or, where that does not, in the mode of the whole. */
static const struct command_row *match(const struct grammar *grammar, const char *text, size_t size,
				       enum command_mode mode)
{
	struct line line = {0};
	struct grammar_match found;
	const struct command_row *row = NULL;
	unsigned column;
	struct why why;

	assert_int_equal(line_split(text, size, LINE_STYLE_CONFIG, &line, &column, &why), 0);
	if (grammar_match(grammar, mode, &line, &found, NULL) == 0)
		row = found.row;
	line_done(&line);
	return row;
}

static enum command_mode mode_of(const char *line)
{
	if (strncmp(line, "interface ", 10) == 0)
		return COMMAND_MODE_INTERFACE;
	if (strncmp(line, "group-policy ", 13) == 0)
		return COMMAND_MODE_GROUP_POLICY;
	if (strncmp(line, "username ", 9) == 0)
		return COMMAND_MODE_USER;
	if (strncmp(line, "tunnel-group ", 13) == 0)
		return strstr(line, "webvpn") ? COMMAND_MODE_TUNNEL_WEBVPN
					      : COMMAND_MODE_TUNNEL_GENERAL;
	return strncmp(line, "webvpn", 6) == 0 ? COMMAND_MODE_WEBVPN : COMMAND_MODE_TRUSTPOINT;
}

/* Marks in IS_SEEN (or NULL) the rows that took a line; false: a line was taken by none. */
static bool takes_all(const struct grammar *grammar, const struct command_row *rows,
		      struct buf *text, bool *is_seen)
{
	enum command_mode mode = COMMAND_MODE_CONFIG;
	char *at = (char *)(uintptr_t)buf_text(text), *save = NULL;

	for (char *line = strtok_r(at, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const struct command_row *row;

		if (line[0] == '!')
			continue;
		if (line[0] != ' ')
			mode = mode_of(line);
		row = match(grammar, line, strlen(line),
			    line[0] == ' ' ? mode : COMMAND_MODE_CONFIG);
		if (!row) {
			print_error("no row takes \"%s\"\n", line);
			return false;
		}
		if (is_seen)
			is_seen[row - rows] = true;
	}
	return true;
}

static void an_older_unit_is_sent_what_it_understands(void **state)
{
	struct config *config = make(BASE NEWER), *base = make(BASE);
	struct grammar *grammar = compile(version1, ARRAY_SIZE(version1));
	struct buf text = {0}, plain = {0}, whole = {0};

	(void)state;
	assert_int_equal(config_render_for(config, 1, &text), 0);
	assert_int_equal(config_render(base, CONFIG_PART_REPLICATED, &plain), 0);
	assert_string_equal(buf_text(&text), buf_text(&plain));
	assert_true(takes_all(grammar, version1, &text, NULL));
	/* Not because the grammar takes anything. */
	assert_int_equal(config_render_for(config, CONFIG_VERSION, &whole), 0);
	assert_null(match(grammar, "failover preempt delay 30", 25, COMMAND_MODE_CONFIG));
	assert_non_null(strstr(buf_text(&whole), "failover preempt delay 30\n"));
	grammar_free(grammar);
	buf_done(&text);
	buf_done(&plain);
	buf_done(&whole);
	config_free(config);
	config_free(base);
}

static bool is_in_version1(const struct command_row *row)
{
	for (size_t i = 0; i < ARRAY_SIZE(version1); i++)
		if (version1[i].mode == row->mode && strcmp(version1[i].syntax, row->syntax) == 0)
			return true;
	return false;
}

/* `no ...` returns to a default, which is no line, but for those that are a pattern of their own;
 * so does a default that is typed. */
static bool is_undoing(const struct command_row *row)
{
	return strncmp(row->syntax, "no ", 3) == 0 ||
	       strcmp(row->syntax, "authentication-server-group LOCAL") == 0;
}

/* Whoever adds a replicated line adds it to NEWER above, and so to src/config/older.c. */
static void every_line_that_came_later_is_kept_back(void **state)
{
	size_t n_rows, n_newer = 0;
	const struct command_row *rows = command_table(&n_rows);
	struct grammar *grammar = compile(rows, n_rows);
	bool *is_seen = calloc(n_rows, sizeof(*is_seen));
	struct config *config = make(BASE NEWER);
	struct buf text = {0};

	(void)state;
	assert_non_null(is_seen);
	assert_int_equal(config_render(config, CONFIG_PART_REPLICATED, &text), 0);
	assert_true(takes_all(grammar, rows, &text, is_seen));
	for (size_t i = 0; i < n_rows; i++) {
		if (rows[i].class != COMMAND_CLASS_REPLICATED || is_in_version1(&rows[i]) ||
		    is_undoing(&rows[i]) || rows[i].id == COMMAND_MODE_EXIT)
			continue;
		n_newer++;
		if (!is_seen[i])
			fail_msg("no line of \"%s\" in this test", rows[i].syntax);
	}
	assert_true(n_newer >= 12);
	free(is_seen);
	grammar_free(grammar);
	buf_done(&text);
	config_free(config);
}

static void what_is_kept_back_is_named_line_by_line(void **state)
{
	struct config *config = make(BASE NEWER), *base = make(BASE);
	struct buf lines = {0};

	(void)state;
	assert_int_equal(config_newer_lines(config, 1, &lines), 0);
	assert_string_equal(buf_text(&lines),
			    "interface eth0: ip address 198.51.100.30 255.255.255.0 secondary\n"
			    "interface eth0: ipv6 address 2001:db8::30/64 secondary\n"
			    "interface eth0: fqdn vpn.example.net standby gw2.example.net\n"
			    "failover polltime interface msec 100 holdtime msec 500\n"
			    "failover interface-policy 50%\n"
			    "failover preempt delay 30\n"
			    "no failover standby config-lock\n"
			    "failover mac address eth1 0200.0000.0001 0200.0000.0002\n"
			    "route outside 10.0.0.0 255.0.0.0 198.51.100.1 active\n"
			    "ipv6 route outside 2001:db8:9::/48 2001:db8::1\n"
			    "track 1 interface inside line-protocol\n"
			    "failover track 1 decrement 20\n"
			    "track 2 ping 192.0.2.9 interface inside\n"
			    "track 3 tcp 192.0.2.9 443\n"
			    "track 4 script probe\n"
			    "crypto ca trustpoint VPN: scope unit\n"
			    "crypto ca trustpoint VPN: redundancy no\n"
			    "crypto ca trustpoint VPN: validation-usage ssl-client\n"
			    "crypto ca trustpoint VPN: revocation-check crl\n"
			    "crypto ca trustpoint VPN: ocsp url http://192.0.2.9/ocsp\n"
			    "crypto ca trustpoint VPN: ocsp fetch\n"
			    "crypto ca alerts expiration begin 30 repeat 2\n"
			    "crypto ca permit-weak-crypto\n"
			    "ssl cipher tlsv1.2 custom \"ECDHE-RSA-AES256-GCM-SHA384\"\n"
			    "ssl cipher tlsv1.3 high\n"
			    "ssl trust-point EC outside domain vpn.example.net\n"
			    "webvpn: anyconnect enable\n"
			    "ip local pool P4 10.9.0.10-10.9.0.20 mask 255.255.255.0\n"
			    "ipv6 local pool P6 fd00:9::10/64 20\n"
			    "group-policy GP internal\n"
			    "group-policy GP attributes\n"
			    "group-policy GP attributes: dns-server value 192.0.2.53 2001:db8::53\n"
			    "group-policy GP attributes: default-domain value example.net\n"
			    "group-policy GP attributes: banner value Be kind to each other\n"
			    "group-policy GP attributes: split-tunnel-policy tunnelspecified\n"
			    "group-policy GP attributes: split-tunnel-network-list value "
			    "10.0.0.0/8\n"
			    "group-policy GP attributes: address-pools value P4\n"
			    "group-policy GP attributes: ipv6-address-pools value P6\n"
			    "group-policy GP attributes: vpn-idle-timeout none\n"
			    "group-policy GP attributes: vpn-session-timeout 600\n"
			    "group-policy GP attributes: vpn-simultaneous-logins 1\n"
			    "group-policy GP attributes: anyconnect ssl dtls none\n"
			    "group-policy GP attributes: group-lock none\n"
			    "tunnel-group TG type remote-access\n"
			    "tunnel-group TG general-attributes\n"
			    "tunnel-group TG general-attributes: address-pool P4\n"
			    "tunnel-group TG general-attributes: ipv6-address-pool P6\n"
			    "tunnel-group TG general-attributes: authentication-server-group PAM "
			    "LOCAL\n"
			    "tunnel-group TG general-attributes: pam-service vpn\n"
			    "tunnel-group TG general-attributes: default-group-policy GP\n"
			    "tunnel-group TG general-attributes: username-from-certificate "
			    "UPN CN\n"
			    "tunnel-group TG webvpn-attributes\n"
			    "tunnel-group TG webvpn-attributes: group-alias staff enable\n"
			    "tunnel-group TG webvpn-attributes: authentication aaa certificate\n"
			    "username ada password "
			    "$y$j9T$abcdefghijklmnopqrstuv$0123456789\n"
			    "username ada attributes\n"
			    "username ada attributes: vpn-group-policy GP\n"
			    "username ada attributes: group-lock value TG\n"
			    "username ada attributes: totp $t1$abcdefghijklmnopqrstuvabcdefghi"
			    "jklmnopqrstuvabcdefghijkl\n");
	buf_clear(&lines);
	assert_int_equal(config_newer_lines(config, CONFIG_VERSION, &lines), 0);
	assert_int_equal(lines.size, 0);
	/* Lines at their defaults are no lines. */
	assert_int_equal(config_newer_lines(base, 1, &lines), 0);
	assert_int_equal(lines.size, 0);
	buf_done(&lines);
	config_free(config);
	config_free(base);
}

/* What LOCAL has after it took the lines of an active of version 1. */
static struct config *merge(const struct config *local, const char *text)
{
	struct config *merged = NULL;
	struct config_error error;
	struct why why;

	if (config_merge_replicated(local, text, strlen(text), &merged, &error) < 0)
		fail_msg("%s", error.why.text);
	config_keep_newer(merged, local, 1);
	if (config_check(merged, &why) < 0)
		fail_msg("%s", why.text);
	return merged;
}

static void an_older_active_does_not_undo_what_it_cannot_say(void **state)
{
	struct config *local = make(BASE NEWER), *merged;
	struct buf sent = {0}, before = {0}, after = {0};

	(void)state;
	assert_int_equal(config_render_for(local, 1, &sent), 0);
	merged = merge(local, buf_text(&sent));
	assert_int_equal(config_render(local, CONFIG_PART_ALL, &before), 0);
	assert_int_equal(config_render(merged, CONFIG_PART_ALL, &after), 0);
	assert_string_equal(buf_text(&after), buf_text(&before));
	config_free(merged);
	/* What it does say counts. */
	merged = merge(local, "interface eth0\n nameif outside\n ip address 198.51.100.10 "
			      "255.255.255.0\nfailover interface-policy 2\n");
	assert_int_equal(merged->failover.interface_policy, 2);
	assert_int_equal(merged->failover.interface_policy_percent, 0);
	/* Lines about an interface that is gone go with it. */
	assert_int_equal(merged->n_tracks, 2);
	assert_int_equal(merged->tracks[0].number, 3);
	assert_int_equal(merged->n_secondaries, 2);
	config_free(merged);
	config_free(local);
	buf_done(&sent);
	buf_done(&before);
	buf_done(&after);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_older_unit_is_sent_what_it_understands),
		cmocka_unit_test(every_line_that_came_later_is_kept_back),
		cmocka_unit_test(what_is_kept_back_is_named_line_by_line),
		cmocka_unit_test(an_older_active_does_not_undo_what_it_cannot_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
