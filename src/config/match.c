/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A word is offered to all threads twice: first to learn what it can mean (a keyword in full,
 * abbreviated keywords, an argument), then to advance those threads whose meaning has precedence.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "config/grammar_node.h"

void word_set_add(struct word_set *set, const char *word)
{
	for (size_t i = 0; i < set->n; i++) {
		if (strcmp(set->items[i], word) == 0)
			return;
	}
	if (set->n < WORD_SET_MAX)
		set->items[set->n++] = word;
}

/* What a word can mean to the threads. */
struct meaning {
	const char *keyword; /* the one that wins; NULL: none */
	bool is_exact;
	bool is_argument;
	bool is_secret;
	struct word_set candidates; /* the keywords that it abbreviates */
};

static void thread_add(const struct grammar *grammar, struct threads *threads,
		       const struct thread *origin, uint16_t node)
{
	const struct node *at = &grammar->nodes[node];

	while (at->op == NODE_JUMP) {
		node = at->target;
		at = &grammar->nodes[node];
	}
	if (at->op == NODE_SPLIT) {
		thread_add(grammar, threads, origin, (uint16_t)(node + 1));
		thread_add(grammar, threads, origin, at->target);
		return;
	}
	/* Threads of one row stand together; the first way to a node is as good as any. */
	for (size_t i = threads->n; i > 0; i--) {
		if (grammar->nodes[threads->items[i - 1].node].row != at->row)
			break;
		if (threads->items[i - 1].node == node)
			return;
	}
	threads->items[threads->n] = *origin;
	threads->items[threads->n++].node = node;
}

int matcher_init(struct matcher *matcher, const struct grammar *grammar, enum command_mode mode,
		 const struct line *line)
{
	struct thread origin = {.pending = -1};

	*matcher = (struct matcher){
		.grammar = grammar, .line = line, .mode = mode, .secret_from = SIZE_MAX};
	matcher->now.items = malloc((grammar->n_nodes + 1) * sizeof(*matcher->now.items));
	matcher->next.items = malloc((grammar->n_nodes + 1) * sizeof(*matcher->next.items));
	if (!matcher->now.items || !matcher->next.items) {
		matcher_done(matcher);
		return -ENOMEM;
	}
	for (size_t i = 0; i < grammar->n_rows; i++) {
		if (grammar->rows[i].mode == mode)
			thread_add(grammar, &matcher->now, &origin, grammar->compiled[i].start);
	}
	return 0;
}

void matcher_done(struct matcher *matcher)
{
	free(matcher->now.items);
	free(matcher->next.items);
	*matcher = (struct matcher){0};
}

static void meaning_add_keyword(struct meaning *meaning, const char *keyword, const char *word)
{
	if (strcasecmp(keyword, word) == 0) {
		meaning->keyword = keyword;
		meaning->is_exact = true;
	} else if (strncasecmp(keyword, word, strlen(word)) == 0) {
		word_set_add(&meaning->candidates, keyword);
	}
}

bool is_option_word(const char *word)
{
	return word[0] == '-' && word[1] == '-' && word[2] != 0;
}

bool is_option_left(const struct thread *thread, uint16_t option, const struct option *options)
{
	if (options[option].is_repeatable)
		return true;
	for (size_t i = 0; i < thread->n_captures; i++) {
		if (thread->captures[i].what == (option | CAPTURE_IS_OPTION))
			return false;
	}
	return true;
}

static bool choice_find(const char *choices, const char *word, const char **ret_choice)
{
	const char *found = NULL;

	for (const char *at = choices; *at; at += strlen(at) + 1) {
		if (strncasecmp(at, word, strlen(word)) != 0)
			continue;
		if (found)
			return false;
		found = at;
	}
	*ret_choice = found;
	return found && *word;
}

static bool option_accepts(const struct option *option, const char *word, struct value *ret_value)
{
	if (option->type != VALUE_KEYWORD)
		return value_accept(option->type, option->min, option->max, word, ret_value);
	return choice_find(option->choices, word, &ret_value->text);
}

