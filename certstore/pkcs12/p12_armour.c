/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a user has (DER, or base64 as a terminal shows it: with or without BEGIN and END lines,
 * perhaps with the ASA's closing "quit") to the bytes of one SEQUENCE. Strict about both ends: a
 * file that was cut off, or that something follows, is not what was exported, and its MAC would not
 * notice.
 */
#include "certstore/pkcs12/p12.h"

#include <ctype.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

#define DER_SEQUENCE 0x30
#define DER_OBJECT_IDENTIFIER 0x06
#define DER_INDEFINITE 0x80

/* Java's own formats; others begin differently, and are told apart by nobody. */
static bool is_java(const uint8_t *data, size_t size)
{
	static const uint8_t jks[] = {0xfe, 0xed, 0xfe, 0xed}, jceks[] = {0xce, 0xce, 0xce, 0xce};

	return size >= 4 && (memcmp(data, jks, 4) == 0 || memcmp(data, jceks, 4) == 0);
}

static int java(struct why *why)
{
	return why_set(why, ERR_MALFORMED,
		       "this is a Java keystore (JKS or JCEKS), not PKCS#12: convert it with "
		       "keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 "
		       "-deststoretype PKCS12");
}

static bool begins(const uint8_t *data, size_t size, const char *with, size_t n)
{
	return size >= n && memcmp(data, with, n) == 0;
}

/* What mail programs and word processors make of PEM. */
static int spoilt_pem(struct why *why)
{
	return why_set(
		why, ERR_MALFORMED,
		"this looks like PEM whose BEGIN lines were changed on the way: each has five "
		"hyphens (-----) at both ends: copy the file again, not its text");
}

static int encoded_pem(struct why *why)
{
	return why_set(why, ERR_MALFORMED,
		       "this is PEM that was encoded with base64 once more (as in a Kubernetes "
		       "secret): decode it first (base64 -d FILE)");
}

static int not_pkcs12(struct why *why)
{
	return why_set(why, ERR_MALFORMED,
		       "this is not a PKCS#12 file: export certificate and key together, e.g. "
		       "openssl pkcs12 -export "
		       "-in CERT -inkey KEY -certfile CHAIN -out FILE.p12");
}

static int key_alone(struct why *why)
{
	return why_set(
		why, ERR_MALFORMED,
		"this is a private key alone (DER), not a PKCS#12 file: give it as PEM with "
		"its certificate (openssl pkey -inform DER -in FILE -out KEY.pem; asafo import "
		"NAME CERT.pem --key KEY.pem)");
}

/* PKCS#8 and PKCS#1 have version 0; SEC 1 has 1, and an OCTET STRING behind it. */
static bool is_key(const uint8_t *der, size_t size)
{
	return begins(der, size, "\x02\x01\x00", 3) || begins(der, size, "\x02\x01\x01\x04", 4);
}

/* EncryptedPrivateKeyInfo: which cipher it is stands first. */
static bool is_encrypted_key(const uint8_t *der, size_t size)
{
	return size > 2 && der[0] == DER_SEQUENCE && der[1] < 0x80 &&
	       der[2] == DER_OBJECT_IDENTIFIER;
}

/* CertificationRequestInfo (RFC 2986 section 4.1): its version, which is 0, stands first. */
static bool is_request(const uint8_t *der, size_t size)
{
	size_t head = size > 1 && der[1] > 0x80 ? 2 + (size_t)(der[1] & 0x7f) : 2;

	return size > head && der[0] == DER_SEQUENCE &&
	       begins(der + head, size - head, "\x02\x01\x00", 3);
}

static int request_alone(struct why *why)
{
	return why_set(why, ERR_MALFORMED,
		       "this is a certificate request (DER): import the certificate that the CA "
		       "makes of it, with its key");
}

/* What a PFX begins with within its SEQUENCE is a number; a certificate, or PKCS#7, is not. */
static int certificate_alone(struct why *why)
{
	return why_set(
		why, ERR_MALFORMED,
		"this is a certificate, or several (DER), not a PKCS#12 file: give it as PEM "
		"with its key (openssl x509 -in FILE -out CERT.pem, of PKCS#7 openssl pkcs7 "
		"-inform DER -in FILE -print_certs -out CERT.pem; asafo import NAME CERT.pem "
		"--key KEY.pem)");
}

/* Checks the outermost length against the file's (X.690, 8.1.3). */
static int check_frame(const uint8_t *der, size_t size, struct why *why)
{
	size_t n_length, length = 0, start = 2, total;

	if (size < 2 || der[0] != DER_SEQUENCE)
		return not_pkcs12(why);
	if (der[1] == DER_INDEFINITE)
		return 0; /* the end shows when it is read: libcrypto's reader checks it */
	if (der[1] < 0x80) {
		total = 2 + (size_t)der[1];
	} else {
		n_length = der[1] & 0x7f;
		if (n_length > 4)
			return not_pkcs12(why);
		for (size_t i = 0; i < n_length && 2 + i < size; i++)
			length = length << 8 | der[2 + i];
		start = 2 + n_length;
		total = start + length;
	}
	if (size > start &&
	    (is_key(der + start, size - start) || is_encrypted_key(der + start, size - start)))
		return key_alone(why);
	if (size > start && is_request(der + start, size - start))
		return request_alone(why);
	if (size > start && (der[start] == DER_SEQUENCE || der[start] == DER_OBJECT_IDENTIFIER))
		return certificate_alone(why);
	if (size < total)
		return why_set(why, ERR_MALFORMED,
			       "the PKCS#12 file is cut off: it holds %zu of its %zu bytes: copy "
			       "it again (in binary mode)",
			       size, total);
	if (size > total)
		return why_set(why, ERR_MALFORMED,
			       "%zu bytes follow the end of the PKCS#12 structure: the file was "
			       "changed on its way: copy it "
			       "again (in binary mode)",
			       size - total);
	return 0;
}

struct text {
	const char *at;
	size_t size;
};

/* The next line without its end and surrounding blanks; false at the end of the text. */
static bool next_line(struct text *text, struct text *ret_line)
{
	const char *end;

	if (text->size == 0)
		return false;
	end = memchr(text->at, '\n', text->size);
	*ret_line = (struct text){text->at, end ? (size_t)(end - text->at) : text->size};
	text->size -= end ? ret_line->size + 1 : ret_line->size;
	text->at += end ? ret_line->size + 1 : ret_line->size;
	while (ret_line->size > 0 && isspace((unsigned char)ret_line->at[ret_line->size - 1]))
		ret_line->size--;
	while (ret_line->size > 0 && isspace((unsigned char)*ret_line->at)) {
		ret_line->at++;
		ret_line->size--;
	}
	return true;
}

static bool starts_with(const struct text *line, const char *prefix)
{
	return line->size >= strlen(prefix) && memcmp(line->at, prefix, strlen(prefix)) == 0;
}

static bool is_armour(const struct text *line, const char *edge)
{
	return starts_with(line, edge) && line->size >= 5 &&
	       memcmp(line->at + line->size - 5, "-----", 5) == 0;
}

static int check_label(const struct text *line, struct why *why)
{
	size_t prefix = strlen("-----BEGIN ");
	int n;

	if (line->size >= prefix + strlen("PKCS12-----") &&
	    (starts_with(line, "-----BEGIN PKCS12-----") ||
	     starts_with(line, "-----BEGIN PKCS #12-----")))
		return 0;
	n = line->size > prefix + 5 ? (int)(line->size - prefix - 5) : 0;
	return why_set(why, ERR_MALFORMED,
		       "this is a PEM file (%.*s), not PKCS#12: join certificate and key first, "
		       "e.g. openssl pkcs12 "
		       "-export -in CERT -inkey KEY -certfile CHAIN -out FILE.p12",
		       n > 64 ? 64 : n, n > 0 ? line->at + prefix : "");
}

static bool is_quit(const struct text *line)
{
	return line->size == 4 && strncasecmp(line->at, "quit", 4) == 0;
}

static bool has_begin(struct text text)
{
	struct text line;

	while (next_line(&text, &line)) {
		if (is_armour(&line, "-----BEGIN "))
			return true;
	}
	return false;
}

static int append_line(struct buf *base64, const struct text *line, struct why *why)
{
	for (size_t i = 0; i < line->size; i++) {
		unsigned char c = (unsigned char)line->at[i];
		int r;

		if (isspace(c))
			continue;
		if (!isalnum(c) && c != '+' && c != '/' && c != '=')
			return not_pkcs12(why);
		r = buf_append(base64, &c, 1);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The base64 digits: between BEGIN and END where there is a BEGIN (text around it is nobody's),
 * else all there is. */
static int collect_base64(struct text text, struct buf *base64, struct why *why)
{
	bool is_inside = !has_begin(text), is_armoured = !is_inside, is_over = false;
	struct text line;
	int r = 0;

	while (r == 0 && !is_over && next_line(&text, &line)) {
		if (!is_inside && is_armour(&line, "-----BEGIN ")) {
			is_inside = true;
			r = check_label(&line, why);
		} else if (is_inside && (is_armour(&line, "-----END ") || is_quit(&line))) {
			is_over = true;
		} else if (is_inside) {
			r = append_line(base64, &line, why);
		}
	}
	if (r == 0 && is_armoured && !is_over)
		return why_set(
			why, ERR_MALFORMED,
			"the PKCS#12 text is cut off (there is no END line): copy all of it");
	return r;
}

static int decode_base64(const uint8_t *data, size_t size, struct buf *ret_der, struct why *why)
{
	_cleanup_(buf_wipe) struct buf base64 = {0};
	gnutls_datum_t in, out = {0};
	int r;

	if (memmem(data, size, "BEGIN CERTIFICATE", 17) || memmem(data, size, "PRIVATE KEY", 11))
		return spoilt_pem(why);
	r = collect_base64((struct text){(const char *)data, size}, &base64, why);
	if (r < 0)
		return r;
	if (begins(base64.data, base64.size, "LS0tLS1CRUdJTi", 14))
		return encoded_pem(why);
	/* The first six bits of a SEQUENCE. */
	if (base64.size == 0 || base64.data[0] != 'M')
		return not_pkcs12(why);
	in = (gnutls_datum_t){base64.data, (unsigned)base64.size};
	r = gnutls_base64_decode2(&in, &out);
	if (r == GNUTLS_E_MEMORY_ERROR)
		return -ENOMEM;
	if (r < 0)
		return why_set(why, ERR_MALFORMED,
			       "the base64 text of the PKCS#12 file is damaged or cut off: copy "
			       "all of it");
	r = buf_append(ret_der, out.data, out.size);
	gnutls_free(out.data);
	return r;
}

int p12_unwrap(const uint8_t *data, size_t size, struct buf *ret_der, struct why *ret_why)
{
	_cleanup_(buf_wipe) struct buf der = {0};
	int r;

	if (size == 0)
		return why_set(ret_why, ERR_MALFORMED,
			       "the PKCS#12 file is empty: check its name, and export it again");
	if (is_java(data, size))
		return java(ret_why);
	/* '0' begins a SEQUENCE, and no PKCS#12 file's base64, which begins with 'M'. */
	if (data[0] == DER_SEQUENCE)
		r = buf_append(&der, data, size);
	else
		r = decode_base64(data, size, &der, ret_why);
	if (r == 0)
		r = check_frame(der.data, der.size, ret_why);
	if (r < 0)
		return r;
	*ret_der = der;
	der = (struct buf){0};
	return 0;
}
