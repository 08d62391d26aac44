/* SPDX-License-Identifier: Apache-2.0 */
/* `show trustpoints`, one line each. There may be more of them than one message holds, so they come
 * in pages. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/identity.h"
#include "tools/cli/pages.h"
#include "tools/cli/table.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

CLEANUP_DEFINE(struct table *, table_free)

static enum screen_style mate_style(const char *on_mate)
{
	if (strcmp(on_mate, "yes") == 0)
		return SCREEN_GOOD;
	return strcmp(on_mate, "no") == 0 ? SCREEN_BAD : SCREEN_WARN;
}

/* "yes/yes": this unit's verdict and the mate's. A daemon that tells none has none. */
static void add_proof(struct table *table, struct json_object *trustpoint, const char *what)
{
	const char *here = view_text(view_object(view_object(trustpoint, "this"), what), "state");
	const char *mate = view_text(view_object(view_object(trustpoint, "mate"), what), "state");
	bool is_none = strcmp(here, "none") == 0 && strcmp(mate, "none") == 0;
	bool is_bad = strcmp(here, "no") == 0 || strcmp(mate, "no") == 0;
	bool is_known = strcmp(here, "unknown") != 0 && strcmp(mate, "unknown") != 0;

	if (!*here || is_none)
		table_cell(table, SCREEN_PLAIN, "%s", "");
	else
		table_cell(table,
			   is_bad     ? SCREEN_BAD
			   : is_known ? SCREEN_GOOD
				      : SCREEN_WARN,
			   "%s/%s", strcmp(here, "none") == 0 ? "-" : here,
			   strcmp(mate, "none") == 0 ? "-" : mate);
}

/* "CN=vpn.example.org,O=Example" -> "vpn.example.org": a table has room for the name only. */
static const char *common_name(const char *subject, struct format_text *ret_text)
{
	const char *cn = strncmp(subject, "CN=", 3) == 0 ? subject : strstr(subject, ",CN=");

	if (!cn)
		return subject;
	cn = strchr(cn, '=') + 1;
	(void)snprintf(ret_text->text, sizeof(ret_text->text), "%.*s", (int)strcspn(cn, ","), cn);
	return ret_text->text;
}

static int add_row(struct table *table, const struct screen *screen, struct json_object *trustpoint)
{
	_cleanup_(buf_done) struct buf bound = {0};
	bool is_home = *view_text(trustpoint, "kept_home") != '\0';
	const char *on_mate = view_text(trustpoint, "on_mate");
	struct identity_expiry expiry;
	struct format_text fingerprint, name;

	if (identity_bound(trustpoint, &bound) < 0 || !buf_text(&bound))
		return -ENOMEM;
	identity_expiry(trustpoint, screen->now, &expiry);
	table_cell(table, SCREEN_BOLD, "%s", view_text(trustpoint, "name"));
	table_cell(table, SCREEN_PLAIN, "%" PRId64, view_number(trustpoint, "generation", 0));
	table_cell(table, SCREEN_PLAIN, "%s", common_name(view_text(trustpoint, "subject"), &name));
	table_cell(table, expiry.style, "%s", expiry.text);
	table_cell(table, SCREEN_PLAIN, "%s",
		   format_digest(view_text(trustpoint, "fingerprint"), 16, &fingerprint));
	table_cell(table, SCREEN_PLAIN, "%s", identity_origin(trustpoint));
	table_cell(table, is_home ? SCREEN_PLAIN : mate_style(on_mate), "%s",
		   is_home ? "kept here" : on_mate);
	add_proof(table, trustpoint, "usable");
	add_proof(table, trustpoint, "served");
	table_cell(table, SCREEN_PLAIN, "%s", buf_text(&bound));
	return 0;
}

/* Why something stays here; which chains are incomplete. */
static void print_notes(const struct screen *screen, struct json_object *result)
{
	struct identity_staple staple;
	struct identity_fetch fetch;

	for (size_t i = 0; i < view_count(result, "trustpoints"); i++) {
		struct json_object *trustpoint = view_item(result, "trustpoints", i);
		const char *name = view_text(trustpoint, "name");

		if (identity_staple(trustpoint, &staple))
			screen_style(screen, staple.style, "%s: OCSP staple %s\n", name,
				     staple.text);
		if (identity_fetch(trustpoint, &fetch))
			screen_style(screen, fetch.style, "%s: OCSP staple %s\n", name, fetch.text);
		if (*view_text(trustpoint, "kept_home"))
			screen_print(screen, "%s: %s\n", name, view_text(trustpoint, "kept_home"));
		if (view_has(trustpoint, "chain_complete") &&
		    !view_flag(trustpoint, "chain_complete"))
			screen_style(screen, SCREEN_WARN,
				     "%s: the certificate chain is incomplete\n", name);
	}
}

int render_trustpoints(const struct screen *screen, struct json_object *result)
{
	static const struct table_column columns[] = {
		{"TRUSTPOINT", false, false, 0}, {"GEN", true, false, 1},
		{"SUBJECT", false, true, 2},	 {"VALID UNTIL", false, false, 0},
		{"SHA-256", false, true, 4},	 {"ORIGIN", false, true, 3},
		{"ON MATE", false, false, 0},	 {"USABLE", false, false, 5},
		{"SERVED", false, false, 6},	 {"BOUND", false, true, 0}};
	_cleanup_(table_free_p) struct table *table = NULL;
	int error;

	if (view_count(result, "trustpoints") == 0) {
		screen_print(screen, "No trustpoints: asafo import NAME FILE.p12 imports one\n");
		unit_print_clock(screen, "", view_object(result, "clock"));
		return 0;
	}
	error = table_new(columns, ARRAY_SIZE(columns), &table);
	for (size_t i = 0; !error && i < view_count(result, "trustpoints"); i++)
		error = add_row(table, screen, view_item(result, "trustpoints", i));
	if (!error)
		error = table_print(table, screen);
	if (error)
		return error;
	print_notes(screen, result);
	if (view_object(result, "position")) {
		screen_print(screen, "Position: ");
		identity_print_position(screen, view_object(result, "position"));
		screen_print(screen, "\n");
	}
	unit_print_clock(screen, "", view_object(result, "clock"));
	return 0;
}

int verb_show_trustpoints(struct cli *cli, const struct grammar_match *match)
{
	return pages_show(cli, match, "trustpoints", render_trustpoints);
}
