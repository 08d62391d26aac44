/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/passphrase.h"
#include "tools/cli/verb.h"

int verb_export(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	_cleanup_close_ int output = -1;
	const char *format = cli_word(match, "format");
	const char *path = cli_word(match, "output");
	struct json_object *parameters = cli_object("name", cli_word(match, "name"));
	int code;

	if (!cli_set(parameters, "format", json_object_new_string(format ? format : "pkcs12"))) {
		(void)json_object_put(parameters);
		return cli_fail(cli, CLI_FAILED, "out of memory");
	}
	code = output_file_call(
		cli, &(struct cli_request){.method = "asafo.Export", .parameters = parameters},
		&(struct passphrase_source){
			.file = cli_word(match, "passphrase-file"),
			.what = "Passphrase to protect the key with",
			.is_confirmed = true,
		},
		path, &output, &result);
	if (code)
		return code;
	cli_print_warnings(cli, result);
	code = output_file_store(cli, output, path);
	if (!code && path && strcmp(path, "-") != 0 && !cli->is_json)
		screen_print(&cli->screen, "Exported trustpoint %s to %s\n",
			     cli_word(match, "name"), path);
	return code;
}
