/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/cli_world.h"

#include <errno.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <utmp.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "tools/cli/format.h"
#include "tools/cli/table.h"
#include "tools/cli/terminal.h"

static void contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void show_failover_has_the_layout_of_an_asa(void **state)
{
	static const char expected[] =
		"Failover On\n"
		"Failover unit Primary\n"
		"Failover LAN Interface: failover ens5 (up)\n"
		"Unit Poll frequency 100 milliseconds, holdtime 1 seconds\n"
		"Interface Policy 1\n"
		"Monitored Interfaces 1 of 64 maximum\n"
		"Version: Ours 0.1.0, Mate 0.1.0\n"
		"Last Failover at: 03:14:15 UTC Apr 22 2016\n"
		"Trouble: the clocks of the units differ by 2.5 s (the mate's is behind): set "
		"them, since certificates are judged by them\n"
		"        This host: Primary - Active\n"
		"                Active time: 469208 (sec)\n"
		"                Health: 990 of 1000\n"
		"                  Interface outside (198.51.100.10): Normal (Monitored)\n"
		"                  Interface inside (192.0.2.1): No Link (Not-Monitored)\n"
		"        Other host: Secondary - Standby Ready\n"
		"                  Interface outside (198.51.100.11): Normal (Monitored)\n"
		"                  Interface inside (192.0.2.2): Unknown (Not-Monitored)\n"
		"\n"
		"Failover link session: up, sent 2.0 KiB, received 812 B\n"
		"\n"
		"Trustpoint Replication\n"
		"        At import: off, state: idle, queue: 0\n"
		"        The standby lacks: 2 changes (vpn, mail): run asafo write-standby\n"
		"        Last: ok at 03:15:00 UTC Apr 22 2016, delta, 40 items, 266.7 KiB in 31 "
		"ms\n"
		"        This host:  term 3, seq 12, 5 items, digest 9f2c9f2c9f2c9f2c...\n"
		"        Other host: term 3, seq 9, digest 11aa11aa11aa11aa...\n"
		"        Clocks: they differ, the other unit's is 2.5 s behind (uncertain by 1 "
		"ms)\n"
		"\n"
		"Stateful Failover Logical Update Statistics\n"
		"        Link : failover ens5 (up)\n"
		"        Stateful Obj    xmit       xerr       rcv        rerr\n"
		"        General         12         1          9          0\n"
		"        sys cmd         4          1          5          0\n"
		"        Trustpoint      6          0          2          0\n"
		"        Config cmd      2          0          2          0\n"
		"\n"
		"        Logical Update Queue Information\n"
		"                        Cur     Max     Total\n"
		"        Recv Q:         0       0       9\n"
		"        Xmit Q (bytes): 0       4096    2048\n"
		"\n"
		"HELLO PATH  FAMILY  STATE    SENT  RECEIVED  LOST   LOSS     RTT  HEARD  ERROR\n"
		"failover    IPv4    up        120       118     2  1.6 %  184 us  12 ms  -\n"
		"outside     IPv6    waiting     0         0     0  0.0 %       -  never  "
		"there is no interface eth9\n";
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "show", "failover"), CLI_OK);
	assert_string_equal(w->out, expected);
	assert_string_equal(w->err, "");
}

static void show_state_has_the_layout_of_an_asa(void **state)
{
	static const char expected[] =
		"               State          Last Failure Reason      Date/Time\n"
		"This host  -   Primary\n"
		"               Active         Ifc Failure              07:14:34 UTC Oct 10 2023\n"
		"                              PROM inside: Failed\n"
		"Other host -   Secondary\n"
		"               Standby Ready  None\n"
		"====Configuration State===\n"
		"        Sync Done\n"
		"        Sync Done - STANDBY\n"
		"====Communication State===\n"
		"        Mac set\n";
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "sh", "fail", "state"), CLI_OK);
	assert_string_equal(w->out, expected);
}

static void lists_come_in_pages_and_are_shown_as_one(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "show", "trustpoints"), CLI_OK);
	contains(w->out, "vpn.example.org");
	contains(w->out, "(in 10 days)");
	contains(w->out, "(expired)");
	contains(w->out, "a.example");
	contains(w->out, "evil: issued by the local CA of this unit");
	assert_int_equal(RUN(w, "show", "trustpoints", "--json"), CLI_OK);
	contains(w->out, "\"evil\"");
	assert_null(strstr(w->out, "\"next\""));
}

