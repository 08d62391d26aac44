/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trustpoint's public part from its certificates. By GnuTLS, which serves them later: what it
 * cannot read is refused here, and not at the first handshake. Texts are made valid UTF-8 without
 * control characters, since they reach terminals and JSON.
 */
#include "certstore/x509/identity.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/utf8.h"

#define OID_SUBJECT_ALT_NAME "2.5.29.17"
#define NAMES_MAX 256
#define NAME_TEXT_MAX 1024
#define DNS_NAME_MAX 253
#define SERIAL_MAX 64
#define DIGEST_SIZE 32

CLEANUP_DEFINE(gnutls_x509_crt_t, gnutls_x509_crt_deinit)
CLEANUP_DEFINE(gnutls_subject_alt_names_t, gnutls_subject_alt_names_deinit)

static int translate(int code)
{
	if (code >= 0)
		return 0;
	return code == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : ERR_MALFORMED;
}

void identity_done(struct identity *identity)
{
	if (!identity)
		return;
	if (identity->public_part)
		asafo__record__trustpoint_public__free_unpacked(identity->public_part, NULL);
	secret_done(&identity->key);
	*identity = (struct identity){0};
}

struct providers {
	OSSL_PROVIDER *all[4];
	size_t n;
};

static int collect_provider(OSSL_PROVIDER *provider, void *userdata)
{
	struct providers *providers = userdata;

	if (providers->n < ARRAY_SIZE(providers->all))
		providers->all[providers->n++] = provider;
	return 1;
}

void identity_library_free(OSSL_LIB_CTX *library)
{
	struct providers loaded = {0};

	if (!library)
		return;
	/* A provider that is loaded when its context goes leaks what it has of its own. */
	(void)OSSL_PROVIDER_do_all(library, collect_provider, &loaded);
	for (size_t i = 0; i < loaded.n; i++)
		(void)OSSL_PROVIDER_unload(loaded.all[i]);
	OSSL_LIB_CTX_free(library);
}

int identity_library_new(OSSL_LIB_CTX **ret_library)
{
	OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();

	if (!library)
		return -ENOMEM;
	if (!OSSL_PROVIDER_load(library, "default")) {
		identity_library_free(library);
		return ERR_CRYPTO;
	}
	(void)OSSL_PROVIDER_load(library, "legacy"); /* optional: some machines do without */
	*ret_library = library;
	return 0;
}

bool identity_name_is_valid(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > TRUSTPOINT_NAME_MAX || *name == '-' || *name == '.')
		return false;
	for (const char *c = name; *c; c++) {
		bool is_alphanumeric = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
				       (*c >= '0' && *c <= '9');

		if (!is_alphanumeric && *c != '.' && *c != '_' && *c != '-')
			return false;
	}
	return true;
}

static char *clean_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	size_t length = 0;

	if (!text)
		return NULL;
	for (size_t i = 0; i < size && length < NAME_TEXT_MAX;) {
		size_t n = data[i] < 0x20 || data[i] == 0x7f ? 0 : utf8_length(data + i, size - i);

		if (n == 0) {
			text[length++] = '?';
			i++;
			continue;
		}
		memcpy(text + length, data + i, n);
		length += n;
		i += n;
	}
	text[length] = 0;
	return text;
}

static int copy_bytes(ProtobufCBinaryData *ret, const void *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		return -ENOMEM;
	if (size > 0)
		memcpy(copy, data, size);
	*ret = (ProtobufCBinaryData){size, copy};
	return 0;
}

