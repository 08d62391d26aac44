/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "certstore/x509/identity.h"

/*
 * The objects of the unit's local CA (`crypto ca server`), made with libcrypto. Where they are kept
 * is store.h's business: in the databases of the unit only. Errors of all: ERR_SYNTAX (subject,
 * names or lifetime that cannot be), ERR_TOO_LARGE (more than 64 names), ERR_CRYPTO, -ENOMEM, with
 * a sentence.
 */

/* A CA certificate (ECDSA P-256, SHA-256, CA:TRUE pathlen 0, keyCertSign+cRLSign) that signs
 * itself. SUBJECT is a common name. */
int localca_create(const char *subject, unsigned lifetime_days, int64_t now,
		   struct identity *ret_ca, struct why *ret_why);
/*
 * A leaf with a fresh ECDSA P-256 key, serverAuth and clientAuth, NAMES as subjectAltName, a random
 * 16-byte serial; chain = the CA's certificate. Never valid longer than the CA.
 */
int localca_issue(const Asafo__Record__TrustpointPublic *ca, const struct secret *ca_key,
		  const char *subject, const char *const *names, size_t n_names,
		  unsigned lifetime_days, int64_t now, struct identity *ret_identity,
		  struct why *ret_why);
/* The fallback: self-signed ECDSA P-256 for HOSTNAME, 3650 days, serverAuth, origin FALLBACK. */
int localca_self_signed(const char *hostname, int64_t now, struct identity *ret_identity,
			struct why *ret_why);
