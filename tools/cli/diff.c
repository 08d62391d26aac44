/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both units' lists come in the order of their names, a page at a time, and are merged; equal root
 * digests spare that. The lines that the pair shares are compared with the section that they stand
 * in, so that the same words under two interfaces are two lines.
 */
#include "tools/cli/diff.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "config/config.h"
#include "tools/cli/format.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

CLEANUP_DEFINE(struct config *, config_free)

/* ---- a unit's list ---- */

struct list {
	struct cli *cli;
	bool is_mate;
	struct json_object *page; /* owned */
	size_t at;
	char after[128];
	bool is_last;
};

static void list_done(struct list *list)
{
	(void)json_object_put(list->page);
}

/* METHOD on this unit or on the mate. */
static int ask(struct cli *cli, bool is_mate, const char *method, struct json_object *parameters,
	       struct json_object **ret_result)
{
	const char *before = cli->exec_unit;
	int code;

	cli->exec_unit = is_mate ? "mate" : before;
	code = cli_call(cli, &(struct cli_request){.method = method, .parameters = parameters},
			ret_result);
	cli->exec_unit = before;
	return code;
}

static int list_page(struct list *list)
{
	struct json_object *parameters = cli_object("after", list->after), *page = NULL;
	size_t n;
	int code;

	if (!cli_set(parameters, "without_keys", json_object_new_boolean(true)) ||
	    !cli_set(parameters, "whole", json_object_new_boolean(true))) {
		(void)json_object_put(parameters);
		return cli_fail(list->cli, CLI_FAILED, "out of memory");
	}
	code = ask(list->cli, list->is_mate, "asafo.Prove", parameters, &page);
	if (code)
		return code;
	(void)json_object_put(list->page);
	list->page = page;
	list->at = 0;
	n = view_count(page, "trustpoints");
	list->is_last = view_flag(page, "last") || n == 0;
	if (n > 0)
		(void)snprintf(list->after, sizeof(list->after), "%s",
			       view_text(view_item(page, "trustpoints", n - 1), "key"));
	return CLI_OK;
}

/* The one at which the list stands; NULL: its end. What stays on a unit is none. */
static int list_head(struct list *list, struct json_object **ret_head)
{
	for (;; list->at++) {
		struct json_object *head;

		while (!list->page || list->at >= view_count(list->page, "trustpoints")) {
			int code = list->page && list->is_last ? -1 : list_page(list);

			*ret_head = NULL;
			if (code)
				return code < 0 ? CLI_OK : code;
			if (list->is_last && view_count(list->page, "trustpoints") == 0)
				return CLI_OK;
		}
		head = view_item(list->page, "trustpoints", list->at);
		if (view_flag(head, "replicated")) {
			*ret_head = head;
			return CLI_OK;
		}
	}
}

static const char *class_of(struct json_object *item)
{
	const char *key = view_text(item, "key");

	if (strncmp(key, "generation/", 11) == 0)
		return "generation";
	return strcmp(key, "fallback/") == 0 ? "self-signed" : "trustpoint";
}

/* A trustpoint among the trustpoints, what else there is among the others. */
static bool add_change(struct json_object *diff, const char *change, struct json_object *active,
		       struct json_object *standby)
{
	struct json_object *any = active ? active : standby;
	const char *class = class_of(any);
	bool is_trustpoint = strcmp(class, "trustpoint") == 0;
	struct json_object *array =
		json_object_object_get(diff, is_trustpoint ? "trustpoints" : "others");
	struct json_object *object = cli_object("name", view_text(any, "name"));

	if (cli_set(object, "class", json_object_new_string(class)) &&
	    cli_set(object, "change", json_object_new_string(change)) &&
	    cli_set(object, "fingerprint",
		    json_object_new_string(view_text(active, "fingerprint"))) &&
	    cli_set(object, "standby_fingerprint",
		    json_object_new_string(view_text(standby, "fingerprint"))) &&
	    cli_set(object, "generation",
		    json_object_new_int64(view_number(active, "generation", 0))) &&
	    cli_set(object, "standby_generation",
		    json_object_new_int64(view_number(standby, "generation", 0))) &&
	    json_object_array_add(array, object) == 0)
		return true;
	(void)json_object_put(object);
	return false;
}

