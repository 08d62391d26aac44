/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readers' common ground: the budget of key-derivation rounds (the file chooses them, so they
 * are an attacker's number), the spellings of a passphrase, and the bags taken out of a file.
 */
#include "certstore/pkcs12/p12.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/utf8.h"
#include "certstore/pkcs12/p12_pkcs8.h"

int p12_job_spend(struct p12_job *job, uint64_t rounds)
{
	if (rounds > job->rounds_left) {
		job->rounds_left = 0;
		return why_set(job->why, ERR_WEAK,
			       "the file asks for more than the %u key-derivation rounds that are "
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
	if (job->is_pem && is_empty(job->input->passphrases))
		return why_set(job->why, ERR_BAD_PASSPHRASE,
			       "the private key in the PEM file is encrypted: give its passphrase");
	if (job->is_pem)
		return why_set(
			job->why, ERR_BAD_PASSPHRASE,
			"wrong passphrase for the private key in the PEM file, or the key is "
			"damaged (PEM cannot tell which): give the passphrase it was "
			"encrypted with");
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
	return why_set(job->why, ERR_TOO_LARGE,
		       "the file holds more than %u %s: export one identity with its chain alone",
		       limit, what);
}

void p12_label_done(struct p12_label *label)
{
	buf_done(&label->local_key_id);
	*label = (struct p12_label){0};
}

static void take_label(struct p12_label *to, struct p12_label *from)
{
	if (!from)
		return;
	*to = *from;
	*from = (struct p12_label){0};
}

int p12_job_add_certificate(struct p12_job *job, const uint8_t *data, size_t size,
			    struct p12_label *label)
{
	struct p12_contents *contents = job->contents;
	struct p12_certificate *certificate;
	int r;

	if (contents->n_certificates == P12_CERTIFICATES_MAX)
		return too_many(job, "certificates", P12_CERTIFICATES_MAX);
	certificate = &contents->certificates[contents->n_certificates++];
	r = buf_append(&certificate->der, data, size);
	take_label(&certificate->label, label);
	return r;
}

int p12_job_add_key(struct p12_job *job, const uint8_t *data, size_t size, struct p12_label *label)
{
	_cleanup_(secret_done) struct secret plain = {0};
	struct p12_contents *contents = job->contents;
	struct p12_key *key;
	int r = p12_pkcs8_drop_public(data, size, &plain);

	if (r < 0 && r != ERR_NOT_FOUND)
		return r;

	if (contents->n_keys == P12_KEYS_MAX)
		return too_many(job, "private keys", P12_KEYS_MAX);
	key = &contents->keys[contents->n_keys++];
	r = plain.size > 0 ? secret_init_copy(&key->pkcs8, plain.data, plain.size)
			   : secret_init_copy(&key->pkcs8, data, size);
	take_label(&key->label, label);
	return r;
}

void p12_contents_done(struct p12_contents *contents)
{
	for (size_t i = 0; i < contents->n_certificates; i++) {
		buf_done(&contents->certificates[i].der);
		p12_label_done(&contents->certificates[i].label);
	}
	for (size_t i = 0; i < contents->n_keys; i++) {
		secret_done(&contents->keys[i].pkcs8);
		p12_label_done(&contents->keys[i].label);
	}
	*contents = (struct p12_contents){0};
}

static size_t utf8_put(uint32_t c, char *at)
{
	if (c < 0x80) {
		at[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		at[0] = (char)(0xc0 | c >> 6);
		at[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		at[0] = (char)(0xe0 | c >> 12);
		at[1] = (char)(0x80 | (c >> 6 & 0x3f));
		at[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	at[0] = (char)(0xf0 | c >> 18);
	at[1] = (char)(0x80 | (c >> 12 & 0x3f));
	at[2] = (char)(0x80 | (c >> 6 & 0x3f));
	at[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* By hand: libcrypto's own conversion writes beyond its end (CVE-2025-69419). */
void p12_name_from_bmp(const uint8_t *data, size_t size, char ret_name[static P12_NAME_MAX + 1])
{
	size_t length = 0;

	for (size_t i = 0; i + 1 < size && length + 4 <= P12_NAME_MAX; i += 2) {
		uint32_t c = (uint32_t)data[i] << 8 | data[i + 1];
		uint32_t low = i + 3 < size ? (uint32_t)data[i + 2] << 8 | data[i + 3] : 0;

		if (c >= 0xd800 && c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			i += 2;
		} else if ((c >= 0xd800 && c < 0xe000) || c < 0x20 || (c >= 0x7f && c < 0xa0)) {
			c = '?';
		}
		length += utf8_put(c, ret_name + length);
	}
	ret_name[length] = 0;
}

void p12_name_from_utf8(const char *text, char ret_name[static P12_NAME_MAX + 1])
{
	size_t size = strnlen(text, P12_NAME_MAX);

	/* Not within a character. */
	while (size == P12_NAME_MAX && size > 0 && ((uint8_t)text[size] & 0xc0) == 0x80)
		size--;
	memcpy(ret_name, text, size);
	ret_name[size] = 0;
	utf8_clean(ret_name);
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
