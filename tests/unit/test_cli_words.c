/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody types who comes from an ASA, or who mistypes: each answer says what to type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli_world.h"
#include "tools/cli/verb.h"

static char output[8192];

static void contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" is in:\n%s", part, text);
}

static void a_word_of_an_asa_that_is_not_asafos_says_what_to_type(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "show", "logging"), CLI_USAGE);
	assert_string_equal(w->err,
			    "asafo: \"show logging\" is no command of asafo's: journalctl "
			    "-u asafo shows the log, ASAFO_ID=104001 behind it one number\n");
	assert_int_equal(RUN(w, "sh", "int", "ip", "brief"), CLI_USAGE);
	contains(w->err, "\"sh int\" is no command of asafo's: asafo show monitor-interface");
	assert_int_equal(RUN(w, "rel"), CLI_USAGE);
	contains(w->err, "asafo failover reload-standby");
	assert_int_equal(RUN(w, "exit"), CLI_USAGE);
	contains(w->err, "there is no mode to enter or to leave");
	assert_int_equal(RUN(w, "crypto", "ca", "enroll", "vpn"), CLI_USAGE);
	contains(w->err, "openssl req makes the request");
	/* Two letters are too few to know what was meant, and what is asafo's is asafo's. */
	assert_int_equal(RUN(w, "show", "ro"), CLI_USAGE);
	lacks(w->err, "is no command of asafo's");
	assert_int_equal(RUN(w, "show", "failover", "foo"), CLI_USAGE);
	lacks(w->err, "is no command of asafo's");
	assert_int_equal(RUN(w, "shwo"), CLI_USAGE);
	contains(w->err, "did you mean \"show\"?");
}

static void a_wrong_word_is_told_without_a_list_that_is_cut(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "show"), CLI_USAGE);
	assert_string_equal(
		w->err,
		"asafo: \"show\": incomplete (asafo help show says what may stand there)\n");
	assert_int_equal(RUN(w, "show", "nonsense"), CLI_USAGE);
	assert_string_equal(w->err, "asafo: \"show nonsense\": unknown word (asafo help show says "
				    "what may stand there)\n");
	assert_int_equal(RUN(w, "nonsense"), CLI_USAGE);
	assert_string_equal(
		w->err, "asafo: \"nonsense\": unknown command (asafo help shows the commands)\n");
	/* A short list is whole. */
	assert_int_equal(RUN(w, "failover", "exec", "both", "show"), CLI_USAGE);
	contains(w->err, "expected \"active\", \"standby\" or \"mate\"");
	contains(w->err, "(asafo help failover exec says");
	assert_int_equal(RUN(w, "failover", "exec", "mate"), CLI_USAGE);
	contains(w->err, "incomplete, expected <command>");
	assert_int_equal(RUN(w, "vpn-sessiondb", "logoff", "name"), CLI_USAGE);
	contains(w->err, "incomplete, expected <user>");
	/* The help that is named is there: an argument has none. */
	assert_int_equal(RUN(w, "export", "vpn", "--format", "der"), CLI_USAGE);
	contains(w->err, "(asafo help export says");
	assert_int_equal(RUN(w, "crypto", "ca", "import", "vpn", "pkcs12"), CLI_USAGE);
	contains(w->err, "(asafo help crypto ca import says");
}

static void write_alone_saves_and_write_terminal_shows(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "wr"), CLI_DEGRADED);
	contains(w->out, "Saved to /etc/asafo/startup-config\n");
	assert_int_equal(RUN(w, "wr", "t"), CLI_OK);
	contains(w->out, "hostname fw\nfailover\n");
	assert_int_equal(RUN(w, "write", "terminal", "--json"), CLI_OK);
	contains(w->out, "{\"text\":");
}

