/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <gnutls/pkcs12.h>
#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>
#include <openssl/pem.h>

#include "base/err.h"
#include "certstore/x509/localca.h"
#include "certstore/x509/x509.h"

#define DAY INT64_C(86400)
#define NOW INT64_C(1800000000)

static const char *const names[] = {"gw.example", "*.gw.example", "198.51.100.10", "2001:db8::1"};

static struct identity make_ca(const char *subject)
{
	struct identity ca = {0};

	assert_int_equal(localca_create(subject, 3650, NOW, &ca, NULL), 0);
	return ca;
}

static struct identity issue(const struct identity *ca)
{
	struct identity identity = {0};
	struct why why = {0};

	if (localca_issue(ca->public_part, &ca->key, "gw", names, ARRAY_SIZE(names), 90, NOW,
			  &identity, &why) != 0)
		fail_msg("%s", why.text);
	return identity;
}

static gnutls_x509_crt_t import(const ProtobufCBinaryData *der)
{
	gnutls_datum_t data = {der->data, (unsigned)der->len};
	gnutls_x509_crt_t certificate;

	assert_int_equal(gnutls_x509_crt_init(&certificate), 0);
	assert_int_equal(gnutls_x509_crt_import(certificate, &data, GNUTLS_X509_FMT_DER), 0);
	return certificate;
}

static struct secret passphrase(void)
{
	struct secret secret = {0};

	assert_int_equal(secret_init_copy(&secret, "swordfish", 9), 0);
	return secret;
}

static void gnutls_verifies_what_the_local_ca_issued(void **state)
{
	_cleanup_(identity_done) struct identity ca = make_ca("asafo local CA"), leaf = issue(&ca);
	gnutls_x509_crt_t root = import(&ca.public_part->leaf),
			  crt = import(&leaf.public_part->leaf);
	gnutls_x509_trust_list_t trust;
	unsigned status = 1;
	char purpose[] = GNUTLS_KP_TLS_WWW_SERVER, host[] = "gw.example";
	gnutls_typed_vdata_st data[] = {
		{.type = GNUTLS_DT_DNS_HOSTNAME, .data = (unsigned char *)host},
		{.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)purpose}};

	(void)state;
	assert_int_equal(gnutls_x509_trust_list_init(&trust, 0), 0);
	assert_int_equal(gnutls_x509_trust_list_add_cas(trust, &root, 1, 0), 1);
	assert_int_equal(gnutls_x509_trust_list_verify_crt2(trust, &crt, 1, data, 2,
							    GNUTLS_VERIFY_DISABLE_TIME_CHECKS,
							    &status, NULL),
			 0);
	assert_int_equal(status, 0);
	assert_int_equal(leaf.public_part->n_chain, 1);
	assert_memory_equal(leaf.public_part->chain[0].data, ca.public_part->leaf.data,
			    ca.public_part->leaf.len);
	assert_true(leaf.is_local_ca);
	assert_int_equal(leaf.public_part->origin, ASAFO__RECORD__ORIGIN__ORIGIN_LOCAL_CA);
	gnutls_x509_trust_list_deinit(trust, 0);
	gnutls_x509_crt_deinit(root);
	gnutls_x509_crt_deinit(crt);
}

static void a_leaf_carries_its_names_and_a_16_byte_serial(void **state)
{
	_cleanup_(identity_done) struct identity ca = make_ca("ca"), leaf = issue(&ca);

	(void)state;
	assert_int_equal(leaf.public_part->n_names, ARRAY_SIZE(names));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_string_equal(leaf.public_part->names[i], names[i]);
	assert_int_equal(leaf.public_part->serial.len, 16);
	assert_true(leaf.public_part->serial.data[0] < 0x80);
	assert_string_equal(leaf.public_part->key_type, "ECDSA-P256");
	assert_true(leaf.public_part->not_before <= NOW);
	assert_int_equal(leaf.public_part->not_after, NOW + 90 * DAY);
}

static void nothing_issued_outlives_the_ca(void **state)
{
	_cleanup_(identity_done) struct identity ca = make_ca("ca"), leaf = {0};
	struct why why;

	(void)state;
	assert_int_equal(
		localca_issue(ca.public_part, &ca.key, "gw", NULL, 0, 30000, NOW, &leaf, &why), 0);
	assert_int_equal(leaf.public_part->not_after, ca.public_part->not_after);
	identity_done(&leaf);
	assert_int_equal(localca_issue(ca.public_part, &ca.key, "gw", NULL, 0, 1, NOW + 4000 * DAY,
				       &leaf, &why),
			 ERR_EXPIRED);
}

