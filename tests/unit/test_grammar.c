/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "config/grammar.h"
#include "config/syntax.h"

static int setup(void **state)
{
	struct grammar *grammar = NULL;
	struct why why = {0};
	size_t n;
	const struct command_row *rows = command_table(&n);

	if (grammar_new(rows, n, &grammar, &why) < 0) {
		print_error("%s\n", why.text);
		return -1;
	}
	*state = grammar;
	return 0;
}

static int teardown(void **state)
{
	grammar_free(*state);
	return 0;
}

/* The parsed line must live as long as the match. */
struct parsed {
	struct line line;
	struct grammar_match match;
	struct grammar_failure failure;
	int result;
};

static void parse(void **state, enum command_mode mode, const char *text, struct parsed *ret)
{
	enum line_style style = mode == COMMAND_MODE_EXEC ? LINE_STYLE_SHELL : LINE_STYLE_CONFIG;
	unsigned column;

	*ret = (struct parsed){0};
	assert_int_equal(line_split(text, strlen(text), style, &ret->line, &column, NULL), 0);
	ret->result = grammar_match(*state, mode, &ret->line, &ret->match, &ret->failure);
}

static void expect_id(void **state, enum command_mode mode, const char *text, enum command_id id)
{
	struct parsed parsed;

	parse(state, mode, text, &parsed);
	if (parsed.result != 0)
		print_error("%s: %s\n", text, parsed.failure.why.text);
	assert_int_equal(parsed.result, 0);
	assert_int_equal(parsed.match.row->id, id);
	line_done(&parsed.line);
}

static void expect_failure(void **state, enum command_mode mode, const char *text, unsigned column,
			   const char *sentence)
{
	struct parsed parsed;

	parse(state, mode, text, &parsed);
	assert_int_equal(parsed.result, ERR_SYNTAX);
	assert_string_equal(parsed.failure.why.text, sentence);
	assert_int_equal(parsed.failure.column, column);
	line_done(&parsed.line);
}

static void every_row_compiles_and_has_help(void **state)
{
	size_t n;
	const struct command_row *rows = command_table(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		assert_true(rows[i].help && rows[i].help[0] >= 'A' && rows[i].help[0] <= 'Z');
		assert_true(rows[i].help[strlen(rows[i].help) - 1] != '.');
		assert_int_equal(rows[i].mode == COMMAND_MODE_EXEC,
				 rows[i].class == COMMAND_CLASS_EXEC);
		assert_true(rows[i].class == COMMAND_CLASS_EXEC || !rows[i].method);
	}
}

static void a_private_key_leaves_only_with_the_right_to_change(void **state)
{
	size_t n;
	const struct command_row *rows = command_table(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].id == COMMAND_EXPORT || rows[i].id == COMMAND_LOCALCA_ISSUE)
			assert_int_equal(rows[i].access, COMMAND_ACCESS_CHANGE);
	}
}

static void keywords_are_abbreviated_as_an_operator_of_an_asa_does(void **state)
{
	expect_id(state, COMMAND_MODE_EXEC, "wr mem", COMMAND_WRITE_MEMORY);
	expect_id(state, COMMAND_MODE_EXEC, "wr stand", COMMAND_WRITE_STANDBY);
	expect_id(state, COMMAND_MODE_EXEC, "write-st", COMMAND_WRITE_STANDBY);
	expect_id(state, COMMAND_MODE_EXEC, "sh fail", COMMAND_SHOW_FAILOVER);
	expect_id(state, COMMAND_MODE_EXEC, "sh fail hist", COMMAND_SHOW_HISTORY);
	expect_id(state, COMMAND_MODE_EXEC, "SHOW RUN", COMMAND_SHOW_RUNNING_CONFIG);
	expect_id(state, COMMAND_MODE_EXEC, "copy run start", COMMAND_WRITE_MEMORY);
	expect_id(state, COMMAND_MODE_EXEC, "no fail act", COMMAND_FAILOVER_STANDBY);
	expect_id(state, COMMAND_MODE_CONFIG, "failo la un prim", COMMAND_FAILOVER_UNIT);
	expect_id(state, COMMAND_MODE_CONFIG, "cry ca trust T", COMMAND_TRUSTPOINT);
	expect_id(state, COMMAND_MODE_INTERFACE, "ip add 192.0.2.1 255.255.255.0",
		  COMMAND_IP_ADDRESS);
}

