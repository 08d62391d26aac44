/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With libcrypto, as staples: it reads hundreds of thousands of entries in a time and a memory that
 * grow with them and no faster. Of an entry nothing is kept but a mark of its serial number.
 */
#include "certstore/x509/crl.h"

#include <endian.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/utc.h"
#include "certstore/x509/x509.h"

#define SERIAL_DER_MAX 64 /* RFC 5280 section 4.1.2.2 wants no more than 22 */
#define NUMBER_MAX 20	  /* section 5.2.3 */

CLEANUP_DEFINE(X509_CRL *, X509_CRL_free)
CLEANUP_DEFINE(ISSUING_DIST_POINT *, ISSUING_DIST_POINT_free)
CLEANUP_DEFINE(ASN1_INTEGER *, ASN1_INTEGER_free)

/* ---- the file ---- */

/* An encrypted block: libcrypto would ask the terminal. */
static int no_password(char *text, int size, int is_writing, void *userdata)
{
	(void)text;
	(void)size;
	(void)is_writing;
	(void)userdata;
	return -1;
}

/* The only one in it. */
static X509_CRL *from_pem(const uint8_t *file, size_t size)
{
	_cleanup_(BIO_free_all_p) BIO *bio = BIO_new_mem_buf(file, (int)size);
	_cleanup_(X509_CRL_free_p) X509_CRL *crl =
		bio ? PEM_read_bio_X509_CRL(bio, NULL, no_password, NULL) : NULL;
	_cleanup_(X509_CRL_free_p) X509_CRL *second =
		crl ? PEM_read_bio_X509_CRL(bio, NULL, no_password, NULL) : NULL;

	return second ? NULL : TAKE_PTR(crl);
}

static int open_file(const uint8_t *file, size_t size, X509_CRL **ret_crl, struct why *why)
{
	_cleanup_(X509_CRL_free_p) X509_CRL *crl = NULL;
	const uint8_t *at = file;

	if (size > CRL_FILE_MAX)
		return why_set(why, ERR_TOO_LARGE, "the CRL is larger than %u bytes", CRL_FILE_MAX);
	crl = d2i_X509_CRL(NULL, &at, (long)size);
	if (!crl)
		crl = from_pem(file, size);
	else if (at != file + size)
		return why_set(why, ERR_MALFORMED, "something stands behind the CRL in the file");
	if (!crl)
		return why_set(why, ERR_MALFORMED,
			       "this is no CRL, in DER or alone in a PEM file, as openssl ca "
			       "-gencrl writes one");
	*ret_crl = TAKE_PTR(crl);
	return 0;
}

/* ---- whose it is ---- */

static int check_issuer(X509_CRL *crl, X509 *issuer, struct why *why)
{
	const X509_ALGOR *algorithm = NULL;
	char name[X509_TEXT_MAX];

	X509_CRL_get0_signature(crl, NULL, &algorithm);
	if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) != 0)
		return why_set(why, ERR_DIFFERS,
			       "the CRL is of another CA (%s), not of the trustpoint's",
			       x509_name_text(X509_CRL_get_issuer(crl), name));
	if (x509_is_weak_signature(algorithm))
		return why_set(why, ERR_WEAK,
			       "the CRL is signed with a digest that can be forged (SHA-1 or "
			       "older): have the CA sign its lists with SHA-256");
	if ((X509_get_key_usage(issuer) & KU_CRL_SIGN) == 0)
		return why_set(why, ERR_UNSUPPORTED,
			       "the CA's certificate does not permit it to sign CRLs (key usage "
			       "cRLSign)");
	if (X509_CRL_verify(crl, X509_get0_pubkey(issuer)) != 1)
		return why_set(why, ERR_INTEGRITY,
			       "the CRL is not signed by the key of the trustpoint's CA: somebody "
			       "changed it, or the CA has another key");
	return 0;
}

static int check_times(const Asafo__Record__Crl *crl, int64_t now, struct why *why)
{
	char at[UTC_TEXT_MAX];

	if (crl->next_update <= crl->this_update)
		return why_set(why, ERR_MALFORMED,
			       "the CRL ends before it begins (thisUpdate, nextUpdate)");
	if (crl->this_update > now + CRL_SKEW_S)
		return why_set(why, ERR_NOT_YET_VALID,
			       "the CRL is good from %s on only: look at the clocks of this unit "
			       "and of the CA",
			       utc_text(crl->this_update, at));
	if (!crl_is_good(crl->this_update, crl->next_update, now))
		return why_set(why, ERR_EXPIRED, "the CRL ended at %s: fetch a new one from the CA",
			       utc_text(crl->next_update, at));
	return 0;
}

static int take_times(const X509_CRL *crl, Asafo__Record__Crl *to, struct why *why)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

	if (!next)
		return why_set(why, ERR_UNSUPPORTED,
			       "the CRL has no nextUpdate: how long it holds is not known");
	to->this_update = x509_time(X509_CRL_get0_lastUpdate(crl));
	to->next_update = x509_time(next);
	if (to->this_update == INT64_MIN || to->next_update == INT64_MIN)
		return why_set(why, ERR_MALFORMED, "a time in the CRL is none");
	return 0;
}

