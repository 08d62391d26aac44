/* SPDX-License-Identifier: Apache-2.0 */
/* `history` and `rollback`: the generations of a trustpoint. */
#include <inttypes.h>

#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/identity.h"
#include "tools/cli/table.h"
#include "tools/cli/verb.h"

CLEANUP_DEFINE(struct table *, table_free)

static void add_row(struct table *table, const struct screen *screen, struct json_object *entry)
{
	int64_t from = view_number(entry, "restored_from", 0);
	struct identity_expiry expiry;
	struct format_text fingerprint, at;

	identity_expiry(entry, screen->now, &expiry);
	table_cell(table, SCREEN_BOLD, "%" PRId64, view_number(entry, "generation", 0));
	table_cell(table, SCREEN_PLAIN, "%s",
		   format_time(view_number(entry, "imported_at", 0), &at));
	table_cell(table, SCREEN_PLAIN, "%s", view_text(entry, "subject"));
	table_cell(table, expiry.style, "%s", expiry.text);
	table_cell(table, SCREEN_PLAIN, "%s",
		   format_digest(view_text(entry, "fingerprint"), 16, &fingerprint));
	if (from > 0)
		table_cell(table, SCREEN_PLAIN, "%sfrom %" PRId64,
			   view_flag(entry, "present") ? "present, " : "", from);
	else
		table_cell(table, SCREEN_PLAIN, "%s",
			   view_flag(entry, "present") ? "present" : "kept");
}

int render_generations(const struct screen *screen, struct json_object *result)
{
	static const struct table_column columns[] = {
		{"GEN", true, false, 0},     {"SINCE", false, false, 0},
		{"SUBJECT", false, true, 2}, {"VALID UNTIL", false, false, 0},
		{"SHA-256", false, true, 3}, {"STATE", false, false, 0}};
	_cleanup_(table_free_p) struct table *table = NULL;
	int error = table_new(columns, ARRAY_SIZE(columns), &table);

	for (size_t i = 0; !error && i < view_count(result, "generations"); i++)
		add_row(table, screen, view_item(result, "generations", i));
	return error ? error : table_print(table, screen);
}

int verb_history(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, cli_object("name", cli_word(match, "name")),
			render_generations);
}

static void print_rollback(const struct screen *screen, struct json_object *result, bool is_dry_run)
{
	struct json_object *trustpoint = view_object(result, "trustpoint");

	screen_style(screen, SCREEN_BOLD,
		     "%s trustpoint %s to generation %" PRId64 ", as generation %" PRId64 "%s\n",
		     is_dry_run ? "Would return" : "Returned", view_text(trustpoint, "name"),
		     view_number(trustpoint, "restored_from", 0),
		     view_number(trustpoint, "generation", 0),
		     is_dry_run ? "; nothing was changed" : "");
	identity_print(screen, trustpoint);
}

int verb_rollback(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	struct json_object *parameters = cli_object("name", cli_word(match, "name"));
	const char *generation = cli_word(match, "generation");
	bool is_dry_run = cli_has(match, "dry-run");
	int code;

	if (!cli_set(parameters, "dry_run", json_object_new_boolean(is_dry_run)) ||
	    !cli_set(parameters, "generation",
		     json_object_new_int64(generation ? strtoll(generation, NULL, 10) : 0))) {
		(void)json_object_put(parameters);
		return cli_fail(cli, CLI_FAILED, "out of memory");
	}
	code = cli_change(
		cli, &(struct cli_request){.method = "asafo.Rollback", .parameters = parameters},
		&result);
	if (code)
		return code;
	if (!cli->is_json)
		print_rollback(&cli->screen, result, is_dry_run);
	return cli_print_replication(cli, result, is_dry_run);
}
