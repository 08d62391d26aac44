/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "failover/link.h"

/*
 * The frames of the link: a length of four bytes, big endian, from 1 to LINK_MESSAGE_MAX, and as
 * many bytes of a message. Put together from whatever pieces the connection brings. Internal to the
 * link and its tests.
 */
#define LINK_FRAME_LENGTH 4u
#define LINK_FRAME_MAX (LINK_FRAME_LENGTH + LINK_MESSAGE_MAX)

struct link_frame {
	uint8_t *data; /* LINK_FRAME_MAX bytes; the caller's */
	size_t have;
};

/* Where the next piece goes, and how long it may be: never beyond this frame. */
uint8_t *link_frame_room(struct link_frame *frame, size_t *ret_size);
/* N bytes came there. 1: the frame is whole; 0: not yet. Errors: ERR_MALFORMED with a sentence. */
int link_frame_advance(struct link_frame *frame, size_t n, struct why *ret_why);
/* The message of a whole frame; the next one begins. Valid until then. */
const uint8_t *link_frame_take(struct link_frame *frame, size_t *ret_size);
/* The length in front of a message of SIZE bytes. */
void link_frame_write(size_t size, uint8_t ret_length[static LINK_FRAME_LENGTH]);
