/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/secret.h"

/*
 * Signatures by libcrypto (RSA-2048 in a fifth of GnuTLS' time). Loaded keys are cached by key id:
 * a bounded cache, least recently used goes first.
 */
struct signer;

/* Unseals the PKCS#8 key with this id, the caller's. Errors: ERR_NOT_FOUND, ERR_INTEGRITY. */
typedef int (*signer_load_fn)(const uint8_t key_id[static 32], struct secret *ret_pkcs8,
			      void *userdata);

int signer_new(signer_load_fn load, void *userdata, size_t n_cached_max,
	       struct signer **ret_signer);
void signer_free(struct signer *signer);
/* Forgets every cached key (a trustpoint changed). */
void signer_flush(struct signer *signer);
/*
 * ALGORITHM is a gnutls_sign_algorithm_t: RSA PKCS#1 and RSA_PSS_RSAE/PSS with SHA-256/384/512,
 * ECDSA with SHA-2 (DER-encoded signature), EdDSA, all as GnuTLS's external keys ask for them:
 * GNUTLS_SIGN_RSA_RAW with IS_DIGEST is a DigestInfo of SHA-2 (PKCS#1 in TLS 1.2). DATA is a digest
 * when IS_DIGEST, else the message. The signature is appended. Errors: ERR_UNSUPPORTED (no such
 * algorithm, or the key is of another type or curve), ERR_MALFORMED (length), ERR_CRYPTO, those of
 * the load function.
 */
int signer_sign(struct signer *signer, const uint8_t key_id[static 32], unsigned algorithm,
		bool is_digest, const uint8_t *data, size_t size, struct buf *ret_signature);
/*
 * Proof that a key is usable: signs something random with PKCS8, just unsealed and not the cache's,
 * and verifies it with the public key of LEAF (DER). Errors: ERR_INTEGRITY (one of them is none),
 * ERR_KEY_MISMATCH, ERR_CRYPTO.
 */
int signer_prove(struct signer *signer, const struct secret *pkcs8, const uint8_t *leaf,
		 size_t leaf_size);
