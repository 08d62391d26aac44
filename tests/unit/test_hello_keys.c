/* SPDX-License-Identifier: Apache-2.0 */
/* Hellos while the pair comes to another key (core/rekey.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "core/hello.h"
#include "tests/unit/hello_pair.h"

static const uint8_t NEW[HELLO_KEY_SIZE] = "another key of thirty-two bytes";

static const struct hello HELLO = {.software = "0.2.0"};

static struct datagram seal(struct hello_codec *codec)
{
	return seal_hello(codec, &HELLO);
}

static void acquaint(struct hello_codec *a, struct hello_codec *b)
{
	acquaint_by(a, b, &HELLO);
}

static void in_a_change_of_the_key_every_hello_is_believed_once(void **state)
{
	const struct step {
		bool is_a;
		const uint8_t *key, *other;
	} steps[] = {{true, KEY, NEW},	{false, KEY, NEW}, {true, NEW, KEY},
		     {false, NEW, KEY}, {true, NEW, NULL}, {false, NEW, NULL}};
	struct pair *pair = *state;
	struct datagram old, from_a, from_b;
	struct hello hello;
	bool is_current;

	acquaint(pair->a, pair->b);
	old = seal(pair->a);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct hello_codec *codec = steps[i].is_a ? pair->a : pair->b;

		assert_int_equal(hello_codec_set_keys(codec, steps[i].key, steps[i].other), 0);
		from_a = seal(pair->a);
		from_b = seal(pair->b);
		assert_int_equal(take(pair->b, 0, &from_a, &hello, &is_current), 0);
		assert_true(is_current && hello.is_newest);
		assert_int_equal(take(pair->a, 0, &from_b, &hello, &is_current), 0);
		assert_true(is_current && hello.is_newest);
		assert_int_equal(take_code(pair->b, 0, &from_a), ERR_EXISTS);
	}
	assert_int_equal(take_code(pair->b, 1, &old), ERR_INTEGRITY);
}

static void a_copy_of_what_was_opened_with_a_key_that_is_gone_is_refused(void **state)
{
	struct pair *pair = *state;
	struct datagram datagram;
	struct hello hello;
	bool is_current;

	acquaint(pair->a, pair->b);
	datagram = seal(pair->a);
	assert_int_equal(take(pair->b, 0, &datagram, &hello, &is_current), 0);
	assert_int_equal(take(pair->b, 1, &datagram, &hello, &is_current), 0);
	assert_int_equal(hello_codec_set_keys(pair->b, NEW, NULL), 0);
	assert_int_equal(take_code(pair->b, 2, &datagram), ERR_INTEGRITY);
}

static void a_mate_that_starts_in_the_middle_of_a_change_is_heard(void **state)
{
	struct pair *pair = *state;

	assert_int_equal(hello_codec_set_keys(pair->a, KEY, NEW), 0);
	acquaint(pair->a, pair->b);
	hello_codec_free(pair->b);
	assert_int_equal(hello_codec_new(NEW, FO_UNIT_SECONDARY, BOOT_B2, &pair->b), 0);
	assert_int_equal(hello_codec_set_keys(pair->b, NEW, KEY), 0);
	acquaint(pair->a, pair->b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_set_up, pair_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(in_a_change_of_the_key_every_hello_is_believed_once),
		TEST(a_copy_of_what_was_opened_with_a_key_that_is_gone_is_refused),
		TEST(a_mate_that_starts_in_the_middle_of_a_change_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
