/* SPDX-License-Identifier: Apache-2.0 */
/* `show failover history` in the ASA's layout: a line with the time, a line with states and reason.
 * With details, the unit stands behind the time. */
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

#define RULE "==========================================================================\n"

static void print_row(const struct screen *screen, struct json_object *row, bool has_both)
{
	const char *unit = view_text(row, "unit");
	struct format_text at;

	screen_print(screen, "%s", format_time(view_number(row, "at", 0), &at));
	if (has_both)
		screen_style(screen, SCREEN_BOLD, "  %s", unit_name(unit));
	screen_print(screen, "\n%-26s %-26s %s\n\n", view_text(row, "from"), view_text(row, "to"),
		     view_text(row, "reason"));
}

int render_history(const struct screen *screen, struct json_object *result)
{
	struct json_object *mate = view_object(result, "mate");
	struct json_object *clock = view_object(result, "clock");

	screen_print(screen, RULE);
	screen_style(screen, SCREEN_BOLD, "%-26s %-26s %s\n", "From State", "To State", "Reason");
	screen_print(screen, RULE);
	for (size_t i = 0; i < view_count(result, "rows"); i++)
		print_row(screen, view_item(result, "rows", i), mate != NULL);
	screen_print(screen, RULE);
	if (mate && !view_flag(mate, "answered"))
		screen_style(screen, SCREEN_WARN, "Only this unit's rows: %s\n",
			     view_text(mate, "why"));
	unit_print_clock(screen, "", clock ? clock : view_object(mate, "clock"));
	return 0;
}

int verb_show_history(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *parameters = NULL;

	if (cli_has(match, "details")) {
		parameters = json_object_new_object();
		if (!cli_set(parameters, "details", json_object_new_boolean(true)))
			return cli_fail(cli, CLI_FAILED, "out of memory");
	}
	return cli_show(cli, match->row->method, TAKE_PTR(parameters), render_history);
}
