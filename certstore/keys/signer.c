/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing by libcrypto. One row per algorithm says what it takes; what has no row is refused.
 * RSA_RAW, which GnuTLS uses for PKCS#1 in TLS 1.2, is no algorithm but a wrapped digest: it is
 * unwrapped, and refused unless it is one of SHA-2, so that nobody can have anything else signed.
 */
#include "certstore/keys/signer.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/err.h"
#include "certstore/x509/x509.h"

#define SIGNATURE_MAX 2048
#define DIGEST_INFO_SIZE 19
#define NONCE_SIZE 32

struct algorithm {
	gnutls_sign_algorithm_t id;
	int key_type;
	const char *digest; /* NULL: the message itself is signed */
	size_t digest_size;
	const char *curve; /* NULL: any */
	bool is_pss;
};

static const struct algorithm algorithms[] = {
	{GNUTLS_SIGN_RSA_SHA256, EVP_PKEY_RSA, "SHA256", 32, NULL, false},
	{GNUTLS_SIGN_RSA_SHA384, EVP_PKEY_RSA, "SHA384", 48, NULL, false},
	{GNUTLS_SIGN_RSA_SHA512, EVP_PKEY_RSA, "SHA512", 64, NULL, false},
	{GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, EVP_PKEY_RSA, "SHA256", 32, NULL, true},
	{GNUTLS_SIGN_RSA_PSS_RSAE_SHA384, EVP_PKEY_RSA, "SHA384", 48, NULL, true},
	{GNUTLS_SIGN_RSA_PSS_RSAE_SHA512, EVP_PKEY_RSA, "SHA512", 64, NULL, true},
	{GNUTLS_SIGN_RSA_PSS_SHA256, EVP_PKEY_RSA_PSS, "SHA256", 32, NULL, true},
	{GNUTLS_SIGN_RSA_PSS_SHA384, EVP_PKEY_RSA_PSS, "SHA384", 48, NULL, true},
	{GNUTLS_SIGN_RSA_PSS_SHA512, EVP_PKEY_RSA_PSS, "SHA512", 64, NULL, true},
	{GNUTLS_SIGN_ECDSA_SHA256, EVP_PKEY_EC, "SHA256", 32, NULL, false},
	{GNUTLS_SIGN_ECDSA_SHA384, EVP_PKEY_EC, "SHA384", 48, NULL, false},
	{GNUTLS_SIGN_ECDSA_SHA512, EVP_PKEY_EC, "SHA512", 64, NULL, false},
	{GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, EVP_PKEY_EC, "SHA256", 32, SN_X9_62_prime256v1, false},
	{GNUTLS_SIGN_ECDSA_SECP384R1_SHA384, EVP_PKEY_EC, "SHA384", 48, SN_secp384r1, false},
	{GNUTLS_SIGN_ECDSA_SECP521R1_SHA512, EVP_PKEY_EC, "SHA512", 64, SN_secp521r1, false},
	{GNUTLS_SIGN_EDDSA_ED25519, EVP_PKEY_ED25519, NULL, 0, NULL, false},
	{GNUTLS_SIGN_EDDSA_ED448, EVP_PKEY_ED448, NULL, 0, NULL, false},
};

struct entry {
	uint8_t key_id[32];
	EVP_PKEY *key; /* NULL: free */
	uint64_t used_at;
	/* What signs digests with HOW: as dear to make as half a signature of ECDSA. NULL: nothing
	 * does yet. */
	EVP_PKEY_CTX *context;
	const struct algorithm *how;
};

struct signer {
	OSSL_LIB_CTX *library;
	signer_load_fn load;
	void *userdata;
	uint64_t clock; /* counts uses */
	size_t n_entries;
	struct entry entries[];
};

int signer_new(signer_load_fn load, void *userdata, size_t n_cached_max, struct signer **ret_signer)
{
	size_t n = n_cached_max ? n_cached_max : 1;
	struct signer *signer;

	if (n > SIZE_MAX / 2 / sizeof(struct entry))
		return -ENOMEM;
	signer = calloc(1, sizeof(*signer) + n * sizeof(struct entry));
	if (!signer)
		return -ENOMEM;
	/* Its own: no file of the machine's (openssl.cnf) changes what it does. */
	signer->library = OSSL_LIB_CTX_new();
	if (!signer->library) {
		free(signer);
		return -ENOMEM;
	}
	signer->load = load;
	signer->userdata = userdata;
	signer->n_entries = n;
	*ret_signer = signer;
	return 0;
}

static void entry_clear(struct entry *entry)
{
	EVP_PKEY_CTX_free(entry->context);
	EVP_PKEY_free(entry->key);
	*entry = (struct entry){0};
}

