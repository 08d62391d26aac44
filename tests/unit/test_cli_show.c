/* SPDX-License-Identifier: Apache-2.0 */
/* The screens of `show`, from what a daemon may answer: a unit alone, a fresh one, failover off,
 * long names, a narrow terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli_world.h"
#include "tools/cli/diff.h"
#include "tools/cli/progress.h"
#include "tools/cli/verb.h"

typedef int (*render_fn)(const struct screen *screen, struct json_object *result);

static char output[65536];

static const char *shown_at(render_fn render, struct json_object *result, unsigned width,
			    bool has_colour)
{
	struct screen screen = {.is_terminal = width > 0,
				.has_colour = has_colour,
				.width = width,
				.now = CLI_NOW,
				.err = stderr};

	memset(output, 0, sizeof(output));
	screen.out = fmemopen(output, sizeof(output) - 1, "w");
	assert_non_null(screen.out);
	assert_int_equal(render(&screen, result), 0);
	assert_int_equal(fclose(screen.out), 0);
	return output;
}

/* On a pipe. */
static const char *shown(render_fn render, const char *text)
{
	struct json_object *result = json_tokener_parse(text);

	assert_non_null(result);
	(void)shown_at(render, result, 0, false);
	json_object_put(result);
	return output;
}

static struct json_object *canned(const char *name)
{
	char path[256];
	struct json_object *result;

	(void)snprintf(path, sizeof(path), "%s/tests/unit/cli.in/%s", TEST_SOURCE_DIR, name);
	result = json_object_from_file(path);
	assert_non_null(result);
	return result;
}

static void contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void redundancy_state_is_what_ios_prints(void **state)
{
	(void)state;
	assert_string_equal(
		shown(render_redundancy,
		      "{\"my_state\":{\"number\":13,\"name\":\"ACTIVE\"},\"peer_state\":{"
		      "\"number\":8,\"name\":\"STANDBY HOT\"},\"mode\":\"Duplex\",\"unit_id\":0,"
		      "\"maintenance\":false,\"manual_switchover\":\"enabled\",\"communications\":"
		      "true,\"clients\":3,\"notification_timer_ms\":30000}"),
		"my state = 13 -ACTIVE\npeer state = 8 -STANDBY HOT\nMode = Duplex\nUnit ID = 0\n"
		"Maintenance Mode = Disabled\nManual Swact = enabled\nCommunications = Up\n"
		"client count = 3\nclient_notification_TMR = 30000 milliseconds\n"
		"RF debug mask = 0x0\n");
	contains(shown(render_redundancy,
		       "{\"my_state\":{\"number\":13,\"name\":\"ACTIVE\"},\"peer_state\":{"
		       "\"number\":1,\"name\":\"DISABLED\"},\"mode\":\"Simplex\",\"unit_id\":0,"
		       "\"manual_switchover\":\"disabled (system is simplex (no peer unit))\","
		       "\"communications\":false,\"communications_reason\":\"Simplex mode\"}"),
		 "peer state = 1 -DISABLED\nMode = Simplex\nUnit ID = 0\nMaintenance Mode = "
		 "Disabled\nManual Swact = disabled (system is simplex (no peer "
		 "unit))\nCommunications = Down      Reason: Simplex mode\n");
}

