/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readers' common ground: the budget of key-derivation rounds (the file chooses them, so they
 * are an attacker's number), the spellings of a passphrase, and the bags taken out of a file.
 */
#include "certstore/p12.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

int p12_job_spend(struct p12_job *job, uint64_t rounds)
{
	if (rounds > job->rounds_left) {
		job->rounds_left = 0;
		return why_set(
			job->why, ERR_WEAK,
			"the PKCS#12 file asks for more than the %u key-derivation rounds that are "
			"spent on one file: export it again with fewer, e.g. openssl pkcs12 "
			"-export "
			"-iter 100000",
			(unsigned)P12_ROUNDS_MAX);
	}
	job->rounds_left -= rounds;
	return 0;
}

const char *p12_job_passphrase(const struct p12_job *job, size_t trial)
{
	const struct p12_passphrases *passphrases = job->input->passphrases;

	return passphrases->text[(job->i_passphrase + trial) % passphrases->n];
}

static bool is_empty(const struct p12_passphrases *passphrases)
{
	return !passphrases->text[0] || !*passphrases->text[0];
}

int p12_job_wrong_passphrase(const struct p12_job *job)
{
	if (job->has_mac && is_empty(job->input->passphrases))
		return why_set(job->why, ERR_BAD_PASSPHRASE,
			       "the PKCS#12 file wants a passphrase (its MAC does not verify with "
			       "an empty one): "
			       "give the passphrase it was exported with");
	if (job->has_mac)
		return why_set(
			job->why, ERR_BAD_PASSPHRASE,
			"wrong passphrase for the PKCS#12 file (its MAC does not verify): give the "
			"passphrase it was exported with");
	return why_set(job->why, ERR_BAD_PASSPHRASE,
		       "wrong passphrase for the PKCS#12 file, or the file is damaged (it has no "
		       "MAC to tell which): "
		       "give the passphrase it was exported with");
}

static int too_many(struct p12_job *job, const char *what, unsigned limit)
{
	return why_set(
		job->why, ERR_TOO_LARGE,
		"the PKCS#12 file holds more than %u %s: export one identity with its chain alone",
		limit, what);
}

int p12_job_add_certificate(struct p12_job *job, const uint8_t *data, size_t size,
			    const uint8_t *id, size_t id_size)
{
	struct p12_contents *contents = job->contents;
	struct p12_certificate *certificate;
	int r;

	if (contents->n_certificates == P12_CERTIFICATES_MAX)
		return too_many(job, "certificates", P12_CERTIFICATES_MAX);
	certificate = &contents->certificates[contents->n_certificates++];
	r = buf_append(&certificate->der, data, size);
	return r < 0 ? r : buf_append(&certificate->local_key_id, id, id_size);
}

int p12_job_add_key(struct p12_job *job, const uint8_t *data, size_t size, const uint8_t *id,
		    size_t id_size)
{
	struct p12_contents *contents = job->contents;
	struct p12_key *key;
	int r;

	if (contents->n_keys == P12_KEYS_MAX)
		return too_many(job, "private keys", P12_KEYS_MAX);
	key = &contents->keys[contents->n_keys++];
	r = secret_init_copy(&key->pkcs8, data, size);
	return r < 0 ? r : buf_append(&key->local_key_id, id, id_size);
}

void p12_contents_done(struct p12_contents *contents)
{
	for (size_t i = 0; i < contents->n_certificates; i++) {
		buf_done(&contents->certificates[i].der);
		buf_done(&contents->certificates[i].local_key_id);
	}
	for (size_t i = 0; i < contents->n_keys; i++) {
		secret_done(&contents->keys[i].pkcs8);
		buf_done(&contents->keys[i].local_key_id);
	}
	*contents = (struct p12_contents){0};
}

/* Each byte as the character of the same number, in UTF-8: what programs did that took the
 * passphrase for Latin-1. */
static int widen(const struct secret *passphrase, struct secret *ret_widened)
{
	size_t n = 0;
	int r = secret_init(ret_widened, passphrase->size * 2 + 1);

	if (r < 0)
		return r;
	for (size_t i = 0; i < passphrase->size; i++) {
		uint8_t byte = passphrase->data[i];

		if (byte < 0x80) {
			ret_widened->data[n++] = byte;
			continue;
		}
		ret_widened->data[n++] = (uint8_t)(0xc0 | byte >> 6);
		ret_widened->data[n++] = (uint8_t)(0x80 | (byte & 0x3f));
	}
	return 0;
}

static bool is_ascii(const struct secret *passphrase)
{
	for (size_t i = 0; i < passphrase->size; i++) {
		if (passphrase->data[i] >= 0x80)
			return false;
	}
	return true;
}

static int add_spellings(struct p12_passphrases *passphrases, const struct secret *passphrase)
{
	int r = secret_init(&passphrases->storage[0], passphrase->size + 1);

	if (r < 0)
		return r;
	memcpy(passphrases->storage[0].data, passphrase->data, passphrase->size);
	passphrases->text[0] = (const char *)passphrases->storage[0].data;
	passphrases->n = 1;
	if (is_ascii(passphrase))
		return 0;
	r = widen(passphrase, &passphrases->storage[1]);
	if (r < 0)
		return r;
	passphrases->text[1] = (const char *)passphrases->storage[1].data;
	passphrases->n = 2;
	return 0;
}

int p12_passphrases_init(struct p12_passphrases *ret_passphrases, const struct secret *passphrase,
			 struct why *ret_why)
{
	struct p12_passphrases passphrases = {.text = {NULL, ""}, .n = 2};
	int r;

	if (!passphrase || passphrase->size == 0) {
		*ret_passphrases = passphrases;
		return 0;
	}
	if (passphrase->size > P12_PASSPHRASE_MAX)
		return why_set(
			ret_why, ERR_BAD_PASSPHRASE,
			"the passphrase is longer than %u bytes: give the passphrase, not a file",
			(unsigned)P12_PASSPHRASE_MAX);
	if (memchr(passphrase->data, 0, passphrase->size))
		return why_set(ret_why, ERR_BAD_PASSPHRASE,
			       "the passphrase holds a NUL byte, which no PKCS#12 passphrase can: "
			       "give it as text");
	r = add_spellings(&passphrases, passphrase);
	if (r < 0) {
		p12_passphrases_done(&passphrases);
		return r;
	}
	*ret_passphrases = passphrases;
	return 0;
}

void p12_passphrases_done(struct p12_passphrases *passphrases)
{
	for (size_t i = 0; i < 2; i++)
		secret_done(&passphrases->storage[i]);
	*passphrases = (struct p12_passphrases){0};
}
