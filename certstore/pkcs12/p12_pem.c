/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PEM: certificates and keys in any order, in one text, with whatever stands between them. A key
 * may be PKCS#8 or the older forms, encrypted or not. Nothing here has a MAC: that the key fits the
 * certificate is what tells a whole file from a damaged one.
 */
#include "certstore/pkcs12/p12.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/err.h"
#include "certstore/pkcs12/p12_pkcs8.h"
#include "certstore/x509/x509.h"

#define LEGACY_ROUNDS 1 /* of MD5: "Proc-Type: 4,ENCRYPTED" derives its key with one */

struct block {
	char *label, *header;
	unsigned char *data;
	long size;
};

static void block_done(struct block *block)
{
	OPENSSL_free(block->label);
	OPENSSL_free(block->header);
	if (block->data)
		OPENSSL_clear_free(block->data, (size_t)(block->size > 0 ? block->size : 0));
	*block = (struct block){0};
}

static void sig_free(X509_SIG *sig)
{
	X509_SIG_free(sig);
}
CLEANUP_DEFINE(X509_SIG *, sig_free)

CLEANUP_DEFINE(PKCS7 *, PKCS7_free)

static bool is_label(const struct block *block, const char *label)
{
	return strcmp(block->label, label) == 0;
}

static bool is_prefix(const uint8_t *data, size_t size, const char *prefix)
{
	return size >= strlen(prefix) && memcmp(data, prefix, strlen(prefix)) == 0;
}

/* A whole BEGIN line whose label is not that of PKCS#12 ("PKCS12", "PKCS #12"). */
bool p12_is_pem(const uint8_t *data, size_t size)
{
	static const char begin[] = "-----BEGIN ", container[] = "PKCS12-----",
			  spaced[] = "PKCS #12-----", end[] = "-----";
	const uint8_t *found, *line_end;
	size_t left;

	if (size == 0)
		return false;
	found = memmem(data, size, begin, sizeof(begin) - 1);
	/* DER holds anything, a PEM text among it. */
	if (!found || p12_is_der(data, size))
		return false;
	found += sizeof(begin) - 1;
	left = size - (size_t)(found - data);
	line_end = memchr(found, '\n', left);
	if (line_end)
		left = (size_t)(line_end - found);
	return memmem(found, left, end, sizeof(end) - 1) && !is_prefix(found, left, container) &&
	       !is_prefix(found, left, spaced);
}

static int damaged_block(struct p12_job *job, const char *what)
{
	ERR_clear_error();
	return why_set(job->why, ERR_MALFORMED,
		       "the PEM file is damaged or cut off (%.60s): copy all of it", what);
}

/* Why no further block can be read. */
static int no_block(struct p12_job *job, const struct buf *text, bool has_begin)
{
	if (memmem(text->data, text->size, "-----BEGIN PGP ", 15))
		return why_set(job->why, ERR_MALFORMED,
			       "this is OpenPGP's (BEGIN PGP), which has no certificates for TLS: "
			       "give certificate and key as PEM or PKCS#12");
	return damaged_block(job, has_begin ? "a block's base64 or its END line"
					    : "its BEGIN is not on a line of its own");
}

static int unknown_cipher(struct p12_job *job)
{
	ERR_clear_error();
	return why_set(job->why, ERR_UNSUPPORTED,
		       "the private key in the PEM file is encrypted with a cipher that is not "
		       "supported: convert it with openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY");
}

static int add_pkcs8(struct p12_job *job, PKCS8_PRIV_KEY_INFO *info)
{
	uint8_t *der = NULL;
	int r, size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);

	if (size <= 0)
		return damaged_block(job, "a private key");
	r = p12_job_add_key(job, der, (size_t)size, NULL);
	OPENSSL_clear_free(der, (size_t)size);
	return r;
}

static int add_encrypted(struct p12_job *job, const struct block *block)
{
	_cleanup_(PKCS8_PRIV_KEY_INFO_free_p) PKCS8_PRIV_KEY_INFO *info = NULL;
	const unsigned char *at = block->data;
	_cleanup_(sig_free_p) X509_SIG *sig = d2i_X509_SIG(NULL, &at, block->size);
	const X509_ALGOR *algorithm;
	int r = 0;

	if (!sig || at != block->data + block->size)
		return damaged_block(job, block->label);
	X509_SIG_get0(sig, &algorithm, NULL);
	ERR_clear_error();
	for (size_t i = 0; i < job->input->passphrases->n && !info; i++) {
		const char *text = p12_job_passphrase(job, i);

		r = p12_job_spend_pbe(job, algorithm);
		if (r < 0)
			return r;
		info = p12_pkcs8_decrypt(sig, text, job->input->library);
	}
	r = info ? 0 : p12_job_check_cipher(job, algorithm);
	if (r == ERR_MALFORMED)
		return damaged_block(job, "the IV of a private key's encryption");
	if (r < 0)
		return unknown_cipher(job);
	ERR_clear_error();
	return info ? add_pkcs8(job, info) : p12_job_wrong_passphrase(job);
}

