/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show running-config, show startup-config: the text, line by line as it is. It is copied, and
 * kept: so the clocks are a comment on top, and as long as they agree it says the same each time.
 */
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

int render_config(const struct screen *screen, struct json_object *result)
{
	struct json_object *clock = view_object(result, "clock");

	if (strcmp(view_text(clock, "class"), "same") == 0)
		screen_print(screen, "! Clocks: the same\n");
	else
		unit_print_clock(screen, "! ", clock);
	screen_print(screen, "%s", view_text(result, "text"));
	return 0;
}

int verb_show_config(struct cli *cli, const struct grammar_match *match)
{
	static const char *const words[] = {"section", "device"};
	_cleanup_(json_put) struct json_object *parameters = json_object_new_object();
	bool is_good = parameters &&
		       cli_set(parameters, "all", json_object_new_boolean(cli_has(match, "all")));

	for (size_t i = 0; i < ARRAY_SIZE(words) && is_good; i++) {
		const char *word = cli_word(match, words[i]);

		if (word)
			is_good = cli_set(parameters, words[i], json_object_new_string(word));
	}
	if (!is_good)
		return cli_fail(cli, CLI_FAILED, "out of memory");
	return cli_show(cli, match->row->method, TAKE_PTR(parameters), render_config);
}