static void the_failover_links_are_shown_with_both_addresses(void **state)
{
	(void)state;
	assert_string_equal(
		shown(render_failover_interface,
		      "{\"links\":[{\"name\":\"folink\",\"device\":\"eth2\",\"system_address\":"
		      "\"192.168.2.1\",\"prefix_length\":24,\"address\":\"192.168.2.2\",\"mate_"
		      "address\":\"192.168.2.1\"},{\"name\":\"six\",\"device\":\"eth3\",\"system_"
		      "address\":\"2001:db8::1\",\"prefix_length\":64,\"address\":\"2001:db8::2\","
		      "\"mate_address\":\"2001:db8::1\"},{\"name\":\"bare\",\"device\":\"eth4\"}]"
		      "}"),
		"        interface folink eth2\n"
		"                System IP Address: 192.168.2.1 255.255.255.0\n"
		"                My IP Address    : 192.168.2.2\n"
		"                Other IP Address : 192.168.2.1\n"
		"        interface six eth3\n"
		"                System IP Address: 2001:db8::1/64\n"
		"                My IP Address    : 2001:db8::2\n"
		"                Other IP Address : 2001:db8::1\n"
		"        interface bare eth4\n"
		"                no address is configured\n");
	contains(shown(render_failover_interface, "{\"links\":[]}"), "no failover link");
	contains(
		shown(render_failover_interface,
		      "{\"links\":[],\"paths\":[{\"name\":\"folink\",\"family\":\"ipv4\",\"state\":"
		      "\"up\",\"sent\":9,\"received\":8,\"lost\":1,\"loss_permille\":111,"
		      "\"rtt_median_us\":250,\"last_heard_ms\":40}]}"),
		"11.1 %  250 us  40 ms");
}

static void a_history_has_a_line_for_the_time_and_one_for_the_states(void **state)
{
	(void)state;
	assert_string_equal(
		shown(render_history,
		      "{\"rows\":[{\"at\":1696922074.25,\"unit\":\"primary\",\"from\":\"Active "
		      "Config Applied\",\"to\":\"Active\",\"reason\":\"HELLO not heard from "
		      "mate\"}]}"),
		"==========================================================================\n"
		"From State                 To State                   Reason\n"
		"==========================================================================\n"
		"07:14:34 UTC Oct 10 2023\n"
		"Active Config Applied      Active                     HELLO not heard from mate\n"
		"\n"
		"==========================================================================\n");
}

static void details_say_which_unit_and_why_the_other_is_missing(void **state)
{
	static const char both[] =
		"{\"rows\":[{\"at\":1,\"unit\":\"secondary\",\"from\":\"Negotiation\",\"to\":"
		"\"Cold Standby\",\"reason\":\"Detected an Active mate\"}],\"mate\":{\"answered\":"
		"true,\"why\":\"\",\"clock\":{\"class\":\"same\",\"skew_ms\":3,\"uncertainty_ms\":"
		"0.2}}}";
	static const char alone[] =
		"{\"rows\":[],\"mate\":{\"answered\":false,\"why\":\"the failover link is down\"}}";

	(void)state;
	contains(shown(render_history, both), "1970  Secondary\nNegotiation ");
	contains(output, "Clocks: the same, the other unit's is 3 ms ahead (uncertain by 1 ms)\n");
	contains(shown(render_history, alone),
		 "Only this unit's rows: the failover link is down\n");
}

/* What has never been configured, paired or heard says so, and nothing more. */
static void a_fresh_unit_shows_what_is_missing(void **state)
{
	(void)state;
	shown(render_failover,
	      "{\"enabled\":false,\"unit\":\"secondary\",\"role\":\"none\",\"state\":\"Disabled\","
	      "\"troubles\":[\"no failover key\"],\"version\":\"0.1.0\",\"poll_ms\":100,"
	      "\"hold_ms\":500,\"interface_policy\":1,\"failover_link\":{},\"mate\":{\"heard\":"
	      "false,\"unit\":\"primary\"},\"interfaces\":[],\"paths\":[],\"replication\":{"
	      "\"mode\":"
	      "\"off\",\"state\":\"idle\"}}");
	contains(output, "Failover Off\nFailover unit Secondary\n"
			 "Failover LAN Interface: not Configured\n");
	contains(output, "Monitored Interfaces 0 of 64 maximum\n"
			 "Version: Ours 0.1.0, Mate Unknown\nTrouble: no failover key\n");
	contains(output, "        This host: Secondary - Disabled\n");
	contains(output, "        Other host: Primary - Not Detected\n");
	contains(output, "        Other host: unknown\n");
	assert_null(strstr(output, "Clocks:"));
	assert_null(strstr(output, "HELLO PATH"));
	assert_null(strstr(output, "Last Failover"));
}

