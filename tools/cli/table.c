/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/table.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <wchar.h>

#include "base/cleanup.h"

#define SHRUNK_MIN 12	/* as long as columns can be left out */
#define SHRUNK_LEAST 8	/* after that */
#define HIDDEN SIZE_MAX /* a column's width */
#define GAP 2

struct cell {
	char *text;
	enum screen_style style;
};

struct table {
	const struct table_column *columns;
	size_t n_columns;
	struct cell *cells;
	size_t n_cells, capacity;
	bool is_short_of_memory;
};

int table_new(const struct table_column *columns, size_t n, struct table **ret_table)
{
	struct table *table = calloc(1, sizeof(*table));

	assert(n > 0 && n <= TABLE_COLUMNS_MAX);
	if (!table)
		return -ENOMEM;
	table->columns = columns;
	table->n_columns = n;
	*ret_table = table;
	return 0;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}

void table_cell(struct table *table, enum screen_style style, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (n == 0) {
		free(text);
		text = strdup("-");
	} else if (n < 0) {
		text = NULL;
	}
	if (table->n_cells == table->capacity) {
		size_t capacity = table->capacity ? 2 * table->capacity : 64;
		struct cell *cells = reallocarray(table->cells, capacity, sizeof(*cells));

		if (cells) {
			table->cells = cells;
			table->capacity = capacity;
		}
	}
	if (!text || table->n_cells == table->capacity) {
		table->is_short_of_memory = true;
		return;
	}
	table->cells[table->n_cells++] = (struct cell){TAKE_PTR(text), style};
}

static size_t total(const size_t *widths, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if (widths[i] != HIDDEN)
			sum += widths[i] + (sum > 0 ? GAP : 0);
	return sum;
}

/* Takes from the widest column that may shrink until all fit, or nothing more can be taken. */
static void shrink(const struct table *table, size_t width, size_t least, size_t *widths)
{
	while (total(widths, table->n_columns) > width) {
		size_t widest = table->n_columns;

		for (size_t i = 0; i < table->n_columns; i++)
			if (table->columns[i].may_shrink && widths[i] > least &&
			    widths[i] != HIDDEN &&
			    (widest == table->n_columns || widths[i] > widths[widest]))
				widest = i;
		if (widest == table->n_columns)
			return;
		widths[widest]--;
	}
}

/* Leaves out the column that can be spared most easily. Returns false if there is none. */
static bool spare_one(const struct table *table, size_t *widths)
{
	size_t most = table->n_columns;

	for (size_t i = 0; i < table->n_columns; i++)
		if (widths[i] != HIDDEN && table->columns[i].spare > 0 &&
		    (most == table->n_columns ||
		     table->columns[i].spare > table->columns[most].spare))
			most = i;
	if (most == table->n_columns)
		return false;
	widths[most] = HIDDEN;
	return true;
}

static void fit(const struct table *table, size_t width, size_t *widths)
{
	size_t cut[TABLE_COLUMNS_MAX];

	do {
		memcpy(cut, widths, sizeof(cut));
		shrink(table, width, SHRUNK_MIN, cut);
	} while (total(cut, table->n_columns) > width && spare_one(table, widths));
	shrink(table, width, SHRUNK_LEAST, cut);
	memcpy(widths, cut, sizeof(cut));
}

static void measure(const struct table *table, const struct screen *screen, size_t *widths)
{
	for (size_t i = 0; i < table->n_columns; i++)
		widths[i] = screen_columns(table->columns[i].title);
	for (size_t i = 0; i < table->n_cells; i++) {
		size_t columns = screen_columns(table->cells[i].text);

		if (columns > widths[i % table->n_columns])
			widths[i % table->n_columns] = columns;
	}
	if (screen->is_terminal)
		fit(table, screen->width, widths);
}

/* Bytes of TEXT that take at most COLUMNS columns. */
static size_t fitting_bytes(const char *text, size_t columns)
{
	mbstate_t state = {0};
	size_t left = strlen(text), used = 0, bytes = 0;

	while (left > 0) {
		wchar_t c;
		size_t n = mbrtowc(&c, text + bytes, left, &state);
		int width = 1;

		if (n == 0 || n > left) {
			state = (mbstate_t){0};
			n = 1;
		} else {
			width = wcwidth(c);
		}
		used += width >= 0 ? (size_t)width : n; /* as screen_columns */
		if (used > columns)
			break;
		bytes += n;
		left -= n;
	}
	return bytes;
}

static void print_cell(const struct screen *screen, const struct table_column *column,
		       enum screen_style style, const char *text, size_t width, bool is_last)
{
	size_t columns = screen_columns(text);
	size_t padding = columns < width ? width - columns : 0;

	if (width == HIDDEN)
		return;
	if (column->is_number)
		screen_print(screen, "%*s", (int)padding, "");
	if (columns > width)
		screen_style(screen, style, "%.*s...", (int)fitting_bytes(text, width - 3), text);
	else
		screen_style(screen, style, "%s", text);
	if (!is_last)
		screen_print(screen, "%*s", (int)(GAP + (column->is_number ? 0 : padding)), "");
	else
		screen_print(screen, "\n");
}

int table_print(const struct table *table, const struct screen *screen)
{
	size_t widths[TABLE_COLUMNS_MAX] = {0}, last = 0;

	if (table->is_short_of_memory)
		return -ENOMEM;
	measure(table, screen, widths);
	for (size_t i = 0; i < table->n_columns; i++)
		last = widths[i] != HIDDEN ? i : last;
	for (size_t i = 0; i < table->n_columns; i++)
		print_cell(screen, &table->columns[i], SCREEN_BOLD, table->columns[i].title,
			   widths[i], i == last);
	for (size_t i = 0; i < table->n_cells; i++) {
		size_t column = i % table->n_columns;

		print_cell(screen, &table->columns[column], table->cells[i].style,
			   table->cells[i].text, widths[column], column == last);
	}
	return 0;
}