static int give_passphrase(char *buffer, int size, int is_written, void *userdata)
{
	const char *text = userdata;
	size_t length = text ? strlen(text) : 0;

	(void)is_written;
	if (length > (size_t)size)
		return -1;
	memcpy(buffer, text ? text : "", length);
	return (int)length;
}

static int add_traditional_der(struct p12_job *job, const unsigned char *data, long size)
{
	const unsigned char *at = data;
	_cleanup_(EVP_PKEY_free_p) EVP_PKEY *key =
		d2i_AutoPrivateKey_ex(NULL, &at, size, job->input->library, NULL);
	_cleanup_(PKCS8_PRIV_KEY_INFO_free_p) PKCS8_PRIV_KEY_INFO *info =
		key ? EVP_PKEY2PKCS8(key) : NULL;

	ERR_clear_error();
	return info ? add_pkcs8(job, info) : ERR_MALFORMED;
}

/* "RSA PRIVATE KEY" and its like. With a wrong passphrase the padding fits once in 256 times: then
 * what comes out is no key. */
static int add_traditional(struct p12_job *job, const struct block *block)
{
	EVP_CIPHER_INFO cipher;
	int r = ERR_BAD_PASSPHRASE;

	ERR_clear_error();
	if (PEM_get_EVP_CIPHER_INFO(block->header, &cipher) != 1)
		return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_UNSUPPORTED_ENCRYPTION
			       ? unknown_cipher(job)
			       : damaged_block(job, block->label);
	if (!cipher.cipher) {
		r = add_traditional_der(job, block->data, block->size);
		return r == ERR_MALFORMED ? damaged_block(job, block->label) : r;
	}
	for (size_t i = 0; i < job->input->passphrases->n && r == ERR_BAD_PASSPHRASE; i++) {
		_cleanup_(secret_done) struct secret copy = {0};
		long size = block->size;

		r = p12_job_spend(job, LEGACY_ROUNDS);
		if (r == 0)
			r = secret_init_copy(&copy, block->data, (size_t)block->size);
		if (r < 0)
			return r;
		r = ERR_BAD_PASSPHRASE;
		if (PEM_do_header(&cipher, copy.data, &size, give_passphrase,
				  (void *)(uintptr_t)p12_job_passphrase(job, i)) == 1)
			r = add_traditional_der(job, copy.data, size);
		if (r == ERR_MALFORMED)
			r = ERR_BAD_PASSPHRASE;
	}
	ERR_clear_error();
	return r == ERR_BAD_PASSPHRASE ? p12_job_wrong_passphrase(job) : r;
}

static int add_plain_pkcs8(struct p12_job *job, const struct block *block)
{
	_cleanup_(PKCS8_PRIV_KEY_INFO_free_p) PKCS8_PRIV_KEY_INFO *info =
		p12_pkcs8_read(block->data, (size_t)block->size);

	if (!info)
		return damaged_block(job, block->label);
	return add_pkcs8(job, info);
}

static int add_x509(struct p12_job *job, const X509 *certificate)
{
	_cleanup_(buf_done) struct buf der = {0};
	int r = x509_to_der(certificate, &der);

	return r < 0 ? r : p12_job_add_certificate(job, der.data, der.size, NULL);
}

/* A certificate, and behind it what OpenSSL thinks of it. */
static int add_trusted(struct p12_job *job, const struct block *block)
{
	const unsigned char *at = block->data;
	_cleanup_(X509_free_p) X509 *certificate = d2i_X509_AUX(NULL, &at, block->size);

	return certificate ? add_x509(job, certificate) : damaged_block(job, block->label);
}

/* The certificates that a CA of Windows' hands out: a signed message without a message (RFC 2315
 * section 9.1). */