static void meaning_add(struct meaning *meaning, const struct matcher *matcher,
			const struct thread *thread, size_t index)
{
	const struct grammar *grammar = matcher->grammar;
	const char *word = matcher->line->words[index].text;
	const struct node *node = &grammar->nodes[thread->node];
	const struct compiled_row *row = thread_row(grammar, thread);
	struct value ignored = {0};

	if (thread->pending >= 0) {
		const struct option *option = &grammar->options[thread->pending];

		meaning->is_argument |= option_accepts(option, word, &ignored);
		meaning->is_secret |= value_is_secret(option->type);
	} else if (row->n_options > 0 && index > 0 && is_option_word(word)) {
		for (uint16_t i = row->first_option; i < row->first_option + row->n_options; i++) {
			if (is_option_left(thread, i, grammar->options))
				meaning_add_keyword(meaning, grammar->options[i].text, word);
		}
	} else if (node->op == NODE_KEYWORD) {
		meaning_add_keyword(meaning, node->text, word);
	} else if (node->op == NODE_ARGUMENT) {
		meaning->is_argument |= value_accept(node->type, node->min, node->max, word, NULL);
		meaning->is_secret |= value_is_secret(node->type);
	}
}

/* The one keyword that the candidates leave: the only one, or the one that begins all the others.
 */
static const char *candidates_winner(const struct word_set *candidates)
{
	const char *shortest = candidates->n > 0 ? candidates->items[0] : NULL;

	for (size_t i = 1; i < candidates->n; i++) {
		if (strlen(candidates->items[i]) < strlen(shortest))
			shortest = candidates->items[i];
	}
	for (size_t i = 0; i < candidates->n; i++) {
		if (strncmp(candidates->items[i], shortest, strlen(shortest)) != 0)
			return NULL;
	}
	return shortest;
}

/* Takes the word as thread's; the value is made again at the end, from the capture. */
static void advance(struct matcher *matcher, const struct thread *thread, uint16_t what,
		    size_t index, int16_t pending)
{
	struct thread moved = *thread;
	bool is_option = (what & CAPTURE_IS_OPTION) != 0;
	bool is_captured = is_option ? pending < 0 : matcher->grammar->nodes[what].label != NULL;
	bool is_rest = !is_option && matcher->grammar->nodes[what].type == VALUE_REST;

	/* Of all that follows the first word stands for it. */
	if (is_rest && moved.n_captures > 0 && moved.captures[moved.n_captures - 1].what == what)
		is_captured = false;
	if (is_captured) {
		if (moved.n_captures == THREAD_CAPTURES_MAX)
			return;
		moved.captures[moved.n_captures++] =
			(struct capture){.what = what, .word = (uint16_t)index};
	}
	moved.pending = pending;
	if (index == 0 && !is_option && matcher->grammar->nodes[what].op == NODE_KEYWORD)
		moved.is_negated = strcmp(matcher->grammar->nodes[what].text, "no") == 0;
	if (is_rest)
		thread_add(matcher->grammar, &matcher->next, &moved, thread->node);
	thread_add(matcher->grammar, &matcher->next, &moved,
		   is_option ? thread->node : (uint16_t)(thread->node + 1));
}

static void advance_option(struct matcher *matcher, const struct thread *thread, size_t index,
			   const char *keyword)
{
	const struct grammar *grammar = matcher->grammar;
	const struct compiled_row *row = thread_row(grammar, thread);

	for (uint16_t i = row->first_option; i < row->first_option + row->n_options; i++) {
		const struct option *option = &grammar->options[i];

		if (strcmp(option->text, keyword) == 0 &&
		    is_option_left(thread, i, grammar->options))
			advance(matcher, thread, (uint16_t)(i | CAPTURE_IS_OPTION), index,
				option->has_argument ? (int16_t)i : (int16_t)-1);
	}
}

static void advance_thread(struct matcher *matcher, const struct thread *thread, size_t index,
			   const struct meaning *meaning)
{
	const struct grammar *grammar = matcher->grammar;
	const struct node *node = &grammar->nodes[thread->node];
	const char *word = matcher->line->words[index].text;
	struct value ignored = {0};

	if (thread->pending >= 0) {
		if (option_accepts(&grammar->options[thread->pending], word, &ignored))
			advance(matcher, thread,
				(uint16_t)((uint16_t)thread->pending | CAPTURE_IS_OPTION), index,
				-1);
	} else if (thread_row(grammar, thread)->n_options > 0 && index > 0 &&
		   is_option_word(word)) {
		if (meaning->keyword)
			advance_option(matcher, thread, index, meaning->keyword);
	} else if (node->op == NODE_KEYWORD) {
		if (meaning->keyword && strcmp(node->text, meaning->keyword) == 0)
			advance(matcher, thread, thread->node, index, -1);
	} else if (node->op == NODE_ARGUMENT && !meaning->is_exact) {
		if (value_accept(node->type, node->min, node->max, word, NULL))
			advance(matcher, thread, thread->node, index, -1);
	}
}

