/* SPDX-License-Identifier: Apache-2.0 */
/* What a person is told of a line that was not understood: where, what was expected, and what was
 * meant perhaps. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "config/grammar_node.h"

#define EXPECTED_MAX 320
#define EXPECTED_LIST_MAX 12

/* Damerau-Levenshtein (optimal string alignment) for short words; more than 31 characters are far
 * away. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][32];
	size_t n_a = strlen(a), n_b = strlen(b);

	if (n_a > 31 || n_b > 31)
		return 32;
	for (size_t j = 0; j <= n_b; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n_a; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i - 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= n_b; j++) {
			size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

			best = above[j] + 1 < best ? above[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    rows[(i - 2) % 3][j - 2] + 1 < best)
				best = rows[(i - 2) % 3][j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[n_a % 3][n_b];
}

/* The keyword that was meant perhaps, NULL if none is near. */
static const char *nearest(const struct word_set *keywords, const char *word)
{
	const char *best = NULL;
	size_t best_distance = strlen(word) <= 4 ? 2 : 3;

	for (size_t i = 0; i < keywords->n; i++) {
		size_t d = distance(keywords->items[i], word);

		if (d < best_distance) {
			best = keywords->items[i];
			best_distance = d;
		}
	}
	return best;
}

#define LINE_END "the end of the line"

/* What the threads wait for. */
struct expectation {
	struct word_set keywords;
	char arguments[4][80];
	size_t n_arguments;
	bool is_end;
};

/* What a text is, its name says: "<user>". */
static void expect_argument(struct expectation *expectation, enum value_type type,
			    const char *label, uint64_t min, uint64_t max)
{
	char text[80];

	if (type == VALUE_TEXT && label)
		(void)snprintf(text, sizeof(text), "<%s>, in quotes where it has blanks", label);
	else
		value_describe(type, min, max, text, sizeof(text));
	for (size_t i = 0; i < expectation->n_arguments; i++) {
		if (strcmp(expectation->arguments[i], text) == 0)
			return;
	}
	if (expectation->n_arguments < 4)
		memcpy(expectation->arguments[expectation->n_arguments++], text, sizeof(text));
}

static void expect_options(struct expectation *expectation, const struct grammar *grammar,
			   const struct thread *thread)
{
	const struct compiled_row *row = thread_row(grammar, thread);

	for (uint16_t i = row->first_option; i < row->first_option + row->n_options; i++) {
		if (is_option_left(thread, i, grammar->options))
			word_set_add(&expectation->keywords, grammar->options[i].text);
	}
}

static void expect_choices(struct expectation *expectation, const char *choices)
{
	for (; *choices; choices += strlen(choices) + 1)
		word_set_add(&expectation->keywords, choices);
}

static void expect_thread(struct expectation *expectation, const struct grammar *grammar,
			  const struct thread *thread, bool wants_options)
{
	const struct node *node = &grammar->nodes[thread->node];

	if (thread->pending >= 0) {
		const struct option *option = &grammar->options[thread->pending];

		if (option->choices)
			expect_choices(expectation, option->choices);
		else
			expect_argument(expectation, option->type, option->label, option->min,
					option->max);
		return;
	}
	if (wants_options)
		expect_options(expectation, grammar, thread);
	else if (node->op == NODE_KEYWORD)
		word_set_add(&expectation->keywords, node->text);
	else if (node->op == NODE_ARGUMENT)
		expect_argument(expectation, node->type, node->label, node->min, node->max);
	if (node->op == NODE_END)
		expectation->is_end = true;
}

/* Nothing but the end is expected. */
static bool ends_here(const struct expectation *expectation)
{
	return expectation->is_end && expectation->n_arguments == 0 && expectation->keywords.n == 0;
}

static void list_put(char *text, size_t size, const char *word, bool is_first, bool is_last)
{
	size_t used = strlen(text);

	(void)snprintf(text + used, size - used, "%s%s",
		       is_first	 ? ""
		       : is_last ? " or "
				 : ", ",
		       word);
}

