/* SPDX-License-Identifier: Apache-2.0 */
/* Plaintexts come out into locked memory of their own; nothing secret stays in a buffer of this
 * file. */
#include "certstore/store/seal.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

static int crypto_code(int gnutls_code)
{
	if (gnutls_code >= 0)
		return 0;
	if (gnutls_code == GNUTLS_E_MEMORY_ERROR)
		return -ENOMEM;
	return gnutls_code == GNUTLS_E_DECRYPTION_FAILED ? ERR_INTEGRITY : ERR_CRYPTO;
}

static void aead_done(gnutls_aead_cipher_hd_t *cipher)
{
	if (*cipher)
		gnutls_aead_cipher_deinit(*cipher);
}

static int aead_init(const struct secret *key, gnutls_aead_cipher_hd_t *ret_cipher)
{
	gnutls_datum_t datum = {key->data, SEAL_KEY_SIZE};

	if (key->size != SEAL_KEY_SIZE)
		return ERR_CRYPTO;
	return crypto_code(gnutls_aead_cipher_init(ret_cipher, GNUTLS_CIPHER_AES_256_GCM, &datum));
}

int seal_encrypt(const struct secret *key, const void *associated, size_t associated_size,
		 const void *plain, size_t size, uint8_t ret_nonce[static SEAL_NONCE_SIZE],
		 struct buf *ret_ciphertext)
{
	_cleanup_(aead_done) gnutls_aead_cipher_hd_t cipher = NULL;
	size_t sealed_size = size + SEAL_TAG_SIZE;
	int r = aead_init(key, &cipher);

	if (r == 0)
		r = buf_reserve(ret_ciphertext, sealed_size);
	if (r == 0)
		r = crypto_code(gnutls_rnd(GNUTLS_RND_NONCE, ret_nonce, SEAL_NONCE_SIZE));
	if (r == 0)
		r = crypto_code(gnutls_aead_cipher_encrypt(
			cipher, ret_nonce, SEAL_NONCE_SIZE, associated, associated_size,
			SEAL_TAG_SIZE, plain, size, ret_ciphertext->data + ret_ciphertext->size,
			&sealed_size));
	if (r == 0)
		ret_ciphertext->size += sealed_size;
	return r;
}

#define _cleanup_secret_ _cleanup_(secret_done)

int seal_decrypt(const struct secret *key, const void *associated, size_t associated_size,
		 const ProtobufCBinaryData *nonce, const ProtobufCBinaryData *ciphertext,
		 struct secret *ret_plain)
{
	_cleanup_(aead_done) gnutls_aead_cipher_hd_t cipher = NULL;
	_cleanup_secret_ struct secret plain = {0};
	size_t size;
	int r;

	if (nonce->len != SEAL_NONCE_SIZE || ciphertext->len < SEAL_TAG_SIZE)
		return ERR_MALFORMED;
	size = ciphertext->len - SEAL_TAG_SIZE;
	r = aead_init(key, &cipher);
	if (r == 0)
		r = secret_init(&plain, size);
	if (r == 0)
		r = crypto_code(gnutls_aead_cipher_decrypt(
			cipher, nonce->data, nonce->len, associated, associated_size, SEAL_TAG_SIZE,
			ciphertext->data, ciphertext->len, plain.data, &size));
	if (r < 0)
		return r;
	*ret_plain = plain;
	plain = (struct secret){0};
	return 0;
}

int seal_wrap(const struct secret *key, const char *purpose, const uint8_t id[static SEAL_ID_SIZE],
	      const struct secret *plain, struct buf *ret_sealed)
{
	Asafo__Record__SealedKey message = ASAFO__RECORD__SEALED_KEY__INIT;
	_cleanup_(buf_done) struct buf ciphertext = {0};
	uint8_t nonce[SEAL_NONCE_SIZE], id_copy[SEAL_ID_SIZE];
	int r = seal_encrypt(key, purpose, strlen(purpose), plain->data, plain->size, nonce,
			     &ciphertext);

	if (r < 0)
		return r;
	memcpy(id_copy, id, sizeof(id_copy));
	message.kek_id = (ProtobufCBinaryData){sizeof(id_copy), id_copy};
	message.nonce = (ProtobufCBinaryData){sizeof(nonce), nonce};
	message.ciphertext = (ProtobufCBinaryData){ciphertext.size, ciphertext.data};
	r = buf_reserve(ret_sealed, asafo__record__sealed_key__get_packed_size(&message));
	if (r == 0)
		ret_sealed->size += asafo__record__sealed_key__pack(
			&message, ret_sealed->data + ret_sealed->size);
	return r;
}