bool matcher_step(struct matcher *matcher, size_t index)
{
	struct meaning meaning = {0};
	struct threads swap;

	matcher->next.n = 0;
	for (size_t i = 0; i < matcher->now.n; i++)
		meaning_add(&meaning, matcher, &matcher->now.items[i], index);
	if (!meaning.is_exact)
		meaning.keyword = candidates_winner(&meaning.candidates);
	if (meaning.is_secret && !meaning.is_exact && matcher->secret_from == SIZE_MAX)
		matcher->secret_from = index;
	for (size_t i = 0; i < matcher->now.n; i++)
		advance_thread(matcher, &matcher->now.items[i], index, &meaning);
	if (matcher->next.n == 0) {
		if (!meaning.keyword && !meaning.is_argument)
			matcher->ambiguous = meaning.candidates;
		return false;
	}
	swap = matcher->now;
	matcher->now = matcher->next;
	matcher->next = swap;
	return true;
}

static struct value capture_value(const struct matcher *matcher, const struct capture *capture)
{
	const struct grammar *grammar = matcher->grammar;
	const struct line_word *word = &matcher->line->words[capture->word];
	struct value value = {.text = word->text, .token = capture->word, .column = word->column};

	if (capture->what & CAPTURE_IS_OPTION) {
		const struct option *option =
			&grammar->options[capture->what & (CAPTURE_IS_OPTION - 1)];

		value.type = option->type;
		value.name = option->label;
		if (option->has_argument)
			(void)option_accepts(option, word->text, &value);
		return value;
	}
	value.type = grammar->nodes[capture->what].type;
	value.name = grammar->nodes[capture->what].label;
	if (value.type == VALUE_KEYWORD)
		value.text = grammar->nodes[capture->what].text;
	else
		(void)value_accept(value.type, grammar->nodes[capture->what].min,
				   grammar->nodes[capture->what].max, word->text, &value);
	return value;
}

/* The first thread that is at its end, in the order of the table. */
static bool matcher_finish(const struct matcher *matcher, struct grammar_match *ret_match)
{
	const struct grammar *grammar = matcher->grammar;

	for (size_t i = 0; i < matcher->now.n; i++) {
		const struct thread *thread = &matcher->now.items[i];
		const struct node *node = &grammar->nodes[thread->node];

		if (node->op != NODE_END || thread->pending >= 0)
			continue;
		*ret_match = (struct grammar_match){
			.row = &grammar->rows[node->row],
			.is_negated = thread->is_negated,
			.n_values = thread->n_captures,
		};
		for (size_t v = 0; v < thread->n_captures; v++)
			ret_match->values[v] = capture_value(matcher, &thread->captures[v]);
		return true;
	}
	return false;
}

int grammar_match(const struct grammar *grammar, enum command_mode mode, const struct line *line,
		  struct grammar_match *ret_match, struct grammar_failure *ret_failure)
{
	struct matcher matcher;
	bool is_followed = true;
	size_t index = 0;
	int r = matcher_init(&matcher, grammar, mode, line);

	if (r < 0)
		return r;
	while (index < line->n_words && is_followed) {
		is_followed = matcher_step(&matcher, index);
		index += is_followed;
	}
	if (!is_followed || line->n_words == 0 || !matcher_finish(&matcher, ret_match)) {
		r = ERR_SYNTAX;
		if (ret_failure)
			matcher_explain(&matcher, index, ret_failure);
	}
	matcher_done(&matcher);
	return r;
}

const struct value *grammar_match_value(const struct grammar_match *match, const char *name)
{
	for (size_t i = 0; i < match->n_values; i++) {
		if (strcmp(match->values[i].name, name) == 0)
			return &match->values[i];
	}
	return NULL;
}
