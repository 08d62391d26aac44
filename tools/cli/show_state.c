/* SPDX-License-Identifier: Apache-2.0 */
/* `show failover state`, to the column as an ASA prints it. */
#include "tools/cli/format.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

static void print_host(const struct screen *screen, const char *host, struct json_object *unit)
{
	const char *name = view_text(unit, "unit");
	const char *reason = view_text(unit, "last_failure_reason");
	int64_t at = view_number(unit, "at", 0);
	struct format_text time = {""};

	screen_print(screen, "%-14s %s\n", host, unit_name(name));
	if (at > 0)
		(void)format_time(at, &time);
	if (*time.text)
		screen_print(screen, "               %-14s %-24s %s\n", view_text(unit, "state"),
			     *reason ? reason : "None", time.text);
	else
		screen_print(screen, "               %-14s %s\n", view_text(unit, "state"),
			     *reason ? reason : "None");
	for (size_t i = 0; i < view_count(unit, "detail"); i++)
		screen_print(screen, "                              %s\n",
			     view_item_text(unit, "detail", i));
}

int render_state(const struct screen *screen, struct json_object *result)
{
	screen_style(screen, SCREEN_BOLD,
		     "               State          Last Failure Reason      Date/Time\n");
	print_host(screen, "This host  -  ", view_object(result, "this"));
	print_host(screen, "Other host -  ", view_object(result, "other"));
	screen_print(screen, "====Configuration State===\n");
	for (size_t i = 0; i < view_count(result, "configuration_state"); i++)
		screen_print(screen, "        %s\n",
			     view_item_text(result, "configuration_state", i));
	screen_print(screen, "====Communication State===\n");
	if (*view_text(result, "communication_state"))
		screen_print(screen, "        %s\n", view_text(result, "communication_state"));
	unit_print_clock(screen, "", view_object(result, "clock"));
	return 0;
}

int verb_show_state(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_state);
}
