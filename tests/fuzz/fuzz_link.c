/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a mate with the key may send on the TLS link: frames in any pieces, and messages of any
 * kind. The first byte says how large the pieces are. Whatever the pieces, the frames are the same;
 * a message that is taken packs again; and what the first message says of versions is decided
 * without looking at a byte too many.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "failover/link_frame.h"
#include "failover/link_why.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_hello(const Asafo__Wire__LinkHello *hello)
{
	static const struct link_config config = {.unit = 1, .psk_identity = "asafo-link"};
	struct why why = {0};
	int r = link_why_hello(&config, hello, &why);

	/* A refusal has a sentence; who is taken speaks a version that we speak and is another
	 * unit. */
	if (r < 0 && why.text[0] == '\0')
		abort();
	if (r == 0 && (hello->version < LINK_VERSION_OLDEST ||
		       hello->oldest_version > LINK_VERSION || hello->unit == config.unit))
		abort();
}

static void look_at_message(const uint8_t *data, size_t size)
{
	Asafo__Wire__Link *message = asafo__wire__link__unpack(NULL, size, data);
	uint8_t *packed;

	if (!message)
		return;
	if (message->body_case == ASAFO__WIRE__LINK__BODY_HELLO)
		look_at_hello(message->hello);
	packed = malloc(asafo__wire__link__get_packed_size(message) + 1);
	if (packed)
		(void)asafo__wire__link__pack(message, packed);
	free(packed);
	asafo__wire__link__free_unpacked(message, NULL);
}

/* Returns a sum over the frames; -1 in *RET_CODE: the stream is refused. */
static uint64_t read_stream(const uint8_t *data, size_t size, size_t piece, int *ret_code)
{
	struct link_frame frame = {.data = malloc(LINK_FRAME_MAX)};
	uint64_t sum = 1469598103934665603u;
	struct why why;
	int r = 0;

	while (frame.data && size > 0 && r >= 0) {
		size_t room, n;
		uint8_t *at = link_frame_room(&frame, &room);

		n = room < piece ? room : piece;
		n = n < size ? n : size;
		if (n == 0 || frame.have + n > LINK_FRAME_MAX)
			abort();
		memcpy(at, data, n);
		data += n;
		size -= n;
		r = link_frame_advance(&frame, n, &why);
		if (r > 0) {
			size_t length;
			const uint8_t *message = link_frame_take(&frame, &length);

			if (length == 0 || length > LINK_MESSAGE_MAX)
				abort();
			look_at_message(message, length);
			for (size_t i = 0; i < length; i++)
				sum = (sum ^ message[i]) * 1099511628211u;
			sum = (sum ^ length) * 1099511628211u;
		}
	}
	free(frame.data);
	*ret_code = r < 0 ? -1 : 0;
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int code_whole, code_pieces;

	if (size == 0)
		return 0;
	if (read_stream(data + 1, size - 1, size, &code_whole) !=
		    read_stream(data + 1, size - 1, 1u + data[0], &code_pieces) ||
	    code_whole != code_pieces)
		abort();
	look_at_message(data + 1, size - 1);
	return 0;
}
