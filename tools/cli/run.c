/* SPDX-License-Identifier: Apache-2.0 */
/* From the argument vector to a verb, by way of the command table. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "config.h"
#include "tools/cli/elsewhere.h"
#include "tools/cli/verb.h"

#define TIMEOUT_S 120
/* Who only looks gets an answer at once, or asks a unit that stands still: a person waits for it,
 * or a program that watches the pair. A keeper with a slow disk may be silent for 30 s, and is
 * well. */
#define SHOW_TIMEOUT_S 45
#define CHECK_TIMEOUT_S 10

static const struct {
	enum command_id id;
	verb_fn run;
} verbs[] = {
	{COMMAND_IMPORT, verb_import},
	{COMMAND_AUTHENTICATE, verb_authenticate},
	{COMMAND_TRUSTPOINT_HISTORY, verb_history},
	{COMMAND_ROLLBACK, verb_rollback},
	{COMMAND_EXPORT, verb_export},
	{COMMAND_BACKUP, verb_backup},
	{COMMAND_RESTORE, verb_restore},
	{COMMAND_REMOVE, verb_remove},
	{COMMAND_BIND, verb_bind},
	{COMMAND_UNBIND, verb_bind},
	{COMMAND_WRITE_STANDBY, verb_write_standby},
	{COMMAND_WRITE_MEMORY, verb_write_memory},
	{COMMAND_FAILOVER_ACTIVE, verb_failover},
	{COMMAND_FAILOVER_STANDBY, verb_failover},
	{COMMAND_FAILOVER_RESET, verb_failover_reset},
	{COMMAND_RELOAD_STANDBY, verb_reload_standby},
	{COMMAND_MAINTENANCE, verb_maintenance},
	{COMMAND_CLEAR_STATISTICS, verb_clear_statistics},
	{COMMAND_PAIR_OFFER, verb_pair},
	{COMMAND_PAIR_JOIN, verb_pair},
	{COMMAND_PAIR_KEY, verb_pair_key},
	{COMMAND_REKEY, verb_rekey},
	{COMMAND_CRL_IMPORT, verb_crl_import},
	{COMMAND_CRL_REMOVE, verb_crl_remove},
	{COMMAND_SHOW_CRLS, verb_show_crls},
	{COMMAND_OCSP_IMPORT, verb_ocsp_import},
	{COMMAND_OCSP_REMOVE, verb_ocsp_remove},
	{COMMAND_SESSION_TICKETS_ROTATE, verb_session_tickets_rotate},
	{COMMAND_MASTER_KEY_ROTATE, verb_master_key},
	{COMMAND_MASTER_KEY_MOVE, verb_master_key},
	{COMMAND_SHOW_SECURITY, verb_show_security},
	{COMMAND_LOCALCA_CREATE, verb_localca_create},
	{COMMAND_LOCALCA_ISSUE, verb_localca_issue},
	{COMMAND_LOCALCA_LIST, verb_localca_list},
	{COMMAND_SHOW_FAILOVER, verb_show_failover},
	{COMMAND_SHOW_STATE, verb_show_state},
	{COMMAND_SHOW_HISTORY, verb_show_history},
	{COMMAND_SHOW_FAILOVER_INTERFACE, verb_show_failover_interface},
	{COMMAND_SHOW_STATISTICS, verb_show_statistics},
	{COMMAND_SHOW_REDUNDANCY, verb_show_redundancy},
	{COMMAND_CHECK, verb_check},
	{COMMAND_VERIFY, verb_verify},
	{COMMAND_WHY, verb_why},
	{COMMAND_SHOW_DIFF, verb_show_diff},
	{COMMAND_SHOW_MONITOR_INTERFACE, verb_show_monitor_interface},
	{COMMAND_SHOW_TRACK, verb_show_track},
	{COMMAND_SHOW_TRUSTPOINTS, verb_show_trustpoints},
	{COMMAND_SHOW_CERTIFICATES, verb_show_certificates},
	{COMMAND_ORPHANS_RESTORE, verb_orphans_restore},
	{COMMAND_ORPHANS_DROP, verb_orphans_drop},
	{COMMAND_SHOW_ORPHANS, verb_show_orphans},
	{COMMAND_SHOW_SSL, verb_show_ssl},
	{COMMAND_SHOW_VPN_SESSIONS, verb_show_vpn_sessions},
	{COMMAND_VPN_LOGOFF, verb_vpn_logoff},
	{COMMAND_TOTP, verb_totp},
	{COMMAND_SHOW_RUNNING_CONFIG, verb_show_config},
	{COMMAND_SHOW_STARTUP_CONFIG, verb_show_config},
	{COMMAND_SHOW_VERSION, verb_show_version},
	{COMMAND_CHECK_CONFIG, verb_check_config},
};

