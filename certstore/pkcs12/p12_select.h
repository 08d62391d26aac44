/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "certstore/pkcs12/p12.h"
#include "certstore/x509/x509.h"

/* A file's certificates and keys, decoded, each once. The labels are borrowed from the contents. */
struct p12_objects {
	X509 *certificates[P12_CERTIFICATES_MAX];
	const struct p12_label *certificate_labels[P12_CERTIFICATES_MAX];
	size_t n_certificates;
	EVP_PKEY *keys[P12_KEYS_MAX];
	const struct p12_label *key_labels[P12_KEYS_MAX];
	size_t n_keys;
};

struct p12_choice {
	X509 *leaf; /* borrowed from the objects, as is the key */
	EVP_PKEY *key;
	size_t n_other_keys;
	size_t n_other_leaves; /* certificates for the same key that were passed over */
};

/* Errors: ERR_MALFORMED, ERR_UNSUPPORTED with a sentence, -ENOMEM. */
int p12_objects_init(const struct p12_contents *contents, OSSL_LIB_CTX *library,
		     struct p12_objects *ret_objects, struct why *ret_why);
void p12_objects_done(struct p12_objects *objects);

/*
 * The identity of the file: a key and the certificate of its public half. Of several, the one with
 * FRIENDLY_NAME (NULL or empty: any), then the one that the file joins by localKeyId; of several
 * certificates for one key, the one that is valid longest. Errors, each with its sentence:
 * ERR_NO_KEY, ERR_NO_CERTIFICATE, ERR_KEY_MISMATCH, ERR_UNSUPPORTED (cannot tell which identity is
 * meant; the sentence has the names), ERR_NOT_FOUND (no such name).
 */
int p12_select(const struct p12_objects *objects, const char *friendly_name,
	       struct p12_choice *ret_choice, struct why *ret_why);