static void lines_end_with_end_as_on_an_asa(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN_WITH(w, "hostname fw\nfailover\nend\n", "conf", "t"), CLI_OK);
	assert_string_equal(w->err, "");
	assert_int_equal(RUN_WITH(w, "hostname fw\nfailover\n END \r\n", "configure"), CLI_OK);
	assert_string_equal(w->err, "");
	/* An ASA ends what it shows with ": end". */
	assert_int_equal(
		RUN_WITH(w, "hostname fw\nfailover\nend\n\n ! mtu\r\n \t\n: end", "configure"),
		CLI_OK);
	assert_string_equal(w->err, "");
	assert_int_equal(RUN_WITH(w, "hostname fw\nfailover\n", "configure", "terminal"), CLI_OK);
	assert_string_equal(w->err, "");
	/* A word that only begins so is none. */
	assert_int_equal(RUN_WITH(w, "hostname fw\nendless\n", "configure"), CLI_OK);
	contains(w->err, "another text came");
}

static void a_line_behind_end_is_refused_and_not_dropped(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(
		RUN_WITH(w, "hostname fw\nfailover\nend\n! more\ntotp ada SECRET\n", "configure"),
		CLI_USAGE);
	assert_string_equal(w->err,
			    "asafo: configure: line 5 stands behind the \"end\" of line 3, which "
			    "is the last line: nothing was applied: remove that \"end\", or what "
			    "follows it\n");
	assert_string_equal(w->out, "");
	assert_int_equal(RUN_WITH(w, "hostname fw\nend\nfailover", "conf", "t"), CLI_USAGE);
	contains(w->err, "line 3 stands behind the \"end\" of line 2");
}

static void what_may_follow_has_the_help_of_the_command_it_is(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "show", "failover", "?"), CLI_OK);
	contains(w->out, "  interface            Show the failover links");
	assert_int_equal(RUN(w, "show", "?"), CLI_OK);
	contains(w->out, "  ssl                  Show which certificate is served where");
	lacks(w->out, "\n  --probe");
	assert_int_equal(RUN(w, "show", "ssl", "?"), CLI_OK);
	contains(w->out, "  --probe              Try it now, as a client would\n");
	assert_int_equal(RUN(w, "complete", "--", "show", "--j"), CLI_OK);
	contains(w->out, "--json\t");
	assert_int_equal(RUN(w, "help", "show", "running-config"), CLI_OK);
	contains(w->out, "  show running-config [all] [{crypto|");
	contains(w->out, "|webvpn|interface [<device>]}] [--json]\n");
}

static void what_may_follow_in_a_line_is_said_behind_configure(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "conf", "?"), CLI_OK);
	contains(w->out, "  hostname             The name of the pair\n");
	lacks(w->out, "  import ");
	assert_int_equal(RUN(w, "configure", "failover", "nonsense", "?"), CLI_USAGE);
	assert_int_equal(RUN(w, "configure", "failover", "pree", "?"), CLI_OK);
	contains(w->out, "  delay ");
	contains(w->out, "  <cr> ");
	/* A line that ends so is a line. */
	assert_int_equal(RUN(w, "configure", "hostname fw?"), CLI_OK);
	contains(w->err, "another text came");
	assert_int_equal(RUN(w, "show", "running-config", "?"), CLI_OK);
	contains(w->out, "  tunnel-group         Groups of VPN users\n");
}

static void quotes_and_nothing_at_all_are_told(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(RUN(w, "show failover"), CLI_USAGE);
	assert_string_equal(w->err,
			    "asafo: \"show failover\": each word is an argument of its own: "
			    "leave the quotes out\n");
	assert_int_equal(RUN(w, ""), CLI_USAGE);
	assert_string_equal(w->err, "asafo: no command is given (asafo help shows the commands)\n");
}

static void a_missing_passphrase_says_how_to_give_it(void **state)
{
	struct cli_world *w = *state;
	const char *path = cli_world_file(w, "vpn.p12", "PKCS12");

	assert_int_equal(RUN(w, "import", "vpn", path), CLI_USAGE);
	contains(w->err, "asafo: import: no passphrase on stdin (Passphrase of ");
	contains(w->err, "with --passphrase-file FILE\n");
}

static const char *wrapped(size_t width, size_t at, size_t indent, const char *text)
{
	struct screen screen = {.is_terminal = width > 0, .width = (unsigned)width, .err = stderr};

	memset(output, 0, sizeof(output));
	screen.out = fmemopen(output, sizeof(output) - 1, "w");
	assert_non_null(screen.out);
	screen_wrap(&screen, SCREEN_PLAIN, at, indent, text);
	assert_int_equal(fclose(screen.out), 0);
	return output;
}

