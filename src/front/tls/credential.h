/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/why.h"
#include "certstore/store/record.pb-c.h"
#include "front/tls/client_hello.h"

#define CREDENTIAL_CHAIN_MAX 16

/* Who signs: the keeper, through the front. Blocks for a bounded time. Errors: ERR_CLOSED,
 * ERR_TIMEOUT, the keeper's. */
struct credential_signer {
	int (*sign)(const uint8_t key_id[static 32], gnutls_sign_algorithm_t algorithm,
		    bool is_digest, const uint8_t *data, size_t size, struct buf *ret_signature,
		    void *userdata);
	void *userdata;
};

/*
 * A certificate chain with a key that is elsewhere. Counted: each connection keeps the one that it
 * was given, so that another binding or a newer generation never touches it.
 */
struct credential;

/* PUBLIC_PART is the serialized record; SIGNER is borrowed for life. Errors: ERR_MALFORMED,
 * ERR_UNSUPPORTED, -ENOMEM. */
int credential_new(const uint8_t *public_part, size_t size, const struct credential_signer *signer,
		   struct credential **ret_credential, struct why *ret_why);
struct credential *credential_ref(struct credential *credential);
/* Frees it with the last reference; takes NULL. */
void credential_unref(struct credential *credential);

/* Whether it was made from these very bytes. */
bool credential_is_from(const struct credential *credential, const uint8_t *public_part,
			size_t size);
/*
 * Once, before anybody has it: STAPLE (NULL: none) is sent to clients that ask for one (RFC 6066
 * section 8, RFC 8446 section 4.4.2.1), until it ends. Another staple is for another credential.
 * Errors: ERR_MALFORMED, -ENOMEM.
 */
int credential_staple(struct credential *credential, const Asafo__Record__Staple *staple);
/* Whether these very bytes are what it staples; NULL: nothing. */
bool credential_has_staple(const struct credential *credential,
			   const Asafo__Record__Staple *staple);
/* Until when it staples, seconds since 1970; 0: it has nothing to. */
int64_t credential_staple_until(const struct credential *credential);
/* What GnuTLS wants of it at NOW; NULL: nothing that is good then. Lives as long as CREDENTIAL. */
gnutls_ocsp_data_st *credential_ocsp(struct credential *credential, int64_t now);
const uint8_t *
credential_fingerprint(const struct credential *credential); /* 32 bytes: SHA-256 of the leaf */
int64_t credential_not_before(const struct credential *credential);
int64_t credential_not_after(const struct credential *credential);
/* The kinds of keys, the one that is chosen first before the others. */
enum credential_kind { CREDENTIAL_ECDSA, CREDENTIAL_EDDSA, CREDENTIAL_RSA, CREDENTIAL_KIND__MAX };

enum credential_kind credential_kind(const struct credential *credential);
/* "ECDSA" */
const char *credential_kind_text(enum credential_kind kind);
/* Whether a client that said HELLO can verify it, with the cipher suites SUITES of this server. */
bool credential_suits(const struct credential *credential, const struct client_hello *hello,
		      uint16_t suites);
bool credential_is_fallback(const struct credential *credential);
/* What GnuTLS wants for a handshake; lives as long as the credential. */
void credential_handshake(struct credential *credential, gnutls_pcert_st **ret_chain,
			  unsigned *ret_n_chain, gnutls_privkey_t *ret_key);
/*
 * What GnuTLS calls RSA_RAW is PKCS#1 v1.5 over a DigestInfo that it encoded itself; and TLS 1.3's
 * names for ECDSA fix a curve. The keeper is asked for a plain algorithm over a plain digest.
 * Errors: ERR_UNSUPPORTED, ERR_MALFORMED.
 */
int credential_sign_normalize(gnutls_sign_algorithm_t algorithm, const uint8_t *data, size_t size,
			      gnutls_sign_algorithm_t *ret_algorithm, uint8_t ret_digest[static 64],
			      size_t *ret_digest_size);