/* As `show failover state` has it: who was heard and is not any more has failed. */
static void a_mate_that_fell_silent_is_shown_as_failed(void **state)
{
	(void)state;
	shown(render_failover,
	      "{\"enabled\":true,\"unit\":\"primary\",\"role\":\"active\",\"state\":\"Active\","
	      "\"active_seconds\":7,\"mate\":{\"heard\":false,\"unit\":\"secondary\",\"state\":"
	      "\"Failed\",\"active_seconds\":5},\"interfaces\":[],\"paths\":[]}");
	contains(output, "        Other host: Secondary - Failed\n"
			 "                Active time: 5 (sec)\n");
}

static void an_interface_without_ipv4_is_shown_by_its_ipv6_addresses(void **state)
{
	static const char json[] =
		"{\"mate\":{},\"interfaces\":[{\"name\":\"six\",\"address\":\"\",\"address6\":"
		"\"2001:db8::1\",\"mate_address\":\"\",\"mate_address6\":\"2001:db8::2\","
		"\"status\":\"Normal\",\"mate_status\":\"Normal\"}],\"this\":{},\"other\":{}}";

	(void)state;
	contains(shown(render_failover, json), "Interface six (2001:db8::1): Normal");
	contains(output, "Interface six (2001:db8::2): Normal");
	contains(shown(render_monitor_interface, json), "Interface six (2001:db8::1): Normal");
	contains(output, "Interface six (2001:db8::2): Normal");
}

static void orphans_have_the_term_in_which_they_were_accepted(void **state)
{
	(void)state;
	contains(shown(render_orphans,
		       "{\"orphans\":[{\"name\":\"vpn\",\"term\":7,\"generation\":2,\"subject\":"
		       "\"CN=vpn\",\"not_after\":4102444800,\"fingerprint\":"
		       "\"00112233445566778899\"}],"
		       "\"more\":3}"),
		 "vpn            7    2  CN=vpn   2100-01-01 (");
	contains(output, "\nand 3 more\n");
	contains(shown(render_orphans, "{\"orphans\":[],\"more\":0}"), "No orphans");
}

static void clocks_that_are_the_same_are_neither_ahead_nor_behind(void **state)
{
	static const char json[] =
		"{\"clock\":{\"class\":\"same\",\"skew_ms\":0,\"uncertainty_ms\":"
		"0.2},\"links\":[],\"interfaces\":[]}";
	int (*const renders[])(const struct screen *screen, struct json_object *result) = {
		render_state, render_statistics, render_redundancy, render_monitor_interface,
		render_failover_interface};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(renders); i++)
		contains(shown(renders[i], json), "Clocks: the same (uncertain by 1 ms)\n");
}

static void the_health_of_a_mate_that_is_not_heard_is_unknown(void **state)
{
	(void)state;
	contains(shown(render_monitor_interface,
		       "{\"score\":1000,\"mate_score\":-1,\"interfaces\":[]}"),
		 "Health score: this host 1000, other host unknown, of 1000\n");
}

static void each_failover_link_and_the_stateful_link_have_a_line(void **state)
{
	static const char json[] =
		"{\"failover_link\":{\"name\":\"fover\",\"device\":\"eth2\",\"up\":true},\"links\":"
		"["
		"{\"name\":\"fover\",\"device\":\"eth2\",\"up\":true,\"failover\":true},"
		"{\"name\":\"second\",\"device\":\"eth3\",\"up\":false,\"failover\":true},"
		"{\"name\":\"state\",\"device\":\"eth4\",\"up\":true,\"stateful\":true}],"
		"\"mate\":{},\"logical_update\":{\"objects\":[]}}";

	(void)state;
	contains(shown(render_failover, json), "Failover LAN Interface: fover eth2 (up)\n"
					       "Failover LAN Interface: second eth3 (down)\n"
					       "Unit Poll");
	contains(output, "        Link : state eth4 (up)\n");
}

