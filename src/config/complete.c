/* SPDX-License-Identifier: Apache-2.0 */
/* Completion follows the finished words as matching does, and lists what the threads wait for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/grammar_node.h"

struct completer {
	const struct grammar *grammar;
	const char *partial; /* "" where a new word begins */
	struct grammar_candidates *candidates;
};

static void candidate_add(const struct completer *completer, const char *word, const char *help,
			  enum value_type type)
{
	struct grammar_candidates *candidates = completer->candidates;
	struct grammar_candidate *candidate;

	for (size_t i = 0; i < candidates->n_items; i++) {
		if (strcmp(candidates->items[i].word, word) == 0)
			return;
	}
	if (candidates->n_items == GRAMMAR_CANDIDATES_MAX)
		return;
	candidate = &candidates->items[candidates->n_items++];
	(void)snprintf(candidate->word, sizeof(candidate->word), "%s", word);
	candidate->help = help;
	candidate->type = type;
}

/* Does a command end behind this keyword? Then the command's own help says more than the word's,
 * which is the same wherever it stands. */
static bool ends_behind(const struct grammar *grammar, uint16_t node)
{
	for (node++; grammar->nodes[node].op == NODE_JUMP || grammar->nodes[node].op == NODE_SPLIT;)
		node = grammar->nodes[node].target;
	return grammar->nodes[node].op == NODE_END;
}

static void keyword_add(const struct completer *completer, const char *word, const char *help)
{
	const char *own = command_word_help(word);

	if (strncasecmp(word, completer->partial, strlen(completer->partial)) == 0)
		candidate_add(completer, word, own ? own : help, VALUE_KEYWORD);
}

/* An argument is shown by its name: "<passphrase-file>". */
static void argument_add(const struct completer *completer, const char *label, enum value_type type)
{
	static const char *const help[VALUE__MAX] = {
		[VALUE_NAME] = "A name",
		[VALUE_OWNER] = "The name of a trustpoint, or the key of a CA",
		[VALUE_HOST] = "A host name",
		[VALUE_DEVICE] = "A network device",
		[VALUE_IPV4] = "An IPv4 address",
		[VALUE_MASK] = "A netmask",
		[VALUE_ROUTENET] = "A network, or 0",
		[VALUE_ROUTEMASK] = "A netmask",
		[VALUE_MAC] = "A MAC address",
		[VALUE_ROUTEPREFIX] = "An IPv6 network with its prefix length",
		[VALUE_IPV6] = "An IPv6 address",
		[VALUE_IPV6PREFIX] = "An IPv6 address with its prefix length",
		[VALUE_FQDN] = "A domain name",
		[VALUE_NUMBER] = "A number",
		[VALUE_PERCENT] = "A percentage",
		[VALUE_SECRET] = "A secret of 1 to 63 visible characters",
		[VALUE_HEXKEY] = "32 hexadecimal digits",
		[VALUE_TEXT] = "A text, in quotes where it has blanks",
		[VALUE_FILE] = "The name of a file",
	};
	char word[64];

	(void)snprintf(word, sizeof(word), "<%s>", label);
	candidate_add(completer, word, help[type], type);
}

static void option_argument_add(const struct completer *completer, const struct option *option,
				const char *help)
{
	if (!option->choices) {
		argument_add(completer, option->label, option->type);
		return;
	}
	for (const char *at = option->choices; *at; at += strlen(at) + 1)
		keyword_add(completer, at, help);
}

static void thread_list(const struct completer *completer, const struct thread *thread,
			bool is_first)
{
	const struct grammar *grammar = completer->grammar;
	const struct node *node = &grammar->nodes[thread->node];
	const struct compiled_row *row = thread_row(grammar, thread);
	const char *help = grammar->rows[node->row].help;
	bool is_name_open = node->op == NODE_KEYWORD && !node->label;

	if (thread->pending >= 0) {
		option_argument_add(completer, &grammar->options[thread->pending], help);
		return;
	}
	if (is_name_open && ends_behind(grammar, thread->node) &&
	    strncasecmp(node->text, completer->partial, strlen(completer->partial)) == 0)
		candidate_add(completer, node->text, help, VALUE_KEYWORD);
	else if (node->op == NODE_KEYWORD)
		keyword_add(completer, node->text, help);
	else if (node->op == NODE_ARGUMENT && !is_option_word(completer->partial))
		argument_add(completer, node->label, node->type);
	else if (node->op == NODE_END && completer->partial[0] == 0)
		candidate_add(completer, "<cr>", help, VALUE__MAX);
	/* Which command's options they are is known when its words are. */
	for (uint16_t i = row->first_option; i < row->first_option + row->n_options; i++) {
		if (is_name_open && !is_option_word(completer->partial))
			continue;
		if (!is_first && is_option_left(thread, i, grammar->options))
			keyword_add(completer, grammar->options[i].text, help);
	}
}

static int rank(const struct grammar_candidate *candidate)
{
	if (candidate->type == VALUE__MAX)
		return 3;
	if (candidate->type != VALUE_KEYWORD)
		return 2;
	return candidate->word[0] == '-';
}

static int compare(const void *a, const void *b)
{
	const struct grammar_candidate *left = a, *right = b;

	if (rank(left) != rank(right))
		return rank(left) - rank(right);
	return strcmp(left->word, right->word);
}

int grammar_complete(const struct grammar *grammar, enum command_mode mode, const struct line *line,
		     struct grammar_candidates *ret_candidates)
{
	bool has_partial = line->has_open_word && line->n_words > 0;
	size_t n_finished = has_partial ? line->n_words - 1 : line->n_words;
	struct completer completer = {
		.grammar = grammar,
		.partial = has_partial ? line->words[n_finished].text : "",
		.candidates = ret_candidates,
	};
	struct matcher matcher;
	int r = matcher_init(&matcher, grammar, mode, line);

	if (r < 0)
		return r;
	ret_candidates->n_items = 0;
	for (size_t i = 0; i < n_finished; i++) {
		if (!matcher_step(&matcher, i)) {
			matcher_done(&matcher);
			return 0;
		}
	}
	for (size_t i = 0; i < matcher.now.n; i++)
		thread_list(&completer, &matcher.now.items[i], n_finished == 0);
	matcher_done(&matcher);
	qsort(ret_candidates->items, ret_candidates->n_items, sizeof(ret_candidates->items[0]),
	      compare);
	return 0;
}
