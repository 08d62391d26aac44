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
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"

#define DER_SEQUENCE 0x30
#define DER_OBJECT_IDENTIFIER 0x06
#define DER_SET 0x31
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

/* Lengths below 128 take one byte, which in a text is a character; a file of DER that is so short
 * is cut off, or another thing. */
bool p12_is_der(const uint8_t *data, size_t size)
{
	return size > 1 && data[0] == DER_SEQUENCE && data[1] >= 0x80;
}

/* What certificates are sent and stored in, and what is got in their place. */
static int check_wrapping(const uint8_t *data, size_t size, struct why *why)
{
	static const struct {
		const char *beginning, *what;
	} rows[] = {
		{"PK\003\004", "a ZIP archive: unpack it (unzip FILE), and give what is in it"},
		{"\x1f\x8b", "compressed with gzip: unpack it (gunzip FILE, or tar -xzf FILE)"},
		{"<!DOCTYPE", "a web page, not what was to be downloaded: get the file again"},
		{"<html", "a web page, not what was to be downloaded: get the file again"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].beginning);

		if (size >= n && strncasecmp((const char *)data, rows[i].beginning, n) == 0)
			return why_set(why, ERR_MALFORMED, "this is %s", rows[i].what);
	}
	return 0;
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

/* What is wanted: an identity, or a CA's certificate alone; and the words for either. */
struct wanted {
	bool is_ca;
	const char *noun;
};

static const struct wanted identity_wanted = {false, "PKCS#12 file"};
static const struct wanted ca_wanted = {true, "CA certificate"};

static int not_wanted(const struct wanted *wanted, struct why *why)
{
	if (wanted->is_ca)
		return why_set(why, ERR_MALFORMED,
			       "this is not a certificate: give the CA's as PEM, base64 or DER");
	return why_set(why, ERR_MALFORMED,
		       "this is not a PKCS#12 file: export certificate and key together, e.g. "
		       "openssl pkcs12 -export "
		       "-in CERT -inkey KEY -certfile CHAIN -out FILE.p12");
}

/* What a DER file is, by what its SEQUENCE begins with. */
enum kind {
	KIND_PFX,
	KIND_CERTIFICATE,
	KIND_PKCS7,
	KIND_KEY,
	KIND_REQUEST,
	KIND_OTHER,
	KIND__MAX,
};

/* The parts of a sentence: "this is NOUN (DER)ADVICE". */
struct wrong {
	const char *noun, *form, *advice;
	bool is_read; /* the advice has a command that reads FILE, and takes no base64 */
};

/* HOW_DECODED: which base64 it was, with what decodes it; NULL: none. */
static int wrong_kind(const struct wanted *wanted, enum kind kind, const char *how_decoded,
		      struct why *why)
{
	/* What begins with nothing that is known is looked at as what was wanted. */
	static const struct wrong for_identity[KIND__MAX] = {
		[KIND_CERTIFICATE] = {"this is a certificate, or several", " (DER)",
				      ", not a PKCS#12 file: give it as PEM with its key (openssl "
				      "x509 -in FILE -out CERT.pem; asafo import NAME CERT.pem "
				      "--key KEY.pem)",
				      true},
		[KIND_PKCS7] = {"these are certificates alone", " (PKCS#7)",
				", not a PKCS#12 file: give them as PEM with the key (openssl "
				"pkcs7 -inform DER -in FILE -print_certs -out CERT.pem; asafo "
				"import NAME CERT.pem --key KEY.pem)",
				true},
		[KIND_KEY] = {"this is a private key alone", " (DER)",
			      ", not a PKCS#12 file: give it as PEM with its certificate (openssl "
			      "pkey -inform DER -in FILE -out KEY.pem; asafo import NAME CERT.pem "
			      "--key KEY.pem)",
			      true},
		[KIND_REQUEST] = {"this is a certificate request", " (DER)",
				  ": import the certificate that the CA makes of it, with its key",
				  false},
	};
	static const struct wrong for_ca[KIND__MAX] = {
		[KIND_PFX] = {"this is a PKCS#12 file", "",
			      ": a CA's trustpoint takes its certificate alone (openssl pkcs12 "
			      "-in FILE -cacerts -nokeys -out CA.pem)",
			      true},
		[KIND_PKCS7] = {"this is PKCS#7", "",
				": give the CA's certificate out of it (openssl pkcs7 -inform DER "
				"-in FILE -print_certs -out CA.pem)",
				true},
		[KIND_KEY] = {"this is a private key", " (DER)",
			      ": a CA's trustpoint takes its certificate alone", false},
		[KIND_REQUEST] = {"this is a certificate request", " (DER)",
				  ": give the certificate of the CA that issues", false},
	};
	const struct wrong *wrong = wanted->is_ca ? &for_ca[kind] : &for_identity[kind];

