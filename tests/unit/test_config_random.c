/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties over random configurations. A run is its seed: a failure names it, and
 * ASAFO_TEST_SEED=N repeats it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config.h"
#include "config/grammar.h"

#define RUNS 300

/* xorshift64* */
static uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717u;
}

static unsigned below(uint64_t *state, unsigned n)
{
	return (unsigned)(random_next(state) >> 33) % n;
}

static bool often(uint64_t *state)
{
	return below(state, 3) != 0;
}

/* Interfaces: networks that do not overlap, so that the whole passes its check. */
static void put_interfaces(uint64_t *state, unsigned n, struct buf *text)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned length = 8 + below(state, 23);
		char mask[INET_ADDRSTRLEN];

		(void)buf_append_format(text, "interface eth%u\n", i);
		if (often(state))
			(void)buf_append_format(text, " nameif if%u\n", i);
		config_address_format_mask((uint8_t)length, mask);
		if (often(state))
			(void)buf_append_format(text, " ip address %u.0.0.1 %s%s", 10 + i, mask,
						often(state) ? "" : "\n");
		if (text->data[text->size - 1] != '\n')
			(void)buf_append_format(text, " standby %u.0.0.2\n", 10 + i);
		if (often(state))
			(void)buf_append_format(text, " ipv6 address 2001:db8:%x::1/%u%s\n", i,
						48 + below(state, 17),
						often(state) ? "" : " standby 2001:db8:");
		if (text->data[text->size - 2] == ':') {
			text->size--;
			(void)buf_append_format(text, "%x::2\n", i);
		}
		for (unsigned j = below(state, 4); j > 0; j--)
			(void)buf_append_format(
				text,
				often(state) ? " ip address 192.168.%u.%u 255.255.255.0 secondary\n"
					     : " ipv6 address 2001:db8:1%x::%x/64 secondary\n",
				100 + i, 10 + j);
		if (!often(state))
			(void)buf_append_format(text, " shutdown\n");
	}
}

static void put_failover(uint64_t *state, struct buf *text)
{
	static const char *const modes[] = {"off", "async", "sync"};
	unsigned poll = 2 + below(state, 14999);
	unsigned hold = 3 * poll + below(state, 100);

	(void)buf_append_format(text, "failover lan interface link fo0\n");
	if (often(state))
		(void)buf_append_format(
			text, "failover interface ip link 203.0.113.1 255.255.255.252 standby "
			      "203.0.113.2\nfailover\n");
	else
		(void)buf_append_format(text,
					"failover interface ip link fd00::1/126 standby fd00::2\n");
	if (often(state))
		(void)buf_append_format(text, "failover lan unit primary\n");
	if (often(state))
		(void)buf_append_format(text, "failover polltime msec %u holdtime msec %u\n", poll,
					hold > 45000 ? 45000 : hold);
	else
		(void)buf_append_format(text, "failover polltime %u\n", 1 + below(state, 15));
	if (often(state))
		(void)buf_append_format(text, "failover polltime interface msec %u\n",
					50 + below(state, 14950));
	if (often(state))
		(void)buf_append_format(text, "failover interface-policy %u%s\n",
					1 + below(state, 100), often(state) ? "%" : "");
	if (often(state))
		(void)buf_append_format(text, "crypto ca alerts expiration begin %u repeat %u\n",
					1 + below(state, 90), 1 + below(state, 14));
	if (often(state))
		(void)buf_append_format(text, "crypto ca permit-weak-crypto\n");
	for (unsigned i = below(state, 4); i > 0; i--) {
		unsigned number = 1 + below(state, 500);

		(void)buf_append_format(text, "track %u %s%s\n", number,
					often(state) ? "ping 192.0.2.9" : "tcp 2001:db8::1 443",
					often(state) ? "" : " frequency msec 700 down 5");
		if (often(state))
			(void)buf_append_format(text, "failover track %u decrement %u\n", number,
						1 + below(state, 490));
	}
	(void)buf_append_format(text, "failover interface-policy %u\n", 1 + below(state, 250));
	(void)buf_append_format(text, "failover replication trustpoint %s\n",
				modes[below(state, 3)]);
	if (often(state))
		(void)buf_append_format(text, "failover key *****\n");
}

