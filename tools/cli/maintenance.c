/* SPDX-License-Identifier: Apache-2.0 */
/* maintenance on|off; clear failover statistics. */
#include <inttypes.h>

#include "base/cleanup.h"
#include "tools/cli/confirm.h"
#include "tools/cli/verb.h"

static int render_maintenance(const struct screen *screen, struct json_object *result)
{
	int64_t gap_us = view_number(result, "gap_us", 0);

	if (view_has(result, "ms")) {
		screen_print(screen, "This unit handed over");
		if (gap_us > 0)
			screen_print(screen,
				     " (the addresses moved within %" PRId64 ".%02" PRId64 " ms)",
				     gap_us / 1000, gap_us % 1000 / 10);
		screen_print(screen, " and is in maintenance\n");
	} else {
		screen_print(screen, "This unit is %sin maintenance\n",
			     view_flag(result, "maintenance") ? "" : "not ");
		if (view_flag(result, "mate_maintenance"))
			screen_style(screen, SCREEN_WARN, "The other unit is in maintenance\n");
		if (view_flag(result, "maintenance") && *view_text(result, "trouble"))
			screen_style(screen, SCREEN_WARN, "Note: %s\n",
				     view_text(result, "trouble"));
	}
	if (view_flag(result, "changed"))
		screen_print(screen, "`asafo write-memory` keeps this beyond a restart\n");
	return 0;
}

int verb_maintenance(struct cli *cli, const struct grammar_match *match)
{
	struct json_object *parameters = json_object_new_object();
	const char *state = cli_word(match, "state");
	int code = state ? confirm_force(cli, match) : CLI_OK;

	if (state)
		(void)cli_set(parameters, "state", json_object_new_string(state));
	(void)cli_set(parameters, "force", json_object_new_boolean(cli_has(match, "force")));
	if (code) {
		(void)json_object_put(parameters);
		return code;
	}
	return cli_show(cli, match->row->method, parameters, render_maintenance);
}

static int render_cleared(const struct screen *screen, struct json_object *result)
{
	(void)result;
	screen_print(screen, "The statistics of this unit begin anew\n");
	return 0;
}

int verb_clear_statistics(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_cleared);
}