/* ---- what it is about ---- */

static int refuse_indirect(struct why *why)
{
	return why_set(why, ERR_UNSUPPORTED,
		       "the CRL is an indirect one, with certificates of other CAs: import the "
		       "CA's own");
}

/* RFC 5280 section 5.2.5. */
static int check_scope(X509_CRL *crl, struct why *why)
{
	int is_critical = 0;
	_cleanup_(ISSUING_DIST_POINT_free_p) ISSUING_DIST_POINT *scope =
		X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &is_critical, NULL);

	if (!scope)
		return why_set(why, ERR_MALFORMED,
			       "the CRL's issuing distribution point cannot be read, or stands "
			       "twice");
	if (scope->indirectCRL > 0)
		return refuse_indirect(why);
	return why_set(why, ERR_UNSUPPORTED,
		       "the CRL is about a part of the CA's certificates only (issuing "
		       "distribution point): import one that is about all of them");
}

static int check_extension(X509_CRL *crl, X509_EXTENSION *extension, struct why *why)
{
	int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));

	if (nid == NID_delta_crl)
		return why_set(why, ERR_UNSUPPORTED,
			       "the CRL is a delta, which says only what changed since another "
			       "one: import a complete one");
	if (nid == NID_issuing_distribution_point)
		return check_scope(crl, why);
	if (X509_EXTENSION_get_critical(extension) && nid != NID_authority_key_identifier &&
	    nid != NID_crl_number)
		return why_set(why, ERR_UNSUPPORTED,
			       "the CRL has a critical extension that is not known here (%s)",
			       nid == NID_undef ? "unknown" : OBJ_nid2ln(nid));
	return 0;
}

static int check_extensions(X509_CRL *crl, struct why *why)
{
	int r = 0;

	for (int i = 0; i < X509_CRL_get_ext_count(crl) && r == 0; i++)
		r = check_extension(crl, X509_CRL_get_ext(crl, i), why);
	return r;
}

static int take_number(X509_CRL *crl, Asafo__Record__Crl *to)
{
	_cleanup_(ASN1_INTEGER_free_p) ASN1_INTEGER *number =
		X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
	int size = number ? ASN1_STRING_length(number) : 0;
	char *text;

	if (size <= 0 || size > NUMBER_MAX)
		return 0;
	text = malloc(2 * (size_t)size + 1);
	if (!text)
		return -ENOMEM;
	hex_encode(ASN1_STRING_get0_data(number), (size_t)size, text);
	to->number = text;
	return 0;
}

/* ---- what is revoked ---- */

static int check_entry(const X509_REVOKED *entry, struct why *why)
{
	for (int i = 0; i < X509_REVOKED_get_ext_count(entry); i++) {
		X509_EXTENSION *extension = X509_REVOKED_get_ext(entry, i);
		int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));

		if (nid == NID_certificate_issuer)
			return refuse_indirect(why);
		if (X509_EXTENSION_get_critical(extension) && nid != NID_crl_reason &&
		    nid != NID_invalidity_date)
			return why_set(why, ERR_UNSUPPORTED,
				       "an entry of the CRL has a critical extension that is not "
				       "known here");
	}
	return 0;
}

static int take_entry(const X509_REVOKED *entry, uint8_t ret_mark[static CRLMARK_SIZE],
		      struct why *why)
{
	const ASN1_INTEGER *serial = X509_REVOKED_get0_serialNumber(entry);
	uint8_t der[SERIAL_DER_MAX], *to = der;
	int size = i2d_ASN1_INTEGER((ASN1_INTEGER *)(uintptr_t)serial, NULL);
	int r = check_entry(entry, why);

	if (r < 0)
		return r;
	/* So short that its header has two bytes. */
	if (size < 3 || size > SERIAL_DER_MAX)
		return why_set(why, ERR_UNSUPPORTED,
			       "a serial number in the CRL is longer than any that a CA may give");
	(void)i2d_ASN1_INTEGER((ASN1_INTEGER *)(uintptr_t)serial, &to);
	return crlmark_of(der + 2, (size_t)size - 2, ret_mark);
}

static int compare_marks(const void *a, const void *b)
{
	return memcmp(a, b, CRLMARK_SIZE);
}

static int take_entries(X509_CRL *crl, Asafo__Record__Crl *to, struct why *why)
{
	STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);
	int n = entries ? sk_X509_REVOKED_num(entries) : 0;
	int r = 0;

	to->revoked = n > 0 ? (uint64_t)n : 0;
	if (to->revoked == 0)
		return 0;
	to->marks.data = malloc((size_t)n * CRLMARK_SIZE);
	if (!to->marks.data)
		return -ENOMEM;
	to->marks.len = (size_t)n * CRLMARK_SIZE;
	for (int i = 0; i < n && r == 0; i++)
		r = take_entry(sk_X509_REVOKED_value(entries, i),
			       to->marks.data + (size_t)i * CRLMARK_SIZE, why);
	if (r == 0)
		qsort(to->marks.data, (size_t)n, CRLMARK_SIZE, compare_marks);
	return r;
}