static void put_services(uint64_t *state, const struct config *config, struct buf *text)
{
	for (size_t i = 0; i < config->n_interfaces; i++) {
		const char *name = config->interfaces[i].name;

		if (!name[0])
			continue;
		if (often(state))
			(void)buf_append_format(text, "no monitor-interface %s\n", name);
		if (often(state))
			(void)buf_append_format(text, "ssl trust-point T%u %s\n", below(state, 9),
						name);
		if (often(state))
			(void)buf_append_format(text,
						"ssl trust-point T%u %s domain *.d%u.example\n",
						below(state, 9), name, below(state, 9));
		if (often(state))
			(void)buf_append_format(text, "webvpn\n enable %s\n port %u\n", name,
						1 + below(state, 65535));
	}
	for (unsigned i = below(state, 5); i > 0; i--)
		(void)buf_append_format(text, "crypto ca trustpoint T%u\n%s", below(state, 9),
					often(state) ? " scope unit\n redundancy no\n" : "");
	if (often(state))
		(void)buf_append_format(text, "hostname h%u\nssl server-version tlsv1.3\n",
					below(state, 999));
}

static struct config *generate(uint64_t seed)
{
	uint64_t state = seed * 2654435761u + 1;
	struct config *config = NULL;
	struct config_error error = {0};
	struct buf text = {0};

	assert_int_equal(config_new(&config), 0);
	put_failover(&state, &text);
	put_interfaces(&state, below(&state, 9), &text);
	if (config_apply_text(config, "random", (const char *)text.data, text.size, &error) < 0)
		fail_msg("seed %u: line %u: %s", (unsigned)seed, error.line, error.why.text);
	buf_clear(&text);
	put_services(&state, config, &text);
	if (config_apply_text(config, "random", (const char *)text.data, text.size, &error) < 0)
		fail_msg("seed %u: line %u: %s", (unsigned)seed, error.line, error.why.text);
	buf_done(&text);
	return config;
}

static void expect_same_text(uint64_t seed, const struct buf *a, const struct buf *b)
{
	if (a->size != b->size || memcmp(a->data, b->data, a->size) != 0)
		fail_msg("seed %u:\n%.*s\n---\n%.*s", (unsigned)seed, (int)a->size,
			 (const char *)a->data, (int)b->size, (const char *)b->data);
}

static void each_run(void (*property)(uint64_t seed, struct config *config))
{
	const char *chosen = getenv("ASAFO_TEST_SEED");
	uint64_t first = chosen ? strtoull(chosen, NULL, 10) : 0;

	for (uint64_t seed = first; seed < first + (chosen ? 1 : RUNS); seed++) {
		struct config *config = generate(seed);

		property(seed, config);
		config_free(config);
	}
}

static void read_back(uint64_t seed, struct config *config)
{
	struct config *again = NULL;
	struct buf first = {0}, second = {0};
	struct why why = {0};

	assert_int_equal(config_new(&again), 0);
	assert_int_equal(config_render(config, CONFIG_PART_ALL, &first), 0);
	assert_int_equal(
		config_apply_text(again, "again", (const char *)first.data, first.size, NULL), 0);
	assert_int_equal(config_render(again, CONFIG_PART_ALL, &second), 0);
	expect_same_text(seed, &first, &second);
	/* Not only the text: the snapshot itself, byte by byte, padding included, since both were
	 * zeroed. */
	assert_memory_equal(config->interfaces, again->interfaces,
			    config->n_interfaces * sizeof(config->interfaces[0]));
	assert_int_equal(config->n_secondaries, again->n_secondaries);
	assert_memory_equal(config->secondaries, again->secondaries,
			    config->n_secondaries * sizeof(config->secondaries[0]));
	assert_int_equal(config->failover.poll_ms, again->failover.poll_ms);
	assert_int_equal(config->failover.hold_ms, again->failover.hold_ms);
	if (config_check(config, &why) < 0)
		fail_msg("seed %u: %s", (unsigned)seed, why.text);
	/* A configuration that is applied to itself changes nothing. */
	assert_int_equal(
		config_apply_text(again, "again", (const char *)first.data, first.size, NULL), 0);
	buf_clear(&second);
	assert_int_equal(config_render(again, CONFIG_PART_ALL, &second), 0);
	expect_same_text(seed, &first, &second);
	buf_done(&first);
	buf_done(&second);
	config_free(again);
}