static void no_control_character_of_a_certificate_reaches_the_terminal(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "show", "trustpoints"), CLI_OK);
	contains(w->out, "?[31mred?");
	assert_null(strchr(w->out, '\033'));
	assert_null(strchr(w->out, '\t'));
}

static void show_ssl_says_what_is_served_and_why(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "show", "ssl"), CLI_OK);
	contains(w->out, "Accept connections using TLSv1.2 or greater\n");
	contains(w->out, "Listening on [2001:db8:100::10] port 443 (outside)\n");
	contains(w->out, "Not listening on 192.0.2.1 port 443 (inside): Address already in use\n");
	contains(w->out, "self-signed fallback");
}

static void json_is_the_result_as_it_came(void **state)
{
	struct cli_world *w = *state;
	struct json_object *result;

	assert_int_equal(RUN(w, "--json", "show", "failover"), CLI_OK);
	result = json_tokener_parse(w->out);
	assert_int_equal(view_number(result, "active_seconds", 0), 469208);
	json_object_put(result);
	assert_int_equal(RUN(w, "show", "running-config"), CLI_OK);
	assert_string_equal(w->out, "hostname fw\nfailover\n");
}

static void write_standby_says_what_both_hold(void **state)
{
	static const char expected[] =
		"The standby holds what this unit holds: 40 items sent (delta), 266.7 KiB, in 31 "
		"ms\n"
		"  Both units: term 3, seq 12, 5 items, digest 9f2c9f2c9f2c9f2c...\n";
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "write-standby"), CLI_OK);
	assert_string_equal(w->out, expected);
	assert_int_equal(RUN(w, "write", "standby"), CLI_OK);
	assert_string_equal(w->out, expected);
}

static void each_kind_of_failure_has_its_exit_code(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "failover", "active"), CLI_ROLE);
	assert_string_equal(
		w->err, "asafo: failover active: this is the standby: do it on fw-a (primary)\n");
	assert_int_equal(RUN(w, "show", "version"), CLI_FAILED);
	assert_string_equal(w->err, "asafo: show version: no such thing\n");
	assert_int_equal(RUN(w, "write-memory"), CLI_DEGRADED);
	assert_int_equal(RUN(w, "frobnicate"), CLI_USAGE);
	assert_int_equal(RUN(w, "--json"), CLI_USAGE);
	assert_int_equal(RUN(w, "--control"), CLI_USAGE);
	assert_int_equal(RUN(w, "--timeout", "soon", "show", "failover"), CLI_USAGE);
	assert_int_equal(RUN(w, "--control", "/nonexistent/control", "show", "failover"),
			 CLI_UNREACHABLE);
	contains(w->err, "asafod does not run here");
}

static void a_failure_is_json_where_json_was_asked(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "failover", "active", "--json"), CLI_ROLE);
	assert_string_equal(w->out,
			    "{\"error\":\"NotActive\",\"message\":\"this is the standby: do it "
			    "on fw-a (primary)\",\"code\":-1003}\n");
}

static void import_passes_file_and_passphrase_and_says_what_the_standby_lacks(void **state)
{
	struct cli_world *w = *state;
	char file[128], other[128];

	(void)snprintf(file, sizeof(file), "%s", cli_world_file(w, "file", "PKCS12"));
	(void)snprintf(other, sizeof(other), "%s", cli_world_file(w, "other", "pass word\n"));
	assert_int_equal(RUN(w, "import", "vpn", file, "--passphrase-file", other), CLI_OK);
	contains(w->out, "Imported trustpoint vpn, generation 2\n");
	contains(w->out, "01:23:45:67:89:AB:CD:EF");
	contains(w->out, "run asafo write-standby.\n");
	assert_string_equal(w->err, "asafo: import: warning: the root is not in the file\n");
	/* One line of stdin, and no more of it, is the passphrase. */
	assert_int_equal(RUN_WITH(w, "pass word\nmore\n", "import", "vpn", file), CLI_OK);
	assert_int_equal(RUN_WITH(w, "wrong\n", "import", "vpn", file), CLI_FAILED);
	assert_string_equal(w->err, "asafo: import: the passphrase is wrong\n");
	/* The file itself from stdin. */
	assert_int_equal(RUN_WITH(w, "PKCS12", "import", "vpn", "-", "--passphrase-file", other),
			 CLI_OK);
}