static void orders_that_cannot_be_are_refused(void **state)
{
	static const char *const bad[] = {"", "a b", "a..b", "x\ny", "a@b", "-a", "a*b"};
	_cleanup_(identity_done) struct identity ca = make_ca("ca"), other = make_ca("ca"),
						 leaf = {0};
	char longest[66];
	struct why why;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(localca_issue(ca.public_part, &ca.key, "gw", &bad[i], 1, 1, NOW,
					       &leaf, &why),
				 ERR_SYNTAX);
	assert_int_equal(localca_create("", 1, NOW, &leaf, &why), ERR_SYNTAX);
	memset(longest, 'a', 65);
	longest[65] = 0;
	assert_int_equal(localca_create(longest, 1, NOW, &leaf, &why), ERR_SYNTAX);
	assert_int_equal(localca_create("ca", 0, NOW, &leaf, &why), ERR_SYNTAX);
	assert_int_equal(localca_create("ca", 1000000, NOW, &leaf, &why), ERR_SYNTAX);
	assert_int_equal(
		localca_issue(ca.public_part, &other.key, "gw", NULL, 0, 1, NOW, &leaf, &why),
		ERR_INTEGRITY);
}

static void the_fallback_names_the_host_and_signs_itself(void **state)
{
	_cleanup_(identity_done) struct identity fallback = {0};

	(void)state;
	assert_int_equal(localca_self_signed("gw1", NOW, &fallback, NULL), 0);
	assert_string_equal(fallback.public_part->subject, "CN=gw1");
	assert_string_equal(fallback.public_part->names[0], "gw1");
	assert_int_equal(fallback.public_part->origin, ASAFO__RECORD__ORIGIN__ORIGIN_FALLBACK);
	assert_true(fallback.public_part->chain_complete);
	assert_int_equal(fallback.public_part->n_chain, 0);
	assert_int_equal(fallback.public_part->not_after, NOW + 3650 * DAY);
	assert_false(fallback.is_local_ca);
}

static struct identity reimport(const struct identity *identity, const char *name,
				const struct identity *local_ca)
{
	_cleanup_(secret_done) struct secret secret = passphrase();
	_cleanup_(buf_done) struct buf file = {0};
	struct buf ca = {.data = local_ca->public_part->leaf.data,
			 .size = local_ca->public_part->leaf.len};
	struct identity_policy policy = {.now = NOW, .local_cas = &ca, .n_local_cas = 1};
	Asafo__Record__TrustpointPublic named = *identity->public_part;
	struct identity result = {0};
	struct why why = {0};

	named.name = (char *)(uintptr_t)name;
	assert_int_equal(identity_to_pkcs12(&named, &identity->key, &secret, &file, &why), 0);
	if (identity_from_file(file.data, file.size, &secret, &policy, &result, &why) != 0)
		fail_msg("%s", why.text);
	return result;
}

static void an_export_comes_back_as_it_went(void **state)
{
	_cleanup_(identity_done) struct identity ca = make_ca("ca"), leaf = issue(&ca),
						 back = reimport(&leaf, "VPN", &ca);

	(void)state;
	assert_int_equal(back.public_part->leaf.len, leaf.public_part->leaf.len);
	assert_memory_equal(back.public_part->leaf.data, leaf.public_part->leaf.data,
			    leaf.public_part->leaf.len);
	assert_int_equal(back.key.size, leaf.key.size);
	assert_memory_equal(back.key.data, leaf.key.data, leaf.key.size);
	assert_int_equal(back.public_part->n_chain, 1);
}

static void what_the_local_ca_issued_is_known_under_any_name(void **state)
{
	_cleanup_(identity_done) struct identity ca = make_ca("ca"), leaf = issue(&ca),
						 back = reimport(&leaf, "bought-elsewhere", &ca),
						 itself = reimport(&ca, "ca", &ca);

	(void)state;
	assert_true(back.is_local_ca);
	assert_true(itself.is_local_ca);
}

static void an_issuer_of_the_same_name_with_another_key_is_not_the_local_ca(void **state)
{
	_cleanup_(identity_done) struct identity ca = make_ca("ca"), impostor = make_ca("ca"),
						 leaf = issue(&impostor),
						 back = reimport(&leaf, "VPN", &ca);

	(void)state;
	assert_string_equal(back.public_part->issuer, ca.public_part->subject);
	assert_false(back.is_local_ca);
}

/* The CA's key under a new name: its old certificate is not in the file, and it is still the same
 * CA. */
static void the_local_ca_is_known_by_its_key_when_it_was_renamed(void **state)
{
	_cleanup_(identity_done) struct identity ca = make_ca("old name"), renamed = {0},
						 back = {0};
	_cleanup_(EVP_PKEY_free_p) EVP_PKEY *key =
		x509_key_from_pkcs8(NULL, ca.key.data, ca.key.size);
	_cleanup_(X509_free_p) X509 *certificate =
		x509_from_der(NULL, ca.public_part->leaf.data, ca.public_part->leaf.len);
	struct buf der = {0};

	(void)state;
	assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "O",
						    MBSTRING_ASC, (const unsigned char *)"new", -1,
						    -1, 0),
			 1);
	assert_int_equal(X509_set_issuer_name(certificate, X509_get_subject_name(certificate)), 1);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	assert_int_equal(x509_to_der(certificate, &der), 0);
	assert_int_equal(identity_describe(&der, 1, &renamed.public_part), 0);
	assert_int_equal(secret_init_copy(&renamed.key, ca.key.data, ca.key.size), 0);
	back = reimport(&renamed, "x", &ca);
	assert_true(back.is_local_ca);
	buf_done(&der);
}

