/* SPDX-License-Identifier: Apache-2.0 */
/* rekey: another failover key for the pair. */
#include <string.h>

#include "tools/cli/format.h"
#include "tools/cli/rekey.h"
#include "tools/cli/verb.h"

static int render_rekey(const struct screen *screen, struct json_object *result)
{
	struct json_object *key = view_object(result, "failover_key");

	if (view_flag(result, "canceled"))
		screen_print(screen, "Given up: both units go on with failover key %s\n",
			     view_text(key, "id"));
	else
		screen_print(screen, "Both units use failover key %s; the old one is forgotten\n",
			     view_text(key, "id"));
	return 0;
}

int verb_rekey(struct cli *cli, const struct grammar_match *match)
{
	struct json_object *parameters = json_object_new_object();

	(void)cli_set(parameters, "cancel", json_object_new_boolean(cli_has(match, "cancel")));
	return cli_show(cli, match->row->method, parameters, render_rekey);
}

/* In `show failover`, between the link and the replication. */
void rekey_print(const struct screen *screen, struct json_object *key)
{
	const char *phase = view_text(key, "rekey");
	struct format_text at;

	if (!*view_text(key, "id"))
		return;
	screen_print(screen, "Failover key: %s", view_text(key, "id"));
	if (view_number(key, "changed_at", 0) > 0)
		screen_print(screen, ", since %s",
			     format_time(view_number(key, "changed_at", 0), &at));
	if (strcmp(phase, "prepared") == 0)
		screen_style(screen, SCREEN_WARN, "; %s is prepared", view_text(key, "other_id"));
	else if (strcmp(phase, "switched") == 0)
		screen_style(screen, SCREEN_WARN, "; %s is still taken",
			     view_text(key, "other_id"));
	screen_print(screen, "\n");
}
