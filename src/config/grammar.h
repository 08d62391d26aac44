/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/why.h"
#include "config/command.h"
#include "config/line.h"
#include "config/value.h"

/*
 * Matches lines against the patterns of a command table. All rows of a mode are followed at once,
 * word by word; keywords may be abbreviated where that leaves one meaning, and case does not matter
 * in them. A keyword in full comes before an argument that would take the same word. Where one
 * keyword is the beginning of all the others that an abbreviation could mean, it is that one: `wr`
 * is `write`, not `write-standby`.
 */
#define GRAMMAR_VALUES_MAX 16
#define GRAMMAR_CANDIDATES_MAX 96

struct grammar;

/*
 * Compiles the rows, which must outlive the grammar. Errors: -ENOMEM; ERR_MALFORMED for a pattern
 * that does not follow its format, with RET_WHY (may be NULL).
 */
int grammar_new(const struct command_row *rows, size_t n_rows, struct grammar **ret_grammar,
		struct why *ret_why);
void grammar_free(struct grammar *grammar);

/* A line that was understood. Borrows from the grammar and from the line. */
struct grammar_match {
	const struct command_row *row;
	bool is_negated;			 /* began with `no` */
	struct value values[GRAMMAR_VALUES_MAX]; /* in the order of the line */
	size_t n_values;
};

/* The first value with this name, NULL if the line has none. An option is named without its dashes.
 */
const struct value *grammar_match_value(const struct grammar_match *match, const char *name);

/* A line that was not. */
struct grammar_failure {
	size_t word;	 /* how many words were understood */
	unsigned column; /* from 1 */
	bool is_ambiguous;
	bool is_incomplete; /* everything that is there was understood */
	struct why why; /* `"hostnam -x": expected a host name such as fw.example.org`; no secret in
			   it */
};

/* Errors: ERR_SYNTAX (RET_FAILURE filled, may be NULL), -ENOMEM. */
int grammar_match(const struct grammar *grammar, enum command_mode mode, const struct line *line,
		  struct grammar_match *ret_match, struct grammar_failure *ret_failure);

/* What may come next. */
struct grammar_candidate {
	char word[64];	  /* keyword; "<name>" for an argument; "<cr>" where the line may end */
	const char *help; /* borrowed from the table or static */
	enum value_type
		type; /* of the argument; VALUE_KEYWORD for a keyword, VALUE__MAX for <cr> */
};

struct grammar_candidates {
	struct grammar_candidate
		items[GRAMMAR_CANDIDATES_MAX]; /* sorted: keywords, options, arguments, <cr> */
	size_t n_items;
};

/*
 * Candidates behind the line, or for its last word where that is open (line.has_open_word). A line
 * that cannot be continued has none. Errors: -ENOMEM.
 */
int grammar_complete(const struct grammar *grammar, enum command_mode mode, const struct line *line,
		     struct grammar_candidates *ret_candidates);