static void a_paste_ends_with_quit_and_the_passphrase_may_follow(void **state)
{
	struct cli_world *w = *state;
	char other[128];

	(void)snprintf(other, sizeof(other), "%s", cli_world_file(w, "other", "pass word\n"));
	assert_int_equal(RUN_WITH(w, "PKCS12\nquit\npass word\nmore\n", "import", "vpn"), CLI_OK);
	assert_int_equal(RUN_WITH(w, "PKCS12\r\n QUIT \r\npass word\n", "import", "vpn"), CLI_OK);
	assert_int_equal(RUN_WITH(w, "PKCS12\nquit\nother\n", "import", "vpn"), CLI_FAILED);
	contains(w->err, "the passphrase is wrong");
	assert_int_equal(RUN_WITH(w, "quit\n", "import", "vpn"), CLI_FAILED);
	contains(w->err, "stdin is empty");
	assert_int_equal(RUN_WITH(w, "PKCS12\n", "import", "vpn", "--passphrase-file", other),
			 CLI_OK);
	/* As on an ASA: the passphrase is a word, unless that is a file. */
	assert_int_equal(RUN_WITH(w, "PKCS12\nquit\n", "crypto", "ca", "import", "vpn", "pkcs12",
				  "pass word"),
			 CLI_OK);
	assert_int_equal(RUN_WITH(w, "PKCS12\nquit\n", "crypto", "ca", "import", "vpn", "pkcs12",
				  "mistyped.p12"),
			 CLI_FAILED);
	contains(w->err, "cannot read mistyped.p12");
}

static void a_key_that_is_not_encrypted_needs_no_passphrase(void **state)
{
	struct cli_world *w = *state;
	char key[128], file[128];

	(void)snprintf(key, sizeof(key), "%s",
		       cli_world_file(w, "key", "-----BEGIN PRIVATE KEY-----"));
	(void)snprintf(file, sizeof(file), "%s",
		       cli_world_file(w, "file", "-----BEGIN CERTIFICATE-----\n"));
	assert_int_equal(RUN(w, "import", "vpn", file), CLI_FAILED);
	contains(w->err, "this is no PKCS#12 file"); /* it was asked, with no passphrase */
	assert_int_equal(RUN(w, "import", "vpn", file, "--key", key), CLI_FAILED);
	contains(w->err, "this is no PKCS#12 file");
	(void)cli_world_file(w, "key", "-----BEGIN ENCRYPTED PRIVATE KEY-----");
	assert_int_equal(RUN_WITH(w, "", "import", "vpn", file, "--key", key), CLI_USAGE);
	contains(w->err, "Passphrase of ");
	(void)cli_world_file(w, "file", "PKCS12");
	assert_int_equal(RUN(w, "import", "vpn", file, "--key", key), CLI_USAGE);
	contains(w->err, "--key is for a PEM key");
}

static void an_import_that_the_mate_did_not_get_is_degraded(void **state)
{
	struct cli_world *w = *state;
	char file[128];

	(void)snprintf(file, sizeof(file), "%s", cli_world_file(w, "file", "PKCS12"));
	assert_int_equal(RUN_WITH(w, "pass word\n", "import", "vpn", file, "--replace"),
			 CLI_DEGRADED);
	contains(w->out, "queued for it");
}

static void an_import_without_what_it_needs_says_so(void **state)
{
	struct cli_world *w = *state;
	char file[128];

	(void)snprintf(file, sizeof(file), "%s", cli_world_file(w, "file", "PKCS12"));
	assert_int_equal(RUN_WITH(w, "", "import", "vpn", file), CLI_USAGE);
	contains(w->err, "Passphrase of ");
	assert_int_equal(RUN(w, "import", "vpn", "/nonexistent"), CLI_FAILED);
	contains(w->err, "No such file or directory");
	assert_int_equal(RUN(w, "import", "vpn", cli_world_file(w, "other", "")), CLI_FAILED);
	contains(w->err, "is empty");
	assert_int_equal(RUN(w, "import", "vpn", "-", "--passphrase-file", "-"), CLI_FAILED);
	assert_int_equal(RUN_WITH(w, "PKCS12", "import", "vpn", "-", "--passphrase-file", "-"),
			 CLI_USAGE);
}

