/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "certstore/x509/identity.h"

/*
 * What the two PKCS#12 readers (GnuTLS, libcrypto) have in common: what they are given and what
 * they take out of a file. Neither judges what it finds; pkcs12.c does.
 */
#define P12_CERTIFICATES_MAX 64
#define P12_KEYS_MAX 8
#define P12_PASSPHRASE_MAX 1024
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define P12_ROUNDS_MAX 3000
#else
#define P12_ROUNDS_MAX 5000000
#endif

#define P12_NAME_MAX 255

/* What a file says of a certificate or a key: an id that joins the two, and a name for people. */
struct p12_label {
	struct buf local_key_id;
	char friendly_name[P12_NAME_MAX + 1]; /* UTF-8; empty: none */
};

struct p12_certificate {
	struct buf der;
	struct p12_label label;
};

struct p12_key {
	struct secret pkcs8; /* PKCS#8 DER as decrypted */
	struct p12_label label;
};

struct p12_contents {
	struct p12_certificate certificates[P12_CERTIFICATES_MAX];
	size_t n_certificates;
	struct p12_key keys[P12_KEYS_MAX];
	size_t n_keys;
	size_t n_ignored; /* bags that are neither: CRLs, secrets, unknown ones */
};

/* The spellings of one passphrase that are tried, as C strings; a NULL one is the NULL password. */
struct p12_passphrases {
	struct secret storage[2];
	const char *text[2];
	size_t n;
};

struct p12_input {
	const uint8_t *der;
	size_t size;
	const struct p12_passphrases *passphrases;
	bool allow_no_mac;
	struct ossl_lib_ctx_st *library;
};

/* What one reader works with; the budget is spent by both. */
struct p12_job {
	const struct p12_input *input;
	struct p12_contents *contents;
	uint64_t rounds_left;
	size_t i_passphrase; /* the spelling that verified the MAC: tried first for the contents */
	bool has_mac;
	bool is_pem; /* not PKCS#12: nothing has a MAC there */
	struct why *why;
};

/*
 * Takes base64 (with or without armour lines) off: RET_DER is the DER or BER of exactly one
 * SEQUENCE. Errors: ERR_MALFORMED (empty, cut off, something behind the end, another kind of file),
 * -ENOMEM.
 */
int p12_unwrap(const uint8_t *data, size_t size, struct buf *ret_der, struct why *ret_why);
/* The same of a CA's certificate alone; what is PKCS#12 is refused. */
int p12_unwrap_ca(const uint8_t *data, size_t size, struct buf *ret_der, struct why *ret_why);

/*
 * An empty one (NULL or size 0): the NULL and the empty password. One with characters beyond ASCII:
 * as it is, and as old programs did, each byte widened to one character. Errors: ERR_BAD_PASSPHRASE
 * (a NUL byte or too long), -ENOMEM.
 */
int p12_passphrases_init(struct p12_passphrases *ret_passphrases, const struct secret *passphrase,
			 struct why *ret_why);
void p12_passphrases_done(struct p12_passphrases *passphrases);

/* Before each key derivation. Errors: ERR_WEAK with a sentence when the file's total is beyond
 * P12_ROUNDS_MAX. */
int p12_job_spend(struct p12_job *job, uint64_t rounds);
/* The spelling for the TRIAL-th trial at the contents: the one that verified the MAC comes first.
 */
const char *p12_job_passphrase(const struct p12_job *job, size_t trial);
/* "Wrong passphrase", in the words that fit what is known. Returns ERR_BAD_PASSPHRASE. */
int p12_job_wrong_passphrase(const struct p12_job *job);

/* DATA is copied, and LABEL's contents are taken (NULL: none). Errors: ERR_TOO_LARGE with a
 * sentence, -ENOMEM. */
int p12_job_add_certificate(struct p12_job *job, const uint8_t *data, size_t size,
			    struct p12_label *label);
int p12_job_add_key(struct p12_job *job, const uint8_t *data, size_t size, struct p12_label *label);
void p12_label_done(struct p12_label *label);
/*
 * A BMPString's bytes as UTF-8: cut where it is too long, '?' for halves of surrogate pairs and
 * for control characters. An odd last byte is none.
 */
void p12_name_from_bmp(const uint8_t *data, size_t size, char ret_name[static P12_NAME_MAX + 1]);
/* The same of UTF-8. */
void p12_name_from_utf8(const char *text, char ret_name[static P12_NAME_MAX + 1]);
void p12_contents_done(struct p12_contents *contents);

/*
 * The readers. Final verdicts: 0, ERR_BAD_PASSPHRASE, ERR_NO_MAC, ERR_WEAK (rounds), ERR_TOO_LARGE,
 * -ENOMEM, with a sentence. ERR_UNSUPPORTED and ERR_MALFORMED of the first mean: try the other.
 */
int p12_read_gnutls(struct p12_job *job);
int p12_read_libcrypto(struct p12_job *job);

/* Whether DATA begins as DER or BER does; a text may begin with '0', too. */
bool p12_is_der(const uint8_t *data, size_t size);
/* Whether DATA is PEM of anything but PKCS#12: certificates, keys. */
bool p12_is_pem(const uint8_t *data, size_t size);
/* Certificates and keys of a PEM text, whatever else stands in it. Errors as of the others. */
int p12_read_pem(struct p12_job *job);
struct X509_algor_st; /* libcrypto's X509_ALGOR */
/*
 * Whether libcrypto failed for another reason than the passphrase: ERR_UNSUPPORTED, ERR_MALFORMED
 * (its parameters) with a sentence, else 0. Empties its queue of errors.
 */
int p12_job_check_cipher(struct p12_job *job, const struct X509_algor_st *algorithm);
/* Pays for the key derivation of an encryption's parameters. */
int p12_job_spend_pbe(struct p12_job *job, const struct X509_algor_st *algorithm);
