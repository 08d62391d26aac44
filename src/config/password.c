/* SPDX-License-Identifier: Apache-2.0 */
/* Found by the grammar, so that abbreviated lines are found, too, and nothing else is touched. */
#include "config/password.h"

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "config/config.h"
#include "config/grammar.h"
#include "config/vpn.h"

static int hash(const char *password, struct buf *ret_text)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *made = NULL;
	int r = -ENOMEM;

	if (data && crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)))
		made = crypt_rn(password, setting, data, (int)sizeof(*data));
	if (data)
		r = made && config_is_hash(made) ? buf_append_format(ret_text, "%s", made)
						 : ERR_CRYPTO;
	if (data)
		explicit_bzero(data, sizeof(*data));
	free(data);
	return r;
}

/* From line to line: whose lines these are. */
struct reading {
	const struct grammar *grammar;
	config_seal_fn seal;
	void *userdata;
	char user[CONFIG_VPN_NAME_MAX]; /* "": not below `username NAME attributes` */
};

/* What of LINE is in clear and must not stay so; false: nothing. */
static bool find_clear(struct reading *reading, const struct line *line, struct value *ret_clear,
		       enum command_id *ret_id)
{
	struct grammar_match match;
	const struct value *clear = NULL;

	if (line->n_words == 0)
		return false;
	if (reading->user[0] && reading->seal &&
	    grammar_match(reading->grammar, COMMAND_MODE_USER, line, &match, NULL) == 0 &&
	    match.row->id == COMMAND_USER_TOTP && !match.is_negated) {
		clear = grammar_match_value(&match, "secret");
		if (!clear || config_is_sealed(clear->text) || config_is_masked(clear->text))
			return false;
	} else if (grammar_match(reading->grammar, COMMAND_MODE_CONFIG, line, &match, NULL) == 0) {
		bool is_open = match.row->id == COMMAND_USER_ATTRIBUTES && !match.is_negated;
		const struct value *name = is_open ? grammar_match_value(&match, "name") : NULL;

		(void)snprintf(reading->user, sizeof(reading->user), "%s", name ? name->text : "");
		if (match.row->id != COMMAND_USER || match.is_negated)
			return false;
		clear = grammar_match_value(&match, "password");
		if (!clear || config_is_hash(clear->text) || config_is_masked(clear->text))
			return false;
	} else {
		return false;
	}
	*ret_id = match.row->id;
	*ret_clear = *clear;
	return true;
}

static int append_line(struct reading *reading, const char *text, size_t size, struct buf *ret_text)
{
	struct line line = {0};
	struct value clear;
	enum command_id id;
	unsigned column;
	int r;

	if (line_split(text, size, LINE_STYLE_CONFIG, &line, &column, NULL) < 0)
		return buf_append(ret_text, text, size);
	if (find_clear(reading, &line, &clear, &id)) {
		size_t before = clear.column - 1, length = strlen(clear.text);

		r = buf_append(ret_text, text, before);
		if (r == 0)
			r = id == COMMAND_USER ? hash(clear.text, ret_text)
					       : reading->seal(reading->user, clear.text, ret_text,
							       reading->userdata);
		if (r == 0)
			r = buf_append(ret_text, text + before + length, size - before - length);
	} else {
		r = buf_append(ret_text, text, size);
	}
	line_done(&line);
	return r;
}

CLEANUP_DEFINE(struct grammar *, grammar_free)

int config_hash_passwords(const char *text, size_t size, config_seal_fn seal, void *userdata,
			  struct buf *ret_text)
{
	_cleanup_(grammar_free_p) struct grammar *grammar = NULL;
	size_t n;
	const struct command_row *rows = command_table(&n);
	int r = grammar_new(rows, n, &grammar, NULL);
	struct reading reading = {.grammar = grammar, .seal = seal, .userdata = userdata};

	while (r == 0 && size > 0) {
		const char *newline = memchr(text, '\n', size);
		size_t length = newline ? (size_t)(newline - text) : size;
		size_t taken = length + (newline ? 1 : 0);

		r = append_line(&reading, text, length, ret_text);
		if (r == 0 && newline)
			r = buf_append(ret_text, "\n", 1);
		text += taken;
		size -= taken;
	}
	return r;
}
