/* SPDX-License-Identifier: Apache-2.0 */
/* The local CA's certificates, by libcrypto. Extensions are built from values, never from
 * configuration text. */
#include "certstore/x509/localca.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "certstore/x509/x509.h"

#define SERIAL_SIZE 16
#define SECONDS_PER_DAY INT64_C(86400)
#define LIFETIME_DAYS_MAX 36500
#define FALLBACK_DAYS 3650
#define BACKDATE_SECONDS 600 /* the mate's clock, and clients', may be a little behind */
#define SUBJECT_MAX 64	     /* ub-common-name, RFC 5280 appendix A.1 */
#define NAMES_MAX 64
#define DNS_NAME_MAX 253

CLEANUP_DEFINE(GENERAL_NAMES *, GENERAL_NAMES_free)
CLEANUP_DEFINE(GENERAL_NAME *, GENERAL_NAME_free)
CLEANUP_DEFINE(BASIC_CONSTRAINTS *, BASIC_CONSTRAINTS_free)
CLEANUP_DEFINE(ASN1_OCTET_STRING *, ASN1_OCTET_STRING_free)
CLEANUP_DEFINE(ASN1_BIT_STRING *, ASN1_BIT_STRING_free)
CLEANUP_DEFINE(AUTHORITY_KEYID *, AUTHORITY_KEYID_free)
CLEANUP_DEFINE(EXTENDED_KEY_USAGE *, EXTENDED_KEY_USAGE_free)
CLEANUP_DEFINE(BIGNUM *, BN_free)
CLEANUP_DEFINE(OSSL_LIB_CTX *, OSSL_LIB_CTX_free)

struct order {
	OSSL_LIB_CTX *library;
	const char *subject;
	const char *const *names;
	size_t n_names;
	unsigned lifetime_days;
	int64_t now;
	bool is_ca;
	bool is_for_clients;
	X509 *issuer;	      /* NULL: signs itself */
	EVP_PKEY *issuer_key; /* likewise */
};

static int crypto_failed(struct why *why)
{
	ERR_clear_error();
	return why_set(why, ERR_CRYPTO,
		       "libcrypto could not make the certificate: see whether memory is short");
}

static int check_order(const struct order *order, struct why *why)
{
	size_t size = strlen(order->subject);

	if (size == 0 || size > SUBJECT_MAX)
		return why_set(why, ERR_SYNTAX,
			       "a subject's common name has 1 to %d bytes, and this one %zu: "
			       "choose another",
			       SUBJECT_MAX, size);
	if (order->lifetime_days == 0 || order->lifetime_days > LIFETIME_DAYS_MAX)
		return why_set(why, ERR_SYNTAX, "a lifetime is 1 to %d days: choose another",
			       LIFETIME_DAYS_MAX);
	if (order->n_names > NAMES_MAX)
		return why_set(why, ERR_TOO_LARGE,
			       "a certificate takes at most %d names: give fewer", NAMES_MAX);
	return 0;
}

static bool set_serial(X509 *certificate, OSSL_LIB_CTX *library)
{
	uint8_t bytes[SERIAL_SIZE];
	_cleanup_(BN_free_p) BIGNUM *number = NULL;

	if (RAND_bytes_ex(library, bytes, sizeof(bytes), 0) != 1)
		return false;
	/* Positive and exactly 16 bytes long (RFC 5280 section 4.1.2.2). */
	bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40);
	number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	return number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
}

static bool set_dates(X509 *certificate, const struct order *order)
{
	int64_t start = order->now - BACKDATE_SECONDS;
	int64_t end = order->now + (int64_t)order->lifetime_days * SECONDS_PER_DAY;

	if (order->issuer) {
		int64_t ca_start = x509_time(X509_get0_notBefore(order->issuer));
		int64_t ca_end = x509_time(X509_get0_notAfter(order->issuer));

		start = start < ca_start ? ca_start : start;
		end = end > ca_end ? ca_end : end;
	}
	return ASN1_TIME_adj(X509_getm_notBefore(certificate), (time_t)start, 0, 0) &&
	       ASN1_TIME_adj(X509_getm_notAfter(certificate), (time_t)end, 0, 0);
}

