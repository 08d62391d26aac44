/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One block of storage holds all words, each with its NUL: never larger than twice the text, so
 * that it is allocated once and wiped once.
 */
#include "config/line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* Where a line is being split. */
struct splitter {
	struct line *line;
	const char *text;
	size_t size;
	size_t at;   /* in text */
	size_t used; /* of storage */
	bool is_shell;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool word_begin(struct splitter *splitter)
{
	struct line *line = splitter->line;

	if (line->n_words == LINE_WORDS_MAX)
		return false;
	line->words[line->n_words++] = (struct line_word){
		.text = line->storage + splitter->used,
		.column = (unsigned)splitter->at + 1,
	};
	return true;
}

static void word_put(struct splitter *splitter, char c)
{
	splitter->line->storage[splitter->used++] = c;
}

/* "--name=value" becomes two words. */
static bool is_option_end(const struct splitter *splitter, size_t start)
{
	const char *word = splitter->line->storage + start;

	return splitter->is_shell && splitter->text[splitter->at] == '=' &&
	       splitter->used - start > 2 && strncmp(word, "--", 2) == 0;
}

/* Reads one word; false: there is no room for another. */
static bool word_read(struct splitter *splitter)
{
	size_t start = splitter->used;
	bool is_quoted = false;

	if (!word_begin(splitter))
		return false;
	for (; splitter->at < splitter->size; splitter->at++) {
		char c = splitter->text[splitter->at];

		if (!is_quoted && is_blank(c))
			break;
		if (splitter->is_shell && c == '"') {
			is_quoted = !is_quoted;
			continue;
		}
		if (!is_quoted && is_option_end(splitter, start)) {
			splitter->at++;
			word_put(splitter, 0);
			return word_read(splitter);
		}
		if (splitter->is_shell && c == '\\' && splitter->at + 1 < splitter->size)
			c = splitter->text[++splitter->at];
		word_put(splitter, c);
	}
	word_put(splitter, 0);
	splitter->line->is_quote_open = is_quoted;
	return true;
}

int line_split(const char *text, size_t size, enum line_style style, struct line *ret_line,
	       unsigned *ret_column, struct why *ret_why)
{
	struct line line = {.end_column = (unsigned)size + 1};
	struct splitter splitter = {
		.line = &line, .text = text, .size = size, .is_shell = style == LINE_STYLE_SHELL};

	line.storage_size = 2 * size + 2;
	line.storage = malloc(line.storage_size);
	if (!line.storage)
		return -ENOMEM;
	for (;;) {
		while (splitter.at < size && is_blank(text[splitter.at]))
			splitter.at++;
		if (splitter.at == size)
			break;
		if (!word_read(&splitter)) {
			line_done(&line);
			*ret_column = (unsigned)splitter.at + 1;
			return why_set(ret_why, ERR_TOO_LARGE, "more than %d words",
				       LINE_WORDS_MAX);
		}
		line.has_open_word = splitter.at == size;
	}
	*ret_line = line;
	return 0;
}

int line_from_words(const char *const *words, size_t n_words, struct line *ret_line,
		    struct why *ret_why)
{
	struct line line = {0};
	struct splitter splitter = {.line = &line};
	unsigned column = 1;

	for (size_t i = 0; i < n_words; i++)
		line.storage_size += strlen(words[i]) + 1;
	line.storage = malloc(line.storage_size + 1);
	if (!line.storage)
		return -ENOMEM;
	for (size_t i = 0; i < n_words; i++) {
		const char *equals = strchr(words[i], '=');
		bool is_option = strncmp(words[i], "--", 2) == 0 && equals > words[i] + 2;
		size_t length = strlen(words[i]);
		size_t start = splitter.used;

		splitter.at = column - 1;
		if (!word_begin(&splitter))
			break;
		memcpy(line.storage + start, words[i], length + 1);
		splitter.used += length + 1;
		if (is_option) {
			size_t name = (size_t)(equals - words[i]);

			line.storage[start + name] = 0;
			splitter.at += name + 1;
			splitter.used = start + name + 1;
			if (!word_begin(&splitter))
				break;
			splitter.used = start + length + 1;
		}
		column += (unsigned)length + 1;
		if (i + 1 == n_words) {
			line.end_column = column - 1;
			line.has_open_word = true;
			*ret_line = line;
			return 0;
		}
	}
	if (n_words == 0) {
		line.end_column = 1;
		*ret_line = line;
		return 0;
	}
	line_done(&line);
	return why_set(ret_why, ERR_TOO_LARGE, "more than %d words", LINE_WORDS_MAX);
}

void line_done(struct line *line)
{
	if (!line)
		return;
	if (line->storage)
		explicit_bzero(line->storage, line->storage_size);
	free(line->storage);
	*line = (struct line){0};
}

void line_quote(const struct line *line, size_t last, size_t secret_from, char *ret_text,
		size_t size)
{
	size_t used = 0;

	ret_text[0] = 0;
	for (size_t i = 0; i <= last && i < line->n_words && used + 1 < size; i++) {
		const char *word = i >= secret_from ? "*****" : line->words[i].text;
		bool is_long = strlen(word) > 48;

		used += (size_t)snprintf(ret_text + used, size - used, "%s%.*s%s", i ? " " : "",
					 is_long ? 45 : 48, word, is_long ? "..." : "");
	}
}