static int merge(struct cli *cli, bool is_active_here, struct json_object *diff, int64_t *ret_same)
{
	_cleanup_(list_done) struct list active = {.cli = cli, .is_mate = !is_active_here};
	_cleanup_(list_done) struct list standby = {.cli = cli, .is_mate = is_active_here};

	for (;;) {
		struct json_object *ours, *theirs;
		bool is_added = true;
		int order, code = list_head(&active, &ours);

		if (!code)
			code = list_head(&standby, &theirs);
		if (code || (!ours && !theirs))
			return code;
		order = !ours	  ? 1
			: !theirs ? -1
				  : strcmp(view_text(ours, "key"), view_text(theirs, "key"));
		if (order < 0)
			is_added = add_change(diff, "add", ours, NULL);
		else if (order > 0)
			is_added = add_change(diff, "remove", NULL, theirs);
		else if (strcmp(view_text(ours, "digest"), view_text(theirs, "digest")) != 0)
			is_added = add_change(diff, "replace", ours, theirs);
		else
			*ret_same += strcmp(class_of(ours), "trustpoint") == 0;
		if (!is_added)
			return cli_fail(cli, CLI_FAILED, "out of memory");
		active.at += order <= 0;
		standby.at += order >= 0;
	}
}

/* ---- the lines ---- */

static int unit_config(struct cli *cli, bool is_mate, struct config **ret_config)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	_cleanup_(config_free_p) struct config *config = NULL;
	const char *text;
	int code = ask(cli, is_mate, "asafo.ShowRunningConfig", NULL, &result), r;

	if (code)
		return code;
	text = view_text(result, "text");
	r = config_new(&config);
	if (r == 0)
		r = config_apply_text(config, "running-config", text, strlen(text), NULL);
	if (r < 0)
		return cli_fail(cli, CLI_FAILED, "the running-config of %s unit cannot be read",
				is_mate ? "the other" : "this");
	*ret_config = TAKE_PTR(config);
	return CLI_OK;
}

/* What FROM has and TO has not. */
static bool add_lines(struct json_object *array, const struct config *from, const struct config *to,
		      const char *change)
{
	_cleanup_(buf_done) struct buf lines = {0};

	if (config_more_lines(from, to, &lines) < 0)
		return false;
	for (const char *at = buf_text(&lines); at && *at;) {
		int length = (int)strcspn(at, "\n");
		struct json_object *object = cli_object("change", change);

		if (!cli_set(object, "line", json_object_new_string_len(at, length)) ||
		    json_object_array_add(array, object) < 0) {
			(void)json_object_put(object);
			return false;
		}
		at += length + (at[length] != '\0');
	}
	return true;
}

static int compare_lines(struct cli *cli, bool is_active_here, struct json_object *array)
{
	_cleanup_(config_free_p) struct config *active = NULL, *standby = NULL;
	int code = unit_config(cli, !is_active_here, &active);

	if (!code)
		code = unit_config(cli, is_active_here, &standby);
	if (code)
		return code;
	if (!add_lines(array, active, standby, "add") ||
	    !add_lines(array, standby, active, "remove"))
		return cli_fail(cli, CLI_FAILED, "out of memory");
	return CLI_OK;
}

/* ---- both ---- */

int diff_make(struct cli *cli, struct json_object **ret_diff)
{
	_cleanup_(json_put) struct json_object *diff = json_object_new_object(), *state = NULL;
	struct json_object *lines = json_object_new_array(), *mate;
	const char *ours, *theirs;
	bool is_active_here, is_level;
	int64_t same = 0;
	int code;

	if (!cli_set(diff, "trustpoints", json_object_new_array()) ||
	    !cli_set(diff, "others", json_object_new_array()) || !cli_set(diff, "lines", lines))
		return cli_fail(cli, CLI_FAILED, "out of memory");
	code = ask(cli, false, "asafo.ShowFailover", NULL, &state);
	if (code)
		return code;
	ours = view_text(view_object(state, "position"), "digest");
	mate = view_object(state, "mate");
	theirs = view_text(view_object(mate, "position"), "digest");
	is_active_here = strcmp(view_text(state, "role"), "active") == 0;
	is_level = view_flag(mate, "heard") && strcmp(ours, theirs) == 0;
	code = is_level ? CLI_OK : merge(cli, is_active_here, diff, &same);
	if (!code)
		code = compare_lines(cli, is_active_here, lines);
	if (code)
		return code;
	if (!cli_set(diff, "level", json_object_new_boolean(is_level)) ||
	    !cli_set(diff, "same", json_object_new_int64(same)) ||
	    (view_has(mate, "clock") &&
	     !cli_set(diff, "clock", json_object_get(view_object(mate, "clock")))))
		return cli_fail(cli, CLI_FAILED, "out of memory");
	*ret_diff = TAKE_PTR(diff);
	return CLI_OK;
}