static bool set_names(X509 *certificate, const struct order *order)
{
	X509_NAME *subject = X509_get_subject_name(certificate);

	if (X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
				       (const unsigned char *)order->subject, -1, -1, 0) != 1)
		return false;
	return X509_set_issuer_name(certificate, order->issuer
							 ? X509_get_subject_name(order->issuer)
							 : subject) == 1;
}

static bool add_extension(X509 *certificate, int nid, void *value, bool is_critical)
{
	return value &&
	       X509_add1_ext_i2d(certificate, nid, value, is_critical, X509V3_ADD_DEFAULT) == 1;
}

static bool add_basic_constraints(X509 *certificate, bool is_ca)
{
	_cleanup_(BASIC_CONSTRAINTS_free_p) BASIC_CONSTRAINTS *value = BASIC_CONSTRAINTS_new();

	if (value && is_ca) {
		value->ca = 0xff;
		value->pathlen = ASN1_INTEGER_new();
		if (!value->pathlen || ASN1_INTEGER_set(value->pathlen, 0) != 1)
			return false;
	}
	return add_extension(certificate, NID_basic_constraints, value, true);
}

/* Bits of RFC 5280 section 4.2.1.3. */
static bool add_key_usage(X509 *certificate, bool is_ca)
{
	_cleanup_(ASN1_BIT_STRING_free_p) ASN1_BIT_STRING *value = ASN1_BIT_STRING_new();
	bool is_set;

	if (!value)
		return false;
	if (is_ca)
		is_set = ASN1_BIT_STRING_set_bit(value, 5, 1) == 1 &&
			 ASN1_BIT_STRING_set_bit(value, 6, 1) == 1;
	else
		is_set = ASN1_BIT_STRING_set_bit(value, 0, 1) == 1;
	return is_set && add_extension(certificate, NID_key_usage, value, true);
}

static bool add_extended_key_usage(X509 *certificate, bool is_for_clients)
{
	_cleanup_(EXTENDED_KEY_USAGE_free_p) EXTENDED_KEY_USAGE *value = EXTENDED_KEY_USAGE_new();

	if (!value || sk_ASN1_OBJECT_push(value, OBJ_nid2obj(NID_server_auth)) <= 0)
		return false;
	if (is_for_clients && sk_ASN1_OBJECT_push(value, OBJ_nid2obj(NID_client_auth)) <= 0)
		return false;
	return add_extension(certificate, NID_ext_key_usage, value, false);
}

/* SHA-1 of the public key's bits (RFC 5280 section 4.2.1.2, method 1): an identifier, no security.
 */
static ASN1_OCTET_STRING *key_identifier(const X509 *certificate, OSSL_LIB_CTX *library)
{
	_cleanup_(ASN1_OCTET_STRING_free_p) ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(certificate);
	uint8_t digest[EVP_MAX_MD_SIZE];
	size_t size = 0;

	if (!value || !bits ||
	    EVP_Q_digest(library, "SHA1", NULL, bits->data, (size_t)bits->length, digest, &size) !=
		    1 ||
	    ASN1_OCTET_STRING_set(value, digest, (int)size) != 1)
		return NULL;
	return TAKE_PTR(value);
}

static bool add_key_identifiers(X509 *certificate, const X509 *issuer, OSSL_LIB_CTX *library)
{
	_cleanup_(ASN1_OCTET_STRING_free_p) ASN1_OCTET_STRING *own =
		key_identifier(certificate, library);
	_cleanup_(AUTHORITY_KEYID_free_p) AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();

	if (!authority)
		return false;
	authority->keyid = key_identifier(issuer, library);
	return authority->keyid &&
	       add_extension(certificate, NID_subject_key_identifier, own, false) &&
	       add_extension(certificate, NID_authority_key_identifier, authority, false);
}

static bool is_dns_name(const char *name)
{
	size_t size = strlen(name);

	if (size == 0 || size > DNS_NAME_MAX || *name == '.' || *name == '-')
		return false;
	for (const char *c = name; *c; c++) {
		bool is_alphanumeric = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
				       (*c >= '0' && *c <= '9');

		if (!is_alphanumeric && *c != '.' && *c != '-' && *c != '_' &&
		    !(*c == '*' && c == name))
			return false;
		if (*c == '.' && c[1] == '.')
			return false;
	}
	return true;
}