int seal_unwrap(const struct secret *key, const char *purpose, const uint8_t *sealed, size_t size,
		uint8_t ret_id[static SEAL_ID_SIZE], struct secret *ret_plain)
{
	Asafo__Record__SealedKey *message = asafo__record__sealed_key__unpack(NULL, size, sealed);
	int r = ERR_MALFORMED;

	if (!message)
		return r;
	if (message->kek_id.len == SEAL_ID_SIZE)
		r = seal_decrypt(key, purpose, strlen(purpose), &message->nonce,
				 &message->ciphertext, ret_plain);
	if (r == 0)
		memcpy(ret_id, message->kek_id.data, SEAL_ID_SIZE);
	asafo__record__sealed_key__free_unpacked(message, NULL);
	return r;
}

static int pack_record(const struct buf *public_part, const uint8_t *kek_id, const uint8_t *nonce,
		       const struct buf *ciphertext, struct buf *ret_record)
{
	Asafo__Record__Record record = ASAFO__RECORD__RECORD__INIT;
	Asafo__Record__SealedKey sealed = ASAFO__RECORD__SEALED_KEY__INIT;
	int r;

	sealed.kek_id = (ProtobufCBinaryData){SEAL_ID_SIZE, (uint8_t *)(uintptr_t)kek_id};
	sealed.nonce = (ProtobufCBinaryData){SEAL_NONCE_SIZE, (uint8_t *)(uintptr_t)nonce};
	sealed.ciphertext = (ProtobufCBinaryData){ciphertext->size, ciphertext->data};
	record.public_part = (ProtobufCBinaryData){public_part->size, public_part->data};
	record.key = &sealed;
	r = buf_reserve(ret_record, asafo__record__record__get_packed_size(&record));
	if (r == 0)
		ret_record->size +=
			asafo__record__record__pack(&record, ret_record->data + ret_record->size);
	return r;
}

int seal_record(const struct secret *kek, const uint8_t kek_id[static SEAL_ID_SIZE],
		const Asafo__Record__TrustpointPublic *public_part, const struct secret *pkcs8,
		struct buf *ret_record)
{
	_cleanup_(buf_done) struct buf packed = {0}, ciphertext = {0};
	uint8_t nonce[SEAL_NONCE_SIZE];
	int r = buf_reserve(&packed,
			    asafo__record__trustpoint_public__get_packed_size(public_part));

	if (r < 0)
		return r;
	packed.size = asafo__record__trustpoint_public__pack(public_part, packed.data);
	r = seal_encrypt(kek, packed.data, packed.size, pkcs8->data, pkcs8->size, nonce,
			 &ciphertext);
	return r < 0 ? r : pack_record(&packed, kek_id, nonce, &ciphertext, ret_record);
}

int seal_derive(const void *key, size_t key_size, const char *info, uint8_t *ret_data, size_t size)
{
	static const uint8_t salt[] = "asafo";
	gnutls_datum_t key_datum = {(void *)(uintptr_t)key, (unsigned)key_size};
	gnutls_datum_t salt_datum = {(void *)(uintptr_t)salt, sizeof(salt) - 1};
	gnutls_datum_t info_datum = {(void *)(uintptr_t)info, (unsigned)strlen(info)};
	uint8_t extracted[32];
	gnutls_datum_t extracted_datum = {extracted, sizeof(extracted)};
	int r = crypto_code(
		gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &key_datum, &salt_datum, extracted));

	if (r == 0)
		r = crypto_code(gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &extracted_datum, &info_datum,
						   ret_data, size));
	explicit_bzero(extracted, sizeof(extracted));
	return r;
}

int seal_derive_key(const struct secret *key, const char *info, struct secret *ret_key)
{
	_cleanup_secret_ struct secret derived = {0};
	int r = secret_init(&derived, SEAL_KEY_SIZE);

	if (r == 0)
		r = seal_derive(key->data, key->size, info, derived.data, derived.size);
	if (r < 0)
		return r;
	*ret_key = derived;
	derived = (struct secret){0};
	return 0;
}

int seal_kek_id(const struct secret *kek, uint8_t ret_id[static SEAL_ID_SIZE])
{
	static const char label[] = "asafo kek";
	uint8_t digest[32];
	gnutls_hash_hd_t hash;
	int r;

	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
		return ERR_CRYPTO;
	r = crypto_code(gnutls_hash(hash, label, sizeof(label) - 1));
	if (r == 0)
		r = crypto_code(gnutls_hash(hash, kek->data, kek->size));
	gnutls_hash_deinit(hash, digest);
	if (r == 0)
		memcpy(ret_id, digest, SEAL_ID_SIZE);
	return r;
}
