/* SPDX-License-Identifier: Apache-2.0 */
/* The codec only: what a type means is the tunnel's. */
#include "front/tunnel/cstp_frame.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

static const uint8_t magic[4] = {'S', 'T', 'F', 1};

int cstp_frame_decode(const uint8_t *record, size_t size, struct cstp_frame *ret_frame,
		      struct why *ret_why)
{
	size_t length;

	if (size < CSTP_HEADER_SIZE)
		return why_set(ret_why, ERR_MALFORMED,
			       "a record of %zu bytes has no room for a CSTP header", size);
	if (memcmp(record, magic, sizeof(magic)) != 0)
		return why_set(ret_why, ERR_MALFORMED,
			       "a record begins with %02x %02x %02x %02x, not with a CSTP header",
			       record[0], record[1], record[2], record[3]);
	length = (size_t)record[4] << 8 | record[5];
	if (length != size - CSTP_HEADER_SIZE)
		return why_set(ret_why, ERR_MALFORMED,
			       "a CSTP frame says %zu bytes of payload, its record has %zu", length,
			       size - CSTP_HEADER_SIZE);
	if (record[7] != 0)
		return why_set(ret_why, ERR_MALFORMED,
			       "the last byte of a CSTP header is %02x instead of 00", record[7]);
	*ret_frame = (struct cstp_frame){record[6], record + CSTP_HEADER_SIZE, length};
	return 0;
}

void cstp_header_encode(enum cstp_type type, size_t size,
			uint8_t ret_header[static CSTP_HEADER_SIZE])
{
	assert(size <= CSTP_PAYLOAD_MAX);
	memcpy(ret_header, magic, sizeof(magic));
	ret_header[4] = (uint8_t)(size >> 8);
	ret_header[5] = (uint8_t)size;
	ret_header[6] = (uint8_t)type;
	ret_header[7] = 0;
}
