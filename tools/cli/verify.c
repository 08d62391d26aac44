/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `asafo verify`: what was proven just now on both units. One line for each trustpoint, or of many
 * only for those with which something is wrong; then what to do. For cron: 0 all is proven, 1
 * something is not, 5 the other unit could not be asked.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/pages.h"
#include "tools/cli/progress.h"
#include "tools/cli/table.h"
#include "tools/cli/verb.h"

#define ROWS_MAX 50 /* more are not shown where all is well with them */
#define NAMES_MAX 8

CLEANUP_DEFINE(struct table *, table_free)

/* Of a verdict, as this program judges it. */
enum verdict { VERDICT_GOOD, VERDICT_UNKNOWN, VERDICT_BAD };

static struct json_object *verdict_of(struct json_object *trustpoint, const char *unit,
				      const char *what)
{
	return view_object(view_object(trustpoint, unit), what);
}

static enum verdict judge(struct json_object *verdict)
{
	const char *state = view_text(verdict, "state");

	if (strcmp(state, "yes") == 0 || strcmp(state, "none") == 0)
		return VERDICT_GOOD;
	return strcmp(state, "no") == 0 ? VERDICT_BAD : VERDICT_UNKNOWN;
}

static const struct {
	const char *unit, *what;
} verdicts[] = {
	{"this", "usable"}, {"this", "served"}, {"mate", "present"},
	{"mate", "usable"}, {"mate", "served"},
};

static enum verdict judge_trustpoint(struct json_object *trustpoint)
{
	enum verdict worst = VERDICT_GOOD;

	/* A name that nobody has. */
	if (!*view_text(trustpoint, "digest"))
		return VERDICT_BAD;
	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
		enum verdict verdict =
			judge(verdict_of(trustpoint, verdicts[i].unit, verdicts[i].what));

		worst = verdict > worst ? verdict : worst;
	}
	return worst;
}

static enum verdict judge_all(struct json_object *result)
{
	enum verdict worst = VERDICT_GOOD;

	for (size_t i = 0; i < view_count(result, "trustpoints"); i++) {
		enum verdict verdict = judge_trustpoint(view_item(result, "trustpoints", i));

		worst = verdict > worst ? verdict : worst;
	}
	if (view_count(result, "gaps") > 0)
		return VERDICT_BAD;
	if (!view_flag(view_object(result, "mate"), "asked") && worst == VERDICT_GOOD)
		return VERDICT_UNKNOWN;
	return worst;
}

static void add_verdict(struct table *table, struct json_object *verdict)
{
	static const enum screen_style styles[] = {SCREEN_GOOD, SCREEN_WARN, SCREEN_BAD};
	const char *state = view_text(verdict, "state");
	bool is_none = strcmp(state, "none") == 0;

	table_cell(table, is_none ? SCREEN_PLAIN : styles[judge(verdict)], "%s",
		   is_none ? "" : state);
}

static void add_row(struct table *table, struct json_object *trustpoint)
{
	struct format_text fingerprint;

	table_cell(table, SCREEN_BOLD, "%s", view_text(trustpoint, "name"));
	table_cell(table, SCREEN_PLAIN, "%s",
		   format_digest(view_text(trustpoint, "fingerprint"), 16, &fingerprint));
	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
		add_verdict(table, verdict_of(trustpoint, verdicts[i].unit, verdicts[i].what));
}

static void print_reasons(const struct screen *screen, struct json_object *trustpoint,
			  bool is_mate_asked)
{
	const char *name = view_text(trustpoint, "name");

	if (!*view_text(trustpoint, "digest")) {
		screen_style(screen, SCREEN_BAD, "%s: this unit has no trustpoint of that name\n",
			     name);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
		struct json_object *verdict =
			verdict_of(trustpoint, verdicts[i].unit, verdicts[i].what);

		/* Why the other unit was not asked is said once. */
		if (!is_mate_asked && strcmp(verdicts[i].unit, "mate") == 0)
			continue;
		if (judge(verdict) != VERDICT_GOOD)
			screen_style(screen,
				     judge(verdict) == VERDICT_BAD ? SCREEN_BAD : SCREEN_WARN,
				     "%s: %s on %s unit: %s: %s\n", name, verdicts[i].what,
				     strcmp(verdicts[i].unit, "this") == 0 ? "this" : "the other",
				     view_text(verdict, "state"), view_text(verdict, "why"));
	}
}

