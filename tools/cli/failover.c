/* SPDX-License-Identifier: Apache-2.0 */
/* failover active, standby, reset. */
#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/verb.h"

int verb_failover(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	int code = cli_call(cli, &(struct cli_request){.method = match->row->method}, &result);
	struct format_text ms;

	if (code)
		return code;
	cli_print_warnings(cli, result);
	if (cli->is_json)
		cli_print_json(cli, result);
	else if (view_has(result, "ms"))
		screen_print(&cli->screen, "This unit is %s, after %s\n", view_text(result, "role"),
			     format_ms(view_number(result, "ms", 0), &ms));
	else
		screen_print(&cli->screen, "This unit is %s\n",
			     view_text(result, view_has(result, "state") ? "state" : "role"));
	return CLI_OK;
}
