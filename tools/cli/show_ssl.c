/* SPDX-License-Identifier: Apache-2.0 */
/* `show ssl`: what is bound, and beside it what is really served. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/table.h"
#include "tools/cli/verb.h"

CLEANUP_DEFINE(struct table *, table_free)

static const char *or_any(const char *text, const char *any)
{
	return *text ? text : any;
}

static const char *version_name(const char *version)
{
	if (strcmp(version, "tlsv1.2") == 0)
		return "TLSv1.2";
	return strcmp(version, "tlsv1.3") == 0 ? "TLSv1.3" : version;
}

static void print_listeners(const struct screen *screen, struct json_object *result,
			    const char *list, enum screen_style style, const char *title)
{
	for (size_t i = 0; i < view_count(result, list); i++) {
		struct json_object *listener = view_item(result, list, i);
		const char *interface = view_text(listener, "interface");
		const char *address = view_text(listener, "address");
		const char *error = view_text(listener, "error");
		bool is_ipv6 = strchr(address, ':') != NULL;

		screen_style(screen, style, "%s", title);
		if (!listener)
			screen_print(screen, " %s\n", view_item_text(result, list, i));
		else
			screen_print(screen, " %s%s%s port %" PRId64 "%s%s%s%s%s\n",
				     is_ipv6 ? "[" : "", address, is_ipv6 ? "]" : "",
				     view_number(listener, "port", 443), *interface ? " (" : "",
				     interface, *interface ? ")" : "", *error ? ": " : "", error);
	}
}

static int print_bindings(const struct screen *screen, struct json_object *result)
{
	static const struct table_column columns[] = {{"BOUND", false, false, 0},
						      {"INTERFACE", false, true, 0},
						      {"DOMAIN", false, true, 0},
						      {"PRESENT", false, false, 0}};
	_cleanup_(table_free_p) struct table *table = NULL;
	int error = table_new(columns, ARRAY_SIZE(columns), &table);

	if (error)
		return error;
	for (size_t i = 0; i < view_count(result, "bindings"); i++) {
		struct json_object *binding = view_item(result, "bindings", i);
		bool is_present = view_flag(binding, "present");

		table_cell(table, SCREEN_BOLD, "%s", view_text(binding, "trustpoint"));
		table_cell(table, SCREEN_PLAIN, "%s",
			   or_any(view_text(binding, "interface"), "any"));
		table_cell(table, SCREEN_PLAIN, "%s", or_any(view_text(binding, "domain"), "any"));
		table_cell(table, is_present ? SCREEN_GOOD : SCREEN_BAD, "%s",
			   is_present ? "yes" : "no");
	}
	screen_print(screen, "\n");
	return table_print(table, screen);
}

static int print_served(const struct screen *screen, struct json_object *result)
{
	static const struct table_column columns[] = {{"SERVED", false, false, 0},
						      {"INTERFACE", false, true, 0},
						      {"DOMAIN", false, true, 0},
						      {"SHA-256", false, true, 2},
						      {"WHY", false, true, 1}};
	_cleanup_(table_free_p) struct table *table = NULL;
	int error = table_new(columns, ARRAY_SIZE(columns), &table);

	if (error)
		return error;
	for (size_t i = 0; i < view_count(result, "served"); i++) {
		struct json_object *served = view_item(result, "served", i);
		bool is_fallback = view_flag(served, "is_fallback");
		struct format_text fingerprint;

		table_cell(table, is_fallback ? SCREEN_WARN : SCREEN_BOLD, "%s",
			   or_any(view_text(served, "trustpoint"),
				  is_fallback ? "self-signed fallback" : ""));
		table_cell(table, SCREEN_PLAIN, "%s",
			   or_any(view_text(served, "interface"), "any"));
		table_cell(table, SCREEN_PLAIN, "%s", or_any(view_text(served, "domain"), "any"));
		table_cell(table, SCREEN_PLAIN, "%s",
			   format_digest(view_text(served, "fingerprint"), 16, &fingerprint));
		table_cell(table, is_fallback ? SCREEN_WARN : SCREEN_PLAIN, "%s",
			   view_text(served, "why"));
	}
	screen_print(screen, "\n");
	return table_print(table, screen);
}

static void print_tickets(const struct screen *screen, struct json_object *tickets)
{
	struct format_text at;

	if (!*view_text(tickets, "key")) {
		screen_style(screen, SCREEN_WARN,
			     "Session tickets: no key yet: clients make whole handshakes\n");
		return;
	}
	screen_print(screen, "Session tickets: key %s, since %s", view_text(tickets, "key"),
		     format_time(view_number(tickets, "made_at", 0), &at));
	if (view_number(tickets, "previous_left_s", 0) > 0)
		screen_print(screen, "; the one before is taken for %" PRId64 " more minutes",
			     (view_number(tickets, "previous_left_s", 0) + 59) / 60);
	if (view_has(tickets, "mate_has_it") && !view_flag(tickets, "mate_has_it"))
		screen_style(screen, SCREEN_WARN, "; the mate has not taken it");
	screen_print(screen, "\n");
}

int render_ssl(const struct screen *screen, struct json_object *result)
{
	int error;

	screen_print(screen, "Accept connections using %s or greater\n",
		     version_name(view_text(result, "minimum_tls")));
	if (view_count(result, "listening") == 0)
		screen_style(screen, SCREEN_WARN, "Listening nowhere\n");
	print_listeners(screen, result, "listening", SCREEN_GOOD, "Listening on");
	print_listeners(screen, result, "failed", SCREEN_BAD, "Not listening on");
	error = print_bindings(screen, result);
	if (!error)
		error = print_served(screen, result);
	if (error)
		return error;
	screen_print(screen,
		     "\nConnections: %" PRId64 ", handshakes: %" PRId64 " (%" PRId64
		     " by session tickets), failed handshakes: %" PRId64 "\n",
		     view_number(result, "connections", 0), view_number(result, "handshakes", 0),
		     view_number(result, "resumptions", 0),
		     view_number(result, "handshake_failures", 0));
	if (view_has(result, "session_tickets"))
		print_tickets(screen, view_object(result, "session_tickets"));
	return 0;
}

int verb_show_ssl(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_ssl);
}
