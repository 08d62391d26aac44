/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way out: PKCS#12 and PEM by libcrypto, with parameters that OpenSSL 1.1 and 3, GnuTLS,
 * Windows Server 2019 and macOS read: PBES2 with AES-256-CBC and HMAC-SHA-256, MAC SHA-256.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <string.h>

#include "base/err.h"
#include "certstore/x509/identity.h"
#include "certstore/x509/x509.h"

#define EXPORT_ROUNDS 100000

static void certificates_free(STACK_OF(X509) * certificates)
{
	sk_X509_pop_free(certificates, X509_free);
}

static void algorithm_free(X509_ALGOR *algorithm)
{
	X509_ALGOR_free(algorithm);
}

CLEANUP_DEFINE(X509_ALGOR *, algorithm_free)
CLEANUP_DEFINE(X509_SIG *, X509_SIG_free)

struct export
{
	OSSL_LIB_CTX *library;
	X509 *leaf;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
	struct secret passphrase; /* with a NUL behind it */
};

static void export_done(struct export *export)
{
	X509_free(export->leaf);
	certificates_free(export->chain);
	EVP_PKEY_free(export->key);
	secret_done(&export->passphrase);
	OSSL_LIB_CTX_free(export->library);
	ERR_clear_error();
}

static int check_passphrase(const struct secret *passphrase, struct why *why)
{
	if (!passphrase || passphrase->size == 0)
		return why_set(
			why, ERR_BAD_PASSPHRASE,
			"an exported private key needs a passphrase: give one that is not empty");
	if (memchr(passphrase->data, 0, passphrase->size) || passphrase->size > 1024)
		return why_set(why, ERR_BAD_PASSPHRASE,
			       "the passphrase holds a NUL byte or is longer than 1024 bytes: give "
			       "another one");
	return 0;
}

static int load_chain(const Asafo__Record__TrustpointPublic *public_part, struct export *export)
{
	export->chain = sk_X509_new_null();
	if (!export->chain)
		return -ENOMEM;
	for (size_t i = 0; i < public_part->n_chain; i++) {
		X509 *link = x509_from_der(export->library, public_part->chain[i].data,
					   public_part->chain[i].len);

		if (!link)
			return ERR_INTEGRITY;
		if (sk_X509_push(export->chain, link) <= 0) {
			X509_free(link);
			return -ENOMEM;
		}
	}
	return 0;
}

static int load_parts(const Asafo__Record__TrustpointPublic *public_part, const struct secret *key,
		      struct export *export)
{
	export->library = OSSL_LIB_CTX_new();
	if (!export->library)
		return -ENOMEM;
	export->leaf =
		x509_from_der(export->library, public_part->leaf.data, public_part->leaf.len);
	export->key = x509_key_from_pkcs8(export->library, key->data, key->size);
	if (!export->leaf || !export->key)
		return ERR_INTEGRITY;
	return load_chain(public_part, export);
}

static int export_init(const Asafo__Record__TrustpointPublic *public_part, const struct secret *key,
		       const struct secret *passphrase, struct export *export, struct why *why)
{
	int r = check_passphrase(passphrase, why);

	if (r == 0)
		r = x509_secret_text(passphrase, &export->passphrase);
	if (r < 0)
		return r;
	r = load_parts(public_part, key, export);
	if (r == ERR_INTEGRITY)
		return why_set(
			why, r,
			"the stored trustpoint cannot be read: roll it back or import it again");
	return r;
}

static int append_bio(BIO *bio, struct buf *ret_file)
{
	char *data = NULL;
	long size = BIO_get_mem_data(bio, &data);

	return size > 0 ? buf_append(ret_file, data, (size_t)size) : ERR_CRYPTO;
}

