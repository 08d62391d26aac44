/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private key is a gnutls_privkey_t whose operations are callbacks
 * (gnutls_privkey_import_ext4): sign_hash for RSA and ECDSA, sign_data for EdDSA, which signs the
 * message itself. The front never holds a key.
 */
#include "front/tls/credential.h"

#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "certstore/x509/identity.h"
#include "certstore/x509/staple.h"

struct credential {
	unsigned references;
	const struct credential_signer *signer;
	struct buf public_part;
	gnutls_pcert_st chain[CREDENTIAL_CHAIN_MAX];
	unsigned n_chain;
	gnutls_privkey_t key;
	gnutls_pk_algorithm_t algorithm;
	unsigned bits;
	uint8_t fingerprint[32];
	uint8_t key_id[32];
	int64_t not_before, not_after;
	int64_t staple_from, staple_until;
	struct buf staple;
	gnutls_ocsp_data_st ocsp; /* of the staple, whose bytes it borrows */
	bool is_fallback;
};

static int foreign_code(int code)
{
	if (code == GNUTLS_E_MEMORY_ERROR)
		return -ENOMEM;
	return code < 0 ? ERR_MALFORMED : 0;
}

static gnutls_sign_algorithm_t plain_ecdsa(gnutls_sign_algorithm_t algorithm)
{
	switch ((unsigned)algorithm) {
	case GNUTLS_SIGN_ECDSA_SECP256R1_SHA256:
		return GNUTLS_SIGN_ECDSA_SHA256;
	case GNUTLS_SIGN_ECDSA_SECP384R1_SHA384:
		return GNUTLS_SIGN_ECDSA_SHA384;
	case GNUTLS_SIGN_ECDSA_SECP521R1_SHA512:
		return GNUTLS_SIGN_ECDSA_SHA512;
	default:
		return algorithm;
	}
}

static int digest_info_decode(const uint8_t *data, size_t size,
			      gnutls_sign_algorithm_t *ret_algorithm, uint8_t ret_digest[static 64],
			      size_t *ret_digest_size)
{
	gnutls_datum_t info = {(unsigned char *)(uintptr_t)data, (unsigned)size};
	gnutls_digest_algorithm_t hash = GNUTLS_DIG_UNKNOWN;
	unsigned digest_size = 64;
	gnutls_sign_algorithm_t algorithm;

	if (gnutls_decode_ber_digest_info(&info, &hash, ret_digest, &digest_size) < 0)
		return ERR_MALFORMED;
	algorithm = gnutls_pk_to_sign(GNUTLS_PK_RSA, hash);
	if (hash != GNUTLS_DIG_SHA256 && hash != GNUTLS_DIG_SHA384 && hash != GNUTLS_DIG_SHA512)
		return ERR_UNSUPPORTED;
	*ret_algorithm = algorithm;
	*ret_digest_size = digest_size;
	return 0;
}

int credential_sign_normalize(gnutls_sign_algorithm_t algorithm, const uint8_t *data, size_t size,
			      gnutls_sign_algorithm_t *ret_algorithm, uint8_t ret_digest[static 64],
			      size_t *ret_digest_size)
{
	if (algorithm == GNUTLS_SIGN_RSA_RAW)
		return digest_info_decode(data, size, ret_algorithm, ret_digest, ret_digest_size);
	if (size > 64)
		return ERR_MALFORMED;
	memcpy(ret_digest, data, size);
	*ret_digest_size = size;
	*ret_algorithm = plain_ecdsa(algorithm);
	return 0;
}

static int sign(struct credential *credential, gnutls_sign_algorithm_t algorithm, bool is_digest,
		const uint8_t *data, size_t size, gnutls_datum_t *ret_signature)
{
	const struct credential_signer *signer = credential->signer;
	struct buf signature = {0};
	int r = signer->sign(credential->key_id, algorithm, is_digest, data, size, &signature,
			     signer->userdata);

	if (r == 0 && signature.size > 0) {
		ret_signature->data = gnutls_malloc(signature.size);
		if (ret_signature->data) {
			memcpy(ret_signature->data, signature.data, signature.size);
			ret_signature->size = (unsigned)signature.size;
		}
	}
	buf_done(&signature);
	return ret_signature->data ? 0 : GNUTLS_E_PK_SIGN_FAILED;
}

