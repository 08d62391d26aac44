/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file holds certificates in any order, with strangers among them. Who issued whom is decided by
 * signatures; names only say whose signature to try. Local CA: by signature alone.
 */
#include "certstore/pkcs12/chain.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/err.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_SERVED 1024 /* of less nothing can be made with SHA-256 and PSS */
#define RSA_BITS_MAX 8192    /* a larger one takes the keeper tens of milliseconds a signature */
#define EC_BITS_MIN 256
#define STEPS_MAX 256

static bool is_in_chain(const struct chain *chain, const X509 *certificate)
{
	for (size_t i = 0; i < chain->n_links; i++) {
		if (X509_cmp(chain->links[i], certificate) == 0)
			return true;
	}
	return false;
}

static int preference(X509 *issuer, int64_t now)
{
	bool is_valid = x509_time(X509_get0_notBefore(issuer)) <= now &&
			now <= x509_time(X509_get0_notAfter(issuer));

	return (is_valid ? 2 : 0) + (x509_is_self_signed(issuer) ? 1 : 0);
}

static bool is_issuer(const struct chain *chain, X509 *issuer)
{
	X509 *last = chain->links[chain->n_links - 1];

	return X509_NAME_cmp(X509_get_subject_name(issuer), X509_get_issuer_name(last)) == 0 &&
	       !is_in_chain(chain, issuer) && x509_is_signed_by(last, X509_get0_pubkey(issuer));
}

/* Cross-signed certificates make several ways up; one that ends in a root is looked for. */
struct search {
	X509 *const *certificates;
	size_t n;
	int64_t now;
	unsigned steps_left; /* the file decides how many ways there are */
	struct chain best;
	bool is_too_long;
};

static bool is_valid(const struct chain *chain, int64_t now)
{
	for (size_t i = 1; i < chain->n_links; i++) {
		if (preference(chain->links[i], now) < 2)
			return false;
	}
	return true;
}

static bool is_better(const struct search *search, const struct chain *chain)
{
	const struct chain *best = &search->best;

	if (chain->is_complete != best->is_complete)
		return chain->is_complete;
	if (is_valid(chain, search->now) != is_valid(best, search->now))
		return is_valid(chain, search->now);
	return chain->is_complete ? chain->n_links < best->n_links : chain->n_links > best->n_links;
}

static void climb(struct search *search, struct chain *chain)
{
	X509 *issuers[P12_CERTIFICATES_MAX];
	size_t n = 0;

	chain->is_complete = x509_is_self_signed(chain->links[chain->n_links - 1]);
	if (search->best.n_links == 0 || is_better(search, chain))
		search->best = *chain;
	for (size_t i = 0; i < search->n && !chain->is_complete; i++) {
		if (is_issuer(chain, search->certificates[i]))
			issuers[n++] = search->certificates[i];
	}
	if (n > 0 && chain->n_links == 1 + IDENTITY_CHAIN_MAX) {
		search->is_too_long = true;
		return;
	}
	for (int wanted = 3; wanted >= 0; wanted--) {
		for (size_t i = 0; i < n && search->steps_left > 0; i++) {
			if (preference(issuers[i], search->now) != wanted)
				continue;
			search->steps_left--;
			chain->links[chain->n_links++] = issuers[i];
			climb(search, chain);
			chain->n_links--;
		}
	}
	chain->is_complete = false;
}

int chain_build(X509 *leaf, X509 *const *certificates, size_t n_certificates, int64_t now,
		struct chain *ret_chain, struct why *ret_why)
{
	struct chain chain = {.links = {leaf}, .n_links = 1};
	struct search search = {
		.certificates = certificates,
		.n = n_certificates < P12_CERTIFICATES_MAX ? n_certificates : P12_CERTIFICATES_MAX,
		.now = now,
		.steps_left = STEPS_MAX,
	};

	climb(&search, &chain);
	if (search.is_too_long && !search.best.is_complete)
		return why_set(ret_why, ERR_TOO_LARGE,
			       "the certificate chain in the file is longer than %u: export it "
			       "with the intermediate certificates that are needed",
			       (unsigned)IDENTITY_CHAIN_MAX);
	chain = search.best;
	for (size_t i = 0; i < search.n; i++) {
		if (!is_in_chain(&chain, certificates[i]))
			chain.strangers[chain.n_strangers++] = certificates[i];
	}
	*ret_chain = chain;
	return 0;
}