static void set_long_names(struct json_object *result)
{
	struct json_object *list, *item;
	char name[64];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_true(json_object_object_get_ex(result, "interfaces", &list));
	item = json_object_array_get_idx(list, 0);
	(void)json_object_object_add(item, "name", json_object_new_string(name));
	assert_true(json_object_object_get_ex(result, "paths", &list));
	item = json_object_array_get_idx(list, 1);
	(void)json_object_object_add(item, "name", json_object_new_string(name));
	(void)json_object_object_add(item, "error", json_object_new_string("\033[31mred\r\n"));
}

/* The table is cut to the terminal; the ASA's lines are never cut, since scripts read them. */
static void long_names_do_not_break_the_table(void **state)
{
	static const unsigned widths[] = {80, 200};
	struct json_object *result = canned("failover.json");

	(void)state;
	set_long_names(result);
	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		const char *at =
			strstr(shown_at(render_failover, result, widths[i], false), "HELLO PATH");

		assert_non_null(at);
		for (const char *end; (end = strchr(at, '\n')) != NULL; at = end + 1)
			assert_in_range((size_t)(end - at), 0, widths[i]);
	}
	json_object_put(result);
}

static void names_of_a_certificate_are_not_cut_in_two(void **state)
{
	struct json_object *result = json_tokener_parse("{\"certificates\":[{\"name\":\"vpn\"}]}");
	struct json_object *list, *names;
	char name[32];

	(void)state;
	assert_true(json_object_object_get_ex(result, "certificates", &list));
	names = json_object_new_array();
	for (int i = 0; i < 150; i++) {
		(void)snprintf(name, sizeof(name), "host-%03d.example.net", i);
		(void)json_object_array_add(names, json_object_new_string(name));
	}
	(void)json_object_object_add(json_object_array_get_idx(list, 0), "names", names);
	shown_at(render_certificates, result, 80, false);
	/* With the comma behind it a third one would be in column 81. */
	contains(output, "  Names:        host-000.example.net, host-001.example.net,\n"
			 "                host-002.example.net, host-003.example.net,\n");
	contains(output, ",\n                host-148.example.net, host-149.example.net\n");
	/* A script finds them in one line. */
	shown_at(render_certificates, result, 0, false);
	contains(output, "host-148.example.net, host-149.example.net\n");
	assert_null(strstr(output, ",\n"));
	json_object_put(result);
}

static void nothing_from_outside_steers_the_terminal(void **state)
{
	struct json_object *result = canned("failover.json");

	(void)state;
	set_long_names(result);
	shown_at(render_failover, result, 200, false);
	assert_null(strchr(output, '\033'));
	assert_null(strchr(output, '\r'));
	json_object_put(result);
}

/* Directions of writing, marks that are not seen, C1 in UTF-8 and without; what people write stays.
 */
static void what_is_not_seen_changes_nothing_that_is(void **state)
{
	struct screen screen;

	(void)state;
	memset(output, 0, sizeof(output));
	screen_init(&screen, stdout, stderr, CLI_NOW);
	screen.out = fmemopen(output, sizeof(output) - 1, "w");
	assert_non_null(screen.out);
	screen_print(&screen, "gw\u202eelpmaxe \u2066x\u200b\ufeff\u2028y \xc2\x9b \x9b "
			      "schl\u00fcssel \U0001f511\n\n");
	assert_int_equal(fclose(screen.out), 0);
	assert_string_equal(output, "gw?\?\?elpmaxe ?\?\?x?\?\?\?\?\?\?\?\?y ?\? ? schl\u00fcssel "
				    "\U0001f511\n\n");
}

static void colour_is_only_where_it_is_wanted(void **state)
{
	struct json_object *result = canned("failover.json");

	(void)state;
	assert_non_null(strchr(shown_at(render_failover, result, 80, true), '\033'));
	assert_null(strchr(shown_at(render_failover, result, 80, false), '\033'));
	assert_null(strchr(shown_at(render_failover, result, 0, false), '\033'));
	json_object_put(result);
}