	if (how_decoded)
		return why_set(why, ERR_MALFORMED, "%s (%s)%s", wrong->noun,
			       wrong->is_read ? how_decoded : "base64", wrong->advice);
	return why_set(why, ERR_MALFORMED, "%s%s%s", wrong->noun, wrong->form, wrong->advice);
}

/* PKCS#8 has version 0, or 1 with its public key behind it (RFC 5958), PKCS#1 has 0; SEC 1 has 1,
 * and an OCTET STRING behind it. */
static bool is_key(const uint8_t *der, size_t size)
{
	return begins(der, size, "\x02\x01\x00", 3) || begins(der, size, "\x02\x01\x01\x04", 4) ||
	       begins(der, size, "\x02\x01\x01\x30", 4);
}

/* How many bytes tag and length take; 0: not a SEQUENCE. */
static size_t sequence_head(const uint8_t *der, size_t size)
{
	size_t head = size > 1 && der[1] > 0x80 ? 2 + (size_t)(der[1] & 0x7f) : 2;

	return size >= head && der[0] == DER_SEQUENCE ? head : 0;
}

/* EncryptedPrivateKeyInfo: which cipher it is stands first. */
static bool is_encrypted_key(const uint8_t *der, size_t size)
{
	return size > 2 && der[0] == DER_SEQUENCE && der[1] < 0x80 &&
	       der[2] == DER_OBJECT_IDENTIFIER;
}

/* CertificationRequestInfo (RFC 2986 section 4.1): its version, which is 0, stands first, and a
 * Name behind it. A certificate of version 1 with serial number 0 has an algorithm there. */
static bool is_request(const uint8_t *der, size_t size)
{
	size_t head = sequence_head(der, size), name;

	if (head == 0 || !begins(der + head, size - head, "\x02\x01\x00", 3))
		return false;
	der += head + 3;
	size -= head + 3;
	name = sequence_head(der, size);
	return name > 0 && (der[1] == 0 || (size > name && der[name] == DER_SET));
}

/* DER: what is within the outermost SEQUENCE. A PFX has version 3. */
static enum kind kind_of(const uint8_t *der, size_t size)
{
	if (is_key(der, size) || is_encrypted_key(der, size))
		return KIND_KEY;
	if (is_request(der, size))
		return KIND_REQUEST;
	if (begins(der, size, "\x06", 1))
		return KIND_PKCS7;
	if (begins(der, size, "\x30", 1))
		return KIND_CERTIFICATE;
	return begins(der, size, "\x02\x01\x03", 3) ? KIND_PFX : KIND_OTHER;
}

/* Checks what it is, and the outermost length against the file's (X.690, 8.1.3). */
static int check_frame(const struct wanted *wanted, const uint8_t *der, size_t size,
		       const char *how_decoded, struct why *why)
{
	size_t n_length, length = 0, start = 2, total;
	enum kind kind = KIND_OTHER;

	if (size < 2 || der[0] != DER_SEQUENCE)
		return not_wanted(wanted, why);
	if (der[1] == DER_INDEFINITE)
		return 0; /* the end shows when it is read: libcrypto's reader checks it */
	if (der[1] < 0x80) {
		total = 2 + (size_t)der[1];
	} else {
		n_length = der[1] & 0x7f;
		if (n_length > 4)
			return not_wanted(wanted, why);
		for (size_t i = 0; i < n_length && 2 + i < size; i++)
			length = length << 8 | der[2 + i];
		start = 2 + n_length;
		total = start + length;
	}
	if (size > start)
		kind = kind_of(der + start, size - start);
	if (kind == KIND_OTHER && wanted->is_ca)
		return not_wanted(wanted, why);
	if (kind != KIND_OTHER && kind != (wanted->is_ca ? KIND_CERTIFICATE : KIND_PFX))
		return wrong_kind(wanted, kind, how_decoded, why);
	if (size < total)
		return why_set(why, ERR_MALFORMED,
			       "the %s is cut off: it holds %zu of its %zu bytes: copy "
			       "it again (in binary mode)",
			       wanted->noun, size, total);
	if (size > total)
		return why_set(why, ERR_MALFORMED,
			       "%zu byte%s the end of the %s: it was "
			       "changed on its way: copy it "
			       "again (in binary mode)",
			       size - total, size - total == 1 ? " follows" : "s follow",
			       wanted->noun);
	return 0;
}

