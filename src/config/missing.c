/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one configuration says and another doesn't, as lines that can be typed again. Both come from
 * one rendering, so that equal lines are equal bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config.h"

struct line {
	const char *section; /* the line that it stands below; itself, where it is a heading */
	const char *text;
};

struct lines {
	struct buf text;
	struct line *list;
	size_t n;
};

static void lines_done(struct lines *lines)
{
	free(lines->list);
	buf_done(&lines->text);
}

static int compare_lines(const void *a, const void *b)
{
	const struct line *left = a, *right = b;
	int r = strcmp(left->section, right->section);

	return r ? r : strcmp(left->text, right->text);
}

/* Cuts the text into lines, in its order. */
static int split(struct lines *lines)
{
	char *at = (char *)lines->text.data, *end = at + lines->text.size;
	const char *section = NULL;
	size_t n = 0;

	for (const char *c = at; c < end; c++)
		n += *c == '\n';
	lines->list = calloc(n ? n : 1, sizeof(*lines->list));
	if (!lines->list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		char *newline = memchr(at, '\n', (size_t)(end - at));

		*newline = '\0';
		if (at[0] != ' ' || !section)
			section = at;
		lines->list[lines->n++] = (struct line){section, at};
		at = newline + 1;
	}
	return 0;
}

static int lines_read(const struct config *config, enum config_part part, struct lines *ret_lines)
{
	int r = config_render(config, part, &ret_lines->text);

	return r < 0 ? r : split(ret_lines);
}

static int add_missing(const struct lines *ours, const struct lines *sorted, struct buf *ret_text)
{
	const char *told = NULL; /* the section whose heading stands there */
	int r = 0;

	for (size_t i = 0; r == 0 && i < ours->n; i++) {
		const struct line *line = &ours->list[i];

		if (bsearch(line, sorted->list, sorted->n, sizeof(*line), compare_lines))
			continue;
		if (line->section != line->text && told != line->section)
			r = buf_append_format(ret_text, "%s\n", line->section);
		if (r == 0)
			r = buf_append_format(ret_text, "%s\n", line->text);
		told = line->section;
	}
	return r;
}

int config_missing_lines(const struct config *config, const struct config *other,
			 enum config_part part, struct buf *ret_lines)
{
	_cleanup_(lines_done) struct lines ours = {0}, others = {0};
	int r = lines_read(config, part, &ours);

	if (r == 0)
		r = lines_read(other, part, &others);
	if (r < 0)
		return r;
	if (others.n > 0)
		qsort(others.list, others.n, sizeof(others.list[0]), compare_lines);
	return add_missing(&ours, &others, ret_lines);
}
