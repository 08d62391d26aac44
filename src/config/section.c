/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `show running-config SECTION`: a section is what the first words of a line say, and the lines
 * below it. Taken from the rendered text, so that there is one rendering only.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "config/config.h"

struct section {
	const char *name;
	const char *words; /* that a line of it begins with */
};

/* A line belongs to the first that fits. */
static const struct section sections[] = {
	{"crypto", "crypto"},
	{"failover", "failover"},
	{"group-policy", "group-policy"},
	{"hostname", "hostname"},
	{"interface", "interface"},
	{"ip", "ip local pool"},
	{"ip", "ipv6 local pool"},
	{"monitor-interface", "monitor-interface"},
	{"route", "route"},
	{"route", "ipv6 route"},
	{"ssl", "ssl"},
	{"track", "track"},
	{"tunnel-group", "tunnel-group"},
	{"username", "username"},
	{"webvpn", "webvpn"},
};

struct filter {
	const char *section;
	const char *device;
	struct buf *text;
	bool is_found;
};

/* Behind the words, NULL where the line begins with others. */
static const char *after_words(const char *line, const char *words)
{
	size_t size = strlen(words);

	if (strncmp(line, "no ", 3) == 0)
		line += 3;
	if (strncmp(line, words, size) != 0 || (line[size] != ' ' && line[size] != '\n'))
		return NULL;
	return line + size;
}

static bool is_of_section(const char *line, const char *name, const char **ret_rest)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		*ret_rest = after_words(line, sections[i].words);
		if (*ret_rest && strcmp(sections[i].name, name) == 0)
			return true;
	}
	return false;
}

static bool is_word(const char *at, const char *word)
{
	size_t size = strlen(word);

	return strncmp(at, word, size) == 0 && at[size] == '\n';
}

/* The device, or the name that it was given below. */
static bool is_interface(const char *block, const char *end, const char *rest, const char *wanted)
{
	static const char nameif[] = "\n nameif ";
	const char *name = memmem(block, (size_t)(end - block), nameif, sizeof(nameif) - 1);

	return is_word(rest + 1, wanted) || (name && is_word(name + sizeof(nameif) - 1, wanted));
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

/* A line, what stands below it, and the mark that ends it. */
static const char *next_block(const char *line)
{
	line = next_line(line);
	while (*line == ' ')
		line = next_line(line);
	return strncmp(line, "!\n", 2) == 0 ? line + 2 : line;
}

static int add_block(struct filter *filter, const char *block, const char *end)
{
	const char *rest;
	size_t size = (size_t)(end - block);
	bool has_lines;

	if (!is_of_section(block, filter->section, &rest) ||
	    (filter->device && !is_interface(block, end, rest, filter->device)))
		return 0;
	filter->is_found = true;
	/* The mark divides blocks; a single line's is the one of the whole group. */
	has_lines = *next_line(block) == ' ' || strcmp(filter->section, "interface") == 0;
	if (!has_lines)
		size = (size_t)(next_line(block) - block);
	return buf_append(filter->text, block, size);
}

bool config_section_exists(const char *section)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		if (strcmp(sections[i].name, section) == 0)
			return true;
	}
	return false;
}

int config_render_section(const struct config *config, enum config_part part, const char *section,
			  const char *device, struct buf *text)
{
	_cleanup_(buf_done) struct buf whole = {0};
	struct filter filter = {section, device, text, false};
	const char *at, *next;
	int r;

	if (!config_section_exists(section))
		return ERR_NOT_FOUND;
	r = config_render(config, part, &whole);
	if (r < 0)
		return r;
	at = buf_text(&whole);
	if (!at)
		return -ENOMEM;
	for (; *at && r == 0; at = next) {
		next = next_block(at);
		r = add_block(&filter, at, next);
	}
	if (r == 0 && device && !filter.is_found)
		return ERR_NOT_FOUND;
	return r;
}
