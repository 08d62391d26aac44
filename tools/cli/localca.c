/* SPDX-License-Identifier: Apache-2.0 */
/* The local CA of this unit: create, issue, list. */
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/identity.h"
#include "tools/cli/passphrase.h"
#include "tools/cli/table.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

#define DEFAULT_NAME "LOCAL-CA-SERVER" /* as an ASA calls it */

CLEANUP_DEFINE(struct table *, table_free)

/* "Local CA of fw-a" where the line names no subject: what it issues stays on this host, so its
 * name tells. */
static bool set_subject(struct json_object *parameters, const struct grammar_match *match)
{
	const char *word = cli_word(match, "subject");
	char host[40] = "", subject[64];

	if (gethostname(host, sizeof(host) - 1) < 0 || !host[0])
		(void)snprintf(host, sizeof(host), "this unit");
	(void)snprintf(subject, sizeof(subject), "Local CA of %s", host);
	return cli_set(parameters, "subject", json_object_new_string(word ? word : subject));
}

static bool set_lifetime(struct json_object *parameters, const struct grammar_match *match)
{
	const struct value *value = grammar_match_value(match, "lifetime");

	return !value ||
	       cli_set(parameters, "lifetime_days", json_object_new_int64((int64_t)value->number));
}

static bool set_names(struct json_object *parameters, const struct grammar_match *match)
{
	struct json_object *names = json_object_new_array();

	for (size_t i = 0; names && i < match->n_values; i++) {
		struct json_object *name;

		if (strcmp(match->values[i].name, "name") != 0)
			continue;
		name = json_object_new_string(match->values[i].text);
		if (!name || json_object_array_add(names, name) < 0) {
			(void)json_object_put(name);
			(void)json_object_put(names);
			return false;
		}
	}
	return cli_set(parameters, "names", names);
}

int verb_localca_create(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *parameters = json_object_new_object();
	_cleanup_(json_put) struct json_object *result = NULL;
	const char *name = cli_word(match, "name");
	int code;

	if (!parameters || !set_subject(parameters, match) ||
	    !cli_set(parameters, "name", json_object_new_string(name ? name : DEFAULT_NAME)) ||
	    !set_lifetime(parameters, match))
		return cli_fail(cli, CLI_FAILED, "out of memory");
	code = cli_change(cli,
			  &(struct cli_request){.method = match->row->method,
						.parameters = TAKE_PTR(parameters)},
			  &result);
	if (code || cli->is_json)
		return code;
	screen_style(&cli->screen, SCREEN_BOLD, "This unit has a local CA\n");
	identity_print(&cli->screen,
		       view_object(result, "ca") ? view_object(result, "ca") : result);
	screen_print(&cli->screen, "What it issues stays on this unit and is never replicated.\n");
	return CLI_OK;
}

static int issue(struct cli *cli, const struct grammar_match *match, const char *path,
		 int *ret_output, struct json_object **ret_result)
{
	_cleanup_(json_put) struct json_object *parameters =
		cli_object("subject", cli_word(match, "subject"));

	if (!parameters || !set_names(parameters, match) || !set_lifetime(parameters, match))
		return cli_fail(cli, CLI_FAILED, "out of memory");
	return output_file_call(cli,
				&(struct cli_request){.method = match->row->method,
						      .parameters = TAKE_PTR(parameters)},
				&(struct passphrase_source){
					.file = cli_word(match, "passphrase-file"),
					.what = "Passphrase to protect the key with",
					.is_confirmed = true,
				},
				path, ret_output, ret_result);
}

int verb_localca_issue(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	_cleanup_close_ int output = -1;
	const char *path = cli_word(match, "file");
	int code = issue(cli, match, path, &output, &result);

	if (!code)
		code = output_file_store(cli, output, path);
	if (code)
		return code;
	cli_print_warnings(cli, result);
	/* The file itself may be what goes to stdout. */
	if (strcmp(path, "-") == 0)
		return CLI_OK;
	if (cli->is_json)
		cli_print_json(cli, result);
	else
		screen_print(&cli->screen, "Issued %s, serial %s, to %s\n",
			     cli_word(match, "subject"), view_text(result, "serial"), path);
	return CLI_OK;
}

int render_localca(const struct screen *screen, struct json_object *result)
{
	static const struct table_column columns[] = {{"SERIAL", false, true, 0},
						      {"SUBJECT", false, true, 0},
						      {"NAMES", false, true, 0},
						      {"VALID UNTIL", false, false, 0}};
	_cleanup_(table_free_p) struct table *table = NULL;
	struct json_object *ca = view_object(result, "ca");
	int error;

	if (!ca) {
		screen_print(screen, "This unit has no local CA: asafo localca create makes one\n");
		unit_print_clock(screen, "", view_object(result, "clock"));
		return 0;
	}
	screen_style(screen, SCREEN_BOLD, "Local CA\n");
	identity_print(screen, ca);
	screen_print(screen, "\n");
	if (view_count(result, "issued") == 0) {
		screen_print(screen,
			     "It has issued nothing: asafo localca issue NAME FILE.p12 does\n");
		unit_print_clock(screen, "", view_object(result, "clock"));
		return 0;
	}
	error = table_new(columns, ARRAY_SIZE(columns), &table);
	if (error)
		return error;
	for (size_t i = 0; i < view_count(result, "issued"); i++) {
		struct json_object *issued = view_item(result, "issued", i);
		_cleanup_(buf_done) struct buf names = {0};
		struct identity_expiry expiry;

		error = identity_join(issued, "names", ", ", &names);
		if (error || !buf_text(&names))
			return -ENOMEM;
		identity_expiry(issued, screen->now, &expiry);
		table_cell(table, SCREEN_PLAIN, "%s", view_text(issued, "serial"));
		table_cell(table, SCREEN_PLAIN, "%s", view_text(issued, "subject"));
		table_cell(table, SCREEN_PLAIN, "%s", buf_text(&names));
		table_cell(table, expiry.style, "%s", expiry.text);
	}
	error = table_print(table, screen);
	unit_print_clock(screen, "", view_object(result, "clock"));
	return error;
}

int verb_localca_list(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_localca);
}
