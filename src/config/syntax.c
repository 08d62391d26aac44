/* SPDX-License-Identifier: Apache-2.0 */
#include "config/syntax.h"

#include <stdbool.h>
#include <string.h>

typedef void (*put_fn)(enum syntax_part part, const char *text, size_t size, void *userdata);

/* An argument, from behind its '<'; returns what follows. A choice is its keywords, without the
 * name. */
static const char *argument(const char *at, put_fn put, void *userdata)
{
	size_t name = strcspn(at, ":>(");

	if (strncmp(at + name, ":{", 2) != 0) {
		put(SYNTAX_ARGUMENT, at, name, userdata);
		at += strcspn(at, ">");
		return *at ? at + 1 : at;
	}
	for (at += name + 1; *at && *at != '>'; at++) {
		size_t word = strcspn(at, "{|}");

		if (word > 0)
			put(SYNTAX_KEYWORD, at, word, userdata);
		at += word;
		if (*at)
			put(SYNTAX_PUNCTUATION, at, 1, userdata);
		else
			return at;
	}
	return *at ? at + 1 : at;
}

void syntax_each(const char *syntax, put_fn put, void *userdata)
{
	const char *at = syntax;

	while (*at) {
		size_t word = strcspn(at, " <>[]{}|");

		if (word > 0 && strncmp(at, "...", 3) == 0) {
			put(SYNTAX_PUNCTUATION, at, word, userdata);
		} else if (word > 0) {
			put(SYNTAX_KEYWORD, at, word, userdata);
		} else if (*at == '<') {
			at = argument(at + 1, put, userdata);
		} else {
			put(SYNTAX_PUNCTUATION, at, 1, userdata);
			word = 1;
		}
		at += word;
	}
}

struct text {
	char *at;
	size_t left; /* with the NUL */
};

static void text_put(enum syntax_part part, const char *words, size_t size, void *userdata)
{
	struct text *text = userdata;

	for (size_t i = 0; i < size && text->left > 1; i++, text->left--) {
		bool is_small = words[i] >= 'a' && words[i] <= 'z';

		*text->at++ = part == SYNTAX_ARGUMENT && is_small ? (char)(words[i] - 'a' + 'A')
								  : words[i];
	}
	*text->at = 0;
}

void syntax_text(const char *syntax, char *ret_text, size_t size)
{
	struct text text = {.at = ret_text, .left = size};

	if (size == 0)
		return;
	ret_text[0] = 0;
	syntax_each(syntax, text_put, &text);
}
