/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gnutls/crypto.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

/*
 * What is kept of a revoked certificate's serial number: the first bytes of its SHA-256, so that a
 * list is searched and sent in entries of one size. Who has a certificate did not choose its
 * number, and a number that is not revoked has the mark of one of a million that are once in
 * 10^13.
 */
#define CRLMARK_SIZE 8u

/* SERIAL: the contents of the INTEGER, as a certificate has them. Errors: ERR_CRYPTO. */
static inline int crlmark_of(const uint8_t *serial, size_t size,
			     uint8_t ret_mark[static CRLMARK_SIZE])
{
	uint8_t digest[32];

	/* Issuers and libraries differ in the zeros in front. */
	while (size > 0 && serial[0] == 0) {
		serial++;
		size--;
	}
	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, serial, size, digest) < 0)
		return ERR_CRYPTO;
	memcpy(ret_mark, digest, CRLMARK_SIZE);
	return 0;
}
