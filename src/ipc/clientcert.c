/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All parsing is GnuTLS'. A name out of a certificate is compared with names of the configuration,
 * and so has to be made of their characters: nothing is unescaped, cut at a NUL or mapped.
 */
#include "ipc/clientcert.h"

#include <ctype.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"

#define TEXT_MAX CLIENTCERT_SIZE_MAX /* none of a certificate is longer */
#define SANS_MAX 64u
#define VERIFY_FLAGS (unsigned)GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM)

struct clientcert_cas {
	gnutls_x509_trust_list_t list;
	gnutls_x509_crt_t certificates[CLIENTCERT_CAS_MAX]; /* the list's */
	enum vpn_revocation revocation[CLIENTCERT_CAS_MAX];
	size_t n;
};

static int code_of(int code)
{
	if (code >= 0)
		return 0;
	return code == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : ERR_CRYPTO;
}

/* ---- the CAs ---- */

static int ca_add(struct clientcert_cas *cas, const ProtobufCBinaryData *from, uint32_t revocation)
{
	gnutls_datum_t datum = {from->data, (unsigned)from->len};
	gnutls_x509_crt_t certificate;
	int r = gnutls_x509_crt_init(&certificate);

	if (r < 0)
		return code_of(r);
	if (gnutls_x509_crt_import(certificate, &datum, GNUTLS_X509_FMT_DER) < 0 ||
	    gnutls_x509_crt_get_ca_status(certificate, NULL) <= 0) {
		gnutls_x509_crt_deinit(certificate);
		return ERR_MALFORMED;
	}
	/* From here on it is the list's. */
	if (gnutls_x509_trust_list_add_cas(cas->list, &certificate, 1, 0) != 1) {
		gnutls_x509_crt_deinit(certificate);
		return -ENOMEM;
	}
	cas->certificates[cas->n] = certificate;
	cas->revocation[cas->n++] = revocation < VPN_REVOCATION__MAX
					    ? (enum vpn_revocation)revocation
					    : VPN_REVOCATION_CRL;
	return 0;
}

CLEANUP_DEFINE(struct clientcert_cas *, clientcert_cas_free)

int clientcert_cas_new(const ProtobufCBinaryData *cas, size_t n, const uint32_t *revocation,
		       size_t n_revocation, struct clientcert_cas **ret_cas, size_t *ret_n_ignored)
{
	_cleanup_(clientcert_cas_free_p) struct clientcert_cas *made = calloc(1, sizeof(*made));
	size_t n_ignored = 0;
	int r;

	if (!made)
		return -ENOMEM;
	if (n > CLIENTCERT_CAS_MAX)
		return ERR_TOO_LARGE;
	r = gnutls_x509_trust_list_init(&made->list, 0);
	if (r < 0)
		return code_of(r);
	for (size_t i = 0; i < n; i++) {
		r = cas[i].len > CLIENTCERT_SIZE_MAX
			    ? ERR_MALFORMED
			    : ca_add(made, &cas[i],
				     i < n_revocation ? revocation[i] : VPN_REVOCATION_NONE);
		if (r == ERR_MALFORMED)
			n_ignored++;
		else if (r < 0)
			return r;
	}
	*ret_n_ignored = n_ignored;
	*ret_cas = TAKE_PTR(made);
	return 0;
}

void clientcert_cas_free(struct clientcert_cas *cas)
{
	if (!cas)
		return;
	if (cas->list)
		gnutls_x509_trust_list_deinit(cas->list, 1);
	free(cas);
}

size_t clientcert_cas_count(const struct clientcert_cas *cas)
{
	return cas ? cas->n : 0;
}

/* ---- names ---- */

static bool is_name(const char *text, size_t size)
{
	if (size == 0 || size >= VPN_NAME_MAX)
		return false;
	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (!isalnum((unsigned char)c) && (i == 0 || !strchr("_-.", c) || c == '\0') &&
		    c != '_')
			return false;
	}
	return true;
}

/* What a certificate says in one place. */
enum found { FOUND_NOTHING, FOUND_UNUSABLE, FOUND_TEXT };

struct text {
	enum found found;
	size_t size;
	char data[TEXT_MAX];
};

static void name_take(const struct text *text, size_t size, enum vpn_name_from from,
		      struct clientcert *to)
{
	to->is_unusable[from] = text->found == FOUND_UNUSABLE ||
				(text->found == FOUND_TEXT && !is_name(text->data, size));
	if (text->found != FOUND_TEXT || to->is_unusable[from])
		return;
	memcpy(to->names[from], text->data, size);
	to->names[from][size] = '\0';
}