static int copy_text(char **ret, const void *data, size_t size)
{
	char *text = clean_text(data, size);

	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

static int describe_dn(char **ret, int code, gnutls_datum_t *dn)
{
	int r;

	if (code == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return copy_text(ret, "", 0);
	if (code < 0)
		return translate(code);
	r = copy_text(ret, dn->data, dn->size);
	gnutls_free(dn->data);
	return r;
}

static const char *curve_name(gnutls_ecc_curve_t curve)
{
	if (curve == GNUTLS_ECC_CURVE_SECP256R1)
		return "P256";
	if (curve == GNUTLS_ECC_CURVE_SECP384R1)
		return "P384";
	if (curve == GNUTLS_ECC_CURVE_SECP521R1)
		return "P521";
	return gnutls_ecc_curve_get_name(curve);
}

static int describe_key_type(gnutls_x509_crt_t certificate, char **ret)
{
	char text[64];
	const char *name;
	unsigned bits = 0;
	gnutls_ecc_curve_t curve;
	int algorithm = gnutls_x509_crt_get_pk_algorithm(certificate, &bits);

	if (algorithm < 0)
		return translate(algorithm);
	if (algorithm == GNUTLS_PK_RSA) {
		(void)snprintf(text, sizeof(text), "RSA-%u", bits);
	} else if (algorithm == GNUTLS_PK_RSA_PSS) {
		(void)snprintf(text, sizeof(text), "RSA-PSS-%u", bits);
	} else if (algorithm == GNUTLS_PK_EDDSA_ED25519) {
		(void)snprintf(text, sizeof(text), "Ed25519");
	} else if (algorithm == GNUTLS_PK_EDDSA_ED448) {
		(void)snprintf(text, sizeof(text), "Ed448");
	} else if (algorithm == GNUTLS_PK_ECDSA &&
		   gnutls_x509_crt_get_pk_ecc_raw(certificate, &curve, NULL, NULL) == 0) {
		name = curve_name(curve);
		(void)snprintf(text, sizeof(text), "ECDSA-%s", name ? name : "unknown");
	} else {
		name = gnutls_pk_algorithm_get_name((gnutls_pk_algorithm_t)algorithm);
		(void)snprintf(text, sizeof(text), "%s-%u", name ? name : "unknown", bits);
	}
	return copy_text(ret, text, strlen(text));
}

/* The text of a dNSName or iPAddress; false for other kinds, and for names that no host can have.
 */
static bool name_text(unsigned type, const gnutls_datum_t *name, char ret[static DNS_NAME_MAX + 1])
{
	if (type == GNUTLS_SAN_IPADDRESS && name->size == 4)
		return inet_ntop(AF_INET, name->data, ret, DNS_NAME_MAX + 1) != NULL;
	if (type == GNUTLS_SAN_IPADDRESS && name->size == 16)
		return inet_ntop(AF_INET6, name->data, ret, DNS_NAME_MAX + 1) != NULL;
	if (type != GNUTLS_SAN_DNSNAME || name->size == 0 || name->size > DNS_NAME_MAX)
		return false;
	for (unsigned i = 0; i < name->size; i++) {
		if (!isascii(name->data[i]) || !isgraph(name->data[i]))
			return false;
	}
	memcpy(ret, name->data, name->size);
	ret[name->size] = 0;
	return true;
}

static int describe_alt_names(const gnutls_datum_t *extension,
			      Asafo__Record__TrustpointPublic *public)
{
	_cleanup_(gnutls_subject_alt_names_deinit_p) gnutls_subject_alt_names_t names = NULL;
	int r = translate(gnutls_subject_alt_names_init(&names));

	if (r == 0)
		r = translate(gnutls_x509_ext_import_subject_alt_names(extension, names, 0));
	if (r < 0)
		return r;
	public->names = calloc(NAMES_MAX, sizeof(*public->names));
	if (!public->names)
		return -ENOMEM;
	for (unsigned i = 0; r == 0; i++) {
		char text[DNS_NAME_MAX + 1];
		gnutls_datum_t name;
		unsigned type;

		if (gnutls_subject_alt_names_get(names, i, &type, &name, NULL) < 0)
			break;
		if (!name_text(type, &name, text))
			continue;
		if (public->n_names == NAMES_MAX) {
			public->names_left_out++;
			continue;
		}
		r = copy_text(&public->names[public->n_names], text, strlen(text));
		public->n_names += r == 0;
	}
	return r;
}

static int describe_names(gnutls_x509_crt_t certificate, Asafo__Record__TrustpointPublic *public)
{
	gnutls_datum_t extension = {0};
	int r = gnutls_x509_crt_get_extension_by_oid2(certificate, OID_SUBJECT_ALT_NAME, 0,
						      &extension, NULL);

	if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return 0;
	if (r < 0)
		return translate(r);
	r = describe_alt_names(&extension, public);
	gnutls_free(extension.data);
	return r;
}

static int describe_digests(gnutls_x509_crt_t certificate, Asafo__Record__TrustpointPublic *public)
{
	uint8_t digest[DIGEST_SIZE];
	size_t size = sizeof(digest);
	int r = gnutls_hash_fast(GNUTLS_DIG_SHA256, public->leaf.data, public->leaf.len, digest);

	if (r < 0)
		return ERR_CRYPTO;
	r = copy_bytes(&public->fingerprint, digest, sizeof(digest));
	if (r < 0)
		return r;
	r = translate(
		gnutls_x509_crt_get_key_id(certificate, GNUTLS_KEYID_USE_SHA256, digest, &size));
	return r < 0 ? r : copy_bytes(&public->key_id, digest, sizeof(digest));
}

static int describe_serial_and_dates(gnutls_x509_crt_t certificate,
				     Asafo__Record__TrustpointPublic *public)
{
	uint8_t serial[SERIAL_MAX];
	size_t size = sizeof(serial);
	time_t not_before = gnutls_x509_crt_get_activation_time(certificate);
	time_t not_after = gnutls_x509_crt_get_expiration_time(certificate);
	int r = translate(gnutls_x509_crt_get_serial(certificate, serial, &size));

	if (r < 0)
		return r;
	if (not_before == (time_t)-1 || not_after == (time_t)-1)
		return ERR_MALFORMED;
	public->not_before = (int64_t)not_before;
	public->not_after = (int64_t)not_after;
	return copy_bytes(&public->serial, serial, size);
}

/* Extensions that are not there allow everything. */
static uint32_t usage_faults(gnutls_x509_crt_t certificate)
{
	uint32_t faults = IDENTITY_NO_SERVER_AUTH;
	unsigned usage = 0;
	char oid[128];

	for (unsigned i = 0;; i++) {
		size_t size = sizeof(oid);
		int r = gnutls_x509_crt_get_key_purpose_oid(certificate, i, oid, &size, NULL);

		if (r == GNUTLS_E_SHORT_MEMORY_BUFFER)
			continue;
		if (r < 0) {
			faults = i == 0 ? 0 : faults;
			break;
		}
		if (strcmp(oid, GNUTLS_KP_TLS_WWW_SERVER) == 0 || strcmp(oid, GNUTLS_KP_ANY) == 0) {
			faults = 0;
			break;
		}
	}
	if (gnutls_x509_crt_get_key_usage(certificate, &usage, NULL) == 0 &&
	    !(usage & GNUTLS_KEY_DIGITAL_SIGNATURE))
		faults |= IDENTITY_NO_DIGITAL_SIGNATURE;
	return faults;
}

/* RFC 7633: the TLS extension status_request (5) is promised. */
static bool must_staple(gnutls_x509_crt_t certificate)
{
	gnutls_x509_tlsfeatures_t features;
	unsigned feature = 0;
	bool is_found = false;

	if (gnutls_x509_tlsfeatures_init(&features) < 0)
		return false;
	if (gnutls_x509_crt_get_tlsfeatures(certificate, features, 0, NULL) == 0) {
		for (unsigned i = 0;
		     !is_found && gnutls_x509_tlsfeatures_get(features, i, &feature) == 0; i++)
			is_found = feature == 5;
	}
	gnutls_x509_tlsfeatures_deinit(features);
	return is_found;
}

static int describe_leaf(gnutls_x509_crt_t certificate, Asafo__Record__TrustpointPublic *public)
{
	gnutls_datum_t dn = {0};
	int r;

	r = describe_dn(&public->subject, gnutls_x509_crt_get_dn3(certificate, &dn, 0), &dn);
	if (r == 0)
		r = describe_dn(&public->issuer,
				gnutls_x509_crt_get_issuer_dn3(certificate, &dn, 0), &dn);
	if (r == 0)
		r = describe_digests(certificate, public);
	if (r == 0)
		r = describe_serial_and_dates(certificate, public);
	if (r == 0)
		r = describe_key_type(certificate, &public->key_type);
	public->usage_faults = usage_faults(certificate);
	public->must_staple = must_staple(certificate);
	return r < 0 ? r : describe_names(certificate, public);
}

static int import_certificate(const struct buf *der, gnutls_x509_crt_t *ret_certificate)
{
	_cleanup_(gnutls_x509_crt_deinit_p) gnutls_x509_crt_t certificate = NULL;
	gnutls_datum_t data = {der->data, (unsigned)der->size};
	int r = translate(gnutls_x509_crt_init(&certificate));

	if (r == 0)
		r = translate(gnutls_x509_crt_import(certificate, &data, GNUTLS_X509_FMT_DER));
	if (r == 0)
		*ret_certificate = TAKE_PTR(certificate);
	return r;
}

static int describe_chain(const struct buf *certificates, size_t n,
			  Asafo__Record__TrustpointPublic *public)
{
	public->chain = calloc(n, sizeof(*public->chain));
	if (!public->chain)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int r = copy_bytes(&public->chain[i], certificates[i].data, certificates[i].size);

		if (r < 0)
			return r;
		public->n_chain++;
	}
	return 0;
}

/* Every certificate must be one that GnuTLS takes; the last one tells whether the chain is
 * complete. */
static int describe_all(const struct buf *certificates, size_t n,
			Asafo__Record__TrustpointPublic *public)
{
	int r = copy_bytes(&public->leaf, certificates[0].data, certificates[0].size);

	if (r == 0 && n > 1)
		r = describe_chain(certificates + 1, n - 1, public);
	for (size_t i = 0; i < n && r == 0; i++) {
		_cleanup_(gnutls_x509_crt_deinit_p) gnutls_x509_crt_t certificate = NULL;

		r = import_certificate(&certificates[i], &certificate);
		if (r == 0 && i == 0)
			r = describe_leaf(certificate, public);
		if (r == 0 && i == n - 1)
		public->chain_complete =
			gnutls_x509_crt_check_issuer(certificate, certificate) == 1;
	}
	return r;
}

int identity_describe(const struct buf *certificates, size_t n_certificates,
		      Asafo__Record__TrustpointPublic **ret_public)
{
	Asafo__Record__TrustpointPublic *public;
	int r;

	if (n_certificates == 0 || n_certificates > 1 + IDENTITY_CHAIN_MAX)
		return ERR_MALFORMED;
	public = malloc(sizeof(*public));
	if (!public)
		return -ENOMEM;
	asafo__record__trustpoint_public__init(public);
	r = describe_all(certificates, n_certificates, public);
	if (r < 0) {
		asafo__record__trustpoint_public__free_unpacked(public, NULL);
		return r;
	}
	*ret_public = public;
	return 0;
}