void signer_flush(struct signer *signer)
{
	for (size_t i = 0; i < signer->n_entries; i++)
		entry_clear(&signer->entries[i]);
}

void signer_free(struct signer *signer)
{
	if (!signer)
		return;
	signer_flush(signer);
	OSSL_LIB_CTX_free(signer->library);
	free(signer);
}

static int load_key(struct signer *signer, const uint8_t key_id[static 32], EVP_PKEY **ret_key)
{
	_cleanup_(secret_done) struct secret pkcs8 = {0};
	int r = signer->load(key_id, &pkcs8, signer->userdata);

	if (r < 0)
		return r;
	*ret_key = x509_key_from_pkcs8(signer->library, pkcs8.data, pkcs8.size);
	return *ret_key ? 0 : ERR_INTEGRITY;
}

/* A free entry is older than any used one. */
static int find_entry(struct signer *signer, const uint8_t key_id[static 32],
		      struct entry **ret_entry)
{
	struct entry *oldest = &signer->entries[0];
	EVP_PKEY *key;
	int r;

	signer->clock++;
	for (size_t i = 0; i < signer->n_entries; i++) {
		struct entry *entry = &signer->entries[i];

		if (entry->key && memcmp(entry->key_id, key_id, sizeof(entry->key_id)) == 0) {
			entry->used_at = signer->clock;
			*ret_entry = entry;
			return 0;
		}
		if (entry->used_at < oldest->used_at)
			oldest = entry;
	}
	r = load_key(signer, key_id, &key);
	if (r < 0)
		return r;
	entry_clear(oldest);
	memcpy(oldest->key_id, key_id, sizeof(oldest->key_id));
	oldest->key = key;
	oldest->used_at = signer->clock;
	*ret_entry = oldest;
	return 0;
}

static bool fits(const struct algorithm *algorithm, const EVP_PKEY *key)
{
	char curve[64];

	if (EVP_PKEY_get_base_id(key) != algorithm->key_type)
		return false;
	if (!algorithm->curve)
		return true;
	return EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof(curve),
					      NULL) == 1 &&
	       strcmp(curve, algorithm->curve) == 0;
}

static const struct algorithm *find_algorithm(unsigned id)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		if ((unsigned)algorithms[i].id == id)
			return &algorithms[i];
	}
	return NULL;
}

/*
 * DigestInfo of SHA-256, 384 and 512 (RFC 8017 section 9.2, note 1): DIGEST_INFO_SIZE bytes, and
 * the digest. The three differ in the last byte of the object identifier and in lengths. Sets DATA
 * and SIZE to the digest.
 */
static const struct algorithm *unwrap(const uint8_t **data, size_t *size)
{
	static const uint8_t pattern[DIGEST_INFO_SIZE] = {0x30, 0,    0x30, 0x0d, 0x06, 0x09, 0x60,
							  0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
							  0,	0x05, 0x00, 0x04, 0};
	uint8_t expected[DIGEST_INFO_SIZE];

	/* The first three rows are PKCS#1 with the three digests, in the order of their
	 * identifiers. */
	for (uint8_t i = 0; i < 3; i++) {
		size_t digest_size = algorithms[i].digest_size;

		if (*size != DIGEST_INFO_SIZE + digest_size)
			continue;
		memcpy(expected, pattern, sizeof(expected));
		expected[1] = (uint8_t)(DIGEST_INFO_SIZE - 2 + digest_size);
		expected[14] = (uint8_t)(i + 1);
		expected[18] = (uint8_t)digest_size;
		if (memcmp(*data, expected, sizeof(expected)) != 0)
			return NULL;
		*data += DIGEST_INFO_SIZE;
		*size = digest_size;
		return &algorithms[i];
	}
	return NULL;
}