static bool is_issued_by(const struct chain *chain, EVP_PKEY *ca_key)
{
	for (size_t i = 0; i < chain->n_links; i++) {
		if (x509_is_signed_by(chain->links[i], ca_key) ||
		    EVP_PKEY_eq(X509_get0_pubkey(chain->links[i]), ca_key) == 1)
			return true;
	}
	return false;
}

int chain_is_local(const struct chain *chain, OSSL_LIB_CTX *library, const struct buf *local_cas,
		   size_t n_local_cas, bool *ret_is_local)
{
	bool is_local = false;

	for (size_t i = 0; i < n_local_cas && !is_local; i++) {
		_cleanup_(X509_free_p) X509 *ca =
			x509_from_der(library, local_cas[i].data, local_cas[i].size);

		if (!ca)
			return ERR_MALFORMED;
		is_local = is_issued_by(chain, X509_get0_pubkey(ca));
	}
	ERR_clear_error();
	*ret_is_local = is_local;
	return 0;
}

static bool is_marked(X509 *certificate, const struct identity_ca_mark *mark)
{
	const ASN1_OCTET_STRING *authority = X509_get0_authority_key_id(certificate);
	uint8_t id[IDENTITY_KEY_ID_SIZE];

	if (authority && mark->subject_key_id_size > 0 &&
	    (size_t)ASN1_STRING_length(authority) == mark->subject_key_id_size &&
	    memcmp(ASN1_STRING_get0_data(authority), mark->subject_key_id,
		   mark->subject_key_id_size) == 0)
		return true;
	return mark->key_id_size == sizeof(id) && x509_key_id(certificate, id) == 0 &&
	       memcmp(mark->key_id, id, sizeof(id)) == 0;
}

bool chain_is_marked(const struct chain *chain, const struct identity_ca_mark *marks,
		     size_t n_marks)
{
	bool found = false;

	for (size_t i = 0; i < chain->n_links && !found; i++) {
		for (size_t j = 0; j < n_marks && !found; j++)
			found = is_marked(chain->links[i], &marks[j]);
	}
	ERR_clear_error();
	return found;
}

/* CODE: ERR_WEAK where it may be permitted, ERR_UNSUPPORTED where no client would shake hands. */
static int weak_key(const X509 *certificate, int code, const char *what, int bits, struct why *why)
{
	char name[X509_TEXT_MAX];

	return why_set(why, code,
		       "the key of %s is %s with %d bits, which clients refuse as weak: make a new "
		       "one (RSA from %d bits "
		       "on, or ECDSA P-256) and have it certified",
		       x509_name_text(X509_get_subject_name(certificate), name), what, bits,
		       RSA_BITS_MIN);
}

static int check_curve(const X509 *certificate, const EVP_PKEY *key, struct why *why)
{
	static const char *const known[] = {SN_X9_62_prime256v1, SN_secp384r1, SN_secp521r1};
	char curve[64], name[X509_TEXT_MAX];

	/* RFC 5480 section 2.1.1: a name it must be. */
	if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, curve, sizeof(curve),
					   NULL) == 1 &&
	    strcmp(curve, OSSL_PKEY_EC_ENCODING_EXPLICIT) == 0)
		return why_set(why, ERR_UNSUPPORTED,
			       "the key of %s spells out the parameters of its curve, which TLS "
			       "clients do not take: make one on a named curve (openssl ecparam "
			       "-name prime256v1 -genkey) and have it certified",
			       x509_name_text(X509_get_subject_name(certificate), name));
	(void)snprintf(curve, sizeof(curve), "an unnamed curve");
	if (EVP_PKEY_get_bits(key) < EC_BITS_MIN)
		return weak_key(certificate, ERR_UNSUPPORTED, "ECDSA", EVP_PKEY_get_bits(key), why);
	(void)EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof(curve),
					     NULL);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(curve, known[i]) == 0)
			return 0;
	}
	return why_set(why, ERR_UNSUPPORTED,
		       "the key of %s is ECDSA on %s, which TLS clients do not take: use P-256, "
		       "P-384 or P-521",
		       x509_name_text(X509_get_subject_name(certificate), name), curve);
}

