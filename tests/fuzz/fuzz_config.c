/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a configuration, as a command line and as one that is being completed. What is
 * accepted must render, and read back as the same; what the check passes must too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void render_both(const struct config *config, const struct config *again)
{
	struct buf first = {0}, second = {0};

	require(config_render(config, CONFIG_PART_ALL, &first) == 0);
	require(config_render(again, CONFIG_PART_ALL, &second) == 0);
	require(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
	buf_done(&first);
	buf_done(&second);
}

static void as_configuration(const char *text, size_t size)
{
	struct config *config = NULL, *again = NULL, *merged = NULL;
	struct config_error error;
	struct buf rendered = {0};
	struct why why;

	require(config_new(&config) == 0 && config_new(&again) == 0);
	if (config_apply_text(config, "fuzz", text, size, &error) == 0) {
		(void)config_check(config, &why);
		require(config_render(config, CONFIG_PART_ALL, &rendered) == 0);
		require(config_apply_text(again, "again", (const char *)rendered.data,
					  rendered.size, &error) == 0);
		render_both(config, again);
	} else {
		require(error.column > 0 && error.why.text[0] != 0);
	}
	if (config_merge_replicated(again, text, size, &merged, &error) == 0)
		require(merged->failover.unit == again->failover.unit);
	buf_done(&rendered);
	config_free(merged);
	config_free(again);
	config_free(config);
}

static void as_command(const struct grammar *grammar, const char *text, size_t size)
{
	struct grammar_candidates candidates;
	struct grammar_match match;
	struct grammar_failure failure;
	struct line line;
	unsigned column;
	struct why why;

	if (line_split(text, size, LINE_STYLE_SHELL, &line, &column, &why) < 0)
		return;
	for (int mode = 0; mode < COMMAND_MODE__MAX; mode++) {
		if (grammar_match(grammar, (enum command_mode)mode, &line, &match, &failure) < 0)
			require(failure.why.text[0] != 0 && failure.word <= line.n_words);
		require(grammar_complete(grammar, (enum command_mode)mode, &line, &candidates) ==
			0);
	}
	line_done(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	size_t first = size > 0 ? strnlen(text, size) : 0;
	const char *end = size > 0 ? memchr(text, '\n', size) : NULL;
	struct grammar *grammar = NULL;
	size_t n;
	const struct command_row *rows = command_table(&n);

	if (end && (size_t)(end - text) < first)
		first = (size_t)(end - text);
	require(grammar_new(rows, n, &grammar, NULL) == 0);
	as_command(grammar, text, first);
	as_configuration(text, size);
	grammar_free(grammar);
	return 0;
}
