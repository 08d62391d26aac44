/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/format.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

int render_version(const struct screen *screen, struct json_object *result)
{
	const char *mate = view_text(result, "mate_version");
	struct format_text uptime;

	screen_print(screen, "asafo %s on %s (%s), up %s\n", view_text(result, "version"),
		     view_text(result, "hostname"), view_text(result, "unit"),
		     format_duration(view_number(result, "uptime_seconds", 0), &uptime));
	screen_print(screen, "Mate: %s\n", *mate ? mate : "unknown");
	unit_print_clock(screen, "", view_object(result, "clock"));
	return 0;
}

int verb_show_version(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_version);
}
