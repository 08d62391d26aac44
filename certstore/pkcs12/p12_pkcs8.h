/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <openssl/pkcs12.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

/*
 * Private keys of both versions of PKCS#8. The second one (RFC 5958) has the public key behind the
 * private one, as Bouncy Castle and others write Ed25519; libcrypto 3.0 reads the first one alone.
 */

/* The same key as one of the first version. Errors: ERR_NOT_FOUND (it has no public key), -ENOMEM.
 */
int p12_pkcs8_drop_public(const uint8_t *der, size_t size, struct secret *ret_der);
/* NULL: it is none. */
PKCS8_PRIV_KEY_INFO *p12_pkcs8_read(const uint8_t *der, size_t size);
/* NULL: it is none, by this passphrase, which may be NULL. What libcrypto says of the encryption
 * stands in its queue of errors. */
PKCS8_PRIV_KEY_INFO *p12_pkcs8_decrypt(const X509_SIG *encrypted, const char *passphrase,
				       OSSL_LIB_CTX *library);