/* Takes over nothing of TEXT; NULL when it is neither an address nor a host's name. */
static GENERAL_NAME *make_general_name(const char *text)
{
	_cleanup_(GENERAL_NAME_free_p) GENERAL_NAME *name = GENERAL_NAME_new();
	_cleanup_(ASN1_OCTET_STRING_free_p) ASN1_STRING *value = NULL;
	uint8_t address[16];
	int size = inet_pton(AF_INET, text, address) == 1    ? 4
		   : inet_pton(AF_INET6, text, address) == 1 ? 16
							     : 0;

	if (!name || (size == 0 && !is_dns_name(text)))
		return NULL;
	value = ASN1_STRING_type_new(size ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
	if (!value ||
	    ASN1_STRING_set(value, size ? (const void *)address : text, size ? size : -1) != 1)
		return NULL;
	GENERAL_NAME_set0_value(name, size ? GEN_IPADD : GEN_DNS, TAKE_PTR(value));
	return TAKE_PTR(name);
}

static int add_alternative_names(X509 *certificate, const struct order *order, struct why *why)
{
	_cleanup_(GENERAL_NAMES_free_p) GENERAL_NAMES *names = GENERAL_NAMES_new();

	if (order->n_names == 0)
		return 0;
	for (size_t i = 0; i < order->n_names && names; i++) {
		GENERAL_NAME *name = make_general_name(order->names[i]);

		if (!name)
			return why_set(why, ERR_SYNTAX,
				       "'%.80s' is neither a host's name nor an IP address: give "
				       "one as name of the certificate",
				       order->names[i]);
		if (sk_GENERAL_NAME_push(names, name) <= 0) {
			GENERAL_NAME_free(name);
			return -ENOMEM;
		}
	}
	return add_extension(certificate, NID_subject_alt_name, names, false) ? 0
									      : crypto_failed(why);
}

static int add_extensions(X509 *certificate, const struct order *order, struct why *why)
{
	const X509 *issuer = order->issuer ? order->issuer : certificate;

	if (!add_basic_constraints(certificate, order->is_ca) ||
	    !add_key_usage(certificate, order->is_ca) ||
	    !add_key_identifiers(certificate, issuer, order->library) ||
	    (!order->is_ca && !add_extended_key_usage(certificate, order->is_for_clients)))
		return crypto_failed(why);
	return add_alternative_names(certificate, order, why);
}

static bool sign(X509 *certificate, EVP_PKEY *key, const struct order *order)
{
	_cleanup_(EVP_MD_CTX_free_p) EVP_MD_CTX *context = EVP_MD_CTX_new();

	return context &&
	       EVP_DigestSignInit_ex(context, NULL, "SHA256", order->library, NULL,
				     order->issuer_key ? order->issuer_key : key, NULL) == 1 &&
	       X509_sign_ctx(certificate, context) > 0;
}

static int make(const struct order *order, X509 **ret_certificate, EVP_PKEY **ret_key,
		struct why *why)
{
	_cleanup_(X509_free_p) X509 *certificate = X509_new_ex(order->library, NULL);
	_cleanup_(EVP_PKEY_free_p) EVP_PKEY *key =
		EVP_PKEY_Q_keygen(order->library, NULL, "EC", "P-256");
	int r;

	if (!certificate || !key || X509_set_version(certificate, X509_VERSION_3) != 1 ||
	    !set_serial(certificate, order->library) || !set_dates(certificate, order) ||
	    !set_names(certificate, order) || X509_set_pubkey(certificate, key) != 1)
		return crypto_failed(why);
	r = add_extensions(certificate, order, why);
	if (r < 0)
		return r;
	if (!sign(certificate, key, order))
		return crypto_failed(why);
	*ret_certificate = TAKE_PTR(certificate);
	*ret_key = TAKE_PTR(key);
	return 0;
}

static int describe(const X509 *certificate, const X509 *issuer,
		    Asafo__Record__TrustpointPublic **ret_public)
{
	struct buf certificates[2] = {0};
	int r = x509_to_der(certificate, &certificates[0]);

	if (r == 0 && issuer)
		r = x509_to_der(issuer, &certificates[1]);
	if (r == 0)
		r = identity_describe(certificates, issuer ? 2 : 1, ret_public);
	buf_done(&certificates[0]);
	buf_done(&certificates[1]);
	return r;
}

/* People who know certificates write "CN=joe" where the name alone is meant. */
static const char *common_name(const char *subject)
{
	return strncasecmp(subject, "CN=", 3) == 0 ? subject + 3 : subject;
}

static int fulfil(const struct order *order, Asafo__Record__Origin origin,
		  struct identity *ret_identity, struct why *why)
{
	_cleanup_(identity_done) struct identity identity = {
		.is_local_ca = origin == ASAFO__RECORD__ORIGIN__ORIGIN_LOCAL_CA};
	_cleanup_(X509_free_p) X509 *certificate = NULL;
	_cleanup_(EVP_PKEY_free_p) EVP_PKEY *key = NULL;
	int r = check_order(order, why);

	if (r == 0)
		r = make(order, &certificate, &key, why);
	if (r < 0)
		return r;
	r = describe(certificate, order->issuer, &identity.public_part);
	if (r == 0)
		r = x509_key_to_pkcs8(key, &identity.key);
	if (r < 0)
		return r == -ENOMEM ? r : crypto_failed(why);
	identity.public_part->origin = origin;
	*ret_identity = identity;
	identity = (struct identity){0};
	return 0;
}

int localca_create(const char *subject, unsigned lifetime_days, int64_t now,
		   struct identity *ret_ca, struct why *ret_why)
{
	_cleanup_(OSSL_LIB_CTX_free_p) OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
	struct order order = {
		.library = library,
		.subject = common_name(subject),
		.lifetime_days = lifetime_days,
		.now = now,
		.is_ca = true,
	};

	return fulfil(&order, ASAFO__RECORD__ORIGIN__ORIGIN_LOCAL_CA, ret_ca, ret_why);
}

static int check_ca(const struct order *order, struct why *why)
{
	if (!order->issuer || !order->issuer_key ||
	    X509_check_private_key(order->issuer, order->issuer_key) != 1) {
		ERR_clear_error();
		return why_set(why, ERR_INTEGRITY,
			       "the local CA's certificate and key cannot be read or do not fit: "
			       "check the store");
	}
	if (x509_time(X509_get0_notAfter(order->issuer)) <= order->now)
		return why_set(why, ERR_EXPIRED,
			       "the local CA's certificate has expired: create the local CA again");
	return 0;
}

int localca_issue(const Asafo__Record__TrustpointPublic *ca, const struct secret *ca_key,
		  const char *subject, const char *const *names, size_t n_names,
		  unsigned lifetime_days, int64_t now, struct identity *ret_identity,
		  struct why *ret_why)
{
	_cleanup_(OSSL_LIB_CTX_free_p) OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
	_cleanup_(X509_free_p) X509 *issuer = x509_from_der(library, ca->leaf.data, ca->leaf.len);
	_cleanup_(EVP_PKEY_free_p) EVP_PKEY *key =
		x509_key_from_pkcs8(library, ca_key->data, ca_key->size);
	struct order order = {
		.library = library,
		.subject = common_name(subject),
		.names = names,
		.n_names = n_names,
		.lifetime_days = lifetime_days,
		.now = now,
		.is_for_clients = true,
		.issuer = issuer,
		.issuer_key = key,
	};
	int r = check_ca(&order, ret_why);

	return r < 0 ? r
		     : fulfil(&order, ASAFO__RECORD__ORIGIN__ORIGIN_LOCAL_CA, ret_identity,
			      ret_why);
}

int localca_self_signed(const char *hostname, int64_t now, struct identity *ret_identity,
			struct why *ret_why)
{
	_cleanup_(OSSL_LIB_CTX_free_p) OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
	const char *names[] = {hostname};
	struct order order = {
		.library = library,
		.subject = hostname,
		.names = names,
		.n_names = 1,
		.lifetime_days = FALLBACK_DAYS,
		.now = now,
	};

	return fulfil(&order, ASAFO__RECORD__ORIGIN__ORIGIN_FALLBACK, ret_identity, ret_why);
}
