/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text line by line: limits and bytes first, then words, then the grammar in the current mode
 * and, where that does not know the line, in the top mode; then the row's handler.
 */
#include "config/apply.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Of the lines that are wrong, so many are told by their numbers. */
#define WRONG_TOLD 16u

CLEANUP_DEFINE(struct grammar *, grammar_free)
CLEANUP_DEFINE(struct config *, config_free)

const char *apply_text(const struct grammar_match *match, const char *name)
{
	const struct value *value = grammar_match_value(match, name);

	return value ? value->text : "";
}

int apply_refuse(struct apply *apply, int code, const struct value *value, const char *format, ...)
{
	char quote[200], text[WHY_TEXT_MAX];
	size_t word = value ? value->token : 0;
	bool is_secret = value && value_is_secret(value->type);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	line_quote(apply->words, word, is_secret ? word : SIZE_MAX, quote, sizeof(quote));
	apply->error->column = apply->words->words[word].column;
	return why_set(&apply->error->why, code, "\"%s\": %s", quote, text);
}

static int leave_mode(struct apply *apply, const struct grammar_match *match)
{
	(void)match;
	apply->mode = COMMAND_MODE_CONFIG;
	return 0;
}

static apply_fn handler_find(enum command_id id)
{
	static apply_fn (*const areas[])(enum command_id id) = {
		apply_failover_handler, apply_link_handler,  apply_interface_handler,
		apply_service_handler,	apply_track_handler, apply_secondary_handler,
		apply_fqdn_handler,	apply_role_handler,  apply_vpn_handler,
		apply_policy_handler,
	};
	apply_fn handler = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(areas) && !handler; i++)
		handler = areas[i](id);
	return handler ? handler : leave_mode;
}

/* How many words of the line a mode understands: one more than there are where it knows the line.
 */
static size_t understood_in(const struct apply *apply, enum command_mode mode,
			    struct grammar_match *match)
{
	struct grammar_failure failure = {0};

	return grammar_match(apply->grammar, mode, apply->words, match, &failure) == 0
		       ? apply->words->n_words + 1
		       : failure.word;
}

/* Does the line stand below another one, which is not there? Then that one is named. N_UNDERSTOOD:
 * how many of its words the modes that are open understand. */
static bool is_of_another_mode(struct apply *apply, size_t n_understood,
			       struct grammar_match *match)
{
	static const char *const openers[COMMAND_MODE__MAX] = {
		[COMMAND_MODE_INTERFACE] = "interface DEVICE",
		[COMMAND_MODE_WEBVPN] = "webvpn",
		[COMMAND_MODE_TRUSTPOINT] = "crypto ca trustpoint NAME",
		[COMMAND_MODE_GROUP_POLICY] = "group-policy NAME attributes",
		[COMMAND_MODE_TUNNEL_GENERAL] = "tunnel-group NAME general-attributes",
		[COMMAND_MODE_TUNNEL_WEBVPN] = "tunnel-group NAME webvpn-attributes",
		[COMMAND_MODE_USER] = "username NAME attributes",
	};
	const char *opener = NULL;

	/* Modes begin alike, and with words that others abbreviate: the best one is meant. */
	for (int i = 0; i < COMMAND_MODE__MAX; i++) {
		size_t n = openers[i] && (enum command_mode)i != apply->mode
				   ? understood_in(apply, (enum command_mode)i, match)
				   : 0;

		if (n <= n_understood)
			continue;
		n_understood = n;
		opener = openers[i];
	}
	if (!opener)
		return false;
	/* The first word is a keyword; another may be a secret. */
	apply->error->column = apply->words->words[0].column;
	(void)why_set(&apply->error->why, ERR_SYNTAX,
		      "\"%s ...\" belongs below \"%s\": give that line first",
		      apply->words->words[0].text, opener);
	return true;
}

