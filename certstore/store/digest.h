/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "certstore/store/store.h"

/* SHA-256(len32(key) | key | value), the length big endian. Errors: ERR_CRYPTO. */
int digest_item(const char *key, size_t key_size, const uint8_t *value, size_t value_size,
		uint8_t ret_digest[static STORE_DIGEST_SIZE]);
/* The root digest is a sum modulo 2^256 of little-endian numbers: order does not matter, and each
 * step can be undone. */
void digest_add(uint8_t root[static STORE_DIGEST_SIZE],
		const uint8_t item[static STORE_DIGEST_SIZE]);
void digest_subtract(uint8_t root[static STORE_DIGEST_SIZE],
		     const uint8_t item[static STORE_DIGEST_SIZE]);
