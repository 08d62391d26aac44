/* SPDX-License-Identifier: Apache-2.0 */
/* `show orphans`: what a unit accepted alone. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/identity.h"
#include "tools/cli/table.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

CLEANUP_DEFINE(struct table *, table_free)

static void add_row(struct table *table, const struct screen *screen, struct json_object *orphan)
{
	struct identity_expiry expiry;
	struct format_text fingerprint;

	identity_expiry(orphan, screen->now, &expiry);
	table_cell(table, SCREEN_BOLD, "%s", view_text(orphan, "name"));
	table_cell(table, SCREEN_PLAIN, "%" PRId64, view_number(orphan, "term", 0));
	table_cell(table, SCREEN_PLAIN, "%" PRId64, view_number(orphan, "generation", 0));
	table_cell(table, SCREEN_PLAIN, "%s", view_text(orphan, "subject"));
	table_cell(table, expiry.style, "%s", expiry.text);
	table_cell(table, SCREEN_PLAIN, "%s",
		   format_digest(view_text(orphan, "fingerprint"), 16, &fingerprint));
}

/* What the active's lines replaced; typed again on the active unit it is the pair's. */
static void print_lines(const struct screen *screen, struct json_object *result)
{
	const char *at = view_text(result, "lines");
	struct format_text age;

	if (!at[0])
		return;
	screen_print(
		screen,
		"The active's configuration replaced these lines, which only this unit had, %s "
		"ago.\nType on the active unit those that the pair should have:\n",
		format_duration(view_number(result, "lines_age", 0), &age));
	while (at[0]) {
		int length = (int)strcspn(at, "\n");

		screen_print(screen, "  %.*s\n", length, at);
		at += length + (at[length] == '\n');
	}
}

static int print_trustpoints(const struct screen *screen, struct json_object *result)
{
	static const struct table_column columns[] = {
		{"TRUSTPOINT", false, false, 0},  {"TERM", true, false, 0},
		{"GEN", true, false, 1},	  {"SUBJECT", false, true, 2},
		{"VALID UNTIL", false, false, 0}, {"SHA-256", false, true, 3}};
	_cleanup_(table_free_p) struct table *table = NULL;
	int64_t more = view_number(result, "more", 0);
	int error;

	error = table_new(columns, ARRAY_SIZE(columns), &table);
	for (size_t i = 0; !error && i < view_count(result, "orphans"); i++)
		add_row(table, screen, view_item(result, "orphans", i));
	if (!error)
		error = table_print(table, screen);
	if (error)
		return error;
	if (more > 0)
		screen_print(screen, "and %" PRId64 " more\n", more);
	screen_print(screen,
		     "This unit accepted these in the terms that are shown, and gave them up for a "
		     "mate with a newer term.\nImport again, on the active unit, what the pair "
		     "should have.\n");
	return 0;
}

int render_orphans(const struct screen *screen, struct json_object *result)
{
	int error = 0;

	if (view_count(result, "orphans") > 0)
		error = print_trustpoints(screen, result);
	else if (!view_text(result, "lines")[0])
		screen_print(screen, "No orphans: this unit gave nothing up\n");
	if (error)
		return error;
	print_lines(screen, result);
	unit_print_clock(screen, "", view_object(result, "clock"));
	return 0;
}

int verb_show_orphans(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_orphans);
}

int verb_orphans_restore(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	struct json_object *parameters = cli_object("name", cli_word(match, "name"));
	int code;

	if (!cli_set(parameters, "replace", json_object_new_boolean(cli_has(match, "replace")))) {
		(void)json_object_put(parameters);
		return cli_fail(cli, CLI_FAILED, "out of memory");
	}
	code = cli_change(
		cli,
		&(struct cli_request){.method = "asafo.OrphansRestore", .parameters = parameters},
		&result);
	if (code)
		return code;
	if (!cli->is_json)
		screen_print(&cli->screen, "Restored trustpoint %s, generation %" PRId64 "\n%s%s",
			     cli_word(match, "name"),
			     view_number(view_object(result, "trustpoint"), "generation", 1),
			     view_text(result, "standby"),
			     *view_text(result, "standby") ? "\n" : "");
	return view_flag(result, "degraded") ? CLI_DEGRADED : CLI_OK;
}

int verb_orphans_drop(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	int code = cli_call(
		cli,
		&(struct cli_request){.method = "asafo.OrphansDrop",
				      .parameters = cli_object("name", cli_word(match, "name"))},
		&result);

	if (code == CLI_OK && !cli->is_json)
		screen_print(&cli->screen, "Dropped the orphan %s\n", cli_word(match, "name"));
	return code;
}