bool diff_is_empty(struct json_object *diff)
{
	return view_flag(diff, "level") && view_count(diff, "lines") == 0;
}

static void print_change(const struct screen *screen, struct json_object *item)
{
	const char *change = view_text(item, "change");
	const char *ours = view_text(item, "fingerprint");
	const char *theirs = view_text(item, "standby_fingerprint");
	const char *class = view_text(item, "class");
	const char *earlier = strcmp(class, "generation") == 0 ? "earlier " : "";
	const char *name = strcmp(class, "self-signed") == 0 ? "the self-signed certificate"
							     : view_text(item, "name");
	struct format_text a, b;

	if (strcmp(change, "add") == 0)
		screen_style(screen, SCREEN_GOOD, "+ %s, %sgeneration %" PRId64 ", SHA-256 %s\n",
			     name, earlier, view_number(item, "generation", 0),
			     format_digest(ours, 16, &a));
	else if (strcmp(change, "remove") == 0)
		screen_style(screen, SCREEN_BAD, "- %s, %sgeneration %" PRId64 ", SHA-256 %s\n",
			     name, earlier, view_number(item, "standby_generation", 0),
			     format_digest(theirs, 16, &b));
	else
		screen_style(screen, SCREEN_WARN,
			     "~ %s, %sgeneration %" PRId64 " -> %" PRId64 ", SHA-256 %s -> %s\n",
			     name, earlier, view_number(item, "standby_generation", 0),
			     view_number(item, "generation", 0), format_digest(theirs, 16, &b),
			     format_digest(ours, 16, &a));
}

int render_diff(const struct screen *screen, struct json_object *diff)
{
	size_t n = view_count(diff, "trustpoints"), n_lines = view_count(diff, "lines");
	size_t n_others = view_count(diff, "others");

	if (diff_is_empty(diff)) {
		screen_style(screen, SCREEN_GOOD,
			     "Nothing differs: the digests of both units are equal\n");
		unit_print_clock(screen, "", view_object(diff, "clock"));
		return 0;
	}
	screen_print(screen, "A write standby would change on the standby:\n");
	for (size_t i = 0; i < n; i++)
		print_change(screen, view_item(diff, "trustpoints", i));
	for (size_t i = 0; i < n_others; i++)
		print_change(screen, view_item(diff, "others", i));
	for (size_t i = 0; i < n_lines; i++) {
		struct json_object *line = view_item(diff, "lines", i);
		bool is_added = strcmp(view_text(line, "change"), "add") == 0;

		screen_style(screen, is_added ? SCREEN_GOOD : SCREEN_BAD, "%c %s\n",
			     is_added ? '+' : '-', view_text(line, "line"));
	}
	screen_print(screen, "%zu trustpoint%s, %zu other item%s, %zu line%s\n", n,
		     n == 1 ? "" : "s", n_others, n_others == 1 ? "" : "s", n_lines,
		     n_lines == 1 ? "" : "s");
	unit_print_clock(screen, "", view_object(diff, "clock"));
	return 0;
}

/* `show failover diff`: 0 where nothing differs, 5 where something does. */
int verb_show_diff(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *diff = NULL;
	int code = diff_make(cli, &diff);

	(void)match;
	if (code)
		return code;
	if (cli->is_json)
		cli_print_json(cli, diff);
	else
		(void)render_diff(&cli->screen, diff);
	return diff_is_empty(diff) ? CLI_OK : CLI_DEGRADED;
}
