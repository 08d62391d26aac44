/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#12 by GnuTLS, bag by bag: gnutls_pkcs12_simple_parse() checks no MAC, drops certificates
 * beyond the 31st and does not tell "no key" from "no certificate". Each key derivation's rounds
 * are read and paid for before it is done.
 */
#include "certstore/pkcs12/p12.h"

#include <gnutls/pkcs12.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

CLEANUP_DEFINE(gnutls_pkcs12_t, gnutls_pkcs12_deinit)
CLEANUP_DEFINE(gnutls_pkcs12_bag_t, gnutls_pkcs12_bag_deinit)
CLEANUP_DEFINE(gnutls_x509_privkey_t, gnutls_x509_privkey_deinit)

/* A bag of more is cut here, without a word (MAX_BAG_ELEMENTS). */
#define BAG_MAX 32

/*
 * "Unsupported" here means: let libcrypto try. So does whatever goes wrong once the MAC is
 * verified, and a lack of memory, which GnuTLS also reports for a passphrase that is not UTF-8:
 * where it is real, libcrypto reports it again.
 */
static int translate(int code)
{
	switch (code) {
	case GNUTLS_E_SUCCESS:
		return 0;
	case GNUTLS_E_MAC_VERIFY_FAILED:
	case GNUTLS_E_DECRYPTION_FAILED:
		return ERR_BAD_PASSPHRASE;
	default:
		return ERR_UNSUPPORTED;
	}
}

static int verify_mac(struct p12_job *job, gnutls_pkcs12_t p12)
{
	const struct p12_passphrases *passphrases = job->input->passphrases;
	_cleanup_free_ char *oid = NULL;
	unsigned mac, rounds = 0;
	int r = gnutls_pkcs12_mac_info(p12, &mac, NULL, NULL, &rounds, &oid);

	if (r == GNUTLS_E_ASN1_ELEMENT_NOT_FOUND) {
		if (job->input->allow_no_mac)
			return 0;
		return why_set(job->why, ERR_NO_MAC,
			       "the PKCS#12 file has no MAC, so that nobody can tell whether it "
			       "was changed: export it "
			       "again with one, or take it as it is with --no-mac");
	}
	if (r < 0)
		return translate(r);
	job->has_mac = true;
	for (size_t i = 0; i < passphrases->n; i++) {
		r = p12_job_spend(job, rounds);
		if (r < 0)
			return r;
		r = translate(gnutls_pkcs12_verify_mac(p12, passphrases->text[i]));
		job->i_passphrase = i;
		if (r != ERR_BAD_PASSPHRASE)
			return r;
	}
	/* One round is also what GnuTLS makes of a number that it cannot read. */
	return rounds > 1 ? p12_job_wrong_passphrase(job) : ERR_UNSUPPORTED;
}

static int import_key(struct p12_job *job, gnutls_x509_privkey_t key, const gnutls_datum_t *data,
		      unsigned rounds)
{
	int r = ERR_BAD_PASSPHRASE;

	for (size_t i = 0; i < job->input->passphrases->n && r == ERR_BAD_PASSPHRASE; i++) {
		const char *text = p12_job_passphrase(job, i);

		r = p12_job_spend(job, rounds);
		if (r < 0)
			return r;
		r = translate(
			gnutls_x509_privkey_import_pkcs8(key, data, GNUTLS_X509_FMT_DER, text,
							 text ? 0 : GNUTLS_PKCS_NULL_PASSWORD));
	}
	return r == ERR_BAD_PASSPHRASE ? ERR_UNSUPPORTED : r;
}

static int add_encrypted_key(struct p12_job *job, const gnutls_datum_t *data,
			     struct p12_label *label)
{
	_cleanup_(gnutls_x509_privkey_deinit_p) gnutls_x509_privkey_t key = NULL;
	_cleanup_free_ char *oid = NULL;
	gnutls_datum_t plain = {0};
	unsigned schema, cipher, rounds = 0;
	int r = translate(gnutls_pkcs8_info(data, GNUTLS_X509_FMT_DER, &schema, &cipher, NULL, NULL,
					    &rounds, &oid));

	if (r == 0)
		r = translate(gnutls_x509_privkey_init(&key));
	if (r == 0)
		r = import_key(job, key, data, rounds);
	if (r == 0)
		r = translate(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_DER, NULL,
								GNUTLS_PKCS_PLAIN, &plain));
	if (r < 0)
		return r;
	r = p12_job_add_key(job, plain.data, plain.size, label);
	explicit_bzero(plain.data, plain.size);
	gnutls_free(plain.data);
	return r;
}