struct text {
	const char *at;
	size_t size;
};

/* A NUL, too, which programs write behind their strings. */
static bool is_blank(char c)
{
	return isspace((unsigned char)c) || c == '\0';
}

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
	while (ret_line->size > 0 && is_blank(ret_line->at[ret_line->size - 1]))
		ret_line->size--;
	while (ret_line->size > 0 && is_blank(*ret_line->at)) {
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

static int append_line(const struct wanted *wanted, struct buf *base64, const struct text *line,
		       struct why *why)
{
	for (size_t i = 0; i < line->size; i++) {
		unsigned char c = (unsigned char)line->at[i];
		int r;

		if (isspace(c))
			continue;
		if (!isalnum(c) && c != '+' && c != '/' && c != '=')
			return not_wanted(wanted, why);
		r = buf_append(base64, &c, 1);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The base64 digits: between BEGIN and END where there is a BEGIN (text around it is nobody's),
 * else all there is. */
static int collect_base64(const struct wanted *wanted, struct text text, struct buf *base64,
			  struct why *why)
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
			r = append_line(wanted, base64, &line, why);
		}
	}
	if (r == 0 && is_armoured && !is_over)
		return why_set(
			why, ERR_MALFORMED,
			"the PKCS#12 text is cut off (there is no END line): copy all of it");
	return r;
}

static int decode_base64(const struct wanted *wanted, const uint8_t *data, size_t size,
			 struct buf *ret_der, struct why *why)
{
	_cleanup_(buf_wipe) struct buf base64 = {0};
	const struct text text = {(const char *)data, size};
	gnutls_datum_t in, out = {0};
	int r;

	/* Beside a whole BEGIN line they are somebody's words, or blocks that nobody asked for. */
	if (!has_begin(text) &&
	    (memmem(data, size, "BEGIN CERTIFICATE", 17) || memmem(data, size, "PRIVATE KEY", 11)))
		return spoilt_pem(why);
	r = collect_base64(wanted, text, &base64, why);
	if (r < 0)
		return r;
	if (begins(base64.data, base64.size, "LS0tLS1CRUdJTi", 14))
		return encoded_pem(why);
	/* The first six bits of a SEQUENCE. */
	if (base64.size == 0 || base64.data[0] != 'M')
		return not_wanted(wanted, why);
	in = (gnutls_datum_t){base64.data, (unsigned)base64.size};
	r = gnutls_base64_decode2(&in, &out);
	if (r == GNUTLS_E_MEMORY_ERROR)
		return -ENOMEM;
	if (r < 0)
		return why_set(why, ERR_MALFORMED,
			       "the base64 text of the %s is damaged or cut off: copy "
			       "all of it",
			       wanted->noun);
	r = buf_append(ret_der, out.data, out.size);
	gnutls_free(out.data);
	return r;
}

static int unwrap(const struct wanted *wanted, const uint8_t *data, size_t size,
		  struct buf *ret_der, struct why *ret_why)
{
	_cleanup_(buf_wipe) struct buf der = {0};
	const char *how_decoded = NULL;
	bool is_armoured;
	int r;

	if (size == 0)
		return why_set(ret_why, ERR_MALFORMED,
			       "the %s is empty: check its name, and export it again",
			       wanted->noun);
	if (is_java(data, size))
		return java(ret_why);
	r = check_wrapping(data, size, ret_why);
	if (r < 0)
		return r;
	/* '0' begins a SEQUENCE, and no DER file's base64, which begins with 'M'; what stands
	 * before a BEGIN line may be anything. */
	is_armoured = has_begin((struct text){(const char *)data, size});
	if (data[0] == DER_SEQUENCE && (p12_is_der(data, size) || !is_armoured)) {
		r = buf_append(&der, data, size);
	} else {
		r = decode_base64(wanted, data, size, &der, ret_why);
		how_decoded = is_armoured ? "base64: what is between BEGIN and END through "
					    "base64 -d first"
					  : "base64: base64 -d FILE first";
	}
	if (r == 0)
		r = check_frame(wanted, der.data, der.size, how_decoded, ret_why);
	if (r < 0)
		return r;
	*ret_der = der;
	der = (struct buf){0};
	return 0;
}

int p12_unwrap(const uint8_t *data, size_t size, struct buf *ret_der, struct why *ret_why)
{
	return unwrap(&identity_wanted, data, size, ret_der, ret_why);
}

int p12_unwrap_ca(const uint8_t *data, size_t size, struct buf *ret_der, struct why *ret_why)
{
	return unwrap(&ca_wanted, data, size, ret_der, ret_why);
}
