/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "core/hello.h"

/* Two units that speak hellos with each other, for tests. Everything asserts. */

#define BOOT_A UINT64_C(0xa1a2a3a4a5a6a7a8)
#define BOOT_B UINT64_C(0xb1b2b3b4b5b6b7b8)
#define BOOT_B2 UINT64_C(0xc1c2c3c4c5c6c7c8)

extern const uint8_t KEY[HELLO_KEY_SIZE];

struct datagram {
	uint8_t data[HELLO_SIZE_MAX];
	size_t size;
};

struct pair {
	struct hello_codec *a, *b;
};

/* cmocka's; the state is a struct pair of the primary and the secondary, both with KEY. */
int pair_set_up(void **state);
int pair_tear_down(void **state);
struct hello_codec *codec_of(enum fo_unit unit, uint64_t boot);
struct datagram seal_hello(struct hello_codec *codec, const struct hello *hello);
int take(struct hello_codec *codec, unsigned path, const struct datagram *datagram,
	 struct hello *ret_hello, bool *ret_is_current);
/* What take returns, and nothing else of it. */
int take_code(struct hello_codec *codec, unsigned path, const struct datagram *datagram);
/* A hears B, B hears A: from then on each believes the other. HELLO is what they say. */
void acquaint_by(struct hello_codec *a, struct hello_codec *b, const struct hello *hello);
