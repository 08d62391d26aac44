/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the configuration, from arguments or stdin. A failover key or a password may only come
 * from stdin: argv is public. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "config/password.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

#define TEXT_MAX (512u * 1024)

static const char *next_word(const char *line)
{
	line += strcspn(line, " \t");
	return line + strspn(line, " \t");
}

/* "failover key ...", "username NAME password ...", "totp ...", also abbreviated: words that begin
 * so. */
static bool may_hold_secret(const char *line)
{
	line += strspn(line, " \t");
	if (strncasecmp(line, "fa", 2) == 0)
		return strncasecmp(next_word(line), "k", 1) == 0;
	if (strncasecmp(line, "to", 2) == 0)
		return true;
	return strncasecmp(line, "us", 2) == 0 &&
	       strncasecmp(next_word(next_word(line)), "p", 1) == 0;
}

static int from_words(struct cli *cli, int n, char **lines, struct buf *text)
{
	for (int i = 0; i < n; i++) {
		if (may_hold_secret(lines[i]))
			return cli_fail(cli, CLI_USAGE,
					"a key or a password does not belong on the command line, "
					"where others "
					"can see it: "
					"give the line on stdin");
		if (buf_append_format(text, "%s\n", lines[i]) < 0)
			return cli_fail(cli, CLI_FAILED, "out of memory");
	}
	return CLI_OK;
}

/* `configure terminal`, as fingers type it: the lines come from stdin then, too. */
static bool is_terminal_word(const char *word)
{
	return *word && strncasecmp("terminal", word, strlen(word)) == 0;
}

/* A line with the word `end`, as on an ASA. */
static bool is_end(const struct buf *text, size_t line)
{
	size_t size = text->size;

	while (size > line && isspace(text->data[size - 1]))
		size--;
	while (line < size && isspace(text->data[line]))
		line++;
	return size - line == 3 && strncasecmp((const char *)text->data + line, "end", 3) == 0;
}

/* Nothing that could be meant as a line of the configuration. */
static bool is_remark(const struct buf *text, size_t line)
{
	while (line < text->size && isspace(text->data[line]))
		line++;
	return line == text->size || text->data[line] == '!' || text->data[line] == ':';
}

/* Adds the next line; a terminal gives them one by one, and what is behind it is not asafo's. */
static int read_line(struct cli *cli, struct buf *text, bool *ret_is_over)
{
	uint8_t byte = 0;
	ssize_t n;

	do {
		n = read(cli->input, &byte, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 1 && text->size == TEXT_MAX)
			return ERR_TOO_LARGE;
		if (n == 1 && buf_append(text, &byte, 1) < 0)
			return -ENOMEM;
	} while (n != 0 && byte != '\n');
	*ret_is_over = n == 0;
	return 0;
}

/* Numbers of lines, from 1; 0: there is none. */
struct ending {
	unsigned end, behind; /* the line `end`, and the first one behind it */
};

/* Up to `end` or an end of file. A file or a pipe is read on to its end: two configurations that
 * were joined, or a pasted one with commands behind it, would lose the second half in silence. */
static int read_lines(struct cli *cli, struct buf *text, struct ending *ret_ending)
{
	bool is_terminal = isatty(cli->input), is_over = false;
	struct ending ending = {0};

	for (unsigned number = 1; !is_over && ending.behind == 0; number++) {
		size_t line = text->size;
		int r = read_line(cli, text, &is_over);

		if (r < 0)
			return r;
		if (ending.end == 0 && !is_end(text, line))
			continue;
		if (ending.end == 0)
			ending.end = number;
		else if (!is_remark(text, line))
			ending.behind = number;
		text->size = line;
		is_over |= is_terminal;
	}
	*ret_ending = ending;
	return 0;
}

static int tell_role(struct cli *cli)
{
	_cleanup_(json_put) struct json_object *state = NULL;
	int code = cli_call(cli, &(struct cli_request){.method = "asafo.ShowFailover"}, &state);

	if (!code && strcmp(view_text(state, "role"), "standby") == 0)
		screen_error(&cli->screen, cli->verb,
			     "warning: this unit is %s: what the pair shares is configured on the "
			     "active unit",
			     view_text(state, "state"));
	return code;
}

static int from_input(struct cli *cli, struct buf *text)
{
	struct ending ending = {0};
	int error;

	if (isatty(cli->input)) {
		/* Better before all of it is typed than after. */
		int code = tell_role(cli);

		if (code)
			return code;

		screen_error(
			&cli->screen, NULL,
			"configuration lines, all applied together after a line with \"end\" or "
			"ctrl-D; ctrl-C applies none");
	}
	error = read_lines(cli, text, &ending);
	if (error)
		return cli_fail(cli, CLI_FAILED, "cannot read stdin: %s", err_text(error));
	/* By its number: it may hold a secret. */
	if (ending.behind > 0)
		return cli_fail(
			cli, CLI_USAGE,
			"line %u stands behind the \"end\" of line %u, which is the last "
			"line: nothing was applied: remove that \"end\", or what follows it",
			ending.behind, ending.end);
	if (text->size > 0 && memchr(text->data, '\0', text->size))
		return cli_fail(cli, CLI_USAGE, "stdin holds a NUL byte: this is no text");
	return CLI_OK;
}

struct sealing {
	struct cli *cli;
	int code; /* of what went wrong, after its message */
};

static int seal(const char *user, const char *secret, struct buf *ret_text, void *userdata)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	struct sealing *sealing = userdata;
	_cleanup_close_ int fd = -1;
	int r = memory_file_new(secret, strlen(secret), &fd);

	if (r < 0)
		return r;
	sealing->code = cli_call(sealing->cli,
				 &(struct cli_request){.method = "asafo.Totp",
						       .parameters = cli_object("user", user),
						       .fds = &fd,
						       .n_fds = 1},
				 &result);
	return sealing->code ? -ECANCELED
			     : buf_append_format(ret_text, "%s", view_text(result, "sealed"));
}

int verb_configure(struct cli *cli, int n, char **arguments)
{
	struct sealing sealing = {.cli = cli};
	_cleanup_(buf_wipe) struct buf text = {0}, hashed = {0};
	_cleanup_(json_put) struct json_object *result = NULL;
	const char *lines;
	bool has_lines = n > 1 || (n == 1 && !is_terminal_word(arguments[0]));
	int code = has_lines ? from_words(cli, n, arguments, &text) : from_input(cli, &text);

	if (code)
		return code;
	/* Clear text goes no further than this process. */
	code = config_hash_passwords((const char *)text.data, text.size, seal, &sealing, &hashed);
	if (sealing.code)
		return sealing.code;
	if (code < 0)
		return cli_fail(cli, CLI_FAILED, "passwords could not be hashed");
	lines = buf_text(&hashed);
	return cli_change(
		cli,
		&(struct cli_request){.method = "asafo.Configure",
				      .parameters = lines ? cli_object("text", lines) : NULL},
		&result);
}