static int on_sign_hash(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, void *userdata,
			unsigned flags, const gnutls_datum_t *hash, gnutls_datum_t *signature)
{
	uint8_t digest[64];
	size_t digest_size;
	gnutls_sign_algorithm_t plain;

	(void)key;
	(void)flags;
	*signature = (gnutls_datum_t){NULL, 0};
	if (credential_sign_normalize(algorithm, hash->data, hash->size, &plain, digest,
				      &digest_size) < 0)
		return GNUTLS_E_PK_SIGN_FAILED;
	return sign(userdata, plain, true, digest, digest_size, signature);
}

static int on_sign_data(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, void *userdata,
			unsigned flags, const gnutls_datum_t *data, gnutls_datum_t *signature)
{
	(void)key;
	(void)flags;
	*signature = (gnutls_datum_t){NULL, 0};
	return sign(userdata, algorithm, false, data->data, data->size, signature);
}

/* SHA-1 is never offered, whatever the peer would take. */
static int on_info(gnutls_privkey_t key, unsigned flags, void *userdata)
{
	const struct credential *credential = userdata;
	gnutls_sign_algorithm_t algorithm =
		(gnutls_sign_algorithm_t)GNUTLS_FLAGS_TO_SIGN_ALGO(flags);

	(void)key;
	if ((flags & GNUTLS_PRIVKEY_INFO_PK_ALGO) != 0)
		return (int)credential->algorithm;
	if ((flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS) != 0)
		return (int)credential->bits;
	if ((flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) != 0)
		return gnutls_sign_supports_pk_algorithm(algorithm, credential->algorithm) &&
		       gnutls_sign_is_secure(algorithm);
	if ((flags & GNUTLS_PRIVKEY_INFO_SIGN_ALGO) != 0)
		return 0;
	return -1;
}

static int chain_add(struct credential *credential, const ProtobufCBinaryData *der)
{
	gnutls_datum_t datum = {der->data, (unsigned)der->len};
	int r;

	if (credential->n_chain == CREDENTIAL_CHAIN_MAX || der->len == 0 ||
	    der->len > IDENTITY_CERTIFICATE_MAX)
		return ERR_MALFORMED;
	r = gnutls_pcert_import_x509_raw(&credential->chain[credential->n_chain], &datum,
					 GNUTLS_X509_FMT_DER, 0);
	if (r < 0)
		return foreign_code(r);
	credential->n_chain++;
	return 0;
}

static bool is_servable(gnutls_pk_algorithm_t algorithm)
{
	return algorithm == GNUTLS_PK_RSA || algorithm == GNUTLS_PK_RSA_PSS ||
	       algorithm == GNUTLS_PK_ECDSA || algorithm == GNUTLS_PK_EDDSA_ED25519 ||
	       algorithm == GNUTLS_PK_EDDSA_ED448;
}

static int key_attach(struct credential *credential, struct why *ret_why)
{
	int r, algorithm = gnutls_pubkey_get_pk_algorithm(credential->chain[0].pubkey,
							  &credential->bits);

	if (algorithm < 0 || !is_servable((gnutls_pk_algorithm_t)algorithm))
		return why_set(ret_why, ERR_UNSUPPORTED,
			       "its key is of a kind that TLS does not serve");
	credential->algorithm = (gnutls_pk_algorithm_t)algorithm;
	r = gnutls_privkey_init(&credential->key);
	if (r == 0)
		r = gnutls_privkey_import_ext4(credential->key, credential, on_sign_data,
					       on_sign_hash, NULL, NULL, on_info, 0);
	return foreign_code(r);
}

static int record_read(struct credential *credential, const Asafo__Record__TrustpointPublic *record,
		       struct why *ret_why)
{
	int r = chain_add(credential, &record->leaf);

	/* A self-signed certificate at the end is the client's business: it has it, or it does not
	 * trust it. */
	for (size_t i = 0; i < record->n_chain && r == 0; i++) {
		if (i + 1 < record->n_chain || !record->chain_complete)
			r = chain_add(credential, &record->chain[i]);
	}
	if (r == 0 && (record->fingerprint.len != 32 || record->key_id.len != 32))
		r = ERR_MALFORMED;
	if (r < 0)
		return why_set(ret_why, r, "its certificates cannot be read: %s", err_text(r));
	memcpy(credential->fingerprint, record->fingerprint.data, 32);
	memcpy(credential->key_id, record->key_id.data, 32);
	credential->not_before = record->not_before;
	credential->not_after = record->not_after;
	credential->is_fallback = record->origin == ASAFO__RECORD__ORIGIN__ORIGIN_FALLBACK;
	return key_attach(credential, ret_why);
}