static int check_key(const X509 *certificate, struct why *why)
{
	const EVP_PKEY *key = X509_get0_pubkey(certificate);
	int bits = EVP_PKEY_get_bits(key);
	char name[X509_TEXT_MAX];

	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		if (bits < RSA_BITS_MIN)
			return weak_key(certificate,
					bits < RSA_BITS_SERVED ? ERR_UNSUPPORTED : ERR_WEAK, "RSA",
					bits, why);
		if (bits > RSA_BITS_MAX)
			return why_set(why, ERR_UNSUPPORTED,
				       "the key of %s is RSA with %d bits, too slow to serve with: "
				       "use at most %d",
				       x509_name_text(X509_get_subject_name(certificate), name),
				       bits, RSA_BITS_MAX);
		return 0;
	case EVP_PKEY_EC:
		return check_curve(certificate, key, why);
	case EVP_PKEY_ED25519:
	case EVP_PKEY_ED448:
		return 0;
	case EVP_PKEY_DSA:
		return weak_key(certificate, ERR_UNSUPPORTED, "DSA", bits, why);
	default:
		return why_set(why, ERR_UNSUPPORTED,
			       "the key of %s is of a type that TLS clients do not take: use RSA, "
			       "ECDSA or Ed25519",
			       x509_name_text(X509_get_subject_name(certificate), name));
	}
}

static int check_signature(X509 *certificate, struct why *why)
{
	char name[X509_TEXT_MAX];
	int digest = NID_undef;

	if (X509_get_signature_info(certificate, &digest, NULL, NULL, NULL) != 1) {
		ERR_clear_error();
		return why_set(why, ERR_UNSUPPORTED,
			       "the certificate %s is signed with %s, which is not supported: have "
			       "it issued again with SHA-256",
			       x509_name_text(X509_get_subject_name(certificate), name),
			       OBJ_nid2ln(X509_get_signature_nid(certificate)));
	}
	if (digest != NID_md2 && digest != NID_md4 && digest != NID_md5 && digest != NID_md5_sha1 &&
	    digest != NID_sha1)
		return 0;
	return why_set(why, ERR_WEAK,
		       "the certificate %s is signed with %s, which clients refuse: have it issued "
		       "again with SHA-256",
		       x509_name_text(X509_get_subject_name(certificate), name),
		       OBJ_nid2sn(digest));
}

/* Without seconds, or with an offset: some libraries read it, and OpenSSL's clients do not (RFC
 * 5280 section 4.1.2.5). */
static int check_dates(const X509 *certificate, struct why *why)
{
	char name[X509_TEXT_MAX];
	time_t any = 0;

	if (X509_cmp_time(X509_get0_notBefore(certificate), &any) != 0 &&
	    X509_cmp_time(X509_get0_notAfter(certificate), &any) != 0)
		return 0;
	ERR_clear_error();
	return why_set(
		why, ERR_MALFORMED,
		"the dates of the certificate %s are not written as X.509 wants them (to the "
		"second, in UTC), which clients refuse: have it issued again",
		x509_name_text(X509_get_subject_name(certificate), name));
}

static int check_link(const struct chain *chain, size_t index, struct why *why)
{
	bool is_root = chain->is_complete && index == chain->n_links - 1;
	int r = 0;

	/* Clients take a root from their own store: its key and signature here convince
	 * nobody. */
	if (index == 0 || !is_root)
		r = check_dates(chain->links[index], why);
	/* Behind the dates: what is weak may be permitted, and what nobody can read is not. */
	if (r == 0 && (index == 0 || !is_root))
		r = check_key(chain->links[index], why);
	if (r == 0 && !is_root)
		r = check_signature(chain->links[index], why);
	return r;
}

/* What cannot be served goes before what is weak, which may be permitted. */
int chain_check_strength(const struct chain *chain, struct why *ret_why)
{
	struct why weak = {0};
	bool is_weak = false;

	for (size_t i = 0; i < chain->n_links; i++) {
		struct why why = {0};
		int r = check_link(chain, i, &why);

		if (r < 0 && r != ERR_WEAK) {
			if (ret_why)
				*ret_why = why;
			return r;
		}
		if (r == ERR_WEAK && !is_weak)
			weak = why;
		is_weak = is_weak || r == ERR_WEAK;
	}
	if (is_weak && ret_why)
		*ret_why = weak;
	return is_weak ? ERR_WEAK : 0;
}