/* The salt is as long as the digest (RFC 8446 section 4.2.3). */
static bool set_pss(EVP_PKEY_CTX *context, const struct algorithm *algorithm)
{
	if (!algorithm->is_pss)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static bool sign_message(struct signer *signer, EVP_PKEY *key, const struct algorithm *algorithm,
			 const uint8_t *data, size_t size, uint8_t *signature, size_t *ret_size)
{
	_cleanup_(EVP_MD_CTX_free_p) EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *key_context; /* the digest context's */

	return context &&
	       EVP_DigestSignInit_ex(context, &key_context, algorithm->digest, signer->library,
				     NULL, key, NULL) == 1 &&
	       set_pss(key_context, algorithm) &&
	       EVP_DigestSign(context, signature, ret_size, data, size) == 1;
}

/* Naming the digest makes PKCS#1 wrap it in a DigestInfo (RFC 8017 section 9.2). */
static bool context_make(struct signer *signer, struct entry *entry,
			 const struct algorithm *algorithm)
{
	_cleanup_(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *context =
		EVP_PKEY_CTX_new_from_pkey(signer->library, entry->key, NULL);
	_cleanup_(EVP_MD_free_p) EVP_MD *digest =
		EVP_MD_fetch(signer->library, algorithm->digest, NULL);

	if (!context || !digest || EVP_PKEY_sign_init(context) != 1 ||
	    !set_pss(context, algorithm) || EVP_PKEY_CTX_set_signature_md(context, digest) != 1)
		return false;
	EVP_PKEY_CTX_free(entry->context);
	entry->context = TAKE_PTR(context);
	entry->how = algorithm;
	return true;
}

static bool sign_digest(struct signer *signer, struct entry *entry,
			const struct algorithm *algorithm, const uint8_t *data, uint8_t *signature,
			size_t *ret_size)
{
	if ((!entry->context || entry->how != algorithm) && !context_make(signer, entry, algorithm))
		return false;
	return EVP_PKEY_sign(entry->context, signature, ret_size, data, algorithm->digest_size) ==
	       1;
}

int signer_sign(struct signer *signer, const uint8_t key_id[static 32], unsigned algorithm,
		bool is_digest, const uint8_t *data, size_t size, struct buf *ret_signature)
{
	const struct algorithm *how;
	uint8_t signature[SIGNATURE_MAX];
	size_t signature_size = sizeof(signature);
	struct entry *entry;
	bool is_signed;
	int r;

	how = algorithm == GNUTLS_SIGN_RSA_RAW && is_digest ? unwrap(&data, &size)
							    : find_algorithm(algorithm);
	if (!how)
		return ERR_UNSUPPORTED;
	if (is_digest && size != how->digest_size)
		return ERR_MALFORMED;
	if (is_digest && !how->digest)
		return ERR_MALFORMED;
	r = find_entry(signer, key_id, &entry);
	if (r < 0)
		return r;
	if (entry->how != how && !fits(how, entry->key))
		return ERR_UNSUPPORTED;
	if (is_digest)
		is_signed = sign_digest(signer, entry, how, data, signature, &signature_size);
	else
		is_signed = sign_message(signer, entry->key, how, data, size, signature,
					 &signature_size);
	ERR_clear_error();
	return is_signed ? buf_append(ret_signature, signature, signature_size) : ERR_CRYPTO;
}

/* ---- proof ---- */

/* What a key of this kind signs with where nobody says; NULL: the message itself. */
static const char *digest_of(EVP_PKEY *key, char name[static 32])
{
	if (EVP_PKEY_get_default_digest_name(key, name, 32) <= 0 || !name[0] ||
	    strcmp(name, "UNDEF") == 0)
		return NULL;
	return name;
}

static int sign_and_verify(struct signer *signer, EVP_PKEY *key, EVP_PKEY *public_key)
{
	_cleanup_(EVP_MD_CTX_free_p) EVP_MD_CTX *sign = EVP_MD_CTX_new();
	_cleanup_(EVP_MD_CTX_free_p) EVP_MD_CTX *verify = EVP_MD_CTX_new();
	uint8_t nonce[NONCE_SIZE], signature[SIGNATURE_MAX];
	size_t size = sizeof(signature);
	char name[32];
	const char *digest = digest_of(key, name);

	if (!sign || !verify || RAND_bytes_ex(signer->library, nonce, sizeof(nonce), 0) != 1 ||
	    EVP_DigestSignInit_ex(sign, NULL, digest, signer->library, NULL, key, NULL) != 1 ||
	    EVP_DigestSign(sign, signature, &size, nonce, sizeof(nonce)) != 1 ||
	    EVP_DigestVerifyInit_ex(verify, NULL, digest, signer->library, NULL, public_key,
				    NULL) != 1)
		return ERR_CRYPTO;
	return EVP_DigestVerify(verify, signature, size, nonce, sizeof(nonce)) == 1
		       ? 0
		       : ERR_KEY_MISMATCH;
}

int signer_prove(struct signer *signer, const struct secret *pkcs8, const uint8_t *leaf,
		 size_t leaf_size)
{
	_cleanup_(X509_free_p) X509 *certificate = x509_from_der(signer->library, leaf, leaf_size);
	_cleanup_(EVP_PKEY_free_p) EVP_PKEY *key =
		x509_key_from_pkcs8(signer->library, pkcs8->data, pkcs8->size);
	int r = ERR_INTEGRITY;

	/* The certificate's own public key judges: one that is another's proves nothing. */
	if (key && certificate)
		r = sign_and_verify(signer, key, X509_get0_pubkey(certificate));
	ERR_clear_error();
	return r;
}
