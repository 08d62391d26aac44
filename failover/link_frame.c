/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/link_frame.h"

#include "base/err.h"

static size_t length_of(const struct link_frame *frame)
{
	const uint8_t *data = frame->data;

	return (size_t)((uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 |
			data[3]);
}

uint8_t *link_frame_room(struct link_frame *frame, size_t *ret_size)
{
	*ret_size = frame->have < LINK_FRAME_LENGTH
			    ? LINK_FRAME_LENGTH - frame->have
			    : LINK_FRAME_LENGTH + length_of(frame) - frame->have;
	return frame->data + frame->have;
}

int link_frame_advance(struct link_frame *frame, size_t n, struct why *ret_why)
{
	size_t length;

	frame->have += n;
	if (frame->have < LINK_FRAME_LENGTH)
		return 0;
	length = length_of(frame);
	if (length == 0 || length > LINK_MESSAGE_MAX)
		return why_set(ret_why, ERR_MALFORMED,
			       "the mate sent a message of %zu bytes (limit: %u)", length,
			       LINK_MESSAGE_MAX);
	return frame->have == LINK_FRAME_LENGTH + length;
}

const uint8_t *link_frame_take(struct link_frame *frame, size_t *ret_size)
{
	*ret_size = frame->have - LINK_FRAME_LENGTH;
	frame->have = 0;
	return frame->data + LINK_FRAME_LENGTH;
}

void link_frame_write(size_t size, uint8_t ret_length[static LINK_FRAME_LENGTH])
{
	for (unsigned i = 0; i < LINK_FRAME_LENGTH; i++)
		ret_length[i] = (uint8_t)(size >> (8 * (LINK_FRAME_LENGTH - 1 - i)));
}