static void export_writes_a_file_that_only_its_owner_reads(void **state)
{
	struct cli_world *w = *state;
	_cleanup_(buf_done) struct buf content = {0};
	struct stat status;
	char file[128];

	(void)snprintf(file, sizeof(file), "%s/file", w->directory);
	assert_int_equal(RUN_WITH(w, "x\n", "export", "vpn", "--output", file), CLI_OK);
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(io_read_file(file, 100, &content), 0);
	assert_string_equal(buf_text(&content), "SECRET");
	assert_int_equal(RUN_WITH(w, "x\n", "export", "vpn", "--format", "pem"), CLI_OK);
	assert_string_equal(w->out, "SECRET");
}

static void configuration_lines_come_from_arguments_or_stdin(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "configure", "hostname fw", "failover"), CLI_OK);
	assert_string_equal(w->err, "");
	assert_int_equal(RUN_WITH(w, "hostname fw\nfailover key s3cret\n", "configure"), CLI_OK);
	assert_string_equal(w->err, "");
	assert_int_equal(RUN_WITH(w, "wrong\n", "configure"), CLI_USAGE);
	assert_string_equal(w->err, "asafo: configure: 1:1: expected a command\n");
}

static void a_key_is_refused_as_an_argument(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "no", "failover"), CLI_USAGE);
	contains(w->err, "this is a line of the configuration: asafo configure");
	assert_int_equal(RUN(w, "failover", "key", "s3cret"), CLI_USAGE);
	contains(w->err, "this is a line of the configuration");
	assert_null(strstr(w->err, "s3cret"));
	assert_int_equal(RUN(w, "configure", "failover key s3cret"), CLI_USAGE);
	assert_int_equal(RUN(w, "configure", "hostname fw", " FAIL  k s3cret"), CLI_USAGE);
	assert_null(strstr(w->err, "s3cret"));
}

static void a_pair_is_made_with_a_code_or_a_file(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "pair"), CLI_OK);
	contains(w->out, "ABCD-EFGH");
	contains(w->out, "within 5m 0s");
	contains(w->out, "Paired with fw-b\n");
	assert_int_equal(RUN_WITH(w, "ABCD-EFGH\n", "pair", "--join"), CLI_OK);
	assert_int_equal(RUN_WITH(w, "ABCD\n", "pair", "join"), CLI_FAILED);
	assert_int_equal(RUN(w, "pair", "key",
			     cli_world_file(w, "file", "00112233445566778899aabbccddeeff\n")),
			 CLI_OK);
	assert_string_equal(w->err, "");
	assert_int_equal(RUN(w, "pair", "key", cli_world_file(w, "file", "two words\n")),
			 CLI_FAILED);
}

static void a_configuration_is_checked_without_a_daemon(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "--control", "/nonexistent", "check-config",
			     cli_world_file(w, "file", "hostname fw\n")),
			 CLI_OK);
	assert_int_equal(RUN(w, "check-config", cli_world_file(w, "file", "!\nhostname a b\n")),
			 CLI_USAGE);
	contains(w->err, "/file:2:12: ");
	contains(w->err, "expected");
}

static void help_behind_a_command_says_what_it_takes(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "show", "failover", "state", "--help"), CLI_OK);
	contains(w->out, "  show failover state [--json]\n");
	assert_null(strstr(w->out, "show failover interface"));
	assert_int_equal(RUN(w, "import", "-h"), CLI_OK);
	contains(w->out, "import <name> [<file>]");
	assert_int_equal(RUN(w, "import", "vpn", "--help"), CLI_OK);
	contains(w->out, "  import <name> [<file>] ");
	assert_int_equal(RUN(w, "failover", "active", "--force", "--help"), CLI_OK);
	contains(w->out, "  failover active [--force] [--yes]\n");
	assert_int_equal(RUN(w, "failover", "exec", "mate", "show", "--help"), CLI_OK);
	contains(w->out, "  failover exec {active|standby|mate} <command>\n");
	assert_int_equal(RUN(w, "configure", "--help"), CLI_OK);
	contains(w->out, "  configure ");
	assert_int_equal(RUN(w, "nonsense", "--help"), CLI_OK);
	contains(w->out, "Exit codes:");
}

