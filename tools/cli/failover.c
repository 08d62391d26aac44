/* SPDX-License-Identifier: Apache-2.0 */
/* failover active, standby, reset, reload-standby. */
#include <inttypes.h>

#include "base/cleanup.h"
#include "tools/cli/confirm.h"
#include "tools/cli/format.h"
#include "tools/cli/verb.h"

static void print_role(const struct screen *screen, struct json_object *result)
{
	int64_t gap_us = view_number(result, "gap_us", 0);
	struct format_text ms;

	if (!view_has(result, "ms")) {
		screen_print(screen, "This unit is %s already: nothing was changed\n",
			     view_text(result, "role"));
		return;
	}
	screen_print(screen, "This unit is %s, after %s", view_text(result, "role"),
		     format_ms(view_number(result, "ms", 0), &ms));
	if (gap_us > 0)
		screen_print(screen, "; the addresses moved within %" PRId64 ".%02" PRId64 " ms",
			     gap_us / 1000, gap_us % 1000 / 10);
	screen_print(screen, "\n");
}

static struct json_object *force_parameters(const struct grammar_match *match)
{
	struct json_object *parameters = json_object_new_object();

	(void)cli_set(parameters, "force", json_object_new_boolean(cli_has(match, "force")));
	return parameters;
}

int verb_failover(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	int code = confirm_force(cli, match);

	if (!code)
		code = cli_change(cli,
				  &(struct cli_request){.method = match->row->method,
							.parameters = force_parameters(match)},
				  &result);
	if (code)
		return code;
	if (!cli->is_json)
		print_role(&cli->screen, result);
	return CLI_OK;
}

static int render_reset(const struct screen *screen, struct json_object *result)
{
	screen_print(screen, "This unit is %s\n", view_text(result, "state"));
	return 0;
}

int verb_failover_reset(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_reset);
}

static int render_reload(const struct screen *screen, struct json_object *result)
{
	struct format_text ms;

	screen_print(screen, "The standby restarted and is %s again, after %s\n",
		     view_text(result, "state"), format_ms(view_number(result, "ms", 0), &ms));
	return 0;
}

/* Before the standby goes: what it will not come back with. */
static void on_reload_progress(struct json_object *parameters, void *userdata)
{
	const struct cli *cli = userdata;

	if (!cli->is_json && *view_text(parameters, "warning"))
		screen_error(&cli->screen, cli->verb, "warning: %s",
			     view_text(parameters, "warning"));
}

int verb_reload_standby(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	int code = cli_call(cli,
			    &(struct cli_request){.method = match->row->method,
						  .on_progress = on_reload_progress,
						  .userdata = cli},
			    &result);

	if (code)
		return code;
	if (cli->is_json)
		cli_print_json(cli, result);
	else
		(void)render_reload(&cli->screen, result);
	return CLI_OK;
}