static int add_pkcs7(struct p12_job *job, const struct block *block)
{
	const unsigned char *at = block->data;
	_cleanup_(PKCS7_free_p) PKCS7 *pkcs7 = d2i_PKCS7(NULL, &at, block->size);
	STACK_OF(X509) * certificates;
	int r = 0;

	if (!pkcs7)
		return damaged_block(job, block->label);
	certificates = PKCS7_type_is_signed(pkcs7) && pkcs7->d.sign ? pkcs7->d.sign->cert : NULL;
	if (!certificates)
		job->contents->n_ignored++;
	for (int i = 0; r == 0 && certificates && i < sk_X509_num(certificates); i++)
		r = add_x509(job, sk_X509_value(certificates, i));
	return r;
}

static int add_block(struct p12_job *job, const struct block *block)
{
	size_t length = strlen(block->label), suffix = strlen(" PRIVATE KEY");

	if (is_label(block, "CERTIFICATE") || is_label(block, "X509 CERTIFICATE"))
		return p12_job_add_certificate(job, block->data, (size_t)block->size, NULL);
	if (is_label(block, "TRUSTED CERTIFICATE"))
		return add_trusted(job, block);
	if (is_label(block, "PKCS7") || is_label(block, "PKCS #7 SIGNED DATA"))
		return add_pkcs7(job, block);
	if (is_label(block, "PRIVATE KEY"))
		return add_plain_pkcs8(job, block);
	if (is_label(block, "ENCRYPTED PRIVATE KEY"))
		return add_encrypted(job, block);
	if (is_label(block, "TSS2 PRIVATE KEY") || is_label(block, "TSS2 KEY BLOB"))
		return why_set(
			job->why, ERR_UNSUPPORTED,
			"the private key in the PEM file is one that only the TPM which made it "
			"can use (TSS2), and both units need it: make a key without a TPM and "
			"have it certified");
	if (is_label(block, "OPENSSH PRIVATE KEY"))
		return why_set(
			job->why, ERR_UNSUPPORTED,
			"the private key in the PEM file has SSH's own form: convert it with "
			"ssh-keygen -p -m PKCS8 -f KEY");
	if (length > suffix && strcmp(block->label + length - suffix, " PRIVATE KEY") == 0)
		return add_traditional(job, block);
	/* The parameters of a curve, which the key has, too. */
	if (!is_label(block, "EC PARAMETERS"))
		job->contents->n_ignored++;
	return 0;
}

/* A NUL ends a line, too: programs write their strings with it, and files are joined. */
static bool is_end_of_line(uint8_t byte)
{
	return byte == '\n' || byte == '\r' || byte == '\0';
}

/* As libcrypto wants it: each line begins with its first character and ends with a line feed, and
 * the only empty ones stand where headers end ("DEK-Info: ..."). What was copied out of a mail or a
 * YAML file is indented; what went through Windows twice has an empty line behind each. */
static int straighten(const uint8_t *data, size_t size, struct buf *ret_text)
{
	bool was_header = false;
	int r = buf_reserve(ret_text, 2 * size + 2);

	for (size_t at = 0, end; r == 0 && at < size; at = end + 1) {
		bool is_header;

		for (end = at; end < size && !is_end_of_line(data[end]);)
			end++;
		while (at < end && (data[at] == ' ' || data[at] == '\t'))
			at++;
		if (at == end)
			continue;
		is_header = memchr(data + at, ':', end - at) != NULL;
		if (was_header && !is_header)
			ret_text->data[ret_text->size++] = '\n';
		memcpy(ret_text->data + ret_text->size, data + at, end - at);
		ret_text->size += end - at;
		ret_text->data[ret_text->size++] = '\n';
		was_header = is_header;
	}
	return r;
}

int p12_read_pem(struct p12_job *job)
{
	_cleanup_(buf_wipe) struct buf text = {0};
	_cleanup_(BIO_free_all_p) BIO *bio = NULL;
	size_t n_blocks = 0;
	int r = straighten(job->input->der, job->input->size, &text);

	if (r == 0)
		bio = BIO_new_mem_buf(text.data, (int)text.size);
	if (!bio)
		return -ENOMEM;
	job->is_pem = true;
	while (r == 0) {
		_cleanup_(block_done) struct block block = {0};

		ERR_clear_error();
		if (PEM_read_bio(bio, &block.label, &block.header, &block.data, &block.size) != 1) {
			unsigned long code = ERR_peek_last_error();

			ERR_clear_error();
			if (ERR_GET_REASON(code) == PEM_R_NO_START_LINE && n_blocks > 0)
				break;
			return no_block(job, &text, ERR_GET_REASON(code) != PEM_R_NO_START_LINE);
		}
		n_blocks++;
		r = add_block(job, &block);
	}
	return r;
}
