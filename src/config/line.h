/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/why.h"

#define LINE_WORDS_MAX 64

struct line_word {
	const char *text;
	unsigned column; /* from 1, in bytes */
};

/* A command line in words. Zeroed is empty and valid; may hold a secret, which line_done wipes. */
struct line {
	char *storage;
	size_t storage_size;
	struct line_word words[LINE_WORDS_MAX];
	size_t n_words;
	unsigned end_column; /* behind the last byte */
	bool is_quote_open;  /* ... and is in quotes that were not closed */
	bool has_open_word;  /* the last word reaches the end of the text: not finished while typing
			      */
};

enum line_style {
	LINE_STYLE_CONFIG, /* words are separated by blanks, and nothing else is special */
	LINE_STYLE_SHELL,  /* "..." holds blanks, \ takes the next character; --option=value is two
			      words */
};

/*
 * Splits TEXT (no NUL, no newline). On failure *RET_COLUMN is where. A quote that is still open at
 * the end is an open word (is_quote_open). Errors: ERR_TOO_LARGE (too many words), -ENOMEM.
 */
int line_split(const char *text, size_t size, enum line_style style, struct line *ret_line,
	       unsigned *ret_column, struct why *ret_why);
/* The words of an argument vector; columns as if they were joined by blanks. Errors: ERR_TOO_LARGE,
 * -ENOMEM. */
int line_from_words(const char *const *words, size_t n_words, struct line *ret_line,
		    struct why *ret_why);
void line_done(struct line *line);

/*
 * The line up to and with word LAST, for a message: words from SECRET_FROM on are hidden, long ones
 * cut.
 */
void line_quote(const struct line *line, size_t last, size_t secret_from, char *ret_text,
		size_t size);
