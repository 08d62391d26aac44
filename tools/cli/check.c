/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `asafo check`, for monitoring: one line and the exit codes of its plugins (0 OK, 1 WARNING, 2
 * CRITICAL, 3 UNKNOWN). Critical is that nobody serves; a warning, that the next failover would
 * hurt.
 */
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

enum check_code { CHECK_OK, CHECK_WARNING, CHECK_CRITICAL, CHECK_UNKNOWN };

static const char *const code_names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

struct findings {
	enum check_code code;
	struct json_object *sentences;
};

static void find(struct findings *findings, enum check_code code, const char *sentence)
{
	if (code > findings->code)
		findings->code = code;
	for (size_t i = 0; i < json_object_array_length(findings->sentences); i++) {
		struct json_object *said = json_object_array_get_idx(findings->sentences, i);

		if (strcmp(json_object_get_string(said), sentence) == 0)
			return;
	}
	(void)json_object_array_add(findings->sentences, json_object_new_string(sentence));
}

static void judge_replication(struct findings *findings, struct json_object *result)
{
	struct json_object *mate = view_object(result, "mate");
	int64_t lacks = view_number(mate, "lacks", 0);

	if (strcmp(view_text(result, "role"), "active") != 0 || !view_flag(mate, "heard"))
		return;
	if (lacks != 0)
		find(findings, CHECK_WARNING,
		     lacks < 0 ? "it is not known what the standby lacks"
			       : "the standby lacks what was imported or removed: run asafo "
				 "write-standby");
}

static void judge(struct findings *findings, struct json_object *result)
{
	struct json_object *mate = view_object(result, "mate");
	const char *state = view_text(result, "state"), *mate_state = view_text(mate, "state");
	const char *trouble = view_text(mate, "trouble");
	bool is_heard = view_flag(mate, "heard");
	bool is_served = strcmp(view_text(result, "role"), "active") == 0 ||
			 (is_heard && strcmp(mate_state, "Active") == 0);

	if (!view_flag(result, "enabled")) {
		find(findings, CHECK_WARNING, "failover is off");
		return;
	}
	if (!is_served)
		find(findings, CHECK_CRITICAL, "no unit is active, as far as this one knows");
	else if (strcmp(state, "Active") != 0 && strcmp(state, "Standby Ready") != 0)
		find(findings, CHECK_WARNING, "this unit could not take over");
	if (!is_heard)
		find(findings, CHECK_WARNING, *trouble ? trouble : "the other unit is not heard");
	else if (strcmp(mate_state, "Active") != 0 && strcmp(mate_state, "Standby Ready") != 0)
		find(findings, CHECK_WARNING, "the other unit could not take over");
	judge_replication(findings, result);
	for (size_t i = 0; i < view_count(result, "troubles"); i++)
		find(findings, CHECK_WARNING, view_item_text(result, "troubles", i));
}

static void print_line(const struct cli *cli, const struct findings *findings,
		       struct json_object *result)
{
	struct json_object *mate = view_object(result, "mate");
	size_t n = json_object_array_length(findings->sentences);

	screen_print(&cli->screen, "ASAFO %s - %s %s, other %s", code_names[findings->code],
		     unit_name(view_text(result, "unit")), view_text(result, "state"),
		     view_flag(mate, "heard") ? view_text(mate, "state") : "not heard");
	for (size_t i = 0; i < n; i++)
		screen_print(
			&cli->screen, "%s%s", i == 0 ? ": " : "; ",
			json_object_get_string(json_object_array_get_idx(findings->sentences, i)));
	screen_print(&cli->screen,
		     " | term=%" PRId64 "c lacks=%" PRId64 ";;0 clock_skew=%" PRId64 "ms\n",
		     view_number(result, "term", 0), view_number(mate, "lacks", -1),
		     view_number(mate, "clock_skew_ms", 0));
}

static void print_json(const struct cli *cli, const struct findings *findings,
		       struct json_object *result)
{
	_cleanup_(json_put) struct json_object *object =
		cli_object("status", code_names[findings->code]);

	if (cli_set(object, "code", json_object_new_int((int)findings->code)) &&
	    cli_set(object, "state", json_object_new_string(view_text(result, "state"))) &&
	    cli_set(object, "other_state",
		    json_object_new_string(view_text(view_object(result, "mate"), "state"))) &&
	    cli_set(object, "problems", json_object_get(findings->sentences)))
		cli_print_json(cli, object);
}

int verb_check(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL, *sentences = NULL;
	struct findings findings = {CHECK_OK, NULL};
	int code = cli_call(cli, &(struct cli_request){.method = match->row->method}, &result);

	if (code) {
		enum check_code known = code == CLI_UNREACHABLE ? CHECK_CRITICAL : CHECK_UNKNOWN;

		if (!cli->is_json)
			screen_print(&cli->screen, "ASAFO %s - %s\n", code_names[known],
				     cli->exec_unit ? "the unit cannot be asked from here"
				     : known == CHECK_CRITICAL ? "asafod does not answer here"
							       : "asafod did not say how the pair "
								 "is: standard error has why");
		return (int)known;
	}
	findings.sentences = sentences = json_object_new_array();
	if (!sentences)
		return CHECK_UNKNOWN;
	judge(&findings, result);
	if (cli->is_json)
		print_json(cli, &findings, result);
	else
		print_line(cli, &findings, result);
	return (int)findings.code;
}
