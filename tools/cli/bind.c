/* SPDX-License-Identifier: Apache-2.0 */
/* bind and unbind: the same words, the other way round. */
#include "base/cleanup.h"
#include "tools/cli/verb.h"

static struct json_object *parameters_of(const struct grammar_match *match)
{
	static const char *const names[] = {"interface", "domain"};
	_cleanup_(json_put) struct json_object *parameters =
		cli_object("trustpoint", cli_word(match, "trustpoint"));

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *word = cli_word(match, names[i]);

		if (word && !cli_set(parameters, names[i], json_object_new_string(word)))
			return NULL;
	}
	return TAKE_PTR(parameters);
}

int verb_bind(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	bool is_bind = match->row->id == COMMAND_BIND;
	const char *interface = cli_word(match, "interface");
	const char *domain = cli_word(match, "domain");
	int code = cli_change(cli,
			      &(struct cli_request){.method = match->row->method,
						    .parameters = parameters_of(match)},
			      &result);

	if (code)
		return code;
	if (!cli->is_json)
		screen_print(&cli->screen, "Trustpoint %s is %s%s%s on %s\n",
			     cli_word(match, "trustpoint"), is_bind ? "served" : "no longer served",
			     domain ? " for " : "", domain ? domain : "",
			     interface ? interface : "every interface");
	return CLI_OK;
}
