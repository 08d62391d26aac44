/* SPDX-License-Identifier: Apache-2.0 */
/* Whose certificate says who a client is, and what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "ipc/clientcert.h"

#define DAY 86400

struct party {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t certificate;
	gnutls_datum_t der;
};

struct recipe {
	const char *name, *second_name;
	const char *mail, *second_mail, *principal;
	const char *subject_mail;
	const char *purpose;
	unsigned usage;
	int from_days, days; /* 0: 30 */
	unsigned rsa_bits;   /* 0: ECDSA */
	bool is_ca;
};

static void key_make(struct party *party, unsigned rsa_bits)
{
	assert_int_equal(gnutls_x509_privkey_init(&party->key), 0);
	assert_int_equal(
		gnutls_x509_privkey_generate(
			party->key, rsa_bits ? GNUTLS_PK_RSA : GNUTLS_PK_ECDSA,
			rsa_bits ? rsa_bits : GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
		0);
}

static void names_make(gnutls_x509_crt_t to, const struct recipe *recipe)
{
	if (recipe->name)
		assert_int_equal(gnutls_x509_crt_set_dn_by_oid(to, GNUTLS_OID_X520_COMMON_NAME, 0,
							       recipe->name,
							       (unsigned)strlen(recipe->name)),
				 0);
	if (recipe->second_name)
		assert_int_equal(gnutls_x509_crt_set_dn_by_oid(
					 to, GNUTLS_OID_X520_COMMON_NAME, 0, recipe->second_name,
					 (unsigned)strlen(recipe->second_name)),
				 0);
	if (recipe->mail)
		assert_int_equal(gnutls_x509_crt_set_subject_alt_name(
					 to, GNUTLS_SAN_RFC822NAME, recipe->mail,
					 (unsigned)strlen(recipe->mail), GNUTLS_FSAN_APPEND),
				 0);
	if (recipe->second_mail)
		assert_int_equal(gnutls_x509_crt_set_subject_alt_name(
					 to, GNUTLS_SAN_RFC822NAME, recipe->second_mail,
					 (unsigned)strlen(recipe->second_mail), GNUTLS_FSAN_APPEND),
				 0);
	if (recipe->subject_mail)
		assert_int_equal(gnutls_x509_crt_set_dn_by_oid(
					 to, GNUTLS_OID_PKCS9_EMAIL, 0, recipe->subject_mail,
					 (unsigned)strlen(recipe->subject_mail)),
				 0);
	if (recipe->principal)
		assert_int_equal(gnutls_x509_crt_set_subject_alt_othername(
					 to, "1.3.6.1.4.1.311.20.2.3", recipe->principal,
					 (unsigned)strlen(recipe->principal),
					 GNUTLS_FSAN_APPEND | GNUTLS_FSAN_ENCODE_UTF8_STRING),
				 0);
}

static struct party make(const struct recipe *recipe, const struct party *issuer)
{
	struct party party;
	const struct party *by = issuer ? issuer : &party;
	int days = recipe->days ? recipe->days : 30;
	time_t now = time(NULL);

	key_make(&party, recipe->rsa_bits);
	assert_int_equal(gnutls_x509_crt_init(&party.certificate), 0);
	assert_int_equal(gnutls_x509_crt_set_version(party.certificate, 3), 0);
	assert_int_equal(gnutls_x509_crt_set_serial(party.certificate, "\x05", 1), 0);
	assert_int_equal(gnutls_x509_crt_set_activation_time(party.certificate,
							     now + recipe->from_days * DAY - 60),
			 0);
	assert_int_equal(gnutls_x509_crt_set_expiration_time(party.certificate, now + days * DAY),
			 0);
	assert_int_equal(gnutls_x509_crt_set_key(party.certificate, party.key), 0);
	assert_int_equal(
		gnutls_x509_crt_set_basic_constraints(party.certificate, recipe->is_ca, -1), 0);
	if (recipe->usage)
		assert_int_equal(gnutls_x509_crt_set_key_usage(party.certificate, recipe->usage),
				 0);
	if (recipe->purpose)
		assert_int_equal(
			gnutls_x509_crt_set_key_purpose_oid(party.certificate, recipe->purpose, 0),
			0);
	names_make(party.certificate, recipe);
	assert_int_equal(gnutls_x509_crt_sign2(party.certificate,
					       issuer ? issuer->certificate : party.certificate,
					       by->key, GNUTLS_DIG_SHA256, 0),
			 0);
	assert_int_equal(
		gnutls_x509_crt_export2(party.certificate, GNUTLS_X509_FMT_DER, &party.der), 0);
	return party;
}

static void done(struct party *party)
{
	gnutls_free(party->der.data);
	gnutls_x509_crt_deinit(party->certificate);
	gnutls_x509_privkey_deinit(party->key);
}

static const struct recipe ca_recipe = {.name = "People CA", .is_ca = true};

struct place {
	struct party ca;
	struct clientcert_cas *cas;
};

static ProtobufCBinaryData der_of(const struct party *party)
{
	return (ProtobufCBinaryData){party->der.size, party->der.data};
}

static void setup(struct place *place)
{
	ProtobufCBinaryData der;
	size_t n_ignored = 9;

	place->ca = make(&ca_recipe, NULL);
	der = der_of(&place->ca);
	assert_int_equal(clientcert_cas_new(&der, 1, NULL, 0, &place->cas, &n_ignored), 0);
	assert_int_equal(n_ignored, 0);
	assert_int_equal(clientcert_cas_count(place->cas), 1);
}

static void teardown(struct place *place)
{
	clientcert_cas_free(place->cas);
	done(&place->ca);
}

/* The judgement on what RECIPE makes; ISSUER NULL: the trusted CA. */
static int judged(struct place *place, const struct recipe *recipe, const struct party *issuer,
		  struct clientcert *ret_certificate, struct why *ret_why)
{
	struct party client = make(recipe, issuer ? issuer : &place->ca);
	ProtobufCBinaryData chain = der_of(&client);
	int r = clientcert_verify(place->cas, &chain, 1, ret_certificate, ret_why);

	done(&client);
	return r;
}

static void what_a_trusted_ca_signed_is_taken(void **state)
{
	static const char *const purposes[] = {NULL, GNUTLS_KP_TLS_WWW_CLIENT, GNUTLS_KP_ANY};
	struct clientcert certificate;
	struct place place;

	(void)state;
	setup(&place);
	for (size_t i = 0; i < 3; i++) {
		struct recipe recipe = {.name = "ada", .purpose = purposes[i]};

		assert_int_equal(judged(&place, &recipe, NULL, &certificate, NULL), 0);
		assert_string_equal(certificate.names[VPN_NAME_FROM_CN], "ada");
		assert_string_equal(certificate.subject, "CN=ada");
	}
	teardown(&place);
}

static void what_is_no_good_is_refused_with_a_reason(void **state)
{
	static const struct {
		struct recipe recipe;
		int code;
		const char *why;
	} cases[] = {
		{{.name = "ada", .from_days = -20, .days = -1}, ERR_EXPIRED, "expired"},
		{{.name = "ada", .from_days = 3}, ERR_NOT_YET_VALID, "not valid yet"},
		{{.name = "ada", .purpose = GNUTLS_KP_TLS_WWW_SERVER},
		 ERR_DENIED,
		 "not for clients"},
		{{.name = "ada", .usage = GNUTLS_KEY_KEY_ENCIPHERMENT}, ERR_DENIED, "signatures"},
		{{.name = "ada", .rsa_bits = 1024}, ERR_WEAK, "weak"},
		{{.name = "ada", .is_ca = true}, ERR_DENIED, "a CA's own"},
	};
	struct clientcert certificate;
	struct place place;

	(void)state;
	setup(&place);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct why why = {""};

		assert_int_equal(judged(&place, &cases[i].recipe, NULL, &certificate, &why),
				 cases[i].code);
		assert_non_null(strstr(why.text, cases[i].why));
	}
	teardown(&place);
}

