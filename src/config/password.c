/* SPDX-License-Identifier: Apache-2.0 */
/* Found by the grammar, so that abbreviated lines are found, too, and nothing else is touched. */
#include "config/password.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
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

/* The password of LINE where it is in clear; false: there is none. */
static bool find_clear(const struct grammar *grammar, const struct line *line,
		       struct value *ret_password)
{
	struct grammar_match match;
	const struct value *password;

	if (line->n_words == 0 ||
	    grammar_match(grammar, COMMAND_MODE_CONFIG, line, &match, NULL) < 0 ||
	    match.row->id != COMMAND_USER || match.is_negated)
		return false;
	password = grammar_match_value(&match, "password");
	if (!password || config_is_hash(password->text))
		return false;
	*ret_password = *password;
	return true;
}

static int append_line(const struct grammar *grammar, const char *text, size_t size,
		       struct buf *ret_text)
{
	struct line line = {0};
	struct value password;
	unsigned column;
	int r;

	if (line_split(text, size, LINE_STYLE_CONFIG, &line, &column, NULL) < 0)
		return buf_append(ret_text, text, size);
	if (find_clear(grammar, &line, &password)) {
		size_t before = password.column - 1, length = strlen(password.text);

		r = buf_append(ret_text, text, before);
		if (r == 0)
			r = hash(password.text, ret_text);
		if (r == 0)
			r = buf_append(ret_text, text + before + length, size - before - length);
	} else {
		r = buf_append(ret_text, text, size);
	}
	line_done(&line);
	return r;
}

CLEANUP_DEFINE(struct grammar *, grammar_free)

int config_hash_passwords(const char *text, size_t size, struct buf *ret_text)
{
	_cleanup_(grammar_free_p) struct grammar *grammar = NULL;
	size_t n;
	const struct command_row *rows = command_table(&n);
	int r = grammar_new(rows, n, &grammar, NULL);

	while (r == 0 && size > 0) {
		const char *newline = memchr(text, '\n', size);
		size_t length = newline ? (size_t)(newline - text) : size;
		size_t taken = length + (newline ? 1 : 0);

		r = append_line(grammar, text, length, ret_text);
		if (r == 0 && newline)
			r = buf_append(ret_text, "\n", 1);
		text += taken;
		size -= taken;
	}
	return r;
}