static void help_and_completion_come_from_the_command_table(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "help"), CLI_OK);
	contains(w->out, "  import <name> [<file>] ");
	contains(w->out, "Exit codes:");
	assert_int_equal(RUN(w, "help", "write"), CLI_OK);
	contains(w->out, "write standby");
	assert_int_equal(RUN(w, "help", "nonsense"), CLI_USAGE);
	assert_int_equal(RUN(w, "help", "track"), CLI_OK);
	contains(w->out, "Lines of the configuration, for asafo configure:\n");
	assert_int_equal(RUN(w, "help", "failover", "preempt"), CLI_OK);
	contains(w->out, "failover preempt [delay <delay>]");
	assert_int_equal(RUN(w, "complete", "--", "show", "st"), CLI_OK);
	contains(w->out, "startup-config\t");
	contains(w->out, "state\t");
	assert_int_equal(RUN(w, "complete", "--", "failover", "exec", "mate", "show", "st"),
			 CLI_OK);
	contains(w->out, "startup-config\t");
	assert_int_equal(RUN(w, "failover", "exec", "active", "write", "?"), CLI_OK);
	contains(w->out, "memory");
	assert_int_equal(RUN(w, "write", "?"), CLI_OK);
	contains(w->out, "memory");
	assert_int_equal(RUN(w, "nonsense", "?"), CLI_USAGE);
	assert_int_equal(RUN(w, "complete", "--", "--json", "--control", "/x", "show", "fa"),
			 CLI_OK);
	assert_string_equal(w->out, "failover\tShow both units, their interfaces and what is "
				    "replicated\n");
	assert_int_equal(RUN(w, "complete", "--", "--ti"), CLI_OK);
	contains(w->out, "--timeout\t");
	assert_int_equal(RUN(w, "import", "vpn", "--?"), CLI_OK);
	contains(w->out, "Check everything and change nothing");
}

static void the_names_of_a_certificate_reach_the_local_ca(void **state)
{
	struct cli_world *w = *state;
	char file[128];

	(void)snprintf(file, sizeof(file), "%s/file", w->directory);
	assert_int_equal(RUN_WITH(w, "x\n", "localca", "issue", "joe", file, "--name", "a.example",
				  "--name", "b.example"),
			 CLI_OK);
	contains(w->out, "serial 2,"); /* the world counts them */
}

static void a_narrow_terminal_leaves_out_what_can_be_spared(void **state)
{
	static const struct table_column columns[] = {
		{"A", false, false, 0}, {"SPARE", false, true, 2}, {"KEPT", false, true, 1}};
	struct screen screen = {.is_terminal = true, .width = 24};
	struct table *table = NULL;
	char *text = NULL;
	size_t size;

	(void)state;
	screen.out = open_memstream(&text, &size);
	assert_int_equal(table_new(columns, 3, &table), 0);
	table_cell(table, SCREEN_PLAIN, "x");
	table_cell(table, SCREEN_PLAIN, "0123456789abcdef");
	table_cell(table, SCREEN_PLAIN, "0123456789abcdef");
	assert_int_equal(table_print(table, &screen), 0);
	screen.width = 40;
	assert_int_equal(table_print(table, &screen), 0);
	assert_int_equal(fclose(screen.out), 0);
	assert_string_equal(text, "A  KEPT\nx  0123456789abcdef\n"
				  "A  SPARE             KEPT\n"
				  "x  0123456789abcdef  0123456789abcdef\n");
	table_free(table);
	free(text);
}

static void a_table_is_cut_to_the_terminal_and_never_on_a_pipe(void **state)
{
	static const struct table_column columns[] = {{"A", false, false, 0},
						      {"LONG", false, true, 0}};
	struct screen screen = {.is_terminal = true, .width = 20};
	struct table *table = NULL;
	char *text = NULL;
	size_t size;

	(void)state;
	screen.out = open_memstream(&text, &size);
	assert_int_equal(table_new(columns, 2, &table), 0);
	table_cell(table, SCREEN_PLAIN, "x");
	table_cell(table, SCREEN_PLAIN, "0123456789abcdefghijklmnopq");
	assert_int_equal(table_print(table, &screen), 0);
	screen.is_terminal = false;
	assert_int_equal(table_print(table, &screen), 0);
	assert_int_equal(fclose(screen.out), 0);
	assert_string_equal(text, "A  LONG\nx  0123456789abcd...\n"
				  "A  LONG\nx  0123456789abcdefghijklmnopq\n");
	table_free(table);
	free(text);
}

