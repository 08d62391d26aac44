/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/why.h"

/*
 * CSTP inside TLS (draft-mavrogiannopoulos-openconnect-04 section 2.2): eight bytes of header
 * ("STF", 1, length, type, 0), then the payload; exactly one of them in each TLS record.
 */
#define CSTP_HEADER_SIZE 8u
#define CSTP_RECORD_MAX 16384u /* a TLS record's plaintext */
#define CSTP_PAYLOAD_MAX (CSTP_RECORD_MAX - CSTP_HEADER_SIZE)

enum cstp_type {
	CSTP_DATA = 0,	      /* one IP packet */
	CSTP_DPD_REQUEST = 3, /* to be answered with its own payload */
	CSTP_DPD_RESPONSE = 4,
	CSTP_DISCONNECT = 5, /* the session is over; the first byte of the payload says why */
	CSTP_KEEPALIVE = 7,
	CSTP_COMPRESSED = 8, /* never negotiated here */
	CSTP_TERMINATE = 9,
};

/* Reasons in a client's DISCONNECT. Any but the first keep the session for a reconnect. */
#define CSTP_REASON_LOGOUT 0xb0

struct cstp_frame {
	uint8_t type; /* enum cstp_type, or one that is not known here */
	const uint8_t *payload_view;
	size_t payload_size;
};

/* One record's bytes. Errors: ERR_MALFORMED with a sentence that says what is wrong with it. */
int cstp_frame_decode(const uint8_t *record, size_t size, struct cstp_frame *ret_frame,
		      struct why *ret_why);
/* Writes the header of a frame with SIZE (<= CSTP_PAYLOAD_MAX) bytes of payload. */
void cstp_header_encode(enum cstp_type type, size_t size,
			uint8_t ret_header[static CSTP_HEADER_SIZE]);