CLEANUP_DEFINE(struct grammar *, grammar_free)

static int usage(const struct cli *cli, const char *text)
{
	screen_error(&cli->screen, NULL, "%s (asafo help shows the commands)", text);
	return CLI_USAGE;
}

static int usage_option(const struct cli *cli, const char *option, const char *text)
{
	char sentence[160];

	(void)snprintf(sentence, sizeof(sentence), "\"%.80s\": %s", option, text);
	return usage(cli, sentence);
}

/* The value of an option that stands at *AT: behind '=' or in the next word. NULL: it is not this
 * option. */
static const char *option_value(int argc, char **argv, int *at, const char *name,
				bool *ret_is_missing)
{
	size_t length = strlen(name);

	if (strncmp(argv[*at], name, length) != 0)
		return NULL;
	if (argv[*at][length] == '=')
		return argv[*at] + length + 1;
	if (argv[*at][length] != '\0')
		return NULL;
	if (*at + 1 >= argc) {
		*ret_is_missing = true;
		return NULL;
	}
	return argv[++*at];
}

static bool parse_timeout(const char *text, unsigned *ret_ms)
{
	char *end = NULL;
	unsigned long seconds;

	errno = 0;
	seconds = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || seconds > 86400)
		return false;
	*ret_ms = (unsigned)seconds * 1000;
	return true;
}

static unsigned usual_timeout_ms(const struct command_row *row)
{
	if (strncmp(row->syntax, "show ", 5) == 0)
		return SHOW_TIMEOUT_S * 1000;
	return (row->id == COMMAND_CHECK ? CHECK_TIMEOUT_S : TIMEOUT_S) * 1000;
}

/* The options before the verb; *AT is the first word that is none. Returns an exit code, or -1 to
 * go on. */
static int parse_options(struct cli *cli, int argc, char **argv, int *at)
{
	for (; *at < argc && argv[*at][0] == '-' && argv[*at][1]; (*at)++) {
		const char *word = argv[*at], *value;
		bool is_missing = false;

		if (strcmp(word, "--json") == 0) {
			cli->is_json = true;
		} else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
			return verb_help(cli, 0, NULL);
		} else if (strcmp(word, "--version") == 0) {
			screen_print(&cli->screen, "asafo %s\n", PACKAGE_VERSION);
			return CLI_OK;
		} else if ((value = option_value(argc, argv, at, "--control", &is_missing))) {
			cli->control_path = value;
		} else if (!is_missing &&
			   (value = option_value(argc, argv, at, "--timeout", &is_missing))) {
			if (!parse_timeout(value, &cli->timeout_ms))
				return usage(cli, "--timeout wants seconds, at most 86400");
			cli->is_timeout_said = true;
		} else {
			return usage_option(cli, word,
					    is_missing ? "the option lacks its value"
						       : "no such option before the command");
		}
	}
	return -1;
}

/* --json may stand anywhere, up to a "--". Returns how many words are left. */
static int take_json(struct cli *cli, int n, char **words)
{
	int kept = 0;
	bool is_open = true;

	for (int i = 0; i < n; i++) {
		if (is_open && strcmp(words[i], "--") == 0) {
			is_open = false;
			continue;
		}
		if (is_open && strcmp(words[i], "--json") == 0)
			cli->is_json = true;
		else
			words[kept++] = words[i];
	}
	return kept;
}

/* `--help` or `-h` behind a command asks for its help, whatever else stands there; -1: nobody asks.
 * The words of a configuration's line are its own. */
static int asked_help(struct cli *cli, int n, char **words)
{
	int named = 0;

	if (strncmp(words[0], "configure", 10) == 0 && n > 2)
		return -1;
	for (int i = 0; i < n && strcmp(words[i], "--") != 0; i++) {
		if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0)
			return verb_help_of(cli, named, words);
		if (named == i && words[i][0] != '-')
			named++;
	}
	return -1;
}

/* The row's leading keywords: "show failover". */
static void name_verb(struct cli *cli, const struct command_row *row)
{
	size_t length = strcspn(row->syntax, "<[{");

	while (length > 0 && row->syntax[length - 1] == ' ')
		length--;
	(void)snprintf(cli->verb, sizeof(cli->verb), "%.*s", (int)length, row->syntax);
}

