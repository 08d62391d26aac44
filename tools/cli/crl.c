/* SPDX-License-Identifier: Apache-2.0 */
/* crl import, crl remove, show crls: what CAs have revoked. */
#include <inttypes.h>

#include "base/cleanup.h"
#include "certstore/x509/crl.h"
#include "tools/cli/format.h"
#include "tools/cli/import.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

static void print_imported(const struct screen *screen, const char *name,
			   struct json_object *result, bool is_dry_run)
{
	struct json_object *crl = view_object(result, "crl");
	int64_t revoked = view_number(crl, "revoked", 0);
	struct format_text until;

	screen_style(screen, SCREEN_BOLD, "%s %s\n",
		     is_dry_run			      ? "This CRL could be imported for"
		     : view_flag(result, "unchanged") ? "This CRL is there already for"
						      : "Imported the CRL of",
		     name);
	screen_print(screen, "%" PRId64 " certificate%s revoked; good until %s\n", revoked,
		     revoked == 1 ? "" : "s",
		     format_time(view_number(crl, "next_update", 0), &until));
	if (is_dry_run || view_flag(result, "unchanged"))
		return;
	if (view_flag(crl, "replicated"))
		screen_print(screen, "The mate is told; `asafo show crls` says when it has it\n");
	else
		screen_print(screen, "It stays on this unit, as the trustpoint does\n");
}

int verb_crl_import(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	const char *name = cli_word(match, "name");
	static const struct input_kind kind = {"CRL", CRL_FILE_MAX, NULL};
	struct import_source source = {
		.file = cli_word(match, "file"), .what = "CRL", .kind = &kind};
	struct import_input input = {.fd = -1};
	bool is_dry_run = cli_has(match, "dry-run");
	int code = import_input_open(cli, &source, &input);
	_cleanup_close_ int fd = input.fd;
	struct json_object *parameters;

	if (code)
		return code;
	parameters = cli_object("name", name);
	if (!cli_set(parameters, "dry_run", json_object_new_boolean(is_dry_run))) {
		(void)json_object_put(parameters);
		return cli_fail(cli, CLI_FAILED, "out of memory");
	}
	code = cli_change(cli,
			  &(struct cli_request){.method = match->row->method,
						.parameters = parameters,
						.fds = &fd,
						.n_fds = 1},
			  &result);
	if (code)
		return code;
	if (!cli->is_json)
		print_imported(&cli->screen, name, result, is_dry_run);
	return CLI_OK;
}

int verb_crl_remove(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	const char *name = cli_word(match, "name");
	int code = cli_change(cli,
			      &(struct cli_request){.method = match->row->method,
						    .parameters = cli_object("name", name)},
			      &result);

	if (code)
		return code;
	if (!cli->is_json)
		screen_print(&cli->screen, "Removed the CRL of %s\n", name);
	return CLI_OK;
}

/* As an ASA's show crypto ca crls has it. */
static void print_crl(const struct screen *screen, struct json_object *crl)
{
	size_t n = view_count(crl, "trustpoints");
	struct format_text last, next, taken;

	screen_style(screen, SCREEN_BOLD, "CRL Issuer Name: %s\n", view_text(crl, "issuer"));
	screen_print(screen, "    LastUpdate: %s\n",
		     format_time(view_number(crl, "this_update", 0), &last));
	screen_style(screen, view_flag(crl, "good") ? SCREEN_PLAIN : SCREEN_BAD,
		     "    NextUpdate: %s%s\n",
		     format_time(view_number(crl, "next_update", 0), &next),
		     view_flag(crl, "good") ? "" : " (not in its time)");
	if (*view_text(crl, "number"))
		screen_print(screen, "    CRL number: %s\n", view_text(crl, "number"));
	screen_print(screen, "    Revoked certificates: %" PRId64 "\n",
		     view_number(crl, "revoked", 0));
	screen_print(screen, "    Retrieved from: %s, %s\n", view_text(crl, "source"),
		     format_time(view_number(crl, "taken_at", 0), &taken));
	screen_print(screen, "    Key of the CA: %s\n", view_text(crl, "key_id"));
	screen_print(screen, "    Associated Trustpoints:%s", n == 0 ? " none any more" : "");
	for (size_t i = 0; i < n; i++)
		screen_print(screen, " %s", view_item_text(crl, "trustpoints", i));
	screen_print(screen, "\n");
	if (!view_flag(crl, "replicated"))
		screen_print(screen, "    On the mate: no, it stays on this unit\n");
	else if (view_has(crl, "on_mate"))
		screen_style(screen, view_flag(crl, "on_mate") ? SCREEN_GOOD : SCREEN_WARN,
			     "    On the mate: %s\n",
			     view_flag(crl, "on_mate") ? "yes" : "not all CRLs are");
}

static int render_crls(const struct screen *screen, struct json_object *result)
{
	if (view_count(result, "crls") == 0)
		screen_print(screen, "No CRLs: asafo crl import NAME FILE imports one\n");
	for (size_t i = 0; i < view_count(result, "crls"); i++)
		print_crl(screen, view_item(result, "crls", i));
	for (size_t i = 0; i < view_count(result, "checks"); i++) {
		struct json_object *check = view_item(result, "checks", i);

		screen_print(screen, "Clients' CA %s: revocation-check %s\n",
			     view_text(check, "trustpoint"), view_text(check, "revocation_check"));
	}
	unit_print_clock(screen, "", view_object(result, "clock"));
	return 0;
}

int verb_show_crls(struct cli *cli, const struct grammar_match *match)
{
	const char *name = cli_word(match, "name");

	return cli_show(cli, match->row->method, name ? cli_object("name", name) : NULL,
			render_crls);
}
