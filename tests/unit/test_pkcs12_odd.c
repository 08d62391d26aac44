/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are odd and right, and files that are odd and wrong (pkcs12_odd.py): each is taken, or
 * refused for what is wrong with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/io.h"
#include "tests/unit/pkcs12_result.h"

#define NOW INT64_C(1800000000) /* January 2027 */

static OSSL_LIB_CTX *library;

static int setup(void **state)
{
	(void)state;
	return identity_library_new(&library);
}

static int teardown(void **state)
{
	(void)state;
	identity_library_free(library);
	return 0;
}

static struct result import_by(const char *name, const struct identity_policy *policy)
{
	_cleanup_(buf_done) struct buf file = {0};
	char path[512];

	(void)snprintf(path, sizeof(path), SOURCE_DIR "/tests/unit/pkcs12.d/odd-%s.p12", name);
	assert_int_equal(io_read_file(path, 65536, &file), 0);
	return import_bytes(&file, "swordfish", policy);
}

static struct result import(const char *name)
{
	struct identity_policy policy = {.now = NOW, .library = library};

	return import_by(name, &policy);
}

static void what_is_odd_and_right_is_taken(void **state)
{
	static const struct {
		const char *file, *subject;
		size_t n_chain;
		bool is_complete;
	} rows[] = {
		{"all-plain", "CN=leaf", 2, true},
		{"armour-beside", "CN=leaf", 2, true},
		{"armour-comment", "CN=leaf", 2, true},
		{"attr-unknown", "CN=leaf", 2, true},
		{"ber-indefinite", "CN=leaf", 2, true},
		{"ber-throughout", "CN=leaf", 2, true},
		{"camellia", "CN=leaf", 2, true},
		{"cn-bidi", "CN=gw?\?\?elpmaxe.live", 2, true},
		{"cn-escape", "CN=a?[2Jb?\?OK", 2, true},
		{"cn-nul", "CN=#0c086c656166006e756c", 2, true},
		{"compressed-key", "CN=leaf", 2, true},
		{"crl-bag", "CN=leaf", 2, true},
		{"deep-9", "CN=leaf", 8, true},
		{"dup-lid-one-key", "CN=leaf", 2, true},
		{"empty-safe", "CN=leaf", 2, true},
		{"fn-bidi", "CN=leaf", 2, true},
		{"fn-lone-surrogate", "CN=leaf", 2, true},
		{"fn-nul", "CN=leaf", 2, true},
		{"fn-odd-length", "CN=leaf", 2, true},
		{"fn-surrogates", "CN=leaf", 2, true},
		{"fn-utf8string", "CN=leaf", 2, true},
		{"java-secret", "CN=java", 0, true},
		{"key-no-public", "CN=leaf", 2, true},
		{"key-twice", "CN=leaf", 2, true},
		{"keys-one-lid", "CN=leaf", 2, true},
		{"leaf-twice", "CN=leaf", 2, true},
		{"lid-empty", "CN=leaf", 2, true},
		{"lid-huge", "CN=leaf", 2, true},
		{"lid-of-nothing", "CN=leaf", 2, true},
		{"loop-with-root", "CN=leaf", 1, true},
		{"loop", "CN=leaf", 2, false},
		{"mac-blake2", "CN=leaf", 2, true},
		{"mac-no-rounds", "CN=leaf", 2, true},
		{"mac-sm3", "CN=leaf", 2, true},
		{"many-safes", "CN=leaf", 2, true},
		{"md5-des", "CN=leaf", 2, true},
		{"mix-aes-3des", "CN=leaf", 2, true},
		{"mix-rc2-aes", "CN=leaf", 2, true},
		{"nested-both", "CN=leaf", 2, true},
		{"nested-safe", "CN=leaf", 2, true},
		{"pem-acme-sh", "CN=leaf", 2, true},
		{"pem-cross-signed", "CN=leaf", 2, false},
		{"pem-doubled", "CN=leaf", 2, true},
		{"pem-doubled-sec1", "CN=leaf", 2, true},
		{"pem-ed448-root", "CN=leaf", 1, true},
		{"pem-explicit-key", "CN=leaf", 2, true},
		{"pem-haproxy", "CN=leaf", 2, true},
		{"pem-nul", "CN=leaf", 2, true},
		{"pem-pkcs8-v2", "CN=leaf", 2, true},
		{"pem-three-primes", "CN=leaf", 2, true},
		{"pem-two-leaves", "CN=leaf", 2, true},
		{"pkcs8-v2", "CN=leaf", 2, true},
		{"pkcs8-v2-plain", "CN=leaf", 2, true},
		{"plain-keybag", "CN=leaf", 2, true},
		{"prf-sha512-224", "CN=leaf", 2, true},
		{"rc4-40", "CN=leaf", 2, true},
		{"san-bidi", "CN=leaf", 2, true},
		{"san-escape", "CN=leaf", 2, true},
		{"san-nul", "CN=leaf", 2, true},
		{"scrypt", "CN=leaf", 2, true},
		{"sdsi-bag", "CN=leaf", 2, true},
		{"secret-bag", "CN=leaf", 2, true},
		{"selfsigned-twice", "CN=self", 0, true},
		{"serial-40-bytes", "CN=leaf", 2, true},
		{"serial-huge", "CN=leaf", 2, true},
		{"serial-negative", "CN=leaf", 2, true},
		{"serial-zero", "CN=leaf", 2, true},
		{"unknown-bag", "CN=leaf", 2, true},
		{"wrong-localkeyid", "CN=leaf", 2, true},
		{"year-1950", "CN=leaf", 2, true},
		{"year-9999", "CN=leaf", 2, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct result result = import(rows[i].file);

		if (result.code != 0)
			fail_msg("%s: %s", rows[i].file, result.why.text);
		assert_string_equal(result.identity.public_part->subject, rows[i].subject);
		assert_int_equal(result.identity.public_part->n_chain, rows[i].n_chain);
		assert_int_equal(result.identity.public_part->chain_complete, rows[i].is_complete);
		result_done(&result);
	}
}

static void what_is_odd_and_wrong_is_refused_for_what_it_is(void **state)
{
	static const struct {
		const char *file;
		int code;
		const char *words;
	} rows[] = {
		{"cert-not-mine", ERR_KEY_MISMATCH, "belongs to none of its 3"},
		{"cert-only", ERR_NO_KEY, "but no private key"},
		{"compressed-cert", ERR_UNSUPPORTED, "compressed public key"},
		{"deep-20", ERR_TOO_LARGE, "longer than 16"},
		{"date-no-seconds", ERR_MALFORMED, "dates of the certificate CN=leaf"},
		{"date-offset", ERR_MALFORMED, "dates of the certificate CN=leaf"},
		{"date-weak", ERR_MALFORMED, "dates of the certificate CN=leaf"},
		{"der-key", ERR_MALFORMED, "a private key alone (DER)"},
		{"der-key-encrypted", ERR_MALFORMED, "a private key alone (DER)"},
		{"der-key-sec1", ERR_MALFORMED, "a private key alone (DER)"},
		{"der-key-v2", ERR_MALFORMED, "a private key alone (DER)"},
		{"der-request", ERR_MALFORMED, "a certificate request (DER)"},
		{"der-v1-serial-zero", ERR_MALFORMED, "this is a certificate, or several"},
		{"pem-base64", ERR_MALFORMED, "base64 -d FILE"},
		{"pem-dashes", ERR_MALFORMED, "BEGIN lines were changed"},
		{"gzip", ERR_MALFORMED, "compressed with gzip"},
		{"pem-rsa-16384", ERR_UNSUPPORTED, "RSA with 16384 bits, too slow to serve"},
		{"web-page", ERR_MALFORMED, "a web page"},
		{"zip", ERR_MALFORMED, "a ZIP archive"},
		{"pem-pgp", ERR_MALFORMED, "OpenPGP"},
		{"signed", ERR_MALFORMED, "protected by a public key"},
		{"dsa2048", ERR_UNSUPPORTED, "DSA with 2048 bits"},
		{"dup-localkeyid", ERR_UNSUPPORTED, "\"a\" (CN=leaf), \"b\" (CN=leaf2)"},
		{"expired-1970", ERR_EXPIRED, "expired on 1970-01-01"},
		{"fn-two-bidi", ERR_UNSUPPORTED, "\"a?\?\?evil\" (CN=leaf)"},
		{"garbage-cert", ERR_MALFORMED, "certificate 1 of 4 in the file cannot be read"},
		{"fn-two-utf8", ERR_UNSUPPORTED, "\"erster\" (CN=leaf), \"ключ\" (CN=leaf2)"},
		{"iv-short", ERR_MALFORMED, "the IV of its encryption has the wrong length"},
		{"java-many", ERR_UNSUPPORTED, "holds 3 identities"},
		{"java-trust", ERR_NO_KEY, "1 certificate(s) but no private key"},
		{"key-no-rounds", ERR_MALFORMED, "PBKDF2 in 0 rounds"},
		{"key-only", ERR_NO_CERTIFICATE, "private key but no certificate"},
		{"key-wrong-public", ERR_KEY_MISMATCH, "belongs to none"},
		{"lid-swapped", ERR_UNSUPPORTED, "holds 2 identities"},
		{"nested-deep", ERR_MALFORMED, "damaged"},
		{"trailing-pfx", ERR_MALFORMED, "follow the end"},
		{"trailing-zeros", ERR_MALFORMED, "7 bytes follow the end"},
		{"x25519", ERR_UNSUPPORTED, "of a type that TLS clients do not take"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_refused(import(rows[i].file), rows[i].code, rows[i].words);
}

static void who_did_not_sign_is_said(void **state)
{
	static const struct {
		const char *file, *words;
	} rows[] = {
		{"leaf-spoilt", "CN=inter did not sign CN=leaf"},
		{"issuer-spoilt", "CN=root did not sign CN=inter"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct result result = import(rows[i].file);

		assert_int_equal(result.code, 0);
		assert_non_null(strstr(result.identity.warnings[0], rows[i].words));
		for (size_t j = 0; j < result.identity.n_warnings; j++)
			assert_null(strstr(result.identity.warnings[j], "does not hold"));
		result_done(&result);
	}
}

static void an_identity_without_a_name_is_chosen_by_its_subject(void **state)
{
	struct identity_policy policy = {
		.now = NOW, .library = library, .friendly_name = "cn=LEAF2"};
	struct result result = import("two-no-names");

	(void)state;
	assert_refused(result, ERR_UNSUPPORTED, "the subject behind it: no name (CN=leaf)");
	result = import_by("two-no-names", &policy);
	assert_int_equal(result.code, 0);
	assert_string_equal(result.identity.public_part->subject, "CN=leaf2");
	result_done(&result);
	policy.friendly_name = "ключ";
	result = import_by("fn-two-utf8", &policy);
	assert_int_equal(result.code, 0);
	assert_string_equal(result.identity.public_part->subject, "CN=leaf2");
	result_done(&result);
}

static void a_name_that_is_no_hosts_counts_as_none(void **state)
{
	static const char *const files[] = {"san-nul", "san-bidi", "san-escape"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct result result = import(files[i]);

		assert_int_equal(result.code, 0);
		assert_int_equal(result.identity.public_part->n_names, 0);
		assert_int_equal(result.identity.n_warnings, 1);
		assert_non_null(strstr(result.identity.warnings[0], "none that could be a host's"));
		result_done(&result);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_odd_and_right_is_taken),
		cmocka_unit_test(what_is_odd_and_wrong_is_refused_for_what_it_is),
		cmocka_unit_test(who_did_not_sign_is_said),
		cmocka_unit_test(an_identity_without_a_name_is_chosen_by_its_subject),
		cmocka_unit_test(a_name_that_is_no_hosts_counts_as_none),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
