/* SPDX-License-Identifier: Apache-2.0 */
/* Help and completion: both say what the command table says. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tools/cli/verb.h"

static const char options[] =
	"\nOptions, before the command:\n"
	"  --json           show results as JSON (works anywhere on the line)\n"
	"  --control PATH   the control socket (else $ASAFO_CONTROL, else " ASAFO_RUNDIR
	"/control)\n"
	"  --timeout S      give up when the daemon is silent for S seconds; 0: never\n"
	"  --version        the version of this command\n";

/* Wrapped on a terminal. */
static const char *const paragraphs[] = {
	"COMMAND --help shows what the command takes, a `?` as the last word what may follow; "
	"asafo "
	"help WORD shows commands and lines of the configuration that begin so; man asafo and man "
	"startup-config explain them.",
	"Exit codes: 0 done, 1 failed, 2 wrong command line, 3 to be done on the other unit, 4 no "
	"daemon, 5 done here but not on the mate.",
};

/* Do the row's first words begin with WORDS? */
static bool row_begins(const struct command_row *row, int n, char **words)
{
	const char *at = row->syntax;

	if (strncmp(at, "[no] ", 5) == 0)
		at += 5;
	for (int i = 0; i < n; i++) {
		size_t length = strlen(words[i]);

		if (strncasecmp(at, words[i], length) != 0)
			return false;
		at += strcspn(at, " ");
		at += strspn(at, " ");
	}
	return true;
}

/* The pattern without the types of its arguments: "<lifetime:number(1,7300)>" reads "<lifetime>".
 */
static void print_syntax(const struct screen *screen, const char *syntax)
{
	char text[512];
	size_t n = 0;

	for (const char *at = syntax; *at && n + 1 < sizeof(text); at++) {
		const char *colon, *end;

		text[n++] = *at;
		if (*at != '<')
			continue;
		colon = at + strcspn(at, ":>");
		end = at + strcspn(at, ">");
		if (*colon != ':' || !*end)
			continue;
		/* A choice explains itself, one of a single word, or within another choice,
		 * without its braces; anything else goes by its label. */
		if (colon[1] == '{') {
			bool is_bare = (at > syntax && strchr("{|", at[-1])) ||
				       !memchr(colon, '|', (size_t)(end - colon));

			n--;
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s",
					      (int)(end - colon - 1) - 2 * is_bare,
					      colon + 1 + is_bare);
		} else {
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s>",
					      (int)(colon - at - 1), at + 1);
		}
		n = n < sizeof(text) ? n : sizeof(text) - 1;
		at = end;
	}
	text[n] = '\0';
	screen_print(screen, "  ");
	screen_wrap(screen, SCREEN_BOLD, 2, 10, text);
}

static size_t print_rows(const struct screen *screen, bool is_configuration, int n, char **words)
{
	size_t n_rows, shown = 0;
	const struct command_row *rows = command_table(&n_rows);

	for (size_t i = 0; i < n_rows; i++) {
		if ((rows[i].mode != COMMAND_MODE_EXEC) != is_configuration ||
		    (rows[i].is_alias && n == 0) || !row_begins(&rows[i], n, words))
			continue;
		if (is_configuration && shown == 0)
			screen_print(screen, "Lines of the configuration, for asafo configure:\n");
		print_syntax(screen, rows[i].syntax);
		screen_print(screen, "      ");
		screen_wrap(screen, SCREEN_PLAIN, 6, 6, rows[i].help);
		shown++;
	}
	return shown;
}

int help_known(int n, char **words)
{
	size_t n_rows;
	const struct command_row *rows = command_table(&n_rows);

	for (; n > 0; n--)
		for (size_t i = 0; i < n_rows; i++)
			if (rows[i].mode == COMMAND_MODE_EXEC && row_begins(&rows[i], n, words))
				return n;
	return 0;
}