static void an_ambiguous_abbreviation_lists_what_it_can_be(void **state)
{
	expect_failure(state, COMMAND_MODE_EXEC, "show s", 6,
		       "\"show s\": ambiguous, can be state, security, ssl or startup-config");
}

static void a_negation_is_seen_also_when_abbreviated(void **state)
{
	struct parsed parsed;

	parse(state, COMMAND_MODE_CONFIG, "n failover", &parsed);
	assert_int_equal(parsed.result, 0);
	assert_true(parsed.match.is_negated);
	line_done(&parsed.line);
	parse(state, COMMAND_MODE_CONFIG, "hostname no", &parsed);
	assert_int_equal(parsed.result, 0);
	assert_false(parsed.match.is_negated);
	line_done(&parsed.line);
}

static void arguments_arrive_under_their_names(void **state)
{
	struct parsed parsed;
	const struct value *value;

	parse(state, COMMAND_MODE_INTERFACE,
	      "ip address 198.51.100.10 255.255.255.0 standby 198.51.100.11", &parsed);
	assert_int_equal(parsed.result, 0);
	assert_int_equal(parsed.match.n_values, 3);
	value = grammar_match_value(&parsed.match, "mask");
	assert_int_equal(value->address.prefix_length, 24);
	assert_int_equal(value->column, 26);
	value = grammar_match_value(&parsed.match, "standby");
	assert_int_equal(value->address.bytes[3], 11);
	assert_null(grammar_match_value(&parsed.match, "address6"));
	line_done(&parsed.line);
}

static void options_stand_anywhere_behind_the_verb(void **state)
{
	static const char *const lines[] = {
		"import WEB web.p12 --passphrase-file pw --replace",
		"import --replace WEB --passphrase-file=pw web.p12",
		"import --rep WEB web.p12 --pass \"pw\"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct parsed parsed;

		parse(state, COMMAND_MODE_EXEC, lines[i], &parsed);
		assert_int_equal(parsed.result, 0);
		assert_string_equal(grammar_match_value(&parsed.match, "name")->text, "WEB");
		assert_string_equal(grammar_match_value(&parsed.match, "file")->text, "web.p12");
		assert_string_equal(grammar_match_value(&parsed.match, "passphrase-file")->text,
				    "pw");
		assert_non_null(grammar_match_value(&parsed.match, "replace"));
		assert_null(grammar_match_value(&parsed.match, "dry-run"));
		line_done(&parsed.line);
	}
}

static void an_option_that_can_repeat_does_and_another_does_not(void **state)
{
	struct parsed parsed;

	parse(state, COMMAND_MODE_EXEC,
	      "localca issue \"A device\" d.p12 --name a.example --name b.example", &parsed);
	assert_int_equal(parsed.result, 0);
	assert_int_equal(parsed.match.n_values, 4);
	assert_string_equal(parsed.match.values[0].text, "A device");
	assert_string_equal(parsed.match.values[3].text, "b.example");
	line_done(&parsed.line);
	parse(state, COMMAND_MODE_EXEC, "show version --json --json", &parsed);
	assert_int_equal(parsed.result, ERR_SYNTAX);
	line_done(&parsed.line);
}

static void a_choice_of_an_option_is_given_in_full(void **state)
{
	struct parsed parsed;

	parse(state, COMMAND_MODE_EXEC, "export WEB --format pk", &parsed);
	assert_int_equal(parsed.result, 0);
	assert_string_equal(grammar_match_value(&parsed.match, "format")->text, "pkcs12");
	line_done(&parsed.line);
	expect_failure(state, COMMAND_MODE_EXEC, "export WEB --format p", 21,
		       "\"export WEB --format p\": expected \"pkcs12\" or \"pem\"");
}

static void an_argument_vector_is_matched_like_a_line(void **state)
{
	static const char *const words[] = {"import", "WEB", "a file.p12", "--passphrase-file=p w"};
	struct grammar_match match;
	struct line line;

	assert_int_equal(line_from_words(words, ARRAY_SIZE(words), &line, NULL), 0);
	assert_int_equal(grammar_match(*state, COMMAND_MODE_EXEC, &line, &match, NULL), 0);
	assert_string_equal(grammar_match_value(&match, "file")->text, "a file.p12");
	assert_string_equal(grammar_match_value(&match, "passphrase-file")->text, "p w");
	line_done(&line);
}