static void nobody_else_says_who_a_client_is(void **state)
{
	struct recipe recipe = {.name = "ada"};
	struct clientcert certificate;
	struct party other;
	struct place place;
	ProtobufCBinaryData none = {0, NULL};
	struct clientcert_cas *no_cas = NULL;
	size_t n_ignored = 0;

	(void)state;
	setup(&place);
	other = make(&ca_recipe, NULL); /* of the same name */
	assert_int_equal(judged(&place, &recipe, &other, &certificate, NULL), ERR_DENIED);
	/* Itself: a self-signed one, and what a client signed. */
	done(&other);
	other = make(&recipe, NULL);
	assert_int_equal(judged(&place, &recipe, &other, &certificate, NULL), ERR_DENIED);
	done(&other);
	other = make(&recipe, &place.ca);
	assert_int_equal(judged(&place, &recipe, &other, &certificate, NULL), ERR_DENIED);
	assert_int_equal(clientcert_verify(place.cas, NULL, 0, &certificate, NULL),
			 ERR_NO_CERTIFICATE);
	assert_int_equal(clientcert_verify(place.cas, &none, 1, &certificate, NULL), ERR_MALFORMED);
	/* A client's certificate is no CA, and without one nobody is taken. */
	none = der_of(&other);
	assert_int_equal(clientcert_cas_new(&none, 1, NULL, 0, &no_cas, &n_ignored), 0);
	assert_int_equal(n_ignored, 1);
	assert_int_equal(clientcert_verify(no_cas, &none, 1, &certificate, NULL), ERR_DENIED);
	clientcert_cas_free(no_cas);
	done(&other);
	teardown(&place);
}