/* Both are optional, and what cannot be read of them is not there. */
static int read_label(gnutls_pkcs12_bag_t bag, unsigned index, struct p12_label *ret_label)
{
	gnutls_datum_t id = {0};
	char *name = NULL;
	int r = 0;

	if (gnutls_pkcs12_bag_get_key_id(bag, index, &id) == 0 && id.size > 0)
		r = buf_append(&ret_label->local_key_id, id.data, id.size);
	if (r == 0 && gnutls_pkcs12_bag_get_friendly_name(bag, index, &name) == 0 && name)
		p12_name_from_utf8(name, ret_label->friendly_name);
	return r;
}

static int add_element(struct p12_job *job, gnutls_pkcs12_bag_t bag, unsigned index)
{
	_cleanup_(p12_label_done) struct p12_label label = {0};
	int type = gnutls_pkcs12_bag_get_type(bag, index);
	gnutls_datum_t data = {0};
	int r;

	if (type < 0)
		return translate(type);
	r = gnutls_pkcs12_bag_get_data(bag, index, &data);
	if (r < 0)
		return translate(r);
	r = read_label(bag, index, &label);
	if (r < 0)
		return r;
	switch (type) {
	case GNUTLS_BAG_CERTIFICATE:
		return p12_job_add_certificate(job, data.data, data.size, &label);
	case GNUTLS_BAG_PKCS8_KEY:
		return p12_job_add_key(job, data.data, data.size, &label);
	case GNUTLS_BAG_PKCS8_ENCRYPTED_KEY:
		return add_encrypted_key(job, &data, &label);
	case GNUTLS_BAG_ENCRYPTED:
		return ERR_UNSUPPORTED; /* an encrypted safe within a safe */
	case GNUTLS_BAG_UNKNOWN:
		return ERR_UNSUPPORTED; /* it may be a safe within a safe (RFC 7292 4.2.6) */
	default:
		job->contents->n_ignored++;
		return 0;
	}
}

static int decrypt_bag(struct p12_job *job, gnutls_pkcs12_bag_t bag)
{
	_cleanup_free_ char *oid = NULL;
	unsigned schema, cipher, rounds = 0;
	int r = translate(
		gnutls_pkcs12_bag_enc_info(bag, &schema, &cipher, NULL, NULL, &rounds, &oid));

	if (r < 0)
		return r;
	r = ERR_BAD_PASSPHRASE;
	for (size_t i = 0; i < job->input->passphrases->n && r == ERR_BAD_PASSPHRASE; i++) {
		r = p12_job_spend(job, rounds);
		if (r < 0)
			return r;
		r = translate(gnutls_pkcs12_bag_decrypt(bag, p12_job_passphrase(job, i)));
	}
	return r == ERR_BAD_PASSPHRASE ? ERR_UNSUPPORTED : r;
}

/* ERR_NOT_FOUND: there are no more. */
static int read_bag(struct p12_job *job, gnutls_pkcs12_t p12, int index)
{
	_cleanup_(gnutls_pkcs12_bag_deinit_p) gnutls_pkcs12_bag_t bag = NULL;
	int n, r = translate(gnutls_pkcs12_bag_init(&bag));

	if (r < 0)
		return r;
	r = gnutls_pkcs12_get_bag(p12, index, bag);
	if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return ERR_NOT_FOUND;
	if (r < 0)
		return translate(r);
	if (gnutls_pkcs12_bag_get_count(bag) == 1 &&
	    gnutls_pkcs12_bag_get_type(bag, 0) == GNUTLS_BAG_ENCRYPTED) {
		r = decrypt_bag(job, bag);
		if (r < 0)
			return r;
	}
	n = gnutls_pkcs12_bag_get_count(bag);
	r = n < 0 ? translate(n) : n >= BAG_MAX ? ERR_UNSUPPORTED : 0;
	for (int i = 0; i < n && r == 0; i++)
		r = add_element(job, bag, (unsigned)i);
	return r;
}

int p12_read_gnutls(struct p12_job *job)
{
	_cleanup_(gnutls_pkcs12_deinit_p) gnutls_pkcs12_t p12 = NULL;
	gnutls_datum_t data = {(unsigned char *)(uintptr_t)job->input->der,
			       (unsigned)job->input->size};
	int r = translate(gnutls_pkcs12_init(&p12));

	if (r == 0)
		r = translate(gnutls_pkcs12_import(p12, &data, GNUTLS_X509_FMT_DER, 0));
	if (r == 0)
		r = verify_mac(job, p12);
	for (int i = 0; r == 0; i++)
		r = read_bag(job, p12, i);
	return r == ERR_NOT_FOUND ? 0 : r;
}
