/* SPDX-License-Identifier: Apache-2.0 */
/* Hellos while the pair comes to another key (core/rekey.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "core/hello.h"

#define BOOT_A UINT64_C(0xa1a2a3a4a5a6a7a8)
#define BOOT_B UINT64_C(0xb1b2b3b4b5b6b7b8)
#define BOOT_B2 UINT64_C(0xc1c2c3c4c5c6c7c8)

static const uint8_t KEY[HELLO_KEY_SIZE] = "a hello key of thirty-two bytes";
static const uint8_t NEW[HELLO_KEY_SIZE] = "another key of thirty-two bytes";

struct datagram {
	uint8_t data[HELLO_SIZE_MAX];
	size_t size;
};

struct pair {
	struct hello_codec *a, *b;
};

static int set_up(void **state)
{
	static struct pair pair;

	assert_int_equal(hello_codec_new(KEY, FO_UNIT_PRIMARY, BOOT_A, &pair.a), 0);
	assert_int_equal(hello_codec_new(KEY, FO_UNIT_SECONDARY, BOOT_B, &pair.b), 0);
	*state = &pair;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *pair = *state;

	hello_codec_free(pair->a);
	hello_codec_free(pair->b);
	return 0;
}

static struct datagram seal(struct hello_codec *codec)
{
	struct hello hello = {.software = "0.2.0"};
	struct datagram datagram;

	assert_int_equal(hello_seal(codec, &hello, datagram.data, &datagram.size), 0);
	return datagram;
}

static int take(struct hello_codec *codec, unsigned path, const struct datagram *datagram,
		struct hello *ret_hello, bool *ret_is_current)
{
	return hello_open(codec, path, datagram->data, datagram->size, ret_hello, ret_is_current);
}

static int take_code(struct hello_codec *codec, unsigned path, const struct datagram *datagram)
{
	struct hello hello;
	bool is_current;

	return take(codec, path, datagram, &hello, &is_current);
}

/* A hears B, B hears A: from then on each believes the other. */
static void acquaint(struct hello_codec *a, struct hello_codec *b)
{
	struct datagram one = seal(a), two, three;
	struct hello hello;
	bool is_current;

	assert_int_equal(take(b, 0, &one, &hello, &is_current), 0);
	two = seal(b);
	assert_int_equal(take(a, 0, &two, &hello, &is_current), 0);
	assert_true(is_current);
	three = seal(a);
	assert_int_equal(take(b, 0, &three, &hello, &is_current), 0);
	assert_true(is_current);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(in_a_change_of_the_key_every_hello_is_believed_once),
		TEST(a_mate_that_starts_in_the_middle_of_a_change_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