static void statistics_begin_with_what_was_sent_and_received(void **state)
{
	(void)state;
	shown(render_statistics,
	      "{\"tx\":120,\"rx\":118,\"tx_errors\":2,\"paths\":[{\"name\":\"fover\",\"family\":"
	      "\"ipv6\",\"state\":\"up\",\"loss_permille\":25,\"rtt_median_us\":140,\"last_heard_"
	      "ms\":7,"
	      "\"sent\":120,\"received\":118,\"error\":\"\"}],\"clock\":{\"class\":\"ahead\","
	      "\"skew_ms\":7200000,\"uncertainty_ms\":0.1}}");
	contains(output, "        tx:120\n        rx:118\n        tx errors:2\n");
	contains(output, "Clocks: they differ, the other unit's is 2h 0m ahead");
	contains(output, "fover       IPv6    up      120       118     0  2.5 %  140 us   7 ms");
}

static void each_screen_of_the_pair_ends_with_the_clocks(void **state)
{
	static int (*const renders[])(const struct screen *, struct json_object *) = {
		render_history,	     render_track,	  render_version, render_ssl,
		render_trustpoints,  render_certificates, render_orphans, render_security,
		render_vpn_sessions, render_vpn_summary,  render_localca, render_diff,
		render_config,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(renders); i++) {
		shown(renders[i], "{\"clock\":{\"class\":\"behind\",\"skew_ms\":-60000,"
				  "\"uncertainty_ms\":0.1}}");
		contains(output, "Clocks: they differ, the other unit's is 1m 0s behind");
		shown(renders[i], "{\"clock\":{\"class\":\"unknown\"}}");
		assert_null(strstr(output, "Clocks"));
	}
}

static void that_the_mate_cannot_be_asked_is_said_once(void **state)
{
	(void)state;
	shown(render_verify, "{\"trustpoints\":[],\"mate\":{\"why\":\"the mate cannot be asked: it "
			     "is not heard on any path\"}}");
	contains(output, "The other unit could not be asked: it is not heard on any path\n");
	shown(render_security, "{\"mate_why\":\"it is not heard on any path\"}");
	contains(output, "\nThe mate\nnot known: it is not heard on any path\n");
}

static void what_is_known_of_a_clock_from_before_is_said_so(void **state)
{
	(void)state;
	shown(render_security,
	      "{\"clock\":{\"class\":\"same\",\"skew_ms\":0,\"uncertainty_ms\":0.1,"
	      "\"stale\":true}}");
	contains(output, "(uncertain by 1 ms), when the other unit was last heard\n");
	shown(render_security, "{\"clock\":{\"class\":\"behind\",\"skew_ms\":-60000,"
			       "\"uncertainty_ms\":0.1,\"stale\":true}}");
	contains(output, "(uncertain by 1 ms), when the other unit was last heard\n");
}

/* What is kept in a version control does not change with each copy. */
static void a_configuration_has_the_clocks_as_a_comment(void **state)
{
	(void)state;
	assert_string_equal(shown(render_config,
				  "{\"text\":\"hostname fw\\n\",\"clock\":{\"class\":"
				  "\"same\",\"skew_ms\":3,\"uncertainty_ms\":0.2}}"),
			    "! Clocks: the same\nhostname fw\n");
	assert_string_equal(shown(render_config,
				  "{\"text\":\"hostname fw\\n\",\"clock\":{\"class\":"
				  "\"ahead\",\"skew_ms\":60000,\"uncertainty_ms\":0.2}}"),
			    "! Clocks: they differ, the other unit's is 1m 0s ahead (uncertain by "
			    "1 ms)\nhostname fw\n");
	assert_string_equal(shown(render_config, "{\"text\":\"hostname fw\\n\"}"), "hostname fw\n");
}

