/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/verb.h"

static void print_outcome(const struct screen *screen, const char *name, struct json_object *result)
{
	const char *standby = view_text(result, "standby");
	bool is_there = strcmp(view_text(result, "replication"), "off") == 0 ||
			view_flag(result, "degraded");

	screen_print(screen, "Removed trustpoint %s\n", name);
	if (*standby)
		screen_style(screen, is_there ? SCREEN_WARN : SCREEN_PLAIN, "%s\n", standby);
}

int verb_remove(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	struct json_object *parameters = cli_object("name", cli_word(match, "name"));
	int code;

	if (!cli_set(parameters, "force", json_object_new_boolean(cli_has(match, "force")))) {
		(void)json_object_put(parameters);
		return cli_fail(cli, CLI_FAILED, "out of memory");
	}
	code = cli_change(cli,
			  &(struct cli_request){.method = "asafo.Remove", .parameters = parameters},
			  &result);
	if (code)
		return code;
	if (!cli->is_json)
		print_outcome(&cli->screen, cli_word(match, "name"), result);
	return view_flag(result, "degraded") ? CLI_DEGRADED : CLI_OK;
}