int verb_help(struct cli *cli, int n, char **words)
{
	size_t shown;

	if (n == 0)
		screen_print(&cli->screen, "asafo [--json] [--control PATH] COMMAND: runs and "
					   "shows the failover pair\n\n");
	shown = print_rows(&cli->screen, false, n, words);
	if (n > 0)
		shown += print_rows(&cli->screen, true, n, words);
	if (shown == 0)
		return cli_fail(cli, CLI_USAGE, "no command begins so; asafo help shows all");
	if (n > 0)
		return CLI_OK;
	screen_print(&cli->screen, "%s", options);
	for (size_t i = 0; i < ARRAY_SIZE(paragraphs); i++) {
		screen_print(&cli->screen, "\n");
		screen_wrap(&cli->screen, SCREEN_PLAIN, 0, 0, paragraphs[i]);
	}
	return CLI_OK;
}

int verb_help_of(struct cli *cli, int n, char **words)
{
	/* Behind the command's own words stand names and files of the user's. */
	for (; n > 0; n--)
		if (print_rows(&cli->screen, false, n, words) > 0)
			return CLI_OK;
	return verb_help(cli, n, words);
}

static int find_candidates(struct cli *cli, const struct grammar *grammar, enum command_mode mode,
			   int n, char **words, struct grammar_candidates *candidates)
{
	_cleanup_(line_done) struct line line = {0};
	const char *borrowed[LINE_WORDS_MAX];
	struct why why = {0};
	int error;

	if (n > LINE_WORDS_MAX)
		return cli_fail(cli, CLI_USAGE, "too many words");
	for (int i = 0; i < n; i++)
		borrowed[i] = words[i];
	error = line_from_words(borrowed, (size_t)n, &line, &why);
	if (!error)
		error = grammar_complete(grammar, mode, &line, candidates);
	if (error)
		return cli_fail(cli, CLI_FAILED, "%s", *why.text ? why.text : err_text(error));
	return CLI_OK;
}

/* For the shell's completion: "word<TAB>help", a line each; arguments stand in angle brackets. */
int verb_complete(struct cli *cli, const struct grammar *grammar, int n, char **words)
{
	_cleanup_free_ struct grammar_candidates *candidates = calloc(1, sizeof(*candidates));
	int code = candidates
			   ? find_candidates(cli, grammar, COMMAND_MODE_EXEC, n, words, candidates)
			   : cli_fail(cli, CLI_FAILED, "out of memory");

	for (size_t i = 0; code == CLI_OK && i < candidates->n_items; i++)
		if (strcmp(candidates->items[i].word, "<cr>") != 0)
			(void)fprintf(cli->screen.out, "%s\t%s\n", candidates->items[i].word,
				      candidates->items[i].help ? candidates->items[i].help : "");
	return code;
}

int verb_complete_options(struct cli *cli, const char *partial)
{
	static const struct {
		const char *word, *help;
	} rows[] = {{"--control", "The control socket"},
		    {"--help", "Show the commands"},
		    {"--json", "Show the result as JSON"},
		    {"--timeout", "Give up when the daemon is silent for so many seconds"},
		    {"--version", "The version of this command"}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strncmp(rows[i].word, partial, strlen(partial)) == 0)
			(void)fprintf(cli->screen.out, "%s\t%s\n", rows[i].word, rows[i].help);
	return CLI_OK;
}

int verb_complete_file(struct cli *cli)
{
	(void)fprintf(cli->screen.out, "<control-file>\tThe control socket\n");
	return CLI_OK;
}

int verb_what_next(struct cli *cli, const struct grammar *grammar, enum command_mode mode, int n,
		   char **words)
{
	_cleanup_free_ struct grammar_candidates *candidates = calloc(1, sizeof(*candidates));
	int code = candidates ? find_candidates(cli, grammar, mode, n, words, candidates)
			      : cli_fail(cli, CLI_FAILED, "out of memory");

	if (code)
		return code;
	if (candidates->n_items == 0)
		return cli_fail(cli, CLI_USAGE, "no command continues so");
	for (size_t i = 0; i < candidates->n_items; i++) {
		screen_style(&cli->screen, SCREEN_BOLD, "  %-20s", candidates->items[i].word);
		screen_print(&cli->screen, " ");
		screen_wrap(&cli->screen, SCREEN_PLAIN, 23, 23,
			    candidates->items[i].help ? candidates->items[i].help : "");
	}
	return CLI_OK;
}