static void spans_and_sizes_are_readable(void **state)
{
	struct format_text text;

	(void)state;
	assert_string_equal(format_duration(-5, &text), "0s");
	assert_string_equal(format_duration(3 * 86400 + 4 * 3600 + 5, &text), "3d 4h");
	assert_string_equal(format_bytes(1023, &text), "1023 B");
	assert_string_equal(format_bytes(1024 * 1024 - 1, &text), "1.0 MiB");
	assert_string_equal(format_ms(999, &text), "999 ms");
	assert_string_equal(format_ms(61000, &text), "1m 1s");
}

/* In a child with a terminal of its own; SIGNAL 0: the answer is typed. Returns the child's wait
 * status. */
static int ask_on_a_terminal(const char *typed, struct termios *ret_after, char *ret_seen,
			     size_t size)
{
	int master, slave, status;
	size_t n = 0;
	pid_t pid;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct secret answer = {0};
		size_t length = 0;

		(void)close(master);
		(void)login_tty(slave);
		/* A shell ignores it for what it runs in the background. */
		(void)signal(SIGINT, SIG_DFL);
		_exit(secret_init(&answer, 64) == 0 &&
				      terminal_ask("Passphrase", &answer, &length) == 0 &&
				      length == 6 && memcmp(answer.data, "secret", 6) == 0
			      ? 0
			      : 1);
	}
	/* The echo is off before the question is seen. */
	while (n + 1 < size) {
		assert_int_equal(read(master, ret_seen + n, 1), 1);
		ret_seen[++n] = '\0';
		if (strstr(ret_seen, "Passphrase: "))
			break;
	}
	assert_int_equal(io_write_full(master, typed, strlen(typed)), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(tcgetattr(slave, ret_after), 0);
	(void)close(slave);
	while (n + 1 < size && read(master, ret_seen + n, 1) == 1)
		ret_seen[++n] = '\0';
	(void)close(master);
	return status;
}

static void a_passphrase_is_asked_for_without_echo(void **state)
{
	struct termios after;
	char seen[256] = "";
	int status = ask_on_a_terminal("secret\n", &after, seen, sizeof(seen));

	(void)state;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_null(strstr(seen, "secret"));
	assert_true(after.c_lflag & ECHO);
}

static void the_terminal_echoes_again_after_an_interrupt(void **state)
{
	struct termios after;
	char seen[256] = "";
	int status = ask_on_a_terminal("sec\003", &after, seen, sizeof(seen));

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
	assert_null(strstr(seen, "sec"));
	assert_true(after.c_lflag & ECHO);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, cli_world_setup, cli_world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(show_failover_has_the_layout_of_an_asa),
		IN_WORLD(show_state_has_the_layout_of_an_asa),
		IN_WORLD(lists_come_in_pages_and_are_shown_as_one),
		IN_WORLD(no_control_character_of_a_certificate_reaches_the_terminal),
		IN_WORLD(show_ssl_says_what_is_served_and_why),
		IN_WORLD(json_is_the_result_as_it_came),
		IN_WORLD(write_standby_says_what_both_hold),
		IN_WORLD(each_kind_of_failure_has_its_exit_code),
		IN_WORLD(a_failure_is_json_where_json_was_asked),
		IN_WORLD(import_passes_file_and_passphrase_and_says_what_the_standby_lacks),
		IN_WORLD(a_paste_ends_with_quit_and_the_passphrase_may_follow),
		IN_WORLD(a_key_that_is_not_encrypted_needs_no_passphrase),
		IN_WORLD(an_import_that_the_mate_did_not_get_is_degraded),
		IN_WORLD(an_import_without_what_it_needs_says_so),
		IN_WORLD(export_writes_a_file_that_only_its_owner_reads),
		IN_WORLD(configuration_lines_come_from_arguments_or_stdin),
		IN_WORLD(a_key_is_refused_as_an_argument),
		IN_WORLD(a_pair_is_made_with_a_code_or_a_file),
		IN_WORLD(a_configuration_is_checked_without_a_daemon),
		IN_WORLD(help_behind_a_command_says_what_it_takes),
		IN_WORLD(help_and_completion_come_from_the_command_table),
		IN_WORLD(the_names_of_a_certificate_reach_the_local_ca),
		cmocka_unit_test(a_narrow_terminal_leaves_out_what_can_be_spared),
		cmocka_unit_test(a_table_is_cut_to_the_terminal_and_never_on_a_pipe),
		cmocka_unit_test(spans_and_sizes_are_readable),
		cmocka_unit_test(a_passphrase_is_asked_for_without_echo),
		cmocka_unit_test(the_terminal_echoes_again_after_an_interrupt),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
