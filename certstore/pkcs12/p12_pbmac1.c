/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PBMAC1 (RFC 8018 section 7.1, RFC 9579): PBKDF2 gives an HMAC key. The parameters have the shape
 * of PBES2's, a pair of algorithm identifiers, and are decoded as such.
 */
#include "certstore/pkcs12/p12_pbmac1.h"

#include <openssl/asn1t.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "certstore/x509/x509.h"

#define MAC_KEY_MAX 64

CLEANUP_DEFINE(PBE2PARAM *, PBE2PARAM_free)
CLEANUP_DEFINE(PBKDF2PARAM *, PBKDF2PARAM_free)

static int bad_parameters(struct p12_job *job)
{
	return why_set(job->why, ERR_MALFORMED,
		       "the PKCS#12 file is damaged (PBMAC1 parameters): export it again");
}

static const char *hmac_digest(const ASN1_OBJECT *object)
{
	switch (OBJ_obj2nid(object)) {
	case NID_hmacWithSHA1:
		return "SHA1";
	case NID_hmacWithSHA224:
		return "SHA224";
	case NID_hmacWithSHA256:
		return "SHA256";
	case NID_hmacWithSHA384:
		return "SHA384";
	case NID_hmacWithSHA512:
		return "SHA512";
	default:
		return NULL;
	}
}

/* Steps into the next object; true when it is TAG and lies within. *AT is its contents, *SIZE their
 * length. */
static bool enter(const uint8_t **at, long *size, int tag)
{
	int got_tag, got_class;
	long left = *size;
	int r = ASN1_get_object(at, size, &got_tag, &got_class, left);

	/* 0x80: an error; 1: indefinite length, which RFC 9579 files (DER) do not have. */
	return !(r & 0x81) && got_tag == tag;
}

static void skip(const uint8_t **at, long size, const uint8_t *end, long *ret_left)
{
	*at += size;
	*ret_left = end - *at;
}

/* PFX { version, authSafe ContentInfo { oid, [0] OCTET STRING }, ... } (RFC 7292 section 4): the
 * octets. */
static bool find_auth_safe(const struct p12_input *input, const uint8_t **ret_data,
			   size_t *ret_size)
{
	const uint8_t *at = input->der, *end;
	long size = (long)input->size;

	if (!enter(&at, &size, V_ASN1_SEQUENCE))
		return false;
	end = at + size;
	if (!enter(&at, &size, V_ASN1_INTEGER))
		return false;
	skip(&at, size, end, &size);
	if (!enter(&at, &size, V_ASN1_SEQUENCE))
		return false;
	end = at + size;
	if (!enter(&at, &size, V_ASN1_OBJECT))
		return false;
	skip(&at, size, end, &size);
	if (!enter(&at, &size, 0) || !enter(&at, &size, V_ASN1_OCTET_STRING))
		return false;
	*ret_data = at;
	*ret_size = (size_t)size;
	return true;
}

struct pbmac1 {
	const char *prf;
	const char *hmac;
	const ASN1_OCTET_STRING *salt;
	uint64_t rounds;
	size_t key_size;
};

static bool read_parameters(const PBE2PARAM *pair, const PBKDF2PARAM *kdf, struct pbmac1 *ret)
{
	int64_t rounds, key_size;

	if (!kdf->salt || kdf->salt->type != V_ASN1_OCTET_STRING || !kdf->keylength ||
	    ASN1_INTEGER_get_int64(&key_size, kdf->keylength) != 1 ||
	    ASN1_INTEGER_get_int64(&rounds, kdf->iter) != 1)
		return false;
	/* RFC 9579 section 5: the key length is there and is not short. */
	if (key_size < 20 || key_size > MAC_KEY_MAX || rounds < 1)
		return false;
	*ret = (struct pbmac1){
		.prf = kdf->prf ? hmac_digest(kdf->prf->algorithm) : "SHA1",
		.hmac = hmac_digest(pair->encryption->algorithm),
		.salt = kdf->salt->value.octet_string,
		.rounds = (uint64_t)rounds,
		.key_size = (size_t)key_size,
	};
	return ret->prf && ret->hmac;
}

static bool compute(const struct p12_job *job, const struct pbmac1 *pbmac1, const char *passphrase,
		    uint8_t ret_mac[static EVP_MAX_MD_SIZE], size_t *ret_size)
{
	struct ossl_lib_ctx_st *library = job->input->library;
	_cleanup_(EVP_MD_free_p) EVP_MD *prf = EVP_MD_fetch(library, pbmac1->prf, NULL);
	uint8_t key[MAC_KEY_MAX];
	const uint8_t *data;
	size_t size;
	bool is_done;

	is_done = prf && find_auth_safe(job->input, &data, &size) &&
		  PKCS5_PBKDF2_HMAC(passphrase ? passphrase : "", -1,
				    ASN1_STRING_get0_data(pbmac1->salt),
				    ASN1_STRING_length(pbmac1->salt), (int)pbmac1->rounds, prf,
				    (int)pbmac1->key_size, key) == 1 &&
		  EVP_Q_mac(library, "HMAC", NULL, pbmac1->hmac, NULL, key, pbmac1->key_size, data,
			    size, ret_mac, EVP_MAX_MD_SIZE, ret_size) != NULL;
	OPENSSL_cleanse(key, sizeof(key));
	return is_done;
}

int p12_pbmac1_verify(struct p12_job *job, const X509_ALGOR *algorithm,
		      const ASN1_OCTET_STRING *mac, const char *passphrase)
{
	_cleanup_(PBE2PARAM_free_p) PBE2PARAM *pair = NULL;
	_cleanup_(PBKDF2PARAM_free_p) PBKDF2PARAM *kdf = NULL;
	struct pbmac1 pbmac1;
	uint8_t computed[EVP_MAX_MD_SIZE];
	size_t size;
	int r;

	if (algorithm->parameter)
		pair = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);
	if (pair && OBJ_obj2nid(pair->keyfunc->algorithm) == NID_id_pbkdf2 &&
	    pair->keyfunc->parameter)
		kdf = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM),
						pair->keyfunc->parameter);
	if (!kdf || !read_parameters(pair, kdf, &pbmac1))
		return bad_parameters(job);
	r = p12_job_spend(job, pbmac1.rounds);
	if (r < 0)
		return r;
	if (!compute(job, &pbmac1, passphrase, computed, &size))
		return bad_parameters(job);
	if ((size_t)ASN1_STRING_length(mac) != size ||
	    CRYPTO_memcmp(ASN1_STRING_get0_data(mac), computed, size) != 0)
		return ERR_BAD_PASSPHRASE;
	return 0;
}
