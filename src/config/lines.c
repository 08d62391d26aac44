/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By which lines two configurations differ. A line counts with the one of its section, so that the
 * same words under two interfaces are two lines.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config.h"

struct line {
	const char *section, *text; /* no section: the line is its own */
	size_t section_length, length;
};

struct lines {
	struct buf rendered;
	struct line *lines;
	size_t n;
};

static void lines_done(struct lines *lines)
{
	buf_done(&lines->rendered);
	free(lines->lines);
}

static int compare_text(const char *a, size_t a_length, const char *b, size_t b_length)
{
	int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

	if (order != 0)
		return order;
	return a_length < b_length ? -1 : a_length > b_length;
}

static int compare(const void *left, const void *right)
{
	const struct line *a = left, *b = right;
	int order = compare_text(a->section, a->section_length, b->section, b->section_length);

	return order != 0 ? order : compare_text(a->text, a->length, b->text, b->length);
}

static size_t count_lines(const struct buf *text)
{
	size_t n = 1;

	for (size_t i = 0; i < text->size; i++)
		n += text->data[i] == '\n';
	return n;
}

/* Empty lines and the marks between sections are none. */
static int lines_of(const struct config *config, struct lines *ret_lines)
{
	struct line section = {.text = ""};
	const char *at, *end;
	int r = config_render(config, CONFIG_PART_REPLICATED, &ret_lines->rendered);

	if (r < 0)
		return r;
	ret_lines->lines = calloc(count_lines(&ret_lines->rendered), sizeof(*ret_lines->lines));
	if (!ret_lines->lines)
		return -ENOMEM;
	at = (const char *)ret_lines->rendered.data;
	end = at + ret_lines->rendered.size;
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t length = (size_t)((newline ? newline : end) - at);
		struct line line = {.section = "", .text = at, .length = length};

		if (length > 0 && at[0] == ' ') {
			line.section = section.text;
			line.section_length = section.length;
		} else if (length > 0) {
			section = line;
		}
		if (length > 0 && at[0] != '!')
			ret_lines->lines[ret_lines->n++] = line;
		at += length + 1;
	}
	return 0;
}

static int append(struct buf *text, const struct line *line)
{
	return buf_append_format(text, "%.*s%s%.*s\n", (int)line->section_length, line->section,
				 line->section_length > 0 ? ":" : "", (int)line->length,
				 line->text);
}

int config_more_lines(const struct config *config, const struct config *other, struct buf *lines)
{
	_cleanup_(lines_done) struct lines ours = {0}, theirs = {0};
	int r = lines_of(config, &ours);

	if (r == 0)
		r = lines_of(other, &theirs);
	if (r == 0 && theirs.n > 0)
		qsort(theirs.lines, theirs.n, sizeof(*theirs.lines), compare);
	for (size_t i = 0; r == 0 && i < ours.n; i++) {
		const struct line *line = &ours.lines[i];

		if (theirs.n == 0 || !bsearch(line, theirs.lines, theirs.n, sizeof(*line), compare))
			r = append(lines, line);
	}
	return r;
}
