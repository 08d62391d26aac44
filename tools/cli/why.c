/* SPDX-License-Identifier: Apache-2.0 */
/* `asafo why`: a rule a line, and below it what to type. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/verb.h"

static const struct {
	const char *topic, *title;
} titles[] = {
	{"replication", "Replicated"},
	{"binding", "Bound"},
	{"usable", "Usable"},
	{"served", "Served"},
};

static const char *title_of(const char *topic)
{
	for (size_t i = 0; i < ARRAY_SIZE(titles); i++) {
		if (strcmp(titles[i].topic, topic) == 0)
			return titles[i].title;
	}
	return topic;
}

static enum screen_style style_of(const char *rule)
{
	static const char *const good[] = {"replicated", "bound", "proven"};
	static const char *const plain[] = {"local-ca", "home", "failover-off"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (strcmp(good[i], rule) == 0)
			return SCREEN_GOOD;
	}
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		if (strcmp(plain[i], rule) == 0)
			return SCREEN_PLAIN;
	}
	return SCREEN_WARN;
}

static void print_why(const struct screen *screen, struct json_object *result)
{
	struct json_object *trustpoint = view_object(result, "trustpoint");
	const char *fingerprint = view_text(trustpoint, "fingerprint"), *before = "";
	struct format_text digest;

	screen_style(screen, SCREEN_BOLD, "%s", view_text(trustpoint, "name"));
	if (*fingerprint)
		screen_print(screen, ", generation %" PRId64 ", SHA-256 %s",
			     view_number(trustpoint, "generation", 0),
			     format_digest(fingerprint, 16, &digest));
	screen_print(screen, "\n");
	for (size_t i = 0; i < view_count(result, "rules"); i++) {
		struct json_object *rule = view_item(result, "rules", i);
		const char *topic = view_text(rule, "topic"), *fix = view_text(rule, "fix");

		screen_print(screen, "  %-12s", strcmp(topic, before) == 0 ? "" : title_of(topic));
		screen_style(screen, style_of(view_text(rule, "rule")), "%s\n",
			     view_text(rule, "text"));
		if (*fix)
			screen_print(screen, "  %-12s-> %s\n", "", fix);
		before = topic;
	}
}

static bool is_nowhere(struct json_object *result)
{
	for (size_t i = 0; i < view_count(result, "rules"); i++) {
		if (strcmp(view_text(view_item(result, "rules", i), "rule"), "nowhere") == 0)
			return true;
	}
	return false;
}

/* What there is not is told like the rest, and is not what was asked for. */
int verb_why(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	int code = cli_call(
		cli,
		&(struct cli_request){.method = match->row->method,
				      .parameters = cli_object("name", cli_word(match, "name"))},
		&result);

	if (code)
		return code;
	if (cli->is_json)
		cli_print_json(cli, result);
	else
		print_why(&cli->screen, result);
	return is_nowhere(result) ? CLI_FAILED : CLI_OK;
}
