/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Where results are shown. Whatever comes from the daemon may hold what a stranger wrote (a
 * certificate's subject), so text is printed with control characters replaced, always; colour is
 * set by style, never by text.
 */
enum screen_style {
	SCREEN_PLAIN,
	SCREEN_BOLD,
	SCREEN_DIM,
	SCREEN_GOOD,
	SCREEN_WARN,
	SCREEN_BAD,
	SCREEN__MAX,
};

struct screen {
	FILE *out;
	FILE *err;
	bool is_terminal; /* OUT is one */
	bool is_err_terminal;
	bool has_colour;
	unsigned width; /* columns; only where it is a terminal */
	int64_t now;	/* unix seconds */
};

/* What stdout is. NO_COLOR (no-color.org) and TERM=dumb turn colour off. */
void screen_init(struct screen *screen, FILE *out, FILE *err, int64_t now);
void screen_print(const struct screen *screen, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void screen_style(const struct screen *screen, enum screen_style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* "asafo: WHAT: ..." on stderr. */
void screen_error(const struct screen *screen, const char *what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * TEXT and a line feed. On a terminal it is broken between words, where the cursor stands in column
 * AT (from 0), and goes on indented by INDENT; on a pipe it stays one line. A word that is longer
 * than a line is left whole: it may be there to be copied.
 */
void screen_wrap(const struct screen *screen, enum screen_style style, size_t at, size_t indent,
		 const char *text);
/* Columns that TEXT takes. */
size_t screen_columns(const char *text);