static int print_table(const struct screen *screen, struct json_object *result, bool is_all)
{
	static const struct table_column columns[] = {
		{"TRUSTPOINT", false, false, 0},  {"SHA-256", false, true, 1},
		{"USABLE", false, false, 0},	  {"SERVED", false, false, 0},
		{"ON MATE", false, false, 0},	  {"USABLE THERE", false, false, 0},
		{"SERVED THERE", false, false, 0}};
	_cleanup_(table_free_p) struct table *table = NULL;
	int error = table_new(columns, ARRAY_SIZE(columns), &table);
	size_t n = 0;

	for (size_t i = 0; !error && i < view_count(result, "trustpoints"); i++) {
		struct json_object *trustpoint = view_item(result, "trustpoints", i);

		if (!is_all && judge_trustpoint(trustpoint) == VERDICT_GOOD)
			continue;
		add_row(table, trustpoint);
		n++;
	}
	return error || n == 0 ? error : table_print(table, screen);
}

static void print_end(const struct screen *screen, struct json_object *result, size_t n)
{
	static const char unasked[] = "the mate cannot be asked: ";
	enum verdict verdict = judge_all(result);
	const char *why = view_text(view_object(result, "mate"), "why");
	struct format_text at;

	if (n == 0)
		screen_print(screen, "No trustpoints: asafo import NAME FILE.p12 imports one\n");
	else if (verdict == VERDICT_GOOD)
		screen_style(screen, SCREEN_GOOD,
			     "%zu trustpoint%s: present, usable and, where bound, served on both "
			     "units, at %s\n",
			     n, n == 1 ? "" : "s", format_time(screen->now, &at));
	/* The reason may begin with that itself. */
	if (strncmp(why, unasked, strlen(unasked)) == 0)
		why += strlen(unasked);
	if (*why)
		screen_style(screen, SCREEN_WARN, "The other unit could not be asked: %s\n", why);
}

int render_verify(const struct screen *screen, struct json_object *result)
{
	size_t n = view_count(result, "trustpoints");
	bool is_all = n <= ROWS_MAX;
	int error = n > 0 ? print_table(screen, result, is_all) : 0;

	if (error)
		return error;
	for (size_t i = 0; i < n; i++)
		print_reasons(screen, view_item(result, "trustpoints", i),
			      view_flag(view_object(result, "mate"), "asked"));
	for (size_t i = 0; i < view_count(result, "gaps"); i++)
		screen_style(screen, SCREEN_BAD, "%s\n", view_item_text(result, "gaps", i));
	print_end(screen, result, n);
	return 0;
}

/* NULL when out of memory. */
static struct json_object *parameters_of(const struct grammar_match *match)
{
	static const char *const labels[NAMES_MAX] = {"name",  "name2", "name3", "name4",
						      "name5", "name6", "name7", "name8"};
	_cleanup_(json_put) struct json_object *parameters = json_object_new_object();
	struct json_object *names = json_object_new_array();

	for (size_t i = 0; names && i < NAMES_MAX; i++) {
		const char *name = cli_word(match, labels[i]);

		if (name)
			(void)json_object_array_add(names, json_object_new_string(name));
	}
	if (!cli_set(parameters, "names", names) ||
	    !cli_set(parameters, "now", json_object_new_boolean(true)))
		return NULL;
	return TAKE_PTR(parameters);
}

static void on_page(struct json_object *whole, void *userdata)
{
	progress_count(userdata, "verify", view_count(whole, "trustpoints"),
		       (size_t)view_number(whole, "total", 0), "trustpoints");
}

int verb_verify(struct cli *cli, const struct grammar_match *match)
{
	static const int codes[] = {
		[VERDICT_GOOD] = CLI_OK,
		[VERDICT_UNKNOWN] = CLI_DEGRADED,
		[VERDICT_BAD] = CLI_FAILED,
	};
	_cleanup_(json_put) struct json_object *parameters = parameters_of(match);
	_cleanup_(json_put) struct json_object *whole = NULL;
	struct progress progress;
	struct screen err;
	int code;

	if (!parameters)
		return cli_fail(cli, CLI_FAILED, "out of memory");
	progress_on_err(&cli->screen, &err, &progress);
	code = pages_collect(cli, match->row->method, parameters, "trustpoints", on_page, &progress,
			     &whole);
	progress_done(&progress);
	if (code)
		return code;
	if (cli->is_json)
		cli_print_json(cli, whole);
	else if (render_verify(&cli->screen, whole) < 0)
		return cli_fail(cli, CLI_FAILED, "out of memory");
	return codes[judge_all(whole)];
}