static PKCS12 *make_pkcs12(const struct export *export, const char *name)
{
	_cleanup_(PKCS12_free_p) PKCS12 *p12 = NULL;
	const char *passphrase = (const char *)export->passphrase.data;
	_cleanup_(EVP_MD_free_p) EVP_MD *digest = EVP_MD_fetch(export->library, "SHA256", NULL);

	/* A MAC of -1 rounds is none: it is set below, with its digest said. */
	p12 = PKCS12_create_ex(passphrase, name, export->key, export->leaf, export->chain,
			       NID_aes_256_cbc, NID_aes_256_cbc, EXPORT_ROUNDS, -1, 0,
			       export->library, NULL);
	if (!digest || !p12 ||
	    PKCS12_set_mac(p12, passphrase, -1, NULL, 0, EXPORT_ROUNDS, digest) != 1)
		return NULL;
	return TAKE_PTR(p12);
}

int identity_to_pkcs12(const Asafo__Record__TrustpointPublic *public_part, const struct secret *key,
		       const struct secret *passphrase, struct buf *ret_file, struct why *ret_why)
{
	_cleanup_(export_done) struct export export = {0};
	_cleanup_(PKCS12_free_p) PKCS12 *p12 = NULL;
	uint8_t *der = NULL;
	int size, r = export_init(public_part, key, passphrase, &export, ret_why);

	if (r < 0)
		return r;
	p12 = make_pkcs12(&export, *public_part->name ? public_part->name : NULL);
	size = p12 ? i2d_PKCS12(p12, &der) : -1;
	if (size <= 0)
		return why_set(ret_why, ERR_CRYPTO, "libcrypto could not make the PKCS#12 file");
	r = buf_append(ret_file, der, (size_t)size);
	OPENSSL_free(der);
	return r;
}

static bool write_key(BIO *bio, const struct export *export)
{
	const struct secret *passphrase = &export->passphrase;
	_cleanup_(PKCS8_PRIV_KEY_INFO_free_p) PKCS8_PRIV_KEY_INFO *info =
		EVP_PKEY2PKCS8(export->key);
	_cleanup_(EVP_CIPHER_free_p) EVP_CIPHER *cipher =
		EVP_CIPHER_fetch(export->library, "AES-256-CBC", NULL);
	_cleanup_(algorithm_free_p) X509_ALGOR *algorithm = NULL;
	_cleanup_(X509_SIG_free_p) X509_SIG *encrypted = NULL;

	if (info && cipher)
		algorithm = PKCS5_pbe2_set_iv_ex(cipher, EXPORT_ROUNDS, NULL, 0, NULL,
						 NID_hmacWithSHA256, export->library);
	if (algorithm)
		encrypted =
			PKCS8_set0_pbe_ex((const char *)passphrase->data, (int)passphrase->size - 1,
					  info, algorithm, export->library, NULL);
	if (!encrypted)
		return false;
	(void)TAKE_PTR(algorithm); /* the result owns it */
	return PEM_write_bio_PKCS8(bio, encrypted) == 1;
}

static bool write_certificates(BIO *bio, const struct export *export)
{
	bool is_written = PEM_write_bio_X509(bio, export->leaf) == 1;

	for (int i = 0; i < sk_X509_num(export->chain) && is_written; i++)
		is_written = PEM_write_bio_X509(bio, sk_X509_value(export->chain, i)) == 1;
	return is_written;
}

int identity_to_pem(const Asafo__Record__TrustpointPublic *public_part, const struct secret *key,
		    const struct secret *passphrase, struct buf *ret_file, struct why *ret_why)
{
	_cleanup_(export_done) struct export export = {0};
	_cleanup_(BIO_free_all_p) BIO *bio = BIO_new(BIO_s_mem());
	int r = export_init(public_part, key, passphrase, &export, ret_why);

	if (r < 0)
		return r;
	if (!bio || !write_certificates(bio, &export) || !write_key(bio, &export))
		return why_set(ret_why, ERR_CRYPTO, "libcrypto could not make the PEM file");
	return append_bio(bio, ret_file);
}
