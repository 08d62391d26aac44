/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The first datagram of a DTLS client (RFC 6347 section 4.2): a ClientHello in one record and one
 * piece. Who sends it is not known yet: it is only looked at.
 */
#define DTLS_SESSION_ID_MAX 32

struct dtls_hello {
	const uint8_t *session_id_view;
	size_t session_id_size; /* at most DTLS_SESSION_ID_MAX */
	bool has_cookie;	/* of whatever kind */
};

/* Views point into DATAGRAM. Errors: ERR_MALFORMED: it is none, or in several pieces. */
int dtls_hello_read(const uint8_t *datagram, size_t size, struct dtls_hello *ret_hello);
