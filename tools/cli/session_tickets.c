/* SPDX-License-Identifier: Apache-2.0 */
/* session-tickets rotate: another key for them. */
#include "tools/cli/verb.h"

static int render_rotated(const struct screen *screen, struct json_object *result)
{
	struct json_object *tickets = view_object(result, "session_tickets");
	int64_t left_s = view_number(tickets, "previous_left_s", 0);

	screen_print(screen, "Session tickets have another key: %s\n", view_text(tickets, "key"));
	if (left_s > 0)
		screen_print(screen, "Tickets that clients have resume for %d more minutes\n",
			     (int)((left_s + 59) / 60));
	else
		screen_print(screen, "No ticket that a client has resumes on this unit any more\n");
	screen_print(screen, "The mate is told; `asafo show ssl` says when it has the key\n");
	return 0;
}

int verb_session_tickets_rotate(struct cli *cli, const struct grammar_match *match)
{
	struct json_object *parameters = json_object_new_object();

	(void)cli_set(parameters, "forget", json_object_new_boolean(cli_has(match, "forget")));
	return cli_show(cli, match->row->method, parameters, render_rotated);
}