/* What `failover exec` cannot do: it has no file, no terminal and no end of its own there. */
static bool is_for_here(enum command_id id)
{
	return id == COMMAND_IMPORT || id == COMMAND_EXPORT || id == COMMAND_BACKUP ||
	       id == COMMAND_RESTORE || id == COMMAND_PAIR_OFFER || id == COMMAND_PAIR_JOIN ||
	       id == COMMAND_PAIR_KEY || id == COMMAND_TOTP || id == COMMAND_LOCALCA_CREATE ||
	       id == COMMAND_SHOW_DIFF || id == COMMAND_LOCALCA_ISSUE ||
	       id == COMMAND_CHECK_CONFIG || id == COMMAND_HELP || id == COMMAND_FAILOVER_EXEC;
}

static int run_row(struct cli *cli, const struct grammar_match *match, int n, char **words)
{
	name_verb(cli, match->row);
	if (!cli->is_timeout_said)
		cli->timeout_ms = usual_timeout_ms(match->row);
	if (match->row->id == COMMAND_FAILOVER_EXEC && !cli->exec_unit)
		return cli_fail(cli, CLI_USAGE, "which command?");
	if (cli->exec_unit && is_for_here(match->row->id))
		return cli_fail(cli, CLI_USAGE,
				"failover exec does not do this: run it on that unit itself");
	/* Abbreviated; in full they were seen before, since their words are no grammar's. */
	if (match->row->id == COMMAND_HELP)
		return verb_help(cli, n - 1, words + 1);
	if (match->row->id == COMMAND_CONFIGURE)
		return verb_configure(cli, n - 1, words + 1);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (verbs[i].id == match->row->id)
			return verbs[i].run(cli, match);
	return cli_fail(cli, CLI_USAGE, "this command has no meaning here");
}

/* Says what is wrong with the line, and where to read on: at most the words of a command's name are
 * repeated, none of an argument's. */
static int usage_line(const struct cli *cli, int n, char **words, const struct line *line,
		      const struct grammar_failure *failure)
{
	const char *instead = elsewhere_find(n, words, failure->word);
	int n_helped = help_known(failure->word < (size_t)n ? (int)failure->word : n, words);
	char quote[80], command[80] = "";

	for (int i = 0; i < n_helped; i++)
		(void)snprintf(command + strlen(command), sizeof(command) - strlen(command), "%s%s",
			       i > 0 ? " " : "", words[i]);
	line_quote(line, failure->word < (size_t)n ? failure->word : (size_t)n - 1, SIZE_MAX, quote,
		   sizeof(quote));
	if (instead)
		screen_error(&cli->screen, NULL, "\"%s\" is no command of asafo's: %s", quote,
			     instead);
	else if (n_helped == 0 && strchr(words[0], ' '))
		screen_error(&cli->screen, NULL,
			     "\"%s\": each word is an argument of its own: leave the quotes out",
			     quote);
	else if (n_helped == 0)
		return usage(cli, failure->why.text);
	else
		screen_error(&cli->screen, NULL, "%s (asafo help %s says what may stand there)",
			     failure->why.text, command);
	return CLI_USAGE;
}

/* Is it rather a line of the configuration? It is not repeated: there may be a key in it. */
static bool is_configuration(const struct grammar *grammar, const struct line *line,
			     const struct grammar_failure *failure)
{
	_cleanup_free_ struct grammar_match *match = calloc(1, sizeof(*match));
	struct grammar_failure other = {0};

	return match && (grammar_match(grammar, COMMAND_MODE_CONFIG, line, match, &other) == 0 ||
			 other.word > failure->word);
}

static int run_line(struct cli *cli, const struct grammar *grammar, int n, char **words)
{
	_cleanup_(line_done) struct line line = {0};
	_cleanup_free_ struct grammar_match *match = calloc(1, sizeof(*match));
	const char *borrowed[LINE_WORDS_MAX];
	struct grammar_failure failure = {0};
	int error;

	if (n > LINE_WORDS_MAX)
		return usage(cli, "too many words");
	if (!match)
		return cli_fail(cli, CLI_FAILED, "out of memory");
	for (int i = 0; i < n; i++)
		borrowed[i] = words[i];
	error = line_from_words(borrowed, (size_t)n, &line, &failure.why);
	if (!error)
		error = grammar_match(grammar, COMMAND_MODE_EXEC, &line, match, &failure);
	if (error == -ENOMEM)
		return cli_fail(cli, CLI_FAILED, "out of memory");
	if (error && is_configuration(grammar, &line, &failure)) {
		screen_error(&cli->screen, NULL,
			     "this is a line of the configuration: asafo configure \"LINE\" takes "
			     "it (man startup-config explains it)");
		return CLI_USAGE;
	}
	if (error)
		return *failure.why.text ? usage_line(cli, n, words, &line, &failure)
					 : usage(cli, err_text(error));
	return run_row(cli, match, n, words);
}

