/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/secret.h"
#include "certstore/store/record.pb-c.h"

/*
 * AES-256-GCM (NIST SP 800-38D) with random 12-byte nonces, and HKDF-SHA256 (RFC 5869), by GnuTLS.
 * A key seals far fewer than 2^32 things, the bound for random nonces.
 */
#define SEAL_KEY_SIZE 32
#define SEAL_NONCE_SIZE 12
#define SEAL_TAG_SIZE 16
#define SEAL_ID_SIZE 8

/* RET_CIPHERTEXT is appended to: the plaintext's size and SEAL_TAG_SIZE. Errors: ERR_CRYPTO,
 * -ENOMEM. */
int seal_encrypt(const struct secret *key, const void *associated, size_t associated_size,
		 const void *plain, size_t size, uint8_t ret_nonce[static SEAL_NONCE_SIZE],
		 struct buf *ret_ciphertext);
/* Errors: ERR_INTEGRITY (another key, or changed bytes), ERR_MALFORMED (sizes), -ENOMEM. */
int seal_decrypt(const struct secret *key, const void *associated, size_t associated_size,
		 const ProtobufCBinaryData *nonce, const ProtobufCBinaryData *ciphertext,
		 struct secret *ret_plain);

/*
 * A secret sealed for a purpose, as a packed record.SealedKey; ID names the key within (or under)
 * it. Only the same purpose opens it. RET_SEALED is appended to.
 */
int seal_wrap(const struct secret *key, const char *purpose, const uint8_t id[static SEAL_ID_SIZE],
	      const struct secret *plain, struct buf *ret_sealed);
int seal_unwrap(const struct secret *key, const char *purpose, const uint8_t *sealed, size_t size,
		uint8_t ret_id[static SEAL_ID_SIZE], struct secret *ret_plain);

/* A Record: PUBLIC_PART's bytes in the clear and as associated data, PKCS8 sealed. RET_RECORD is
 * appended to. */
int seal_record(const struct secret *kek, const uint8_t kek_id[static SEAL_ID_SIZE],
		const Asafo__Record__TrustpointPublic *public_part, const struct secret *pkcs8,
		struct buf *ret_record);

/* SIZE (at most 32) bytes that depend on the key and INFO. Errors: ERR_CRYPTO. */
int seal_derive(const void *key, size_t key_size, const char *info, uint8_t *ret_data, size_t size);
int seal_derive_key(const struct secret *key, const char *info, struct secret *ret_key);
/* The first 8 bytes of SHA-256("asafo kek" | KEK). */
int seal_kek_id(const struct secret *kek, uint8_t ret_id[static SEAL_ID_SIZE]);
