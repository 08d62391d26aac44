/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/secret.h"
#include "base/why.h"
#include "certstore/store/record.pb-c.h"

#define IDENTITY_FILE_MAX (1024u * 1024)
#define IDENTITY_CHAIN_MAX 16
/* Public part and key together: what a record of the store holds, less room for what the keeper
 * adds. */
#define IDENTITY_RECORD_MAX (126u * 1024)
/* One certificate: what is larger no front serves, and few clients take. */
#define IDENTITY_CERTIFICATE_MAX (64u * 1024)
#define IDENTITY_WARNINGS_MAX 8
#define IDENTITY_KEY_ID_SIZE 32
#define TRUSTPOINT_NAME_MAX 63
/* TrustpointPublic's usage_faults: what clients refuse of a server. */
#define IDENTITY_NO_SERVER_AUTH 1u
#define IDENTITY_NO_DIGITAL_SIGNATURE 2u

/* A key and its certificate chain, outside the store: what an import reads and an export writes. */
struct identity {
	/* Everything but name, generation, origin, imported_at, exportable and kept_home is filled.
	 * Owned. */
	Asafo__Record__TrustpointPublic *public_part;
	struct secret key; /* PKCS#8 DER, unencrypted */
	char warnings[IDENTITY_WARNINGS_MAX][160];
	size_t n_warnings;
	bool is_local_ca; /* issued, directly or through its chain, by one of the policy's local CAs
			   */
	bool is_mate_ca;  /* ... and that is the mate's */
	/* By what the key of each certificate is known, the leaf's first (x509_key_id). */
	uint8_t key_ids[1 + IDENTITY_CHAIN_MAX][IDENTITY_KEY_ID_SIZE];
	size_t n_key_ids;
};

void identity_done(struct identity *identity);

struct ossl_lib_ctx_st; /* libcrypto's OSSL_LIB_CTX */

/* By what the mate's local CA is known here (record.LocalCaMark); borrowed bytes. */
struct identity_ca_mark {
	const uint8_t *key_id;
	size_t key_id_size;
	const uint8_t *subject_key_id;
	size_t subject_key_id_size;
};

/* What an import is checked against. */
struct identity_policy {
	int64_t now;	  /* seconds since 1970 */
	int64_t mate_now; /* the mate's clock; 0: not known, or of no concern */
	bool allow_no_mac;
	bool allow_expired;
	bool allow_weak;	   /* a weak key or signature is a warning */
	bool wants_ca;		   /* for the parser: identity_ca_from_file is meant */
	const char *friendly_name; /* which identity of several; NULL or empty: the only one */
	const struct buf
		*local_cas; /* DER certificates of this unit's local CA(s), for is_local_ca */
	size_t n_local_cas;
	const struct identity_ca_mark *mate_cas; /* of the mate's */
	size_t n_mate_cas;
	/* libcrypto's context, from identity_library_new; NULL: the default one, without the old
	 * algorithms. */
	struct ossl_lib_ctx_st *library;
};

/*
 * A libcrypto context of its own with the default and, where the machine has it, the legacy
 * provider (RC2, RC4, ...), for identity_from_file. It opens files: before a sandbox. Errors:
 * ERR_CRYPTO, -ENOMEM.
 */
int identity_library_new(struct ossl_lib_ctx_st **ret_library);
void identity_library_free(struct ossl_lib_ctx_st *library);

/*
 * Reads a PKCS#12 file (DER, or base64 with or without PEM armour) or a PEM file (key, certificate
 * and chain in any order) and checks everything: MAC,
 * contents, key matches leaf, chain built and ordered from what the file holds (strangers become a
 * warning), dates, key and signature strength. PASSPHRASE NULL or empty: both the empty and the
 * NULL password are tried. Errors: ERR_BAD_PASSPHRASE, ERR_MALFORMED, ERR_TOO_LARGE, ERR_NO_KEY,
 * ERR_NO_CERTIFICATE, ERR_KEY_MISMATCH, ERR_EXPIRED, ERR_NOT_YET_VALID, ERR_WEAK, ERR_NO_MAC,
 * ERR_UNSUPPORTED, -ENOMEM; RET_WHY names the one true reason and what to do next. ERR_WEAK also
 * says that the file asks for more key-derivation rounds than are spent on one. Runs in the
 * parser's child; it blocks for as long as the file's iteration count says (capped).
 */
int identity_from_file(const uint8_t *data, size_t size, const struct secret *passphrase,
		       const struct identity_policy *policy, struct identity *ret_identity,
		       struct why *ret_why);
/*
 * A CA's certificate alone, as `crypto ca authenticate` takes it: PEM, base64 or DER. A file with
 * more than one, with a key, or with a certificate that is no CA's is refused: ERR_MALFORMED,
 * ERR_UNSUPPORTED, ERR_EXPIRED, ERR_NOT_YET_VALID, ERR_WEAK, with a sentence.
 */
int identity_ca_from_file(const uint8_t *data, size_t size, const struct identity_policy *policy,
			  struct identity *ret_identity, struct why *ret_why);
/*
 * Fills a TrustpointPublic (protobuf-c allocated, free with
 * asafo__record__trustpoint_public__free_unpacked) from DER certificates, leaf first. Errors:
 * ERR_MALFORMED, -ENOMEM.
 */
int identity_describe(const struct buf *certificates, size_t n_certificates,
		      Asafo__Record__TrustpointPublic **ret_public);
/* PKCS#12 with AES-256-CBC, PBKDF2-HMAC-SHA256, MAC SHA-256; an empty passphrase is refused
 * (ERR_BAD_PASSPHRASE). */
int identity_to_pkcs12(const Asafo__Record__TrustpointPublic *public_part, const struct secret *key,
		       const struct secret *passphrase, struct buf *ret_file, struct why *ret_why);
/* PEM: leaf, chain, then the key as encrypted PKCS#8 (PBES2, AES-256). */
int identity_to_pem(const Asafo__Record__TrustpointPublic *public_part, const struct secret *key,
		    const struct secret *passphrase, struct buf *ret_file, struct why *ret_why);
/* A trustpoint's name: 1 to TRUSTPOINT_NAME_MAX of [A-Za-z0-9._-], not starting with '-' or '.'. */
bool identity_name_is_valid(const char *name);
