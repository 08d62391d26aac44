/* SPDX-License-Identifier: Apache-2.0 */
#include "certstore/x509/x509.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"

X509 *x509_from_der(OSSL_LIB_CTX *library, const uint8_t *der, size_t size)
{
	_cleanup_(X509_free_p) X509 *certificate = X509_new_ex(library, NULL);
	const uint8_t *at = der;

	if (!certificate || size > INT32_MAX || !d2i_X509(&certificate, &at, (long)size) ||
	    at != der + size || !X509_get0_pubkey(certificate)) {
		ERR_clear_error();
		return NULL;
	}
	return TAKE_PTR(certificate);
}

int x509_to_der(const X509 *certificate, struct buf *ret_der)
{
	uint8_t *der = NULL;
	int r, size = i2d_X509(certificate, &der);

	if (size <= 0)
		return -ENOMEM;
	r = buf_append(ret_der, der, (size_t)size);
	OPENSSL_free(der);
	return r;
}

EVP_PKEY *x509_key_from_pkcs8(OSSL_LIB_CTX *library, const uint8_t *der, size_t size)
{
	_cleanup_(PKCS8_PRIV_KEY_INFO_free_p) PKCS8_PRIV_KEY_INFO *info = NULL;
	const uint8_t *at = der;
	EVP_PKEY *key = NULL;

	if (size <= INT32_MAX)
		info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)size);
	if (info && at == der + size)
		key = EVP_PKCS82PKEY_ex(info, library, NULL);
	ERR_clear_error();
	return key;
}

int x509_key_to_pkcs8(const EVP_PKEY *key, struct secret *ret_der)
{
	_cleanup_(PKCS8_PRIV_KEY_INFO_free_p) PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	uint8_t *der = NULL;
	int r, size = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;

	ERR_clear_error();
	if (size <= 0)
		return ERR_CRYPTO;
	r = secret_init_copy(ret_der, der, (size_t)size);
	OPENSSL_clear_free(der, (size_t)size);
	return r;
}

const char *x509_name_text(const X509_NAME *name, char ret_text[static X509_TEXT_MAX])
{
	_cleanup_(BIO_free_all_p) BIO *bio = BIO_new(BIO_s_mem());
	int n;

	if (bio)
		(void)X509_NAME_print_ex(bio, name, 0,
					 XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
	n = bio ? BIO_read(bio, ret_text, X509_TEXT_MAX - 1) : 0;
	ERR_clear_error();
	if (n <= 0)
		(void)snprintf(ret_text, X509_TEXT_MAX, "(no name)");
	else
		ret_text[n] = 0;
	return ret_text;
}

int64_t x509_time(const ASN1_TIME *time)
{
	struct tm tm;

	if (!time || ASN1_TIME_to_tm(time, &tm) != 1)
		return INT64_MIN;
	return (int64_t)timegm(&tm);
}

bool x509_is_signed_by(X509 *certificate, EVP_PKEY *key)
{
	bool is_signed = key && X509_verify(certificate, key) == 1;

	ERR_clear_error();
	return is_signed;
}

CLEANUP_DEFINE(RSA_PSS_PARAMS *, RSA_PSS_PARAMS_free)

/* RFC 4055 section 3.1: SHA-1 where the parameters name none. */
static int pss_digest(const X509_ALGOR *algorithm)
{
	_cleanup_(RSA_PSS_PARAMS_free_p) RSA_PSS_PARAMS *parameters =
		ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), algorithm->parameter);

	return parameters && parameters->hashAlgorithm
		       ? OBJ_obj2nid(parameters->hashAlgorithm->algorithm)
		       : NID_sha1;
}

bool x509_is_weak_signature(const X509_ALGOR *algorithm)
{
	int nid = OBJ_obj2nid(algorithm->algorithm), digest = NID_undef, key = NID_undef;

	if (nid == NID_rsassaPss)
		digest = pss_digest(algorithm);
	else if (!OBJ_find_sigid_algs(nid, &digest, &key))
		return false;
	return digest == NID_sha1 || digest == NID_md5 || digest == NID_md4 || digest == NID_md2 ||
	       digest == NID_mdc2 || digest == NID_ripemd160;
}

bool x509_is_self_signed(X509 *certificate)
{
	return X509_NAME_cmp(X509_get_subject_name(certificate),
			     X509_get_issuer_name(certificate)) == 0 &&
	       x509_is_signed_by(certificate, X509_get0_pubkey(certificate));
}

int x509_key_id(const X509 *certificate, uint8_t ret_id[static IDENTITY_KEY_ID_SIZE])
{
	uint8_t *der = NULL;
	int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
	bool is_done = size > 0 && SHA256(der, (size_t)size, ret_id);

	OPENSSL_free(der);
	ERR_clear_error();
	return is_done ? 0 : size < 0 ? -ENOMEM : ERR_CRYPTO;
}

int x509_secret_text(const struct secret *secret, struct secret *ret_text)
{
	int r = secret_init(ret_text, secret->size + 1);

	if (r == 0 && secret->size > 0)
		memcpy(ret_text->data, secret->data, secret->size);
	return r;
}

bool x509_is_compressed(const X509 *certificate)
{
	const unsigned char *point = NULL;
	ASN1_OBJECT *algorithm = NULL;
	int size = 0;

	return X509_PUBKEY_get0_param(&algorithm, &point, &size, NULL,
				      X509_get_X509_PUBKEY(certificate)) == 1 &&
	       OBJ_obj2nid(algorithm) == NID_X9_62_id_ecPublicKey && size > 0 &&
	       (point[0] == 2 || point[0] == 3);
}