static void a_check_is_one_line_with_the_exit_code_of_a_monitoring_plugin(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "check"), 1);
	assert_string_equal(
		w->out,
		"ASAFO WARNING - Primary Active, other Standby Ready: the standby lacks what was "
		"imported or removed: run asafo write-standby; the clocks of the units differ by "
		"2.5 s (the "
		"mate's is behind): set them, since certificates are judged by them | term=3c "
		"lacks=2;;0 clock_skew=-2500ms\n");
	assert_int_equal(RUN(w, "check", "--json"), 1);
	contains(w->out, "\"status\":\"WARNING\",\"code\":1");
	assert_int_equal(RUN(w, "--control", "/nonexistent", "check"), 2);
	contains(w->out, "ASAFO CRITICAL - asafod does not answer here\n");
}

static void say_progress(struct progress *shown, const char *phase, int64_t items, int64_t ms)
{
	struct json_object *progress = json_object_new_object();

	json_object_object_add(progress, "phase", json_object_new_string(phase));
	json_object_object_add(progress, "items", json_object_new_int64(items));
	json_object_object_add(progress, "items_expected", json_object_new_int64(100));
	json_object_object_add(progress, "bytes", json_object_new_int64(2048 * items));
	json_object_object_add(progress, "ms", json_object_new_int64(ms));
	progress_show(progress, shown);
	(void)json_object_put(progress);
}

static void progress_is_a_bar_on_a_terminal_and_a_line_now_and_then_elsewhere(void **state)
{
	struct screen screen = {.is_terminal = true, .width = 60};
	struct progress bar = {.screen = &screen}, lines = {.screen = &screen};
	char *text = NULL;
	size_t size;

	(void)state;
	screen.out = open_memstream(&text, &size);
	say_progress(&bar, "sending", 50, 10);
	say_progress(&bar, "committing", 100, 20);
	progress_done(&bar);
	screen.is_terminal = false;
	say_progress(&lines, "sending", 10, 1999);
	say_progress(&lines, "sending", 50, 2001);
	say_progress(&lines, "sending", 60, 2100);
	say_progress(&lines, "committing", 100, 4001);
	progress_done(&lines);
	assert_int_equal(fclose(screen.out), 0);
	assert_string_equal(text, "\r\033[Ksending    [#####.....] 50/100 items, 100.0 KiB"
				  "\r\033[Kcommitting [##########] 100/100 items, 200.0 KiB\r\033[K"
				  "sending: 50/100 items, 100.0 KiB\n"
				  "committing: 100/100 items, 200.0 KiB\n");
	free(text);
}

/* Whatever becomes of the command. A keeper may be silent for 30 s, and the unit is well. */
static void who_waits_for_the_daemon_waits_as_long_as_the_command_needs(void **state)
{
	struct cli_world *w = *state;

	(void)RUN(w, "show", "failover");
	assert_int_equal(w->timeout_ms, 45000);
	(void)RUN(w, "sh", "fail");
	assert_int_equal(w->timeout_ms, 45000);
	(void)RUN(w, "failover", "exec", "mate", "sh", "trust");
	assert_int_equal(w->timeout_ms, 45000);
	(void)RUN(w, "check");
	assert_int_equal(w->timeout_ms, 10000);
	(void)RUN(w, "chec");
	assert_int_equal(w->timeout_ms, 10000);
	(void)RUN(w, "write", "standby");
	assert_int_equal(w->timeout_ms, 120000);
	(void)RUN(w, "failover", "exec", "mate", "write", "memory");
	assert_int_equal(w->timeout_ms, 120000);
	(void)RUN(w, "--timeout", "7", "show", "failover");
	assert_int_equal(w->timeout_ms, 7000);
	(void)RUN(w, "--timeout", "0", "check");
	assert_int_equal(w->timeout_ms, 0);
}

static void a_verification_says_on_a_terminal_how_far_it_is(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "verify"), CLI_FAILED);
	assert_null(strstr(w->err, "verify"));
	w->is_err_terminal = true;
	assert_int_equal(RUN(w, "verify"), CLI_FAILED);
	assert_non_null(strstr(w->err, "\r\033[Kverify     [###############...............] "
				       "1/2 trustpoints"));
	/* The bar is gone at the end, and the result has nothing of it. */
	assert_string_equal(w->err + strlen(w->err) - 4, "\r\033[K");
	assert_null(strstr(w->out, "1/2"));
}

