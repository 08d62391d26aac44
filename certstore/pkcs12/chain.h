/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "certstore/x509/identity.h"
#include "certstore/pkcs12/p12.h"
#include "certstore/x509/x509.h"

/* A leaf and what issued it, in order. Everything is borrowed from the certificates it was built
 * from. */
struct chain {
	X509 *links[1 + IDENTITY_CHAIN_MAX]; /* the leaf first */
	size_t n_links;
	bool is_complete; /* the last link is self-signed */
	X509 *strangers[P12_CERTIFICATES_MAX];
	size_t n_strangers;
};

/*
 * Follows issuers from LEAF through CERTIFICATES (which may hold LEAF, at most
 * P12_CERTIFICATES_MAX). An issuer is who has the issuer's name AND whose key verifies the
 * signature. Of several ways up, the shortest to a self-signed end whose certificates are valid at
 * NOW. Errors:
 * ERR_TOO_LARGE with a sentence (more than IDENTITY_CHAIN_MAX issuers).
 */
int chain_build(X509 *leaf, X509 *const *certificates, size_t n_certificates, int64_t now,
		struct chain *ret_chain, struct why *ret_why);
/*
 * Whether one of LOCAL_CAS signed a link, or the leaf's key is a local CA's own. By keys only: a
 * name proves nothing, and a CA that was renamed is still the same CA. Errors: ERR_MALFORMED (a
 * local CA's certificate cannot be read).
 */
int chain_is_local(const struct chain *chain, OSSL_LIB_CTX *library, const struct buf *local_cas,
		   size_t n_local_cas, bool *ret_is_local);
/*
 * Whether a link has the key that one of MARKS is of, or names it as the key that signed it
 * (authorityKeyIdentifier, which stands in what is signed: whoever copies, renames or packs a
 * certificate anew keeps it).
 */
bool chain_is_marked(const struct chain *chain, const struct identity_ca_mark *marks,
		     size_t n_marks);
/* Refuses keys, dates and signatures that clients refuse; self-signed ends are spared. Errors:
 * ERR_WEAK, ERR_UNSUPPORTED, ERR_MALFORMED. */
int chain_check_strength(const struct chain *chain, struct why *ret_why);