bool crl_are_marks(const uint8_t *marks, size_t size)
{
	if (size % CRLMARK_SIZE != 0)
		return false;
	for (size_t at = CRLMARK_SIZE; at < size; at += CRLMARK_SIZE) {
		if (memcmp(marks + at - CRLMARK_SIZE, marks + at, CRLMARK_SIZE) > 0)
			return false;
	}
	return true;
}

int crl_digest(const Asafo__Record__Crl *crl, const uint8_t *marks, size_t size,
	       uint8_t ret_digest[static 32])
{
	size_t number_size = strlen(crl->number);
	uint64_t times[] = {htobe64((uint64_t)crl->this_update),
			    htobe64((uint64_t)crl->next_update), htobe64((uint64_t)crl->removed_at),
			    htobe64(number_size)};
	gnutls_hash_hd_t hash;

	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
		return ERR_CRYPTO;
	if (gnutls_hash(hash, times, sizeof(times)) < 0 ||
	    gnutls_hash(hash, crl->number, number_size) < 0 ||
	    (size > 0 && gnutls_hash(hash, marks, size) < 0)) {
		gnutls_hash_deinit(hash, NULL);
		return ERR_CRYPTO;
	}
	gnutls_hash_deinit(hash, ret_digest);
	return 0;
}

/* Hex digits, of which the zeros in front are none. */
static int compare_numbers(const char *a, const char *b)
{
	size_t a_size, b_size;

	/* One without a number says nothing of the order. */
	if (!*a || !*b)
		return 0;
	a += strspn(a, "0");
	b += strspn(b, "0");
	a_size = strlen(a);
	b_size = strlen(b);
	if (a_size != b_size)
		return a_size < b_size ? -1 : 1;
	return strcmp(a, b);
}

static int compare_times(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_counts(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* What was done to the list of a CA, be it taken or removed. Two units that were active apart may
 * have counted alike in one term. */
static int compare_changes(const Asafo__Record__Crl *a, const Asafo__Record__Crl *b)
{
	int order = 0;

	if (a->term && b->term)
		order = compare_counts(a->term, b->term);
	if (order == 0 && a->term && b->term)
		order = compare_counts(a->change, b->change);
	return order ? order
		     : compare_times(a->removed_at ? a->removed_at : a->taken_at,
				     b->removed_at ? b->removed_at : b->taken_at);
}

int crl_compare(const Asafo__Record__Crl *a, const Asafo__Record__Crl *b)
{
	int order;

	if (a->removed_at || b->removed_at)
		return compare_changes(a, b);
	order = compare_times(a->this_update, b->this_update);
	return order ? order : compare_numbers(a->number, b->number);
}

/* ---- all of it ---- */

static int take_texts(X509_CRL *crl, Asafo__Record__Crl *to)
{
	char name[X509_TEXT_MAX];
	int r = take_number(crl, to);

	if (r < 0)
		return r;
	to->issuer = strdup(x509_name_text(X509_CRL_get_issuer(crl), name));
	to->digest.data = malloc(32);
	if (!to->issuer || !to->digest.data)
		return -ENOMEM;
	to->digest.len = 32;
	return crl_digest(to, to->marks.data, to->marks.len, to->digest.data);
}

static int take(X509_CRL *crl, X509 *issuer, int64_t now, Asafo__Record__Crl *to, struct why *why)
{
	int r = check_issuer(crl, issuer, why);

	if (r == 0)
		r = check_extensions(crl, why);
	if (r == 0)
		r = take_times(crl, to, why);
	if (r == 0)
		r = check_times(to, now, why);
	if (r == 0)
		r = take_entries(crl, to, why);
	return r == 0 ? take_texts(crl, to) : r;
}

static void message_free(Asafo__Record__Crl *crl)
{
	asafo__record__crl__free_unpacked(crl, NULL);
}

CLEANUP_DEFINE(Asafo__Record__Crl *, message_free)

int crl_read(const uint8_t *file, size_t size, const struct crl_question *question,
	     Asafo__Record__Crl **ret_crl, struct why *ret_why)
{
	_cleanup_(X509_free_p) X509 *issuer =
		x509_from_der(NULL, question->issuer, question->issuer_size);
	_cleanup_(message_free_p) Asafo__Record__Crl *made = malloc(sizeof(*made));
	_cleanup_(X509_CRL_free_p) X509_CRL *crl = NULL;
	int r;

	if (!made)
		return -ENOMEM;
	asafo__record__crl__init(made);
	if (!issuer)
		return why_set(ret_why, ERR_MALFORMED,
			       "the certificate of the trustpoint's CA cannot be read");
	r = open_file(file, size, &crl, ret_why);
	if (r == 0)
		r = take(crl, issuer, question->now, made, ret_why);
	ERR_clear_error();
	if (r < 0)
		return r;
	*ret_crl = TAKE_PTR(made);
	return 0;
}