/* In a mode of an interface and the like, a line of the top mode ends that mode. */
static int match_line(struct apply *apply, bool is_indented, struct grammar_match *ret_match)
{
	struct grammar_failure here = {0}, top = {0};
	const struct grammar_failure *failure = &top;
	int r = ERR_SYNTAX;

	if (apply->mode != COMMAND_MODE_CONFIG)
		r = grammar_match(apply->grammar, apply->mode, apply->words, ret_match, &here);
	if (r != ERR_SYNTAX)
		return r;
	r = grammar_match(apply->grammar, COMMAND_MODE_CONFIG, apply->words, ret_match, &top);
	if (r != ERR_SYNTAX)
		return r;
	if (is_of_another_mode(apply, here.word > top.word ? here.word : top.word, ret_match))
		return r;
	/* The mode that understood more of the line is the one that was meant; else the indentation
	 * tells. */
	if (apply->mode != COMMAND_MODE_CONFIG && here.word >= top.word &&
	    (here.word > 0 || is_indented))
		failure = &here;
	apply->error->column = failure->column;
	apply->error->why = failure->why;
	return r;
}

static bool is_indented(const char *text, size_t size)
{
	return size > 0 && (text[0] == ' ' || text[0] == '\t');
}

static int apply_line(struct apply *apply, const char *text, size_t size)
{
	struct grammar_match match;
	struct line words = {0};
	int r = line_split(text, size, LINE_STYLE_CONFIG, &words, &apply->error->column,
			   &apply->error->why);

	apply->is_unknown = r == ERR_SYNTAX;
	if (r < 0)
		return r;
	apply->words = &words;
	if (words.n_words > 0) {
		r = match_line(apply, is_indented(text, size), &match);
		apply->is_unknown = r == ERR_SYNTAX;
		if (r == 0 && match.row->mode == COMMAND_MODE_CONFIG)
			apply->mode = COMMAND_MODE_CONFIG;
		if (r == 0 &&
		    !(apply->skips_unit_local && match.row->class == COMMAND_CLASS_UNIT_LOCAL))
			r = handler_find(match.row->id)(apply, &match);
	}
	apply->words = NULL;
	line_done(&words);
	return r;
}

/* Limits and bytes; the text may be anything. */
static int check_bytes(struct apply *apply, const char *text, size_t size)
{
	if (size > CONFIG_LINE_MAX) {
		apply->error->column = CONFIG_LINE_MAX + 1;
		return why_set(&apply->error->why, ERR_TOO_LARGE,
			       "the line is longer than %d bytes", CONFIG_LINE_MAX);
	}
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c >= 0x20 && c != 0x7f) || c == '\t')
			continue;
		apply->error->column = (unsigned)i + 1;
		return why_set(&apply->error->why, ERR_SYNTAX,
			       "a control character (0x%02x) has no place in a configuration", c);
	}
	return 0;
}

static bool is_comment(const char *text, size_t size)
{
	size_t at = 0;

	while (at < size && (text[at] == ' ' || text[at] == '\t'))
		at++;
	return at == size || text[at] == '!' || text[at] == ':';
}

/* The lines of a text, one after the other. */
struct lines {
	const char *text;
	size_t size;
	unsigned number; /* of the one that was taken last, from 1 */
};

static bool lines_take(struct lines *lines, const char **ret_line, size_t *ret_length)
{
	const char *end;
	size_t length;

	if (lines->size == 0)
		return false;
	end = memchr(lines->text, '\n', lines->size);
	length = end ? (size_t)(end - lines->text) : lines->size;
	*ret_line = lines->text;
	*ret_length = length > 0 && lines->text[length - 1] == '\r' ? length - 1 : length;
	lines->text += end ? length + 1 : length;
	lines->size -= end ? length + 1 : length;
	lines->number++;
	return true;
}

/* A comment may say anything, in characters. */
static int try_line(struct apply *apply, const char *line, size_t length)
{
	int r = check_bytes(apply, line, length);

	apply->is_unknown = r < 0;
	return r < 0 || is_comment(line, length) ? r : apply_line(apply, line, length);
}

/* Adds "; lines 5, 7 and 3 more are wrong, too". */
static void tell_wrong(struct why *why, const unsigned *numbers, unsigned n)
{
	char text[256] = ""; /* a number has ten digits at most */
	size_t at = 0;

	if (n == 0)
		return;
	for (unsigned i = 0; i < n && i < WRONG_TOLD; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u",
				       i == 0 ? "" : (i + 1 == n ? " and " : ", "), numbers[i]);
	if (n > WRONG_TOLD)
		(void)snprintf(text + at, sizeof(text) - at, " and %u more", n - WRONG_TOLD);
	at = strlen(why->text);
	(void)snprintf(why->text + at, sizeof(why->text) - at, "; line%s %s %s wrong, too",
		       n == 1 ? "" : "s", text, n == 1 ? "is" : "are");
}

