/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from the failover link: as a datagram, and as the plaintext that a mate with the key may
 * have sealed. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/hello.h"
#include "core/hello_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read of it in clear, by anybody: only what every version has, and never as an error where
 * the whole is taken. */
static void look_outside(const struct hello_codec *codec, const uint8_t *data, size_t size)
{
	struct hello_outside outside;
	int r = hello_peek(data, size, &outside);

	if (r == 0 && outside.unit >= FO_UNIT__MAX)
		abort();
	/* Only what begins like a hello may cost a key. */
	if (hello_is_stranger(codec, data, size) && r < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t KEY[HELLO_KEY_SIZE] = "the key of the fuzzed pair";
	struct hello_codec *codec = NULL;
	struct hello hello = {0};
	uint8_t packed[HELLO_SIZE_MAX];
	size_t packed_size;
	bool is_current = false;

	if (hello_codec_new(KEY, FO_UNIT_PRIMARY, 1, &codec) < 0)
		return 0;
	look_outside(codec, data, size);
	(void)hello_open(codec, 0, data, size, &hello, &is_current);
	/* Nothing can echo a counter that was never sent. */
	if (is_current)
		abort();
	hello_codec_free(codec);
	if (hello_body_unpack(data, size, &hello) == 0 &&
	    hello_body_pack(&hello, sizeof(packed), packed, &packed_size) < 0)
		abort();
	return 0;
}