static void gnutls_reads_the_exported_file(void **state)
{
	_cleanup_(identity_done) struct identity ca = make_ca("ca"), leaf = issue(&ca);
	_cleanup_(secret_done) struct secret secret = passphrase();
	_cleanup_(buf_done) struct buf file = {0};
	gnutls_pkcs12_t p12;
	gnutls_pkcs12_bag_t bag;
	gnutls_datum_t data;
	unsigned mac = 0, rounds = 0;
	char *oid = NULL, *name = NULL;

	(void)state;
	leaf.public_part->name = strdup("VPN-2024");
	assert_int_equal(identity_to_pkcs12(leaf.public_part, &leaf.key, &secret, &file, NULL), 0);
	data = (gnutls_datum_t){file.data, (unsigned)file.size};
	assert_int_equal(gnutls_pkcs12_init(&p12), 0);
	assert_int_equal(gnutls_pkcs12_import(p12, &data, GNUTLS_X509_FMT_DER, 0), 0);
	assert_int_equal(gnutls_pkcs12_verify_mac(p12, "swordfish"), 0);
	assert_int_equal(gnutls_pkcs12_mac_info(p12, &mac, NULL, NULL, &rounds, &oid), 0);
	assert_int_equal(mac, GNUTLS_MAC_SHA256);
	assert_int_equal(gnutls_pkcs12_bag_init(&bag), 0);
	assert_int_equal(gnutls_pkcs12_get_bag(p12, 0, bag), 0);
	assert_int_equal(gnutls_pkcs12_bag_decrypt(bag, "swordfish"), 0);
	assert_int_equal(gnutls_pkcs12_bag_get_friendly_name(bag, 0, &name), 0);
	assert_string_equal(name, "VPN-2024");
	gnutls_pkcs12_bag_deinit(bag);
	gnutls_pkcs12_deinit(p12);
	gnutls_free(oid);
}

static int say_passphrase(char *buffer, int size, int is_writing, void *userdata)
{
	(void)is_writing;
	assert_true(size > 9);
	memcpy(buffer, userdata, 9);
	return 9;
}

static void the_pem_holds_leaf_chain_and_an_encrypted_key(void **state)
{
	_cleanup_(identity_done) struct identity ca = make_ca("ca"), leaf = issue(&ca);
	_cleanup_(secret_done) struct secret secret = passphrase();
	_cleanup_(buf_done) struct buf file = {0};
	_cleanup_(BIO_free_all_p) BIO *bio = NULL;
	_cleanup_(X509_free_p) X509 *first = NULL, *second = NULL;
	_cleanup_(EVP_PKEY_free_p) EVP_PKEY *key = NULL;
	_cleanup_(buf_done) struct buf der = {0};

	(void)state;
	assert_int_equal(identity_to_pem(leaf.public_part, &leaf.key, &secret, &file, NULL), 0);
	assert_non_null(strstr(buf_text(&file), "BEGIN ENCRYPTED PRIVATE KEY"));
	bio = BIO_new_mem_buf(file.data, (int)file.size);
	first = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	second = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	key = PEM_read_bio_PrivateKey(bio, NULL, say_passphrase, (void *)(uintptr_t) "swordfish");
	assert_true(first && second && key);
	assert_int_equal(x509_to_der(first, &der), 0);
	assert_memory_equal(der.data, leaf.public_part->leaf.data, der.size);
	assert_int_equal(X509_check_private_key(first, key), 1);
}

static void an_export_without_a_passphrase_is_refused(void **state)
{
	_cleanup_(identity_done) struct identity ca = make_ca("ca");
	_cleanup_(buf_done) struct buf file = {0};
	struct secret empty = {0};
	struct why why;

	(void)state;
	assert_int_equal(identity_to_pkcs12(ca.public_part, &ca.key, &empty, &file, &why),
			 ERR_BAD_PASSPHRASE);
	assert_int_equal(identity_to_pem(ca.public_part, &ca.key, NULL, &file, &why),
			 ERR_BAD_PASSPHRASE);
	assert_int_equal(file.size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gnutls_verifies_what_the_local_ca_issued),
		cmocka_unit_test(a_leaf_carries_its_names_and_a_16_byte_serial),
		cmocka_unit_test(nothing_issued_outlives_the_ca),
		cmocka_unit_test(orders_that_cannot_be_are_refused),
		cmocka_unit_test(the_fallback_names_the_host_and_signs_itself),
		cmocka_unit_test(an_export_comes_back_as_it_went),
		cmocka_unit_test(what_the_local_ca_issued_is_known_under_any_name),
		cmocka_unit_test(an_issuer_of_the_same_name_with_another_key_is_not_the_local_ca),
		cmocka_unit_test(the_local_ca_is_known_by_its_key_when_it_was_renamed),
		cmocka_unit_test(gnutls_reads_the_exported_file),
		cmocka_unit_test(the_pem_holds_leaf_chain_and_an_encrypted_key),
		cmocka_unit_test(an_export_without_a_passphrase_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