/*
 * Who brings a configuration from elsewhere is told at once of all lines that are wrong, not of
 * one each time. Indented lines below a refused one belong to it. What is known is applied, for the
 * modes that it enters: the configuration is thrown away.
 */
static void look_on(struct apply *apply, struct lines *lines, bool is_below_refused)
{
	struct config_error *error = apply->error, ignored = {0};
	unsigned numbers[WRONG_TOLD], n = 0;
	const char *line;
	size_t length;

	apply->error = &ignored;
	while (lines_take(lines, &line, &length)) {
		bool is_remark = is_comment(line, length);
		int r;

		if (!is_remark && is_below_refused && is_indented(line, length))
			continue;
		r = try_line(apply, line, length);
		if (!is_remark)
			is_below_refused = r < 0 && !is_indented(line, length);
		if (apply->is_unknown && n < WRONG_TOLD)
			numbers[n] = lines->number;
		n += apply->is_unknown;
	}
	apply->error = error;
	tell_wrong(&error->why, numbers, n);
}

static int apply_lines(struct apply *apply, const char *text, size_t size)
{
	struct lines lines = {text, size, 0};
	const char *line;
	size_t length;
	int r = 0;

	while (r == 0 && lines_take(&lines, &line, &length)) {
		apply->error->line = lines.number;
		apply->error->column = 1;
		r = try_line(apply, line, length);
	}
	if (r < 0 && r != -ENOMEM)
		look_on(apply, &lines, !is_indented(line, length));
	return r;
}

static int apply_all(struct config *config, const char *source, const char *text, size_t size,
		     struct apply how, struct config_error *error)
{
	_cleanup_(grammar_free_p) struct grammar *grammar = NULL;
	struct apply apply = {
		.config = config,
		.mode = COMMAND_MODE_CONFIG,
		.skips_unit_local = how.skips_unit_local,
		.is_typed = how.is_typed,
		.error = error,
	};
	size_t n_rows;
	const struct command_row *rows = command_table(&n_rows);
	int r;

	*error = (struct config_error){0};
	(void)snprintf(error->source, sizeof(error->source), "%s", source);
	if (size > CONFIG_TEXT_MAX)
		return why_set(&error->why, ERR_TOO_LARGE,
			       "the configuration is larger than %u bytes", CONFIG_TEXT_MAX);
	r = grammar_new(rows, n_rows, &grammar, &error->why);
	apply.grammar = grammar;
	if (r == 0)
		r = apply_lines(&apply, text, size);
	if (r == -ENOMEM)
		(void)why_set(&error->why, r, "out of memory");
	/* What a caller adds about the whole has no line. */
	if (r == 0)
		error->line = error->column = 0;
	return r;
}

int config_apply_text(struct config *config, const char *source, const char *text, size_t size,
		      struct config_error *ret_error)
{
	struct config_error ignored;

	return apply_all(config, source, text, size, (struct apply){0},
			 ret_error ? ret_error : &ignored);
}

int config_apply_typed(struct config *config, const char *source, const char *text, size_t size,
		       struct config_error *ret_error)
{
	struct config_error ignored;

	return apply_all(config, source, text, size, (struct apply){.is_typed = true},
			 ret_error ? ret_error : &ignored);
}

int config_merge_replicated(const struct config *local, const char *text, size_t size,
			    struct config **ret_config, struct config_error *ret_error)
{
	_cleanup_(config_free_p) struct config *config = NULL;
	struct config_error ignored;
	int r = config_new(&config);

	if (r < 0)
		return r;
	r = apply_all(config, "mate", text, size, (struct apply){.skips_unit_local = true},
		      ret_error ? ret_error : &ignored);
	if (r < 0)
		return r;
	config->failover.is_enabled = local->failover.is_enabled;
	config->failover.unit = local->failover.unit;
	config->failover.is_maintenance = local->failover.is_maintenance;
	memcpy(config->failover.links, local->failover.links, sizeof(config->failover.links));
	config->failover.n_links = local->failover.n_links;
	config->failover.has_key = local->failover.has_key;
	memcpy(config->failover.new_key, local->failover.new_key, sizeof(config->failover.new_key));
	config->failover.is_new_key_hex = local->failover.is_new_key_hex;
	*ret_config = TAKE_PTR(config);
	return 0;
}
