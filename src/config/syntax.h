/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* A row's pattern for people: `failover lan unit {primary|secondary}`, `import NAME FILE
 * [--replace]`. */
enum syntax_part {
	SYNTAX_KEYWORD,	    /* to be typed as it stands */
	SYNTAX_ARGUMENT,    /* the argument's name */
	SYNTAX_PUNCTUATION, /* blanks and brackets */
};

/* Takes the pattern apart; it is one that grammar_new() accepts. */
void syntax_each(const char *syntax,
		 void (*put)(enum syntax_part part, const char *text, size_t size, void *userdata),
		 void *userdata);
/* The whole as a text, cut at SIZE: arguments in capitals. */
void syntax_text(const char *syntax, char *ret_text, size_t size);