int credential_new(const uint8_t *public_part, size_t size, const struct credential_signer *signer,
		   struct credential **ret_credential, struct why *ret_why)
{
	Asafo__Record__TrustpointPublic *record =
		asafo__record__trustpoint_public__unpack(NULL, size, public_part);
	struct credential *credential = calloc(1, sizeof(*credential));
	int r = credential ? 0 : -ENOMEM;

	if (r == 0) {
		credential->references = 1;
		credential->signer = signer;
		r = buf_append(&credential->public_part, public_part, size);
	}
	if (r == 0)
		r = record ? record_read(credential, record, ret_why)
			   : why_set(ret_why, ERR_MALFORMED, "its record cannot be read");
	if (record)
		asafo__record__trustpoint_public__free_unpacked(record, NULL);
	if (r < 0) {
		credential_unref(credential);
		return r;
	}
	*ret_credential = credential;
	return 0;
}

struct credential *credential_ref(struct credential *credential)
{
	if (credential)
		credential->references++;
	return credential;
}

void credential_unref(struct credential *credential)
{
	if (!credential || --credential->references > 0)
		return;
	for (unsigned i = 0; i < credential->n_chain; i++)
		gnutls_pcert_deinit(&credential->chain[i]);
	if (credential->key)
		gnutls_privkey_deinit(credential->key);
	buf_done(&credential->public_part);
	buf_done(&credential->staple);
	free(credential);
}

bool credential_is_from(const struct credential *credential, const uint8_t *public_part,
			size_t size)
{
	return credential->public_part.size == size &&
	       memcmp(credential->public_part.data, public_part, size) == 0;
}

int credential_staple(struct credential *credential, const Asafo__Record__Staple *staple)
{
	int r;

	if (!staple)
		return 0;
	if (staple->response.len == 0 || staple->response.len > STAPLE_RESPONSE_MAX ||
	    staple->fingerprint.len != 32 ||
	    memcmp(staple->fingerprint.data, credential->fingerprint, 32) != 0)
		return ERR_MALFORMED;
	r = buf_append(&credential->staple, staple->response.data, staple->response.len);
	if (r < 0)
		return r;
	credential->staple_from = staple->this_update;
	credential->staple_until = staple->next_update;
	credential->ocsp.response =
		(gnutls_datum_t){credential->staple.data, (unsigned)credential->staple.size};
	credential->ocsp.exptime = (time_t)staple->next_update;
	return 0;
}

bool credential_has_staple(const struct credential *credential, const Asafo__Record__Staple *staple)
{
	size_t size = staple ? staple->response.len : 0;

	return credential->staple.size == size &&
	       (size == 0 || memcmp(credential->staple.data, staple->response.data, size) == 0);
}

int64_t credential_staple_until(const struct credential *credential)
{
	return credential->staple_until;
}

gnutls_ocsp_data_st *credential_ocsp(struct credential *credential, int64_t now)
{
	bool is_good = credential->staple.size > 0 &&
		       staple_is_good(credential->staple_from, credential->staple_until, now);

	return is_good ? &credential->ocsp : NULL;
}

const uint8_t *credential_fingerprint(const struct credential *credential)
{
	return credential->fingerprint;
}

int64_t credential_not_before(const struct credential *credential)
{
	return credential->not_before;
}

int64_t credential_not_after(const struct credential *credential)
{
	return credential->not_after;
}

enum credential_kind credential_kind(const struct credential *credential)
{
	if (credential->algorithm == GNUTLS_PK_ECDSA)
		return CREDENTIAL_ECDSA;
	return credential->algorithm == GNUTLS_PK_RSA || credential->algorithm == GNUTLS_PK_RSA_PSS
		       ? CREDENTIAL_RSA
		       : CREDENTIAL_EDDSA;
}

const char *credential_kind_text(enum credential_kind kind)
{
	static const char *const texts[CREDENTIAL_KIND__MAX] = {"ECDSA", "EdDSA", "RSA"};

	return (unsigned)kind < CREDENTIAL_KIND__MAX ? texts[kind] : "unknown";
}

bool credential_suits(const struct credential *credential, const struct client_hello *hello,
		      uint16_t suites)
{
	return client_hello_suits(hello, suites, credential->algorithm, credential->bits);
}

bool credential_is_fallback(const struct credential *credential)
{
	return credential->is_fallback;
}

void credential_handshake(struct credential *credential, gnutls_pcert_st **ret_chain,
			  unsigned *ret_n_chain, gnutls_privkey_t *ret_key)
{
	*ret_chain = credential->chain;
	*ret_n_chain = credential->n_chain;
	*ret_key = credential->key;
}
