/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the configuration, from arguments or stdin. A failover key or a password may only come
 * from stdin: argv is public. */
#include <errno.h>
#include <string.h>
#include <strings.h>

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

static int from_input(struct cli *cli, struct buf *text)
{
	int error;

	if (isatty(cli->input))
		screen_error(&cli->screen, NULL,
			     "configuration lines, an end of file (^D) ends them");
	error = io_read_all(cli->input, TEXT_MAX, text);
	if (error)
		return cli_fail(cli, CLI_FAILED, "cannot read stdin: %s", err_text(error));
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
	int code = n > 0 ? from_words(cli, n, arguments, &text) : from_input(cli, &text);

	if (code)
		return code;
	if (n == 1 && *arguments[0] && strncmp("terminal", arguments[0], strlen(arguments[0])) == 0)
		return cli_fail(cli, CLI_USAGE,
				"there is no mode to enter: each argument is a line, or stdin has "
				"them, as in: asafo configure \"hostname gw\"");
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
