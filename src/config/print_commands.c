/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills a man page from the command table: print_commands VERSION < man/asafo.8.in > man/asafo.8
 * Lines that begin with '@' are replaced: @EXEC@, @ALIASES@, @CONFIG@, @INTERFACE@ and the like
 * by the rows of that mode; @VERSION@ inside a line by VERSION.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/command.h"
#include "config/syntax.h"

static const struct {
	const char *mark;
	enum command_mode mode;
	bool wants_aliases;
} marks[] = {
	{"@EXEC@", COMMAND_MODE_EXEC, false},
	{"@ALIASES@", COMMAND_MODE_EXEC, true},
	{"@CONFIG@", COMMAND_MODE_CONFIG, false},
	{"@INTERFACE@", COMMAND_MODE_INTERFACE, false},
	{"@TRUSTPOINT@", COMMAND_MODE_TRUSTPOINT, false},
	{"@WEBVPN@", COMMAND_MODE_WEBVPN, false},
	{"@GROUP_POLICY@", COMMAND_MODE_GROUP_POLICY, false},
	{"@TUNNEL_GENERAL@", COMMAND_MODE_TUNNEL_GENERAL, false},
	{"@TUNNEL_WEBVPN@", COMMAND_MODE_TUNNEL_WEBVPN, false},
	{"@USER@", COMMAND_MODE_USER, false},
};

/* roff(7): '-' alone is a hyphen, and '\' begins an escape. */
static void put_escaped(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '-')
			(void)fputs("\\-", stdout);
		else if (text[i] == '\\')
			(void)fputs("\\e", stdout);
		else
			(void)putchar(text[i]);
	}
}

static void put_part(enum syntax_part part, const char *text, size_t size, void *userdata)
{
	static const char *const fonts[] = {
		[SYNTAX_KEYWORD] = "\\fB", [SYNTAX_ARGUMENT] = "\\fI", [SYNTAX_PUNCTUATION] = ""};

	(void)userdata;
	(void)fputs(fonts[part], stdout);
	put_escaped(text, size);
	if (part != SYNTAX_PUNCTUATION)
		(void)fputs("\\fR", stdout);
}

/* "poll-ms is from 2 to 15000." for each number of the pattern. */
static void put_ranges(const char *syntax)
{
	const char *at = syntax;

	while ((at = strstr(at, ":number("))) {
		const char *name = at;
		size_t min = strcspn(at + 8, ",");
		size_t max = strcspn(at + 8 + min + 1, ")");

		while (name > syntax && name[-1] != '<')
			name--;
		(void)fputs("\\fI", stdout);
		put_escaped(name, (size_t)(at - name));
		(void)printf("\\fR is from %.*s to %.*s.\n", (int)min, at + 8, (int)max,
			     at + 8 + min + 1);
		at += 8;
	}
}

static void put_row(const struct command_row *row)
{
	(void)puts(".TP");
	syntax_each(row->syntax, put_part, NULL);
	(void)putchar('\n');
	put_escaped(row->help, strlen(row->help));
	(void)puts(".");
	if (row->is_alias)
		return;
	if (strncmp(row->syntax, "no ", 3) != 0)
		put_ranges(row->syntax);
	if (row->class == COMMAND_CLASS_UNIT_LOCAL)
		(void)puts("The unit's own: not replicated.");
	if (row->class == COMMAND_CLASS_EXEC && row->access == COMMAND_ACCESS_CHANGE)
		(void)puts("Needs root or group\n.BR asafo\\-admin .");
}

static bool put_rows(const char *line)
{
	size_t n;
	const struct command_row *rows = command_table(&n);

	for (size_t m = 0; m < ARRAY_SIZE(marks); m++) {
		if (strncmp(line, marks[m].mark, strlen(marks[m].mark)) != 0)
			continue;
		for (size_t i = 0; i < n; i++) {
			if (rows[i].mode == marks[m].mode &&
			    rows[i].is_alias == marks[m].wants_aliases)
				put_row(&rows[i]);
		}
		return true;
	}
	return false;
}

static void put_line(const char *line, const char *version)
{
	const char *mark = strstr(line, "@VERSION@");

	if (mark)
		(void)printf("%.*s%s%s", (int)(mark - line), line, version, mark + 9);
	else
		(void)fputs(line, stdout);
}

int main(int argc, char **argv)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: print_commands VERSION < PAGE.in > PAGE\n");
		return 2;
	}
	while (getline(&line, &size, stdin) >= 0) {
		if (!put_rows(line))
			put_line(line, argv[1]);
	}
	return ferror(stdin) || fflush(stdout) != 0 ? 1 : 0;
}