static void a_mismatch_says_where_and_what_was_expected(void **state)
{
	expect_failure(state, COMMAND_MODE_CONFIG, "failvoer", 1,
		       "\"failvoer\": unknown command, did you mean \"failover\"?");
	expect_failure(state, COMMAND_MODE_CONFIG, "failover lan", 13,
		       "\"failover lan\": incomplete, expected \"unit\" or \"interface\"");
	expect_failure(state, COMMAND_MODE_CONFIG, "no failover key x", 17,
		       "\"no failover key x\": expected the end of the line");
	expect_failure(state, COMMAND_MODE_CONFIG, "failover interface-policy 251", 27,
		       "\"failover interface-policy 251\": expected a percentage such as 50% or a "
		       "number from 1 to 250");
	expect_failure(state, COMMAND_MODE_EXEC, "show version --jsno", 14,
		       "\"show version --jsno\": unknown word, did you mean \"--json\"?");
	expect_failure(state, COMMAND_MODE_EXEC, "export vpn x.p12", 12,
		       "\"export vpn x.p12\": expected \"--output\", \"--passphrase-file\", "
		       "\"--format\" or the end of the line");
	expect_failure(state, COMMAND_MODE_EXEC, "import", 7,
		       "\"import\": incomplete, expected a name (letters, digits, '.', '_', '-'; "
		       "at most 63)");
	expect_failure(state, COMMAND_MODE_WEBVPN, "zzz", 1,
		       "\"zzz\": unknown command, expected \"no\", \"enable\", \"port\", "
		       "\"anyconnect\" or \"exit\"");
}

static void a_secret_never_stands_in_a_message(void **state)
{
	static const char *const lines[] = {
		"failover key hunter2hunter2 hunter2", "failover key hex hunter2",
		"failover key hex 00112233445566778899aabbccddeeff hunter2",
		"failo ke hunter2 hex hunter2", "failover kye hunter2"};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct parsed parsed;

		parse(state, COMMAND_MODE_CONFIG, lines[i], &parsed);
		assert_int_equal(parsed.result, ERR_SYNTAX);
		assert_null(strstr(parsed.failure.why.text, "hunter2"));
		assert_null(strstr(parsed.failure.why.text, "0011"));
		line_done(&parsed.line);
	}
}

static void complete(void **state, enum command_mode mode, const char *text,
		     struct grammar_candidates *ret)
{
	struct line line;
	unsigned column;

	assert_int_equal(line_split(text, strlen(text), LINE_STYLE_SHELL, &line, &column, NULL), 0);
	assert_int_equal(grammar_complete(*state, mode, &line, ret), 0);
	line_done(&line);
}

static void expect_candidates(void **state, enum command_mode mode, const char *text,
			      const char *expected)
{
	struct grammar_candidates candidates;
	char list[1024] = "";

	complete(state, mode, text, &candidates);
	for (size_t i = 0; i < candidates.n_items; i++) {
		size_t used = strlen(list);

		(void)snprintf(list + used, sizeof(list) - used, "%s%s", i ? " " : "",
			       candidates.items[i].word);
		assert_non_null(candidates.items[i].help);
	}
	assert_string_equal(list, expected);
}

static void completion_lists_what_may_come_next(void **state)
{
	expect_candidates(state, COMMAND_MODE_EXEC, "write", "write write-memory write-standby");
	expect_candidates(state, COMMAND_MODE_EXEC, "write ", "memory standby terminal <cr>");
	expect_candidates(state, COMMAND_MODE_EXEC, "failover ",
			  "active exec reload-standby reset standby");
	expect_candidates(state, COMMAND_MODE_EXEC, "remove ", "--force <name>");
	expect_candidates(state, COMMAND_MODE_EXEC, "show version ", "--json <cr>");
	expect_candidates(state, COMMAND_MODE_EXEC, "import WEB f --r", "--replace");
	expect_candidates(state, COMMAND_MODE_EXEC, "export WEB --format ", "pem pkcs12");
	expect_candidates(state, COMMAND_MODE_EXEC, "nonsense ", "");
	expect_candidates(state, COMMAND_MODE_CONFIG, "failover key ", "hex <key>");
	expect_candidates(state, COMMAND_MODE_CONFIG, "failover lan unit p", "primary");
	expect_candidates(state, COMMAND_MODE_INTERFACE, "ip address 192.0.2.1 255.255.255.0 ",
			  "secondary standby <cr>");
}