/* Of "ada@example.net" it is "ada": no user's name has an "@". */
static void address_take(const struct text *text, enum vpn_name_from from, struct clientcert *to)
{
	const char *at = text->found == FOUND_TEXT ? memchr(text->data, '@', text->size) : NULL;
	size_t size = at ? (size_t)(at - text->data) : 0;

	/* Without an "@", or with two of them, no size is a name's. */
	if (at && memchr(at + 1, '@', text->size - size - 1))
		size = 0;
	name_take(text, size, from, to);
}

/* Who has two common names has none. */
static void dn_find(gnutls_x509_crt_t leaf, const char *oid, struct text *ret_text)
{
	size_t size = TEXT_MAX;
	int r = gnutls_x509_crt_get_dn_by_oid(leaf, oid, 1, 0, ret_text->data, &size);

	ret_text->size = 0;
	ret_text->found = FOUND_UNUSABLE;
	if (r != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return;
	ret_text->size = TEXT_MAX;
	r = gnutls_x509_crt_get_dn_by_oid(leaf, oid, 0, 0, ret_text->data, &ret_text->size);
	if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		ret_text->found = FOUND_NOTHING;
	else if (r == 0)
		ret_text->found = FOUND_TEXT;
}

/* What TYPE's one entry of the subjectAltName says; GnuTLS opens the string of a principal. What
 * cannot be read could be of any type. */
static void san_find(gnutls_x509_crt_t leaf, int type, struct text *ret_text)
{
	char other[TEXT_MAX];

	ret_text->found = FOUND_NOTHING;
	for (unsigned i = 0; i <= SANS_MAX && ret_text->found != FOUND_UNUSABLE; i++) {
		size_t size = TEXT_MAX;
		int r = gnutls_x509_crt_get_subject_alt_name2(leaf, i, other, &size, NULL, NULL);

		if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return;
		if (r < 0 || i == SANS_MAX || (r == type && ret_text->found == FOUND_TEXT)) {
			ret_text->found = FOUND_UNUSABLE;
		} else if (r == type) {
			memcpy(ret_text->data, other, size);
			ret_text->size = size;
			ret_text->found = FOUND_TEXT;
		}
	}
}

static void names_take(gnutls_x509_crt_t leaf, struct clientcert *to)
{
	struct text text;

	dn_find(leaf, GNUTLS_OID_X520_COMMON_NAME, &text);
	name_take(&text, text.size, VPN_NAME_FROM_CN, to);
	san_find(leaf, GNUTLS_SAN_RFC822NAME, &text);
	if (text.found == FOUND_NOTHING)
		dn_find(leaf, GNUTLS_OID_PKCS9_EMAIL, &text);
	address_take(&text, VPN_NAME_FROM_EA, to);
	san_find(leaf, GNUTLS_SAN_OTHERNAME_MSUSERPRINCIPAL, &text);
	address_take(&text, VPN_NAME_FROM_UPN, to);
}

/* Printable, cut. */
static void subject_take(gnutls_x509_crt_t leaf, char ret_text[static VPN_NAME_MAX])
{
	gnutls_datum_t text = {NULL, 0};
	size_t n = 0;

	if (gnutls_x509_crt_get_dn3(leaf, &text, 0) < 0)
		return;
	for (; n < text.size && n < VPN_NAME_MAX - 1; n++)
		ret_text[n] = text.data[n] > 0x1f && text.data[n] < 0x7f ? (char)text.data[n] : '?';
	ret_text[n] = '\0';
	gnutls_free(text.data);
}

/* ---- the judgement ---- */

static const struct {
	unsigned status;
	int code;
	const char *text;
} faults[] = {
	{GNUTLS_CERT_SIGNER_NOT_FOUND, ERR_DENIED, "is of no CA that is trusted here"},
	{GNUTLS_CERT_SIGNER_NOT_CA, ERR_DENIED, "is signed by what is no CA"},
	{GNUTLS_CERT_SIGNATURE_FAILURE, ERR_DENIED, "has a signature that is not its CA's"},
	{GNUTLS_CERT_REVOKED, ERR_DENIED, "is revoked"},
	{GNUTLS_CERT_EXPIRED, ERR_EXPIRED, "or its CA's has expired"},
	{GNUTLS_CERT_NOT_ACTIVATED, ERR_NOT_YET_VALID, "or its CA's is not valid yet"},
	{GNUTLS_CERT_INSECURE_ALGORITHM, ERR_WEAK, "or its CA's has a weak key or signature"},
	{GNUTLS_CERT_PURPOSE_MISMATCH, ERR_DENIED, "is not for clients (extended key usage)"},
	{GNUTLS_CERT_UNKNOWN_CRIT_EXTENSIONS, ERR_UNSUPPORTED,
	 "has a critical extension that is not known here"},
};

static int status_judge(unsigned status, struct why *ret_why)
{
	if (status == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		if (status & faults[i].status)
			return why_set(ret_why, faults[i].code, "%s", faults[i].text);
	}
	return why_set(ret_why, ERR_DENIED, "breaks a rule of its CA");
}

struct chain {
	gnutls_x509_crt_t certificates[CLIENTCERT_CHAIN_MAX];
	unsigned n;
};

static void chain_done(struct chain *chain)
{
	while (chain->n > 0)
		gnutls_x509_crt_deinit(chain->certificates[--chain->n]);
}

static int chain_read(const ProtobufCBinaryData *from, size_t n, struct chain *chain,
		      struct why *ret_why)
{
	if (n > CLIENTCERT_CHAIN_MAX)
		return why_set(ret_why, ERR_TOO_LARGE, "comes with more than %d others",
			       CLIENTCERT_CHAIN_MAX - 1);
	for (size_t i = 0; i < n; i++) {
		gnutls_datum_t datum = {from[i].data, (unsigned)from[i].len};
		int r;

		if (from[i].len > CLIENTCERT_SIZE_MAX)
			return why_set(ret_why, ERR_TOO_LARGE, "or its CA's is too large");
		r = gnutls_x509_crt_init(&chain->certificates[chain->n]);
		if (r < 0)
			return code_of(r);
		chain->n++;
		if (gnutls_x509_crt_import(chain->certificates[i], &datum, GNUTLS_X509_FMT_DER) < 0)
			return why_set(ret_why, ERR_MALFORMED, "or its CA's cannot be read");
	}
	return 0;
}

/* Of the leaf alone: what GnuTLS does not look at for clients. */
static int leaf_judge(gnutls_x509_crt_t leaf, struct why *ret_why)
{
	unsigned usage = 0;

	if (gnutls_x509_crt_get_ca_status(leaf, NULL) > 0)
		return why_set(ret_why, ERR_DENIED, "is a CA's own");
	if (gnutls_x509_crt_get_key_usage(leaf, &usage, NULL) >= 0 &&
	    (usage & GNUTLS_KEY_DIGITAL_SIGNATURE) == 0)
		return why_set(ret_why, ERR_DENIED, "is not for signatures (key usage)");
	return 0;
}

static int chain_judge(const struct clientcert_cas *cas, struct chain *chain, struct why *ret_why)
{
	static char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st data = {GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)purpose, 0};
	unsigned status = 0;
	int r = gnutls_x509_trust_list_verify_crt2(cas->list, chain->certificates, chain->n, &data,
						   1, VERIFY_FLAGS, &status, NULL);

	if (r < 0)
		return why_set(ret_why, r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : ERR_MALFORMED,
			       "cannot be verified: %s", gnutls_strerror(r));
	return status_judge(status, ret_why);
}

