/* SPDX-License-Identifier: Apache-2.0 */
/* write-standby and write-memory. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/diff.h"
#include "tools/cli/format.h"
#include "tools/cli/identity.h"
#include "tools/cli/progress.h"
#include "tools/cli/verb.h"

/* Not shown, but asked for: progress is also the sign that the daemon is at work. */
static void ignore_progress(struct json_object *progress, void *userdata)
{
	(void)progress;
	(void)userdata;
}

static void print_outcome(const struct screen *screen, struct json_object *result)
{
	const char *mode = view_text(result, "mode");
	struct format_text bytes, ms, digest;

	if (strcmp(mode, "equal") == 0)
		screen_print(screen, "The standby holds the same already: nothing was sent");
	else
		screen_print(screen,
			     "The standby holds what this unit holds: %" PRId64
			     " item%s sent (%s), %s",
			     view_number(result, "items", 0),
			     view_number(result, "items", 0) == 1 ? "" : "s", mode,
			     format_bytes(view_number(result, "bytes", 0), &bytes));
	screen_print(screen, ", in %s\n", format_ms(view_number(result, "ms", 0), &ms));
	screen_print(screen, "  Both units: ");
	if (view_object(result, "position"))
		identity_print_position(screen, view_object(result, "position"));
	else
		screen_print(screen, "digest %s",
			     format_digest(view_text(result, "digest"), 16, &digest));
	screen_print(screen, "\n");
}

/* What would be done, by the unit that may do it. */
static int dry_run(struct cli *cli)
{
	_cleanup_(json_put) struct json_object *diff = NULL, *state = NULL;
	int code = cli_call(cli, &(struct cli_request){.method = "asafo.ShowFailover"}, &state);

	if (!code && strcmp(view_text(state, "role"), "active") != 0)
		code = cli_fail(cli, CLI_ROLE,
				"this unit is not active: run it on the active unit (show failover "
				"diff works on both)");
	if (!code)
		code = diff_make(cli, &diff);
	if (code)
		return code;
	if (cli->is_json)
		cli_print_json(cli, diff);
	else
		(void)render_diff(&cli->screen, diff);
	return CLI_OK;
}

static bool has_named(struct json_object *diff, const char *name)
{
	for (size_t i = 0; i < view_count(diff, "trustpoints"); i++) {
		if (strcmp(view_text(view_item(diff, "trustpoints", i), "name"), name) == 0)
			return true;
	}
	return false;
}

/* Each item that differed before, and whether it still does. */
static bool add_items(struct json_object *result, struct json_object *before,
		      struct json_object *after)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < view_count(before, "trustpoints"); i++) {
		struct json_object *item = view_item(before, "trustpoints", i);
		bool is_done = !has_named(after, view_text(item, "name"));

		if (!cli_set(item, "result",
			     json_object_new_string(is_done ? "done" : "still differs")) ||
		    json_object_array_add(array, json_object_get(item)) < 0)
			return false;
	}
	return cli_set(result, "trustpoints", array);
}

static void print_items(const struct screen *screen, struct json_object *result)
{
	static const struct {
		const char *change, *done;
	} words[] = {{"add", "sent"}, {"replace", "replaced"}, {"remove", "removed"}};

	for (size_t i = 0; i < view_count(result, "trustpoints"); i++) {
		struct json_object *item = view_item(result, "trustpoints", i);
		bool is_done = strcmp(view_text(item, "result"), "done") == 0;
		const char *fingerprint = view_text(item, "fingerprint"), *done = "";
		struct format_text digest;

		for (size_t j = 0; j < ARRAY_SIZE(words); j++) {
			if (strcmp(words[j].change, view_text(item, "change")) == 0)
				done = words[j].done;
		}
		screen_style(screen, is_done ? SCREEN_GOOD : SCREEN_BAD, "  %-10s",
			     is_done ? done : "differs");
		screen_print(screen, "%s%s%s\n", view_text(item, "name"),
			     *fingerprint ? ", SHA-256 " : "",
			     *fingerprint ? format_digest(fingerprint, 16, &digest) : "");
	}
}

static int write_standby(struct cli *cli, const struct grammar_match *match,
			 struct json_object **ret_result)
{
	struct progress progress = {.screen = &cli->screen};
	struct cli_request request = {.method = match->row->method, .on_progress = ignore_progress};
	int code;

	if (!cli->is_json) {
		request.on_progress = progress_show;
		request.userdata = &progress;
	}
	code = cli_call(cli, &request, ret_result);
	progress_done(&progress);
	return code;
}

int verb_write_standby(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL, *before = NULL, *after = NULL;
	bool is_verbose = cli_has(match, "verbose");
	int code = CLI_OK;

	if (cli_has(match, "dry-run"))
		return dry_run(cli);
	if (is_verbose && (code = diff_make(cli, &before)) != CLI_OK)
		return cli_fail(cli, code,
				"nothing was sent; asafo write-standby sends without saying what "
				"becomes of each item");
	code = write_standby(cli, match, &result);
	if (!code && is_verbose)
		code = diff_make(cli, &after);
	if (!code && is_verbose && !add_items(result, before, after))
		code = cli_fail(cli, CLI_FAILED, "out of memory");
	if (code)
		return code;
	cli_print_warnings(cli, result);
	if (cli->is_json) {
		cli_print_json(cli, result);
		return CLI_OK;
	}
	print_items(&cli->screen, result);
	print_outcome(&cli->screen, result);
	return CLI_OK;
}
int verb_write_memory(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	int code = cli_call(cli, &(struct cli_request){.method = match->row->method}, &result);
	bool is_missed;

	if (code)
		return code;
	is_missed = strcmp(view_text(result, "mate"), "not reachable") == 0;
	if (cli->is_json) {
		cli_print_json(cli, result);
		return is_missed ? CLI_DEGRADED : CLI_OK;
	}
	screen_print(&cli->screen, "Saved to %s\n", view_text(result, "path"));
	if (strcmp(view_text(result, "mate"), "saved") == 0)
		screen_print(&cli->screen, "Saved on the mate\n");
	else if (strcmp(view_text(result, "mate"), "not asked") == 0)
		screen_print(&cli->screen, "On this unit alone: on the active unit write-memory "
					   "saves on both\n");
	else if (is_missed)
		screen_style(&cli->screen, SCREEN_WARN, "Not saved on the mate: %s\n",
			     *view_text(result, "why") ? view_text(result, "why")
						       : "it is not reachable");
	return is_missed ? CLI_DEGRADED : CLI_OK;
}
