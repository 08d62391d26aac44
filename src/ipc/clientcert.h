/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "ipc/crlmark.h"
#include "ipc/vpn.h"

/*
 * A client's certificate against the CAs that are trusted to say who a user is. The front judges it
 * before it bothers anybody, and the auth helper again, since it believes no front. What a
 * handshake proves, that the client has the key, only the front saw.
 */
#define CLIENTCERT_CHAIN_MAX 6
#define CLIENTCERT_SIZE_MAX 8192u /* bytes of each */
#define CLIENTCERT_CAS_MAX 16
#define CLIENTCERT_FINGERPRINT_SIZE 32

struct clientcert_cas;

/*
 * CAS: DER. REVOCATION: of each of them (enum vpn_revocation; an unknown number is the strictest);
 * N_REVOCATION may be less, what is not said is none. What is none of a CA is left out, and
 * counted. Errors: -ENOMEM, ERR_TOO_LARGE, ERR_CRYPTO.
 */
int clientcert_cas_new(const ProtobufCBinaryData *cas, size_t n, const uint32_t *revocation,
		       size_t n_revocation, struct clientcert_cas **ret_cas, size_t *ret_n_ignored);
void clientcert_cas_free(struct clientcert_cas *cas);
/* NULL has none. */
size_t clientcert_cas_count(const struct clientcert_cas *cas);

/* Whom a certificate names. A text that is not there, stands twice, or could not be a user's name
 * is empty; of the latter two it is known that something is there. */
struct clientcert {
	uint8_t fingerprint[CLIENTCERT_FINGERPRINT_SIZE]; /* SHA-256 of the leaf */
	char names[VPN_NAME_FROM__MAX][VPN_NAME_MAX];
	bool is_unusable[VPN_NAME_FROM__MAX];
	char subject[VPN_NAME_MAX]; /* for people, cut */
};

/*
 * Of the leaf, and of each certificate above it up to a trusted CA, which key signed it, and its
 * serial number's mark: what is to be looked up to know whether one of the chain is revoked. What
 * else the client sent is no part of it.
 */
#define CLIENTCERT_LINKS_MAX 32
struct clientcert_links {
	struct {
		uint8_t key_id[32]; /* SHA-256 of the signer's SubjectPublicKeyInfo */
		uint8_t mark[CRLMARK_SIZE];
	} links[CLIENTCERT_LINKS_MAX];
	size_t n;
	enum vpn_revocation revocation; /* of the CAs that signed one: the strictest */
};
/* Of a CHAIN that clientcert_verify took. Errors: ERR_TOO_LARGE, ERR_MALFORMED, ERR_DENIED with the
 * end of a sentence; -ENOMEM, ERR_CRYPTO. */
int clientcert_links(const struct clientcert_cas *cas, const ProtobufCBinaryData *chain, size_t n,
		     struct clientcert_links *ret_links, struct why *ret_why);

/*
 * CHAIN: DER, the leaf first; NULL or 0 certificates: the client has none. Signatures, validity by
 * this machine's clock, what the CAs permit, keys of 112 bits of security and more (RSA from 2048),
 * key usage and extended key usage (clientAuth, or none said). Revocation is not looked at:
 * clientcert_links says where to.
 * Errors: ERR_NO_CERTIFICATE, ERR_DENIED, ERR_EXPIRED, ERR_NOT_YET_VALID, ERR_WEAK, ERR_MALFORMED,
 * ERR_TOO_LARGE with the end of a sentence that begins with "the certificate"; -ENOMEM,
 * ERR_CRYPTO.
 */
int clientcert_verify(const struct clientcert_cas *cas, const ProtobufCBinaryData *chain, size_t n,
		      struct clientcert *ret_certificate, struct why *ret_why);
/* The user that CERTIFICATE names by the first of FROM that it has; "": none, also where that one
 * is unusable: who can choose the second name must not become somebody else by spoiling the first.
 */
const char *clientcert_user(const struct clientcert *certificate,
			    const enum vpn_name_from from[static VPN_NAMES_FROM]);
