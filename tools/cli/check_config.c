/* SPDX-License-Identifier: Apache-2.0 */
/* Checks a configuration without a daemon, by the rules that the daemon has. */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "config/config.h"
#include "config/password.h"
#include "tools/cli/passphrase.h"
#include "tools/cli/verb.h"

#define TEXT_MAX (1024u * 1024)

CLEANUP_DEFINE(struct config *, config_free)

static void print_error_json(const struct cli *cli, const struct config_error *error)
{
	_cleanup_(json_put) struct json_object *object = cli_object("source", error->source);

	if (cli_set(object, "ok", json_object_new_boolean(false)) &&
	    cli_set(object, "line", json_object_new_int((int)error->line)) &&
	    cli_set(object, "column", json_object_new_int((int)error->column)) &&
	    cli_set(object, "message", json_object_new_string(error->why.text)))
		cli_print_json(cli, object);
}

static int check(const char *path, const struct buf *text, struct config_error *ret_error)
{
	_cleanup_(config_free_p) struct config *config = NULL;
	_cleanup_(buf_wipe) struct buf hashed = {0};
	int error = config_new(&config);

	(void)snprintf(ret_error->source, sizeof(ret_error->source), "%s", path);
	if (error) {
		(void)why_set(&ret_error->why, error, "%s", err_text(error));
		return error;
	}
	error = config_hash_passwords((const char *)text->data, text->size, NULL, NULL, &hashed);
	if (error == 0)
		error = config_apply_text(config, path, (const char *)hashed.data, hashed.size,
					  ret_error);
	return error ? error : config_check(config, &ret_error->why);
}

int verb_check_config(struct cli *cli, const struct grammar_match *match)
{
	static const struct input_kind kind = {"configuration", TEXT_MAX, NULL};
	_cleanup_(buf_wipe) struct buf text = {0};
	_cleanup_(json_put) struct json_object *object = NULL;
	const char *path = cli_word(match, "file");
	bool is_input = strcmp(path, "-") == 0;
	struct config_error error = {0};
	char sentence[WHY_TEXT_MAX + 320];
	int code = is_input ? CLI_OK : input_file_read(cli, path, &kind, &text);
	int r = is_input ? io_read_all(cli->input, TEXT_MAX, &text) : 0;

	if (code)
		return code;
	if (is_input)
		path = "stdin";
	if (r == ERR_TOO_LARGE)
		return cli_fail(cli, CLI_FAILED,
				"%s is larger than 1 MiB: this is no configuration", path);
	if (r)
		return cli_fail(cli, CLI_FAILED, "cannot read %s: %s", path, err_text(r));
	if (check(path, &text, &error) < 0) {
		if (cli->is_json)
			print_error_json(cli, &error);
		config_error_format(&error, sentence, sizeof(sentence));
		return cli_fail(cli, CLI_USAGE, "%s", sentence);
	}
	if (!cli->is_json) {
		screen_print(&cli->screen, "%s: no errors\n", path);
		return CLI_OK;
	}
	object = cli_object("source", path);
	if (!cli_set(object, "ok", json_object_new_boolean(true)))
		return cli_fail(cli, CLI_FAILED, "out of memory");
	cli_print_json(cli, object);
	return CLI_OK;
}