static void completion_of_nothing_lists_every_command_of_the_mode(void **state)
{
	struct grammar_candidates candidates;

	complete(state, COMMAND_MODE_EXEC, "", &candidates);
	assert_true(candidates.n_items > 15 && candidates.n_items < GRAMMAR_CANDIDATES_MAX);
	complete(state, COMMAND_MODE_CONFIG, "", &candidates);
	assert_true(candidates.n_items > 7);
}

static void a_pattern_that_is_malformed_is_refused(void **state)
{
	static const char *const patterns[] = {
		"a [b", "a {b|c",	  "a <nothing>", "a <b:number>", "a <b:number(5,2)>",
		"a ]",	"[--x <y:{a|b>]", "a <b",	 "[--x <y:{}>]"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		struct command_row row = {.syntax = patterns[i]};
		struct grammar *grammar = NULL;
		struct why why;

		assert_int_equal(grammar_new(&row, 1, &grammar, &why), ERR_MALFORMED);
		assert_null(grammar);
	}
}

static void more_words_than_any_command_has_are_refused(void **state)
{
	char text[2 * LINE_WORDS_MAX + 3];
	struct line line = {0};
	unsigned column = 0;

	(void)state;
	memset(text, ' ', sizeof(text));
	for (size_t i = 0; i <= LINE_WORDS_MAX; i++)
		text[2 * i] = 'a';
	assert_int_equal(
		line_split(text, 2 * LINE_WORDS_MAX + 1, LINE_STYLE_CONFIG, &line, &column, NULL),
		ERR_TOO_LARGE);
	assert_int_equal(column, 2 * LINE_WORDS_MAX + 1);
	assert_null(line.storage);
}

