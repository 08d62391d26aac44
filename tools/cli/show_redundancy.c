/* SPDX-License-Identifier: Apache-2.0 */
/* `show redundancy state` as IOS prints it. */
#include <inttypes.h>

#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

int render_redundancy(const struct screen *screen, struct json_object *result)
{
	struct json_object *mine = view_object(result, "my_state");
	struct json_object *peers = view_object(result, "peer_state");
	bool is_up = view_flag(result, "communications");

	screen_print(screen, "my state = %" PRId64 " -%s\n", view_number(mine, "number", 0),
		     view_text(mine, "name"));
	screen_print(screen, "peer state = %" PRId64 " -%s\n", view_number(peers, "number", 0),
		     view_text(peers, "name"));
	screen_print(screen, "Mode = %s\n", view_text(result, "mode"));
	screen_print(screen, "Unit ID = %" PRId64 "\n", view_number(result, "unit_id", 0));
	screen_print(screen, "Maintenance Mode = %s\n",
		     view_flag(result, "maintenance") ? "Enabled" : "Disabled");
	screen_print(screen, "Manual Swact = %s\n", view_text(result, "manual_switchover"));
	if (is_up)
		screen_print(screen, "Communications = Up\n");
	else
		screen_print(screen, "Communications = Down      Reason: %s\n",
			     view_text(result, "communications_reason"));
	screen_print(screen, "client count = %" PRId64 "\n", view_number(result, "clients", 0));
	screen_print(screen, "client_notification_TMR = %" PRId64 " milliseconds\n",
		     view_number(result, "notification_timer_ms", 0));
	screen_print(screen, "RF debug mask = 0x0\n");
	unit_print_clock(screen, "", view_object(result, "clock"));
	return 0;
}

int verb_show_redundancy(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_redundancy);
}
