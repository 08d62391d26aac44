/* SPDX-License-Identifier: Apache-2.0 */
/* The compiler from patterns to nodes: recursive descent, one function a construct. */
#include "config/grammar_node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

CLEANUP_DEFINE(struct grammar *, grammar_free)

struct compiler {
	struct grammar *grammar;
	const char *at;
	const char *label; /* of the keywords inside <label:{...}> */
	uint16_t row;
	const char *problem;
};

static bool compile_sequence(struct compiler *compiler);

static bool fail(struct compiler *compiler, const char *problem)
{
	if (!compiler->problem)
		compiler->problem = problem;
	return false;
}

static struct node *emit(struct compiler *compiler, enum node_op op)
{
	struct grammar *grammar = compiler->grammar;
	struct node *node = &grammar->nodes[grammar->n_nodes++];

	*node = (struct node){.op = op, .row = compiler->row};
	return node;
}

static uint16_t here(const struct compiler *compiler)
{
	return (uint16_t)compiler->grammar->n_nodes;
}

static const char *intern(struct compiler *compiler, const char *text, size_t size)
{
	struct grammar *grammar = compiler->grammar;
	char *copy = grammar->pool + grammar->pool_used;

	memcpy(copy, text, size);
	copy[size] = 0;
	grammar->pool_used += size + 1;
	return copy;
}

static void skip_blanks(struct compiler *compiler)
{
	compiler->at += strspn(compiler->at, " ");
}

static bool compile_alternatives(struct compiler *compiler)
{
	uint16_t jumps[16];
	size_t n_jumps = 0;

	compiler->at++;
	for (;;) {
		uint16_t split = here(compiler);

		(void)emit(compiler, NODE_SPLIT);
		if (!compile_sequence(compiler))
			return false;
		if (*compiler->at == '}') {
			/* The last one is no choice: its split goes on in one direction only. */
			compiler->grammar->nodes[split].op = NODE_JUMP;
			compiler->grammar->nodes[split].target = (uint16_t)(split + 1);
			break;
		}
		if (*compiler->at != '|' || n_jumps == ARRAY_SIZE(jumps))
			return fail(compiler, "'{' without '}'");
		compiler->at++;
		jumps[n_jumps++] = here(compiler);
		(void)emit(compiler, NODE_JUMP);
		compiler->grammar->nodes[split].target = here(compiler);
	}
	compiler->at++;
	for (size_t i = 0; i < n_jumps; i++)
		compiler->grammar->nodes[jumps[i]].target = here(compiler);
	return true;
}

/* "number(2,15000)" */
static bool parse_range(const char **at, uint64_t *ret_min, uint64_t *ret_max)
{
	char *end;

	if (**at != '(')
		return false;
	*ret_min = strtoull(*at + 1, &end, 10);
	if (*end != ',')
		return false;
	*ret_max = strtoull(end + 1, &end, 10);
	*at = end + 1;
	return *end == ')' && *ret_min <= *ret_max;
}

/* Reads `<label:type>` or `<type>` from '<' on, without the keywords' form. */
static bool parse_argument(struct compiler *compiler, struct option *ret_argument)
{
	const char *name = compiler->at + 1;
	size_t name_size = strcspn(name, ":<>[]{}| (");
	const char *type = name[name_size] == ':' ? name + name_size + 1 : name;
	size_t type_size = strcspn(type, "<>[]{}| (");
	const char *at = type + type_size;
	struct option argument = {.has_argument = true};

	argument.type = value_type_find(type, type_size);
	if (name_size == 0 || argument.type == VALUE__MAX || argument.type == VALUE_KEYWORD)
		return fail(compiler, "an argument without a type that is known");
	if (argument.type == VALUE_NUMBER && !parse_range(&at, &argument.min, &argument.max))
		return fail(compiler, "a number without its limits");
	if (*at != '>')
		return fail(compiler, "'<' without '>'");
	argument.label = intern(compiler, name, name_size);
	compiler->at = at + 1;
	*ret_argument = argument;
	return true;
}

static bool compile_argument(struct compiler *compiler)
{
	const char *name = compiler->at + 1;
	size_t size = strcspn(name, ":>");
	struct option argument;
	struct node *node;

	if (strncmp(name + size, ":{", 2) == 0) {
		compiler->label = intern(compiler, name, size);
		compiler->at = name + size + 1;
		if (!compile_alternatives(compiler))
			return false;
		compiler->label = NULL;
		if (*compiler->at++ != '>')
			return fail(compiler, "'<' without '>'");
		return true;
	}
	if (!parse_argument(compiler, &argument))
		return false;
	node = emit(compiler, NODE_ARGUMENT);
	node->type = argument.type;
	node->min = argument.min;
	node->max = argument.max;
	node->label = argument.label;
	return true;
}

/* `<label:{a|b}>` of an option. */
static bool parse_choice(struct compiler *compiler, struct option *ret_argument)
{
	const char *name = compiler->at + 1;
	size_t size = strcspn(name, ":>");
	const char *choice = name + size + 2;
	struct option argument = {.has_argument = true, .type = VALUE_KEYWORD};

	argument.label = intern(compiler, name, size);
	argument.choices = compiler->grammar->pool + compiler->grammar->pool_used;
	for (;;) {
		size_t length = strcspn(choice, " <>[]{}|");

		(void)intern(compiler, choice, length);
		choice += length + 1;
		if (length == 0 || (choice[-1] != '|' && choice[-1] != '}'))
			return fail(compiler, "an option's choice is not {a|b}");
		if (choice[-1] == '}')
			break;
	}
	(void)intern(compiler, "", 0);
	if (*choice != '>')
		return fail(compiler, "'<' without '>'");
	compiler->at = choice + 1;
	*ret_argument = argument;
	return true;
}

