/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/secret.h"
#include "certstore/x509/identity.h"

/* Small bridges between libcrypto's objects and asafo's bytes. LIBRARY NULL is libcrypto's default
 * context. */
#define X509_TEXT_MAX 128

CLEANUP_DEFINE(X509 *, X509_free)
CLEANUP_DEFINE(EVP_PKEY *, EVP_PKEY_free)
CLEANUP_DEFINE(EVP_MD_CTX *, EVP_MD_CTX_free)
CLEANUP_DEFINE(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
CLEANUP_DEFINE(BIO *, BIO_free_all)
CLEANUP_DEFINE(EVP_MD *, EVP_MD_free)
CLEANUP_DEFINE(EVP_CIPHER *, EVP_CIPHER_free)
CLEANUP_DEFINE(PKCS12 *, PKCS12_free)
CLEANUP_DEFINE(PKCS8_PRIV_KEY_INFO *, PKCS8_PRIV_KEY_INFO_free)

/* Exactly one certificate, nothing behind it. NULL when it is none. */
X509 *x509_from_der(OSSL_LIB_CTX *library, const uint8_t *der, size_t size);
/* Appends the certificate's DER. Errors: -ENOMEM. */
int x509_to_der(const X509 *certificate, struct buf *ret_der);
/* An unencrypted PKCS#8; NULL when it is none or its type is unknown. */
EVP_PKEY *x509_key_from_pkcs8(OSSL_LIB_CTX *library, const uint8_t *der, size_t size);
/* Errors: ERR_CRYPTO, -ENOMEM. */
int x509_key_to_pkcs8(const EVP_PKEY *key, struct secret *ret_der);
/* NAME in RFC 2253's form, cut to fit; returns RET_TEXT. "(no name)" for an empty one. */
const char *x509_name_text(const X509_NAME *name, char ret_text[static X509_TEXT_MAX]);
/* Seconds since 1970; INT64_MIN for what is no time. */
int64_t x509_time(const ASN1_TIME *time);
/* Does KEY verify CERTIFICATE's signature? Names are not looked at. */
bool x509_is_signed_by(X509 *certificate, EVP_PKEY *key);
/* Is it a signature with a digest that can be forged (SHA-1 or older)? What libcrypto does not know
 * it does not verify. */
bool x509_is_weak_signature(const X509_ALGOR *algorithm);
/* Issuer equals subject, and its own key verifies it. */
bool x509_is_self_signed(X509 *certificate);
/* An elliptic curve's public key in half of its bytes (RFC 5480 section 2.2): GnuTLS 3.7 and most
 * clients take none. */
bool x509_is_compressed(const X509 *certificate);
/* SHA-256 of the SubjectPublicKeyInfo: by what a key is known, whatever certificate it is in.
 * Errors: ERR_CRYPTO, -ENOMEM. */
int x509_key_id(const X509 *certificate, uint8_t ret_id[static IDENTITY_KEY_ID_SIZE]);
/* A NUL-terminated copy, for functions that want a C string. Errors: -ENOMEM. */
int x509_secret_text(const struct secret *secret, struct secret *ret_text);