/* A `?` alone behind `configure` and the words of a line. Else the words there are lines, which may
 * end with one. */
static bool is_line_question(int n, char **words)
{
	return n > 1 && strlen(words[0]) >= 3 &&
	       strncmp(words[0], "configure", strlen(words[0])) == 0 &&
	       strcmp(words[n - 1], "?") == 0;
}

/* A `?` as the last word, or at its end, asks what may follow. */
static bool is_question(int n, char **words)
{
	size_t length = n > 0 ? strlen(words[n - 1]) : 0;

	return length > 0 && words[n - 1][length - 1] == '?' &&
	       strncmp(words[0], "configure", 10) != 0 && !is_line_question(n, words);
}

/* `failover exec UNIT COMMAND...`: the words of the command are its own. Returns how many words
 * stand before them, 0: it is another command. */
static int exec_words(struct cli *cli, int n, char **words)
{
	static const char *const units[] = {"active", "standby", "mate"};
	size_t length = n > 3 ? strlen(words[2]) : 0;

	if (n < 4 || cli->exec_unit || strlen(words[0]) < 2 ||
	    strncmp("failover", words[0], strlen(words[0])) != 0 || strlen(words[1]) < 2 ||
	    strncmp("exec", words[1], strlen(words[1])) != 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (length > 0 && strncmp(units[i], words[2], length) == 0)
			cli->exec_unit = units[i];
	}
	return cli->exec_unit ? 3 : 0;
}

/* The options before the command are no grammar's. */
static int complete_words(struct cli *cli, const struct grammar *grammar, int n, char **words)
{
	int at = 0;

	while (at < n - 1 && strncmp(words[at], "--", 2) == 0)
		at += strcmp(words[at], "--control") == 0 || strcmp(words[at], "--timeout") == 0
			      ? 2
			      : 1;
	if (at >= n && n > 0)
		return strcmp(words[n - 2], "--control") == 0 ? verb_complete_file(cli) : CLI_OK;
	if (at == n - 1 && words[at][0] == '-')
		return verb_complete_options(cli, words[at]);
	at += exec_words(cli, n - at, words + at);
	return verb_complete(cli, grammar, n - at, words + at);
}

static int run_words(struct cli *cli, const struct grammar *grammar, int n, char **words)
{
	int at;

	if (strcmp(words[0], "complete") == 0) {
		int skip = n > 1 && strcmp(words[1], "--") == 0 ? 2 : 1;

		return complete_words(cli, grammar, n - skip, words + skip);
	}
	at = asked_help(cli, n, words);
	if (at >= 0)
		return at;
	n = take_json(cli, n, words);
	if (n == 0 || !*words[0])
		return usage(cli, "no command is given");
	if (is_question(n, words)) {
		words[n - 1][strlen(words[n - 1]) - 1] = '\0';
		at = exec_words(cli, n, words);
		return verb_what_next(cli, grammar, COMMAND_MODE_EXEC, n - at, words + at);
	}
	if (is_line_question(n, words)) {
		words[n - 1] = words[n - 1] + 1;
		return verb_what_next(cli, grammar, COMMAND_MODE_CONFIG, n - 1, words + 1);
	}
	if (strcmp(words[0], "help") == 0)
		return verb_help(cli, n - 1, words + 1);
	at = exec_words(cli, n, words);
	if (strcmp(words[at], "configure") == 0) {
		(void)snprintf(cli->verb, sizeof(cli->verb), "configure");
		return verb_configure(cli, n - at - 1, words + at + 1);
	}
	return run_line(cli, grammar, n - at, words + at);
}

int cli_run(struct cli *cli, int argc, char **argv)
{
	_cleanup_(grammar_free_p) struct grammar *grammar = NULL;
	const struct command_row *rows;
	struct why why = {0};
	size_t n_rows;
	int at = 1, code;

	cli->timeout_ms = TIMEOUT_S * 1000;
	code = parse_options(cli, argc, argv, &at);
	if (code >= 0)
		return code;
	if (at >= argc) {
		(void)verb_help(cli, 0, NULL);
		return CLI_USAGE;
	}
	rows = command_table(&n_rows);
	if (grammar_new(rows, n_rows, &grammar, &why) < 0)
		return cli_fail(cli, CLI_FAILED, "out of memory");
	code = run_words(cli, grammar, argc - at, argv + at);
	control_client_free(TAKE_PTR(cli->client));
	return code;
}
