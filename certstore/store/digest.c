/* SPDX-License-Identifier: Apache-2.0 */
/* The key's length comes first, so that no other split of the same bytes into key and value has the
 * same digest. */
#include "certstore/store/digest.h"

#include <endian.h>
#include <gnutls/crypto.h>
#include <string.h>

#include "base/err.h"

#define ROOT_LIMBS (STORE_DIGEST_SIZE / 8)

int digest_item(const char *key, size_t key_size, const uint8_t *value, size_t value_size,
		uint8_t ret_digest[static STORE_DIGEST_SIZE])
{
	uint8_t head[4 + STORE_KEY_MAX];
	uint32_t length = htobe32((uint32_t)key_size);
	gnutls_hash_hd_t hash;
	int r;

	if (key_size > STORE_KEY_MAX)
		return ERR_TOO_LARGE;
	memcpy(head, &length, 4);
	memcpy(head + 4, key, key_size);
	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
		return ERR_CRYPTO;
	r = gnutls_hash(hash, head, 4 + key_size);
	if (r >= 0 && value_size > 0)
		r = gnutls_hash(hash, value, value_size);
	gnutls_hash_deinit(hash, ret_digest);
	return r < 0 ? ERR_CRYPTO : 0;
}

static uint64_t limb_get(const uint8_t *bytes, size_t index)
{
	uint64_t limb;

	memcpy(&limb, bytes + 8 * index, 8);
	return le64toh(limb);
}

static void limb_set(uint8_t *bytes, size_t index, uint64_t limb)
{
	limb = htole64(limb);
	memcpy(bytes + 8 * index, &limb, 8);
}

void digest_add(uint8_t root[static STORE_DIGEST_SIZE],
		const uint8_t item[static STORE_DIGEST_SIZE])
{
	uint64_t carry = 0;

	for (size_t i = 0; i < ROOT_LIMBS; i++) {
		uint64_t a = limb_get(root, i), sum = a + limb_get(item, i);
		uint64_t with_carry = sum + carry;

		carry = (uint64_t)(sum < a) | (uint64_t)(with_carry < sum);
		limb_set(root, i, with_carry);
	}
}

void digest_subtract(uint8_t root[static STORE_DIGEST_SIZE],
		     const uint8_t item[static STORE_DIGEST_SIZE])
{
	uint64_t borrow = 0;

	for (size_t i = 0; i < ROOT_LIMBS; i++) {
		uint64_t a = limb_get(root, i), b = limb_get(item, i), difference = a - b;
		uint64_t with_borrow = difference - borrow;

		borrow = (uint64_t)(a < b) | (uint64_t)(difference < borrow);
		limb_set(root, i, with_borrow);
	}
}