static void a_chain_may_come_with_the_certificate(void **state)
{
	struct recipe middle_recipe = {.name = "Middle CA", .is_ca = true},
		      recipe = {.name = "ada"};
	struct party middle, client;
	struct clientcert certificate;
	struct place place;
	ProtobufCBinaryData chain[CLIENTCERT_CHAIN_MAX + 1];

	(void)state;
	setup(&place);
	middle = make(&middle_recipe, &place.ca);
	client = make(&recipe, &middle);
	chain[0] = der_of(&client);
	assert_int_equal(clientcert_verify(place.cas, chain, 1, &certificate, NULL), ERR_DENIED);
	for (size_t i = 1; i <= CLIENTCERT_CHAIN_MAX; i++)
		chain[i] = der_of(&middle);
	assert_int_equal(clientcert_verify(place.cas, chain, 2, &certificate, NULL), 0);
	assert_string_equal(certificate.names[VPN_NAME_FROM_CN], "ada");
	assert_int_equal(
		clientcert_verify(place.cas, chain, CLIENTCERT_CHAIN_MAX + 1, &certificate, NULL),
		ERR_TOO_LARGE);
	done(&client);
	done(&middle);
	teardown(&place);
}

static void names_are_those_that_a_user_can_have(void **state)
{
	static const struct {
		struct recipe recipe;
		const char *cn, *ea, *upn;
	} cases[] = {
		{{.name = "ada", .mail = "a.lovelace@example.net", .principal = "al@corp.example"},
		 "ada",
		 "a.lovelace",
		 "al"},
		{{.name = "Ada Lovelace", .mail = "@example.net", .principal = "al"}, "", "", ""},
		{{.name = "ada", .second_name = "bert", .mail = "a@b@c"}, "", "", ""},
		{{.name = "../ada", .mail = "a b@c"}, "", "", ""},
		{{.name = "-ada", .mail = ".a@c"}, "", "", ""},
	};
	static const enum vpn_name_from from[VPN_NAMES_FROM] = {VPN_NAME_FROM_UPN,
								VPN_NAME_FROM_CN};
	struct clientcert certificate;
	struct place place;

	(void)state;
	setup(&place);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(judged(&place, &cases[i].recipe, NULL, &certificate, NULL), 0);
		assert_string_equal(certificate.names[VPN_NAME_FROM_CN], cases[i].cn);
		assert_string_equal(certificate.names[VPN_NAME_FROM_EA], cases[i].ea);
		assert_string_equal(certificate.names[VPN_NAME_FROM_UPN], cases[i].upn);
		assert_string_equal(clientcert_user(&certificate, from),
				    cases[i].upn[0] ? cases[i].upn : cases[i].cn);
	}
	teardown(&place);
}

/* "username-from-certificate EA CN": the CN is who has none, not who has one that is no user's. */
static void a_first_name_that_is_unusable_is_not_passed_over(void **state)
{
	static const enum vpn_name_from from[VPN_NAMES_FROM] = {VPN_NAME_FROM_EA, VPN_NAME_FROM_CN};
	static char long_mail[700];
	const struct {
		struct recipe recipe;
		const char *user;
	} cases[] = {
		{{.name = "admin"}, "admin"},
		{{.name = "admin", .subject_mail = "bob@corp"}, "bob"},
		{{.name = "admin", .mail = "bob+x@corp"}, ""},
		{{.name = "admin", .mail = "bob"}, ""},
		{{.name = "admin", .mail = "bob@corp@corp"}, ""},
		{{.name = "admin", .mail = long_mail}, ""},
		{{.name = "admin", .mail = "bob+x@corp", .subject_mail = "admin@corp"}, ""},
		{{.name = "admin", .mail = "bob@corp", .second_mail = "admin@corp"}, ""},
		{{.name = "admin", .subject_mail = "bob x@corp"}, ""},
		/* What another type says is nothing to this one. */
		{{.name = "admin", .principal = "no principal"}, "admin"},
	};
	struct clientcert certificate;
	struct place place;

	(void)state;
	memset(long_mail, 'b', sizeof(long_mail) - 1);
	memcpy(long_mail + 600, "@corp", 5);
	setup(&place);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(judged(&place, &cases[i].recipe, NULL, &certificate, NULL), 0);
		assert_string_equal(clientcert_user(&certificate, from), cases[i].user);
	}
	teardown(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_trusted_ca_signed_is_taken),
		cmocka_unit_test(what_is_no_good_is_refused_with_a_reason),
		cmocka_unit_test(nobody_else_says_who_a_client_is),
		cmocka_unit_test(a_chain_may_come_with_the_certificate),
		cmocka_unit_test(names_are_those_that_a_user_can_have),
		cmocka_unit_test(a_first_name_that_is_unusable_is_not_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
