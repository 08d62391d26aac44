/* SPDX-License-Identifier: Apache-2.0 */
/* `show ssl`: what is bound, and beside it what is really served. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/table.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

#define PROBE_PAUSE_MS 100
#define PROBE_LOOKS 60

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

/* What a client gets. A binding whose trustpoint cannot be served has that trustpoint's name, and
 * the self-signed certificate. */
static const char *served_name(struct json_object *served)
{
	return view_flag(served, "is_fallback") ? "self-signed fallback"
						: view_text(served, "trustpoint");
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

/* Of the fronts' own handshakes, or of one that failed. */
static void probe_cell(struct table *table, struct json_object *served)
{
	struct format_text at;
	int64_t tested_at = view_number(served, "tested_at", 0);

	if (view_number(served, "code", 0) < 0)
		table_cell(table, SCREEN_BAD, "not that: %s", view_text(served, "test_why"));
	else if (tested_at == 0)
		table_cell(table, SCREEN_WARN, "not known yet");
	else
		table_cell(table, SCREEN_GOOD, "exactly that, at %s", format_time(tested_at, &at));
}

static int print_probed(const struct screen *screen, struct json_object *result)
{
	static const struct table_column columns[] = {{"PROBED", false, false, 0},
						      {"INTERFACE", false, true, 0},
						      {"DOMAIN", false, true, 0},
						      {"KEY", false, true, 0},
						      {"A CLIENT GETS", false, true, 1}};
	_cleanup_(table_free_p) struct table *table = NULL;
	int error = table_new(columns, ARRAY_SIZE(columns), &table);

	if (error)
		return error;
	for (size_t i = 0; i < view_count(result, "served"); i++) {
		struct json_object *served = view_item(result, "served", i);

		if (view_flag(served, "is_idle"))
			continue;
		table_cell(table, SCREEN_BOLD, "%s", served_name(served));
		table_cell(table, SCREEN_PLAIN, "%s",
			   or_any(view_text(served, "interface"), "any"));
		table_cell(table, SCREEN_PLAIN, "%s", or_any(view_text(served, "domain"), "any"));
		table_cell(table, SCREEN_PLAIN, "%s", or_any(view_text(served, "kind"), "-"));
		probe_cell(table, served);
	}
	screen_print(screen, "\n");
	return table_print(table, screen);
}

static int print_served(const struct screen *screen, struct json_object *result)
{
	static const struct table_column columns[] = {
		{"SERVED", false, false, 0}, {"INTERFACE", false, true, 0},
		{"DOMAIN", false, true, 0},  {"KEY", false, true, 0},
		{"SHA-256", false, true, 2}, {"WHY", false, true, 1}};
	_cleanup_(table_free_p) struct table *table = NULL;
	int error = table_new(columns, ARRAY_SIZE(columns), &table);

	if (error)
		return error;
	for (size_t i = 0; i < view_count(result, "served"); i++) {
		struct json_object *served = view_item(result, "served", i);
		bool is_fallback = view_flag(served, "is_fallback");
		bool is_warned = is_fallback || view_flag(served, "is_idle");
		const char *missing = is_fallback ? view_text(served, "trustpoint") : "";
		struct format_text fingerprint;

		table_cell(table, is_warned ? SCREEN_WARN : SCREEN_BOLD, "%s", served_name(served));
		table_cell(table, SCREEN_PLAIN, "%s",
			   or_any(view_text(served, "interface"), "any"));
		table_cell(table, SCREEN_PLAIN, "%s", or_any(view_text(served, "domain"), "any"));
		table_cell(table, SCREEN_PLAIN, "%s", or_any(view_text(served, "kind"), "-"));
		table_cell(table, SCREEN_PLAIN, "%s",
			   format_digest(view_text(served, "fingerprint"), 16, &fingerprint));
		table_cell(table, is_warned ? SCREEN_WARN : SCREEN_PLAIN, "%s%s%s%s",
			   view_flag(served, "is_idle") ? "not served: " : "",
			   *missing ? missing : "", *missing ? " is " : "",
			   view_text(served, "why"));
	}
	screen_print(screen, "\n");
	return table_print(table, screen);
}

/* "OCSP staple of vpn (RSA) on outside: sent to who asks, until ..." */
static void print_staples(const struct screen *screen, struct json_object *result)
{
	struct json_object *staples = view_object(result, "staples");
	int64_t n = 0;

	for (size_t i = 0; i < view_count(result, "served"); i++) {
		struct json_object *served = view_item(result, "served", i);
		int64_t until = view_number(served, "staple_until", 0);
		bool is_good = until > screen->now;
		struct format_text at;

		if (until == 0 || view_flag(served, "is_idle"))
			continue;
		n++;
		screen_style(screen, is_good ? SCREEN_PLAIN : SCREEN_WARN,
			     "OCSP staple of %s (%s) on %s%s%s: %s %s\n",
			     view_text(served, "trustpoint"), view_text(served, "kind"),
			     or_any(view_text(served, "interface"), "any interface"),
			     *view_text(served, "domain") ? " for " : "",
			     view_text(served, "domain"),
			     is_good ? "sent to who asks for it, until"
				     : "not sent any more, it ended at",
			     format_time(until, &at));
	}
	if (n > 0 && view_has(staples, "mate_has_them") && !view_flag(staples, "mate_has_them"))
		screen_style(screen, SCREEN_WARN, "The mate has not taken all OCSP staples\n");
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

/* "Cipher suites of TLSv1.3 (medium): A:B" */
static void print_ciphers(const struct screen *screen, struct json_object *result,
			  const char *version)
{
	struct json_object *ciphers = view_object(view_object(result, "ciphers"), version);

	if (!ciphers)
		return;
	screen_print(screen, "Cipher suites of %s (%s):", version_name(version),
		     view_text(ciphers, "level"));
	/* In one word, as `ssl cipher ... custom` takes them; a terminal has no room for it. */
	for (size_t i = 0; i < view_count(ciphers, "suites"); i++)
		screen_print(screen, "%s%s",
			     screen->is_terminal ? "\n  "
			     : i > 0		 ? ":"
						 : " ",
			     view_item_text(ciphers, "suites", i));
	screen_print(screen, "\n");
}

int render_ssl(const struct screen *screen, struct json_object *result)
{
	int error;

	screen_print(screen, "Accept connections using %s or greater\n",
		     version_name(view_text(result, "minimum_tls")));
	if (strcmp(view_text(result, "minimum_tls"), "tlsv1.3") != 0)
		print_ciphers(screen, result, "tlsv1.2");
	print_ciphers(screen, result, "tlsv1.3");
	if (view_count(result, "listening") == 0)
		screen_style(screen, SCREEN_WARN, "Listening nowhere\n");
	print_listeners(screen, result, "listening", SCREEN_GOOD, "Listening on");
	print_listeners(screen, result, "failed", SCREEN_BAD, "Not listening on");
	error = print_bindings(screen, result);
	if (!error)
		error = print_served(screen, result);
	if (!error && view_has(result, "probed_at"))
		error = print_probed(screen, result);
	if (error)
		return error;
	screen_print(screen,
		     "\nConnections: %" PRId64 ", handshakes: %" PRId64 " (%" PRId64
		     " by session tickets), failed handshakes: %" PRId64 "\n",
		     view_number(result, "connections", 0), view_number(result, "handshakes", 0),
		     view_number(result, "resumptions", 0),
		     view_number(result, "handshake_failures", 0));
	print_staples(screen, result);
	if (view_has(result, "session_tickets"))
		print_tickets(screen, view_object(result, "session_tickets"));
	unit_print_clock(screen, "", view_object(result, "clock"));
	return 0;
}

/* Each place was tried at SINCE or later, well or not. */
static bool is_tried(struct json_object *result, int64_t since)
{
	for (size_t i = 0; i < view_count(result, "served"); i++) {
		struct json_object *served = view_item(result, "served", i);

		if (!view_flag(served, "is_idle") && view_number(served, "tested_at", 0) < since)
			return false;
	}
	return true;
}

static int look(struct cli *cli, const struct grammar_match *match, bool is_probe,
		struct json_object **ret_result)
{
	struct cli_request request = {.method = match->row->method,
				      .parameters = json_object_new_object()};

	(void)cli_set(request.parameters, "probe", json_object_new_boolean(is_probe));
	return cli_call(cli, &request, ret_result);
}

/* The fronts shake hands with themselves, and tell when they have. */
static int probe(struct cli *cli, const struct grammar_match *match)
{
	const struct timespec pause = {.tv_nsec = PROBE_PAUSE_MS * 1000000L};
	struct json_object *result = NULL;
	int code = look(cli, match, true, &result);
	int64_t since = view_number(result, "probed_at", 0);
	bool is_well = true;

	for (int i = 0; code == CLI_OK && i < PROBE_LOOKS; i++) {
		(void)json_object_put(result);
		result = NULL;
		(void)nanosleep(&pause, NULL);
		code = look(cli, match, false, &result);
		if (code == CLI_OK && is_tried(result, since))
			break;
	}
	if (code != CLI_OK)
		return code;
	(void)cli_set(result, "probed_at", json_object_new_int64(since));
	for (size_t i = 0; i < view_count(result, "served"); i++)
		is_well &= view_number(view_item(result, "served", i), "code", 0) >= 0;
	if (cli->is_json)
		cli_print_json(cli, result);
	else
		code = render_ssl(&cli->screen, result);
	is_well &= is_tried(result, since);
	(void)json_object_put(result);
	return code == CLI_OK && !is_well ? CLI_FAILED : code;
}

int verb_show_ssl(struct cli *cli, const struct grammar_match *match)
{
	if (cli_has(match, "probe"))
		return probe(cli, match);
	return cli_show(cli, match->row->method, NULL, render_ssl);
}
