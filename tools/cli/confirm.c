/* SPDX-License-Identifier: Apache-2.0 */
/* --force is asked for with its price: what this unit and, where it can be asked, the other say. */
#include "tools/cli/confirm.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define ANSWER_MAX 16

static size_t print_losses(const struct cli *cli, struct json_object *result)
{
	size_t n = view_count(result, "losses");

	if (*view_text(result, "why"))
		screen_error(&cli->screen, cli->verb, "%s", view_text(result, "why"));
	for (size_t i = 0; i < n; i++)
		screen_error(&cli->screen, cli->verb, "would be lost: %s",
			     view_item_text(result, "losses", i));
	return n;
}

/* The active unit knows the names of what a standby lacks. Silent where it cannot be asked. */
static struct json_object *ask_mate(struct cli *cli)
{
	struct json_object *parameters = cli_object("unit", "mate"), *result = NULL;
	struct why why;

	if (!cli_set(parameters, "method", json_object_new_string("asafo.FailoverCheck")) ||
	    control_client_call(cli->client, "asafo.FailoverExec", parameters, NULL, 0, NULL, NULL,
				&result, &why) != 0)
		result = NULL;
	(void)json_object_put(parameters);
	return result;
}

static bool asks_yes(struct cli *cli)
{
	char answer[ANSWER_MAX] = "";
	ssize_t n;

	screen_print(&cli->screen, "Go on all the same? [yes/no] ");
	(void)fflush(cli->screen.out);
	n = read(cli->input, answer, sizeof(answer) - 1);
	return n > 0 && strncmp(answer, "yes\n", 4) == 0;
}

/* Nothing will be done, and that is what the command answers. */
static bool is_there_already(const struct grammar_match *match, const char *role)
{
	return (match->row->id == COMMAND_FAILOVER_ACTIVE && strcmp(role, "active") == 0) ||
	       (match->row->id == COMMAND_FAILOVER_STANDBY && strcmp(role, "standby") == 0);
}

int confirm_force(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *here = NULL, *there = NULL;
	size_t n;
	int code;

	if (!cli_has(match, "force"))
		return CLI_OK;
	code = cli_call(cli, &(struct cli_request){.method = "asafo.FailoverCheck"}, &here);
	if (code)
		return code;
	if (is_there_already(match, view_text(here, "role")))
		return CLI_OK;
	n = print_losses(cli, here);
	if (strcmp(view_text(here, "role"), "active") != 0 && !cli->exec_unit) {
		there = ask_mate(cli);
		if (there)
			n += view_count(there, "losses");
		for (size_t i = 0; there && i < view_count(there, "losses"); i++)
			screen_error(&cli->screen, cli->verb, "would be lost: %s",
				     view_item_text(there, "losses", i));
	}
	if (n == 0 && view_flag(here, "ready"))
		screen_error(&cli->screen, cli->verb, "nothing would be lost");
	if (cli_has(match, "yes"))
		return CLI_OK;
	if (!isatty(cli->input))
		return cli_fail(cli, CLI_USAGE,
				"--force wants to be confirmed on a terminal, or --yes");
	return asks_yes(cli) ? CLI_OK : cli_fail(cli, CLI_FAILED, "not done");
}