/* `[--word]`, `[--word <argument>]`, and `...` behind it. */
static bool compile_option(struct compiler *compiler)
{
	struct grammar *grammar = compiler->grammar;
	const char *word = compiler->at + 1;
	size_t size = strcspn(word, " ]");
	struct option option = {0};
	const char *text = intern(compiler, word, size);

	compiler->at = word + size;
	skip_blanks(compiler);
	if (*compiler->at == '<') {
		const char *colon = compiler->at + strcspn(compiler->at, ":>");

		if (!(strncmp(colon, ":{", 2) == 0 ? parse_choice(compiler, &option)
						   : parse_argument(compiler, &option)))
			return false;
	} else {
		option.label = text + 2;
	}
	option.text = text;
	if (*compiler->at++ != ']')
		return fail(compiler, "an option without ']'");
	if (strncmp(compiler->at, "...", 3) == 0) {
		option.is_repeatable = true;
		compiler->at += 3;
	}
	grammar->options[grammar->n_options++] = option;
	grammar->compiled[compiler->row].n_options++;
	return true;
}

static bool compile_optional(struct compiler *compiler)
{
	uint16_t split = here(compiler);

	if (strncmp(compiler->at, "[--", 3) == 0)
		return compile_option(compiler);
	(void)emit(compiler, NODE_SPLIT);
	compiler->at++;
	if (!compile_sequence(compiler))
		return false;
	if (*compiler->at++ != ']')
		return fail(compiler, "'[' without ']'");
	compiler->grammar->nodes[split].target = here(compiler);
	return true;
}

static bool compile_keyword(struct compiler *compiler)
{
	size_t size = strcspn(compiler->at, " <>[]{}|");
	struct node *node;

	if (size == 0 || size >= 48)
		return fail(compiler, "an unexpected character");
	node = emit(compiler, NODE_KEYWORD);
	node->type = VALUE_KEYWORD;
	node->text = intern(compiler, compiler->at, size);
	node->label = compiler->label;
	compiler->at += size;
	return true;
}

/* Up to the end, or to the ']', '}' or '|' that the caller waits for. */
static bool compile_sequence(struct compiler *compiler)
{
	for (;;) {
		bool is_good;

		skip_blanks(compiler);
		if (*compiler->at == 0 || strchr("]}|", *compiler->at))
			return true;
		if (*compiler->at == '[')
			is_good = compile_optional(compiler);
		else if (*compiler->at == '{')
			is_good = compile_alternatives(compiler);
		else if (*compiler->at == '<')
			is_good = compile_argument(compiler);
		else
			is_good = compile_keyword(compiler);
		if (!is_good)
			return false;
	}
}

static int compile_row(struct grammar *grammar, size_t index, struct why *ret_why)
{
	struct compiler compiler = {
		.grammar = grammar, .at = grammar->rows[index].syntax, .row = (uint16_t)index};

	grammar->compiled[index].start = here(&compiler);
	grammar->compiled[index].first_option = (uint16_t)grammar->n_options;
	if (compile_sequence(&compiler) && *compiler.at != 0)
		compiler.problem = "a closing bracket that closes nothing";
	if (compiler.problem)
		return why_set(ret_why, ERR_MALFORMED, "\"%s\", column %zu: %s",
			       grammar->rows[index].syntax,
			       (size_t)(compiler.at - grammar->rows[index].syntax) + 1,
			       compiler.problem);
	(void)emit(&compiler, NODE_END);
	return 0;
}

/* Every node, option and string comes from characters of its own: the patterns' length bounds all
 * of them. */
static int allocate(struct grammar *grammar)
{
	size_t size = 0;

	for (size_t i = 0; i < grammar->n_rows; i++)
		size += 2 * strlen(grammar->rows[i].syntax) + 2;
	if (size >= CAPTURE_IS_OPTION)
		return -ENOMEM;
	grammar->nodes = calloc(size + 1, sizeof(*grammar->nodes));
	grammar->options = calloc(size / 4 + 1, sizeof(*grammar->options));
	grammar->compiled = calloc(grammar->n_rows + 1, sizeof(*grammar->compiled));
	grammar->pool = malloc(size + 1);
	return grammar->nodes && grammar->options && grammar->compiled && grammar->pool ? 0
											: -ENOMEM;
}

int grammar_new(const struct command_row *rows, size_t n_rows, struct grammar **ret_grammar,
		struct why *ret_why)
{
	_cleanup_(grammar_free_p) struct grammar *grammar = calloc(1, sizeof(*grammar));
	int r;

	if (!grammar)
		return -ENOMEM;
	grammar->rows = rows;
	grammar->n_rows = n_rows;
	r = allocate(grammar);
	for (size_t i = 0; i < n_rows && r == 0; i++)
		r = compile_row(grammar, i, ret_why);
	if (r < 0)
		return r;
	*ret_grammar = TAKE_PTR(grammar);
	return 0;
}

void grammar_free(struct grammar *grammar)
{
	if (!grammar)
		return;
	free(grammar->nodes);
	free(grammar->options);
	free(grammar->compiled);
	free(grammar->pool);
	free(grammar);
}