static void all_vpn_sessions_are_listed_however_many_pages_they_are(void **state)
{
	static const char *const whole =
		"{\"enabled\":true,\"active\":5,\"sessions\":[{\"index\":1,\"username\":\"u1\"},"
		"{\"index\":2,\"username\":\"u2\"},{\"index\":3,\"username\":\"u3\"},{\"index\":4,"
		"\"username\":\"u4\"},{\"index\":5,\"username\":\"u5\"}]}\n";
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "--json", "show", "vpn-sessiondb"), CLI_OK);
	assert_string_equal(w->out, whole);
	assert_int_equal(RUN(w, "--json", "show", "vpn-sessiondb", "anyconnect"), CLI_OK);
	assert_string_equal(w->out, whole);
	assert_int_equal(RUN(w, "show", "vpn-sessiondb", "anyconnect"), CLI_OK);
	assert_non_null(strstr(w->out, "Username     : u1 "));
	assert_non_null(strstr(w->out, "Username     : u5 "));
	assert_int_equal(RUN(w, "show", "vpn-sessiondb"), CLI_OK);
	assert_null(strstr(w->out, "u1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redundancy_state_is_what_ios_prints),
		cmocka_unit_test(the_failover_links_are_shown_with_both_addresses),
		cmocka_unit_test(a_history_has_a_line_for_the_time_and_one_for_the_states),
		cmocka_unit_test(each_screen_of_the_pair_ends_with_the_clocks),
		cmocka_unit_test(a_configuration_has_the_clocks_as_a_comment),
		cmocka_unit_test(that_the_mate_cannot_be_asked_is_said_once),
		cmocka_unit_test(what_is_known_of_a_clock_from_before_is_said_so),
		cmocka_unit_test(details_say_which_unit_and_why_the_other_is_missing),
		cmocka_unit_test(a_fresh_unit_shows_what_is_missing),
		cmocka_unit_test(a_mate_that_fell_silent_is_shown_as_failed),
		cmocka_unit_test(orphans_have_the_term_in_which_they_were_accepted),
		cmocka_unit_test(clocks_that_are_the_same_are_neither_ahead_nor_behind),
		cmocka_unit_test(each_failover_link_and_the_stateful_link_have_a_line),
		cmocka_unit_test(the_health_of_a_mate_that_is_not_heard_is_unknown),
		cmocka_unit_test(an_interface_without_ipv4_is_shown_by_its_ipv6_addresses),
		cmocka_unit_test(long_names_do_not_break_the_table),
		cmocka_unit_test(names_of_a_certificate_are_not_cut_in_two),
		cmocka_unit_test(nothing_from_outside_steers_the_terminal),
		cmocka_unit_test(what_is_not_seen_changes_nothing_that_is),
		cmocka_unit_test(colour_is_only_where_it_is_wanted),
		cmocka_unit_test(progress_is_a_bar_on_a_terminal_and_a_line_now_and_then_elsewhere),
		cmocka_unit_test(statistics_begin_with_what_was_sent_and_received),
		cmocka_unit_test_setup_teardown(
			all_vpn_sessions_are_listed_however_many_pages_they_are, cli_world_setup,
			cli_world_teardown),
		cmocka_unit_test_setup_teardown(
			a_check_is_one_line_with_the_exit_code_of_a_monitoring_plugin,
			cli_world_setup, cli_world_teardown),
		cmocka_unit_test_setup_teardown(a_verification_says_on_a_terminal_how_far_it_is,
						cli_world_setup, cli_world_teardown),
		cmocka_unit_test_setup_teardown(
			who_waits_for_the_daemon_waits_as_long_as_the_command_needs,
			cli_world_setup, cli_world_teardown),
	};

	(void)setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
