/* SPDX-License-Identifier: Apache-2.0 */
/* pair and pair --join: one unit shows a code, the other asks for it. The code never is an
 * argument. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/passphrase.h"
#include "tools/cli/verb.h"

static void show_code(struct json_object *progress, void *userdata)
{
	const struct cli *cli = userdata;
	struct format_text duration;

	if (cli->is_json) {
		cli_print_json(cli, progress);
		return;
	}
	if (!*view_text(progress, "code"))
		return;
	screen_print(&cli->screen, "On the other unit, run:  asafo pair --join\n");
	screen_print(&cli->screen, "and give it this code:   ");
	screen_style(&cli->screen, SCREEN_BOLD, "%s\n", view_text(progress, "code"));
	screen_print(&cli->screen, "It works once, within %s. Waiting...\n",
		     format_duration(view_number(progress, "expires_s", 0), &duration));
	(void)fflush(cli->screen.out);
}

static void show_paired(const struct cli *cli, struct json_object *result)
{
	const char *mate = view_text(result, "mate");

	if (cli->is_json)
		cli_print_json(cli, result);
	else
		screen_print(&cli->screen, "Paired%s%s\n", *mate ? " with " : "", mate);
}

static int offer(struct cli *cli)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	int code;

	/* Until the code expires, which the daemon sees to. */
	cli->timeout_ms = 0;
	code = cli_call(cli,
			&(struct cli_request){.method = "asafo.PairOffer",
					      .on_progress = show_code,
					      .userdata = cli},
			&result);
	if (!code)
		show_paired(cli, result);
	return code;
}

static int join(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	_cleanup_(secret_done) struct secret text = {0};
	int code = passphrase_read(cli,
				   &(struct passphrase_source){
					   .file = cli_word(match, "code-file"),
					   .what = "Code that the other unit shows",
				   },
				   &text);

	if (!code)
		code = cli_call(cli,
				&(struct cli_request){
					.method = "asafo.PairJoin",
					.parameters = cli_object("code", (const char *)text.data)},
				&result);
	if (!code)
		show_paired(cli, result);
	return code;
}

int verb_pair(struct cli *cli, const struct grammar_match *match)
{
	bool is_join = match->row->id == COMMAND_PAIR_JOIN || cli_has(match, "join");

	if (!is_join && cli_has(match, "code-file"))
		return cli_fail(cli, CLI_USAGE, "--code-file belongs to --join");
	return is_join ? join(cli, match) : offer(cli);
}

/* A key file is what `failover key` says, without the words. */
int verb_pair_key(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	_cleanup_(secret_done) struct secret key = {0};
	_cleanup_(buf_wipe) struct buf line = {0};
	const char *text;
	bool is_hex;
	int code = passphrase_read(cli,
				   &(struct passphrase_source){.file = cli_word(match, "file"),
							       .what = "Failover key"},
				   &key);

	if (code)
		return code;
	text = (const char *)key.data;
	is_hex = strlen(text) == 32 && strspn(text, "0123456789abcdefABCDEF") == 32;
	if (!*text || text[strcspn(text, " \t\r\n")])
		return cli_fail(cli, CLI_FAILED,
				"%s must hold one line: 32 hexadecimal digits, or 1 to 63 visible "
				"characters",
				cli_word(match, "file"));
	if (buf_append_format(&line, "failover key %s%s\n", is_hex ? "hex " : "", text) < 0 ||
	    !(text = buf_text(&line)))
		return cli_fail(cli, CLI_FAILED, "out of memory");
	code = cli_change(cli,
			  &(struct cli_request){.method = match->row->method,
						.parameters = cli_object("text", text)},
			  &result);
	if (code)
		return code;
	if (!cli->is_json)
		screen_print(&cli->screen,
			     "The failover key is set; give the mate the same file\n");
	return CLI_OK;
}