int clientcert_verify(const struct clientcert_cas *cas, const ProtobufCBinaryData *from, size_t n,
		      struct clientcert *ret_certificate, struct why *ret_why)
{
	_cleanup_(chain_done) struct chain chain = {.n = 0};
	struct clientcert certificate = {.subject = ""};
	int r;

	if (n == 0)
		return why_set(ret_why, ERR_NO_CERTIFICATE, "did not come");
	if (clientcert_cas_count(cas) == 0)
		return why_set(ret_why, ERR_DENIED, "is of no CA that is trusted here");
	r = chain_read(from, n, &chain, ret_why);
	if (r == 0)
		r = leaf_judge(chain.certificates[0], ret_why);
	if (r == 0)
		r = chain_judge(cas, &chain, ret_why);
	if (r < 0)
		return r;
	r = gnutls_hash_fast(GNUTLS_DIG_SHA256, from[0].data, from[0].len, certificate.fingerprint);
	if (r < 0)
		return code_of(r);
	names_take(chain.certificates[0], &certificate);
	subject_take(chain.certificates[0], certificate.subject);
	*ret_certificate = certificate;
	return 0;
}

/* ---- where it could be revoked ---- */

/* By name and by signature. What else makes an issuer, and all times, were judged with the chain.
 */
static bool is_issuer(gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer)
{
	unsigned status = 0;

	return gnutls_x509_crt_check_issuer(certificate, issuer) &&
	       gnutls_x509_crt_verify(certificate, &issuer, 1,
				      GNUTLS_VERIFY_DISABLE_TIME_CHECKS |
					      GNUTLS_VERIFY_DISABLE_CA_SIGN |
					      GNUTLS_VERIFY_ALLOW_BROKEN,
				      &status) == 0 &&
	       (status & (GNUTLS_CERT_SIGNATURE_FAILURE | GNUTLS_CERT_SIGNER_NOT_FOUND)) == 0;
}