static void values_are_accepted_by_their_type_only(void **state)
{
	static const struct {
		enum value_type type;
		const char *text;
		bool is_good;
	} cases[] = {
		{VALUE_NAME, "ASDM_TrustPoint2", true},
		{VALUE_NAME, "-x", false},
		{VALUE_NAME, "a b", false},
		{VALUE_NAME, "", false},
		{VALUE_NAME, "a/b", false},
		{VALUE_HOST, "fw-1.example.org", true},
		{VALUE_HOST, "fw_1", false},
		{VALUE_HOST, "-fw", false},
		{VALUE_HOST, "fw-", false},
		{VALUE_HOST, "192.0.2.1", false},
		{VALUE_DEVICE, "ens3.100", true},
		{VALUE_DEVICE, "a234567890123456", false},
		{VALUE_DEVICE, "..", false},
		{VALUE_DEVICE, "a/b", false},
		{VALUE_IPV4, "192.0.2.1", true},
		{VALUE_IPV4, "192.0.2", false},
		{VALUE_IPV4, "192.0.2.256", false},
		{VALUE_ROUTENET, "10.0.0.0", true},
		{VALUE_ROUTENET, "0", true},
		{VALUE_ROUTENET, "00", false},
		{VALUE_ROUTEMASK, "0", true},
		{VALUE_ROUTEMASK, "0.0.0.0", true},
		{VALUE_ROUTEMASK, "8", false},
		{VALUE_MASK, "0", false},
		{VALUE_MASK, "255.255.255.0", true},
		{VALUE_MASK, "255.255.255.255", true},
		{VALUE_MASK, "255.255.0.255", false},
		{VALUE_MASK, "0.0.0.255", false},
		{VALUE_MASK, "0.0.0.0", false},
		{VALUE_MASK, "128.0.0.0", true},
		{VALUE_IPV6, "2001:db8::1", true},
		{VALUE_IPV6, "2001:db8::1%eth0", false},
		{VALUE_IPV6PREFIX, "2001:db8::1/64", true},
		{VALUE_IPV6PREFIX, "2001:db8::1/129", false},
		{VALUE_IPV6PREFIX, "2001:db8::1/064", false},
		{VALUE_IPV6PREFIX, "2001:db8::1/", false},
		{VALUE_IPV6PREFIX, "2001:db8::1", false},
		{VALUE_FQDN, "*.example.org", true},
		{VALUE_FQDN, "vpn.example.org", true},
		{VALUE_FQDN, "*.*.example.org", false},
		{VALUE_FQDN, "vpn..example.org", false},
		{VALUE_FQDN, "*", false},
		{VALUE_FQDN, "192.0.2.1", false},
		{VALUE_FQDN, "example.org.", false},
		{VALUE_SECRET, "p\xc3\xa4ss", false},
		{VALUE_HEXKEY, "00112233445566778899aAbBcCdDeEfF", true},
		{VALUE_OWNER, "people-ca", true},
		{VALUE_OWNER, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		 true},
		{VALUE_OWNER, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeefg",
		 false},
		{VALUE_OWNER, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0",
		 false},
		{VALUE_OWNER, "-people", false},
		{VALUE_HEXKEY, "00112233445566778899aabbccddeef", false},
		{VALUE_HEXKEY, "0011223344556677889900aabbccddeeg", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (value_accept(cases[i].type, 0, 0, cases[i].text, NULL) != cases[i].is_good)
			fail_msg("%s", cases[i].text);
	}
	assert_true(value_accept(VALUE_NUMBER, 1, 15, "15", NULL));
	assert_false(value_accept(VALUE_NUMBER, 1, 15, "16", NULL));
	assert_false(value_accept(VALUE_NUMBER, 1, 15, "07", NULL));
	assert_true(value_accept(VALUE_PERCENT, 0, 0, "100%", NULL));
	assert_true(value_accept(VALUE_PERCENT, 0, 0, "1%", NULL));
	assert_false(value_accept(VALUE_PERCENT, 0, 0, "0%", NULL));
	assert_false(value_accept(VALUE_PERCENT, 0, 0, "101%", NULL));
	assert_false(value_accept(VALUE_PERCENT, 0, 0, "%", NULL));
	assert_false(value_accept(VALUE_PERCENT, 0, 0, "50", NULL));
	assert_false(value_accept(VALUE_NUMBER, 1, UINT64_MAX, "99999999999999999999", NULL));
}

static void a_pattern_is_shown_as_people_write_it(void **state)
{
	char text[200], small[8];

	(void)state;
	syntax_text("failover lan unit <unit:{primary|secondary}>", text, sizeof(text));
	assert_string_equal(text, "failover lan unit {primary|secondary}");
	syntax_text("x <name> [<file>] [--passphrase-file <passphrase-file:file>] [--n "
		    "<m:number(1,2)>]...",
		    text, sizeof(text));
	assert_string_equal(text, "x NAME [FILE] [--passphrase-file PASSPHRASE-FILE] [--n M]...");
	syntax_text("interface <device>", small, sizeof(small));
	assert_string_equal(small, "interfa");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_compiles_and_has_help),
		cmocka_unit_test(a_private_key_leaves_only_with_the_right_to_change),
		cmocka_unit_test(keywords_are_abbreviated_as_an_operator_of_an_asa_does),
		cmocka_unit_test(an_ambiguous_abbreviation_lists_what_it_can_be),
		cmocka_unit_test(a_negation_is_seen_also_when_abbreviated),
		cmocka_unit_test(arguments_arrive_under_their_names),
		cmocka_unit_test(options_stand_anywhere_behind_the_verb),
		cmocka_unit_test(an_option_that_can_repeat_does_and_another_does_not),
		cmocka_unit_test(a_choice_of_an_option_is_given_in_full),
		cmocka_unit_test(an_argument_vector_is_matched_like_a_line),
		cmocka_unit_test(a_mismatch_says_where_and_what_was_expected),
		cmocka_unit_test(a_secret_never_stands_in_a_message),
		cmocka_unit_test(completion_lists_what_may_come_next),
		cmocka_unit_test(completion_of_nothing_lists_every_command_of_the_mode),
		cmocka_unit_test(a_pattern_that_is_malformed_is_refused),
		cmocka_unit_test(more_words_than_any_command_has_are_refused),
		cmocka_unit_test(values_are_accepted_by_their_type_only),
		cmocka_unit_test(a_pattern_is_shown_as_people_write_it),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
