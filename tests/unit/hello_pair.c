/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/hello_pair.h"

const uint8_t KEY[HELLO_KEY_SIZE] = "a hello key of thirty-two bytes";

struct hello_codec *codec_of(enum fo_unit unit, uint64_t boot)
{
	struct hello_codec *codec = NULL;

	assert_int_equal(hello_codec_new(KEY, unit, boot, &codec), 0);
	return codec;
}

int pair_set_up(void **state)
{
	static struct pair pair;

	pair.a = codec_of(FO_UNIT_PRIMARY, BOOT_A);
	pair.b = codec_of(FO_UNIT_SECONDARY, BOOT_B);
	*state = &pair;
	return 0;
}

int pair_tear_down(void **state)
{
	struct pair *pair = *state;

	hello_codec_free(pair->a);
	hello_codec_free(pair->b);
	return 0;
}

struct datagram seal_hello(struct hello_codec *codec, const struct hello *hello)
{
	struct datagram datagram;

	assert_int_equal(hello_seal(codec, hello, datagram.data, &datagram.size), 0);
	assert_true(datagram.size <= HELLO_SIZE_MAX);
	return datagram;
}

int take(struct hello_codec *codec, unsigned path, const struct datagram *datagram,
	 struct hello *ret_hello, bool *ret_is_current)
{
	return hello_open(codec, path, datagram->data, datagram->size, ret_hello, ret_is_current);
}

int take_code(struct hello_codec *codec, unsigned path, const struct datagram *datagram)
{
	struct hello hello;
	bool is_current;

	return take(codec, path, datagram, &hello, &is_current);
}

void acquaint_by(struct hello_codec *a, struct hello_codec *b, const struct hello *hello)
{
	struct datagram one = seal_hello(a, hello), two, three;
	struct hello heard;
	bool is_current;

	assert_int_equal(take(b, 0, &one, &heard, &is_current), 0);
	two = seal_hello(b, hello);
	assert_int_equal(take(a, 0, &two, &heard, &is_current), 0);
	assert_true(is_current);
	three = seal_hello(a, hello);
	assert_int_equal(take(b, 0, &three, &heard, &is_current), 0);
	assert_true(is_current);
}
