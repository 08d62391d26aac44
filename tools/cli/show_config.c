/* SPDX-License-Identifier: Apache-2.0 */
/* show running-config, show startup-config: the text, line by line as it is. */
#include "tools/cli/verb.h"

static int render_text(const struct screen *screen, struct json_object *result)
{
	screen_print(screen, "%s", view_text(result, "text"));
	return 0;
}

int verb_show_config(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_text);
}
