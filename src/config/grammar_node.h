/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "config/grammar.h"

/*
 * Inside of the grammar: patterns compiled to the nodes of a non-deterministic automaton (Thompson
 * 1968). It has no loops (but that a thread may stay at a VALUE_REST), so that a line of n words
 * costs at most n times the nodes of the mode.
 */
enum node_op {
	NODE_KEYWORD,  /* text; label names the value, NULL: none */
	NODE_ARGUMENT, /* type, min, max; label */
	NODE_SPLIT,    /* goes on at the next node and at target */
	NODE_JUMP,     /* goes on at target */
	NODE_END,
};

struct node {
	enum node_op op;
	uint16_t target;
	uint16_t row;
	enum value_type type;
	const char *text;
	const char *label;
	uint64_t min, max;
};

/* `[--text <label:type>]`: out of order. has_argument false: a flag, and label is the text without
 * dashes. */
struct option {
	const char *text;
	const char *label;
	const char *choices; /* of a KEYWORD: NUL-terminated words, ended by an empty one */
	bool has_argument;
	bool is_repeatable;
	enum value_type type;
	uint64_t min, max;
};

struct compiled_row {
	uint16_t start;	       /* its first node */
	uint16_t first_option; /* in grammar->options */
	uint16_t n_options;
};

struct grammar {
	const struct command_row *rows;
	struct compiled_row *compiled;
	size_t n_rows;
	struct node *nodes;
	size_t n_nodes;
	struct option *options;
	size_t n_options;
	char *pool; /* the strings */
	size_t pool_used;
};

#define THREAD_CAPTURES_MAX GRAMMAR_VALUES_MAX
#define CAPTURE_IS_OPTION 0x8000u

struct capture {
	uint16_t what; /* a node, or an option | CAPTURE_IS_OPTION */
	uint16_t word;
};

/* One way in which the words so far can be understood. */
struct thread {
	uint16_t node;	 /* KEYWORD, ARGUMENT or END */
	int16_t pending; /* the option whose argument comes next, or -1 */
	bool is_negated;
	uint16_t n_captures;
	struct capture captures[THREAD_CAPTURES_MAX];
};

struct threads {
	struct thread *items; /* as many as the grammar has nodes */
	size_t n;
};

/* The words that an abbreviation can mean, each once. */
#define WORD_SET_MAX 96
struct word_set {
	const char *items[WORD_SET_MAX];
	size_t n;
};

/* Adds what is not in it; a full set takes no more. */
void word_set_add(struct word_set *set, const char *word);

struct matcher {
	const struct grammar *grammar;
	const struct line *line;
	enum command_mode mode;
	struct threads now, next;
	size_t secret_from;	   /* the first word that may be a secret; SIZE_MAX: none */
	struct word_set ambiguous; /* filled where a step failed because of it */
};

/* Errors: -ENOMEM. */
int matcher_init(struct matcher *matcher, const struct grammar *grammar, enum command_mode mode,
		 const struct line *line);
void matcher_done(struct matcher *matcher);
/* Follows word INDEX. False: no thread takes it; `now` is as it was. */
bool matcher_step(struct matcher *matcher, size_t index);

/* Is it "--" and something? */
bool is_option_word(const char *word);
/* Can the option still be given? */
bool is_option_left(const struct thread *thread, uint16_t option, const struct option *options);

/* Says what was expected instead of word INDEX (or behind the last one). */
void matcher_explain(const struct matcher *matcher, size_t index,
		     struct grammar_failure *ret_failure);

static inline const struct compiled_row *thread_row(const struct grammar *grammar,
						    const struct thread *thread)
{
	return &grammar->compiled[grammar->nodes[thread->node].row];
}
