/* SPDX-License-Identifier: Apache-2.0 */
/* `show failover history` in the ASA's layout: a line with the time, a line with states and reason.
 */
#include "tools/cli/format.h"
#include "tools/cli/verb.h"

#define RULE "==========================================================================\n"

int render_history(const struct screen *screen, struct json_object *result)
{
	screen_print(screen, RULE);
	screen_style(screen, SCREEN_BOLD, "%-26s %-26s %s\n", "From State", "To State", "Reason");
	screen_print(screen, RULE);
	for (size_t i = 0; i < view_count(result, "rows"); i++) {
		struct json_object *row = view_item(result, "rows", i);
		struct format_text at;

		screen_print(screen, "%s\n%-26s %-26s %s\n\n",
			     format_time(view_number(row, "at", 0), &at), view_text(row, "from"),
			     view_text(row, "to"), view_text(row, "reason"));
	}
	screen_print(screen, RULE);
	return 0;
}

int verb_show_history(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_history);
}