/* "unit", "replication" or an IPv4 address such as 192.0.2.1 */
static void expectation_list(const struct expectation *expectation, char *text, size_t size)
{
	size_t n_keywords = expectation->keywords.n;
	size_t total = n_keywords + expectation->n_arguments;
	size_t written = 0;

	text[0] = 0;
	if (total > EXPECTED_LIST_MAX) {
		n_keywords = EXPECTED_LIST_MAX;
		total = n_keywords + 1;
	}
	for (size_t i = 0; i < n_keywords; i++, written++) {
		char quoted[64];

		(void)snprintf(quoted, sizeof(quoted), "\"%s\"", expectation->keywords.items[i]);
		list_put(text, size, quoted, written == 0, written + 1 == total);
	}
	if (n_keywords < expectation->keywords.n) {
		list_put(text, size, "others (man startup-config)", false, true);
		return;
	}
	for (size_t i = 0; i < expectation->n_arguments; i++, written++)
		list_put(text, size, expectation->arguments[i], written == 0, written + 1 == total);
	if (total == 0)
		(void)snprintf(text, size, LINE_END);
}

static void explain_ambiguity(const struct matcher *matcher, const char *quote,
			      struct grammar_failure *failure)
{
	char list[EXPECTED_MAX] = "";

	failure->is_ambiguous = true;
	for (size_t i = 0; i < matcher->ambiguous.n; i++)
		list_put(list, sizeof(list), matcher->ambiguous.items[i], i == 0,
			 i + 1 == matcher->ambiguous.n);
	(void)why_set(&failure->why, ERR_SYNTAX, "\"%s\": ambiguous, can be %s", quote, list);
}

void matcher_explain(const struct matcher *matcher, size_t index,
		     struct grammar_failure *ret_failure)
{
	const struct line *line = matcher->line;
	bool is_incomplete = index >= line->n_words;
	const char *word = is_incomplete ? "" : line->words[index].text;
	struct expectation expectation = {0};
	struct grammar_failure failure = {.word = index, .is_incomplete = is_incomplete};
	char quote[200], list[EXPECTED_MAX];
	const char *meant;
	bool is_told; /* is the list said? Part of a long one would hide the others. */

	failure.column = is_incomplete ? line->end_column : line->words[index].column;
	line_quote(line, index, matcher->secret_from, quote, sizeof(quote));
	for (size_t i = 0; i < matcher->now.n; i++)
		expect_thread(&expectation, matcher->grammar, &matcher->now.items[i],
			      is_option_word(word));
	/* Of a line that may end here options are left, perhaps. */
	for (size_t i = 0; !is_option_word(word) && ends_here(&expectation) && i < matcher->now.n;
	     i++)
		expect_options(&expectation, matcher->grammar, &matcher->now.items[i]);
	if (expectation.is_end && expectation.keywords.n > 0 && expectation.n_arguments == 0)
		memcpy(expectation.arguments[expectation.n_arguments++], LINE_END,
		       sizeof(LINE_END));
	meant = index < matcher->secret_from ? nearest(&expectation.keywords, word) : NULL;
	expectation_list(&expectation, list, sizeof(list));
	is_told = matcher->mode != COMMAND_MODE_EXEC ||
		  expectation.keywords.n + expectation.n_arguments <= EXPECTED_LIST_MAX;
	if (matcher->ambiguous.n > 1)
		explain_ambiguity(matcher, quote, &failure);
	else if (line->n_words == 0)
		(void)why_set(&failure.why, ERR_SYNTAX, "expected a command");
	else if (is_incomplete)
		(void)why_set(&failure.why, ERR_SYNTAX, "\"%s\": incomplete%s%s", quote,
			      is_told ? ", expected " : "", is_told ? list : "");
	else if (meant)
		(void)why_set(&failure.why, ERR_SYNTAX, "\"%s\": %s, did you mean \"%s\"?", quote,
			      index == 0 ? "unknown command" : "unknown word", meant);
	else if (index == 0)
		(void)why_set(&failure.why, ERR_SYNTAX, "\"%s\": unknown command%s%s", quote,
			      is_told ? ", expected " : "", is_told ? list : "");
	else
		(void)why_set(&failure.why, ERR_SYNTAX, "\"%s\": %s%s", quote,
			      is_told ? "expected " : "unknown word", is_told ? list : "");
	*ret_failure = failure;
}
