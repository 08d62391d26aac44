/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tools/cli/screen.h"

/*
 * Columns as wide as their widest cell, two blanks between them. On a terminal that is narrower,
 * the columns that may shrink are cut (widest first) and end in "..."; where they would become too
 * short to tell anything, those that can be spared are left out. On a pipe nothing is ever cut.
 */
#define TABLE_COLUMNS_MAX 12

struct table_column {
	const char *title;
	bool is_number; /* stands at the right */
	bool may_shrink;
	unsigned spare; /* 0: always shown; of the others, the highest goes first */
};

struct table;

/* COLUMNS is borrowed. Errors: -ENOMEM. */
int table_new(const struct table_column *columns, size_t n, struct table **ret_table);
void table_free(struct table *table);
/* The next cell, row by row; an empty text shows as "-". Without memory the table says so when it
 * is printed. */
void table_cell(struct table *table, enum screen_style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The header and the rows. Errors: -ENOMEM. */
int table_print(const struct table *table, const struct screen *screen);