static void what_is_rendered_reads_back_as_the_same(void **state)
{
	(void)state;
	each_run(read_back);
}

static void merged(uint64_t seed, struct config *config)
{
	struct config *local = generate(seed + 100000);
	struct config *result = NULL;
	struct buf shared = {0}, after = {0};

	assert_int_equal(config_render(config, CONFIG_PART_REPLICATED, &shared), 0);
	assert_int_equal(config_merge_replicated(local, (const char *)shared.data, shared.size,
						 &result, NULL),
			 0);
	assert_int_equal(config_render(result, CONFIG_PART_REPLICATED, &after), 0);
	expect_same_text(seed, &shared, &after);
	assert_int_equal(result->failover.unit, local->failover.unit);
	assert_int_equal(result->failover.is_enabled, local->failover.is_enabled);
	assert_memory_equal(result->failover.links, local->failover.links,
			    sizeof(local->failover.links));
	buf_done(&shared);
	buf_done(&after);
	config_free(result);
	config_free(local);
}

static void a_standby_that_merged_renders_the_same_shared_lines(void **state)
{
	(void)state;
	each_run(merged);
}

/* The class of the row that a rendered line matches, in the mode that holds at it. */
static enum command_class class_of(const struct grammar *grammar, enum command_mode *mode,
				   const char *text, size_t size)
{
	struct grammar_match match;
	struct line line;
	unsigned column;
	enum command_class class;

	assert_int_equal(line_split(text, size, LINE_STYLE_CONFIG, &line, &column, NULL), 0);
	if (*mode == COMMAND_MODE_CONFIG ||
	    grammar_match(grammar, *mode, &line, &match, NULL) < 0) {
		*mode = COMMAND_MODE_CONFIG;
		assert_int_equal(grammar_match(grammar, *mode, &line, &match, NULL), 0);
	}
	if (match.row->id == COMMAND_INTERFACE)
		*mode = COMMAND_MODE_INTERFACE;
	if (match.row->id == COMMAND_TRUSTPOINT)
		*mode = COMMAND_MODE_TRUSTPOINT;
	if (match.row->id == COMMAND_WEBVPN)
		*mode = COMMAND_MODE_WEBVPN;
	class = match.row->class;
	line_done(&line);
	return class;
}

static void classes(uint64_t seed, struct config *config)
{
	struct grammar *grammar = NULL;
	struct buf shared = {0};
	enum command_mode mode = COMMAND_MODE_CONFIG;
	size_t n;
	const struct command_row *rows = command_table(&n);
	const char *at, *end;

	assert_int_equal(grammar_new(rows, n, &grammar, NULL), 0);
	assert_int_equal(config_render(config, CONFIG_PART_REPLICATED, &shared), 0);
	for (at = buf_text(&shared); (end = strchr(at, '\n')); at = end + 1) {
		if (*at != '!' &&
		    class_of(grammar, &mode, at, (size_t)(end - at)) != COMMAND_CLASS_REPLICATED)
			fail_msg("seed %u: %s", (unsigned)seed, at);
	}
	buf_done(&shared);
	grammar_free(grammar);
}

static void shared_lines_are_of_the_replicated_class_only(void **state)
{
	(void)state;
	each_run(classes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_rendered_reads_back_as_the_same),
		cmocka_unit_test(a_standby_that_merged_renders_the_same_shared_lines),
		cmocka_unit_test(shared_lines_are_of_the_replicated_class_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