static void long_sentences_are_broken_between_words_on_a_terminal(void **state)
{
	(void)state;
	assert_string_equal(wrapped(20, 0, 2, "one two three four five six"),
			    "one two three four\n  five six\n");
	/* To the last column, and not past it. */
	assert_string_equal(wrapped(18, 0, 2, "one two three four five"),
			    "one two three four\n  five\n");
	assert_string_equal(wrapped(17, 0, 2, "one two three four five"),
			    "one two three\n  four five\n");
	assert_string_equal(wrapped(20, 12, 4, "one two three"), "one two\n    three\n");
	/* A word that is longer than a line is there to be copied. */
	assert_string_equal(wrapped(10, 0, 1, "a 0123456789abcdef b"),
			    "a\n 0123456789abcdef\n b\n");
	assert_string_equal(wrapped(0, 0, 2, "one two three four five six"),
			    "one two three four five six\n");
	assert_string_equal(wrapped(20, 0, 2, ""), "\n");
}

static const char *shown(int (*render)(const struct screen *, struct json_object *),
			 const char *text)
{
	struct screen screen = {.now = CLI_NOW, .err = stderr};
	struct json_object *result = json_tokener_parse(text);

	assert_non_null(result);
	memset(output, 0, sizeof(output));
	screen.out = fmemopen(output, sizeof(output) - 1, "w");
	assert_non_null(screen.out);
	assert_int_equal(render(&screen, result), 0);
	assert_int_equal(fclose(screen.out), 0);
	json_object_put(result);
	return output;
}

static void what_is_served_is_never_named_for_what_is_missing(void **state)
{
	(void)state;
	(void)shown(
		render_ssl,
		"{\"minimum_tls\":\"tlsv1.2\",\"listening\":[\"192.0.2.1:443\"],\"bindings\":[],"
		"\"served\":[{\"interface\":\"outside\",\"domain\":\"\",\"trustpoint\":\"vpn\","
		"\"fingerprint\":\"ff\",\"is_fallback\":true,\"why\":\"bound by interface, but "
		"the trustpoint is not in the store\"}]}");
	contains(output, "\nself-signed fallback  outside");
	contains(output, "vpn is bound by interface, but the trustpoint is not in the store\n");
	lacks(output, "\nvpn ");
}

static void an_empty_list_is_a_sentence(void **state)
{
	(void)state;
	contains(shown(render_track, "{\"tracks\":[]}"), "No track objects: asafo configure ");
	(void)shown(render_localca, "{\"ca\":{\"subject\":\"CN=ca\"},\"issued\":[]}");
	contains(output, "It has issued nothing: asafo localca issue NAME FILE.p12 does\n");
	lacks(output, "SERIAL ");
	(void)shown(render_generations,
		    "{\"generations\":[{\"generation\":2,\"present\":true},{\"generation\":1}]}");
	contains(output, "  STATE\n");
	contains(output, "  present\n");
	contains(output, "  kept\n");
	lacks(output, " \n");
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, cli_world_setup, cli_world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(a_word_of_an_asa_that_is_not_asafos_says_what_to_type),
		IN_WORLD(a_wrong_word_is_told_without_a_list_that_is_cut),
		IN_WORLD(write_alone_saves_and_write_terminal_shows),
		IN_WORLD(lines_end_with_end_as_on_an_asa),
		IN_WORLD(a_line_behind_end_is_refused_and_not_dropped),
		IN_WORLD(what_may_follow_has_the_help_of_the_command_it_is),
		IN_WORLD(what_may_follow_in_a_line_is_said_behind_configure),
		IN_WORLD(quotes_and_nothing_at_all_are_told),
		IN_WORLD(a_missing_passphrase_says_how_to_give_it),
		cmocka_unit_test(long_sentences_are_broken_between_words_on_a_terminal),
		cmocka_unit_test(what_is_served_is_never_named_for_what_is_missing),
		cmocka_unit_test(an_empty_list_is_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
