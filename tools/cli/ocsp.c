/* SPDX-License-Identifier: Apache-2.0 */
/* ocsp import, ocsp remove: what is stapled to a trustpoint's certificate. */
#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/import.h"
#include "tools/cli/verb.h"

static void print_imported(const struct screen *screen, const char *name,
			   struct json_object *result, bool is_dry_run)
{
	struct json_object *staple = view_object(result, "staple");
	struct format_text until;

	screen_style(screen, SCREEN_BOLD, "%s %s\n",
		     is_dry_run			      ? "This OCSP staple could be imported for"
		     : view_flag(result, "unchanged") ? "This OCSP staple is there already for"
						      : "Imported the OCSP staple of",
		     name);
	screen_print(screen, "Good until %s\n",
		     format_time(view_number(staple, "next_update", 0), &until));
	if (is_dry_run || view_flag(result, "unchanged"))
		return;
	if (view_flag(staple, "replicated"))
		screen_print(screen, "The mate is told; `asafo show ssl` says when it has it\n");
	else
		screen_print(screen, "It stays on this unit, as the trustpoint does\n");
}

int verb_ocsp_import(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	const char *name = cli_word(match, "name");
	struct import_source source = {.file = cli_word(match, "file"), .what = "OCSP response"};
	struct import_input input = {.fd = -1};
	bool is_dry_run = cli_has(match, "dry-run");
	int code = import_input_open(cli, &source, &input);
	_cleanup_close_ int fd = input.fd;
	struct json_object *parameters;

	if (code)
		return code;
	parameters = cli_object("name", name);
	if (!cli_set(parameters, "dry_run", json_object_new_boolean(is_dry_run))) {
		(void)json_object_put(parameters);
		return cli_fail(cli, CLI_FAILED, "out of memory");
	}
	code = cli_change(cli,
			  &(struct cli_request){.method = match->row->method,
						.parameters = parameters,
						.fds = &fd,
						.n_fds = 1},
			  &result);
	if (code)
		return code;
	if (!cli->is_json)
		print_imported(&cli->screen, name, result, is_dry_run);
	return CLI_OK;
}

int verb_ocsp_remove(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	const char *name = cli_word(match, "name");
	int code = cli_change(cli,
			      &(struct cli_request){.method = match->row->method,
						    .parameters = cli_object("name", name)},
			      &result);

	if (code)
		return code;
	if (!cli->is_json)
		screen_print(&cli->screen,
			     "Removed the OCSP staple of %s: clients get none from now on\n", name);
	return CLI_OK;
}