static int link_add(gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer,
		    struct clientcert_links *links, struct why *ret_why)
{
	uint8_t serial[128];
	size_t size = sizeof(serial), key_size = sizeof(links->links[0].key_id);

	if (links->n == CLIENTCERT_LINKS_MAX)
		return why_set(ret_why, ERR_TOO_LARGE, "comes with too many CAs of one name");
	if (gnutls_x509_crt_get_serial(certificate, serial, &size) < 0)
		return why_set(ret_why, ERR_MALFORMED, "has a serial number that is none");
	if (gnutls_x509_crt_get_key_id(issuer, GNUTLS_KEYID_USE_SHA256,
				       links->links[links->n].key_id, &key_size) < 0)
		return ERR_CRYPTO;
	return crlmark_of(serial, size, links->links[links->n++].mark);
}

static bool is_trusted(const struct clientcert_cas *cas, gnutls_x509_crt_t certificate)
{
	for (size_t i = 0; i < cas->n; i++) {
		if (gnutls_x509_crt_equals(cas->certificates[i], certificate))
			return true;
	}
	return false;
}

/* A CA that is out of its dates ends no chain: the one that does is above it. */
static bool is_in_dates(gnutls_x509_crt_t certificate)
{
	time_t now = time(NULL);

	return gnutls_x509_crt_get_activation_time(certificate) <= now &&
	       now <= gnutls_x509_crt_get_expiration_time(certificate);
}

/* Of the trusted CAs. *RET_IS_FOUND: one of them signed it, and its chain ends there. */
static int links_add_trusted(const struct clientcert_cas *cas, gnutls_x509_crt_t certificate,
			     struct clientcert_links *links, bool *ret_is_found,
			     struct why *ret_why)
{
	int r = 0;

	for (size_t i = 0; i < cas->n && r == 0; i++) {
		if (!is_issuer(certificate, cas->certificates[i]))
			continue;
		*ret_is_found |= is_in_dates(cas->certificates[i]);
		if (cas->revocation[i] > links->revocation)
			links->revocation = cas->revocation[i];
		r = link_add(certificate, cas->certificates[i], links, ret_why);
	}
	return r;
}

/* Those of the chain that are to be looked up: the leaf, and what is above it. */
struct ascent {
	unsigned order[CLIENTCERT_CHAIN_MAX];
	unsigned n;
	bool is_in[CLIENTCERT_CHAIN_MAX];
};

static void ascent_add(struct ascent *ascent, unsigned index)
{
	if (ascent->is_in[index])
		return;
	ascent->is_in[index] = true;
	ascent->order[ascent->n++] = index;
}

/* Whoever signed it: any of them may be the one by which the chain was judged. Above a trusted CA
 * nothing was looked at. */
static int links_add(const struct clientcert_cas *cas, const struct chain *chain, unsigned index,
		     struct ascent *ascent, struct clientcert_links *links, struct why *ret_why)
{
	gnutls_x509_crt_t certificate = chain->certificates[index];
	bool is_found = false;
	int r = links_add_trusted(cas, certificate, links, &is_found, ret_why);

	for (unsigned i = 0; i < chain->n && r == 0 && !is_found; i++) {
		if (i == index || !is_issuer(certificate, chain->certificates[i]))
			continue;
		ascent_add(ascent, i);
		r = link_add(certificate, chain->certificates[i], links, ret_why);
	}
	return r;
}

int clientcert_links(const struct clientcert_cas *cas, const ProtobufCBinaryData *from, size_t n,
		     struct clientcert_links *ret_links, struct why *ret_why)
{
	_cleanup_(chain_done) struct chain chain = {.n = 0};
	struct clientcert_links links = {.n = 0};
	struct ascent ascent = {.n = 0};
	int r = chain_read(from, n, &chain, ret_why);

	if (r == 0 && chain.n > 0 && !is_trusted(cas, chain.certificates[0]))
		ascent_add(&ascent, 0);
	for (unsigned i = 0; i < ascent.n && r == 0; i++)
		r = links_add(cas, &chain, ascent.order[i], &ascent, &links, ret_why);
	/* It was judged by a chain that is not seen here. */
	if (r == 0 && links.n == 0)
		r = why_set(ret_why, ERR_DENIED, "is a CA's own");
	if (r == 0)
		*ret_links = links;
	return r;
}

const char *clientcert_user(const struct clientcert *certificate,
			    const enum vpn_name_from from[static VPN_NAMES_FROM])
{
	for (size_t i = 0; i < VPN_NAMES_FROM; i++) {
		if (from[i] >= VPN_NAME_FROM__MAX)
			continue;
		if (certificate->names[from[i]][0] || certificate->is_unusable[from[i]])
			return certificate->names[from[i]];
	}
	return "";
}
