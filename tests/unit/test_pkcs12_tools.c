/* SPDX-License-Identifier: Apache-2.0 */
/* Files as people's tools write them (pkcs12_tools.sh), each a row: what is in it, or why not. */
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

#define NOW INT64_C(1800000000) /* the certificates are of 2025 to 2049 */
#define WIDE "Пароль-€-日本"
#define BEYOND "schlüssel-🔑"

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

struct row {
	const char *file, *passphrase;
	const char *leaf, *key_type;
	size_t n_chain;
};

static void read_file(const char *name, struct buf *ret_file)
{
	char path[512];

	(void)snprintf(path, sizeof(path), SOURCE_DIR "/tests/unit/pkcs12.d/%s.p12", name);
	assert_int_equal(io_read_file(path, 65536, ret_file), 0);
}

static struct result import(const char *name, const char *passphrase, const char *friendly_name)
{
	struct identity_policy policy = {
		.now = NOW,
		.library = library,
		.allow_no_mac = strstr(name, "nomac") != NULL,
		.friendly_name = friendly_name,
	};
	_cleanup_(buf_done) struct buf file = {0};

	read_file(name, &file);
	return import_bytes(&file, passphrase, &policy);
}

static bool warns(const struct identity *identity, const char *words)
{
	for (size_t i = 0; i < identity->n_warnings; i++) {
		if (strstr(identity->warnings[i], words))
			return true;
	}
	return false;
}

static void assert_holds(struct result result, const struct row *row)
{
	const Asafo__Record__TrustpointPublic *public = result.identity.public_part;
	char subject[64];

	if (result.code != 0)
		fail_msg("%s: %s", row->file, result.why.text);
	(void)snprintf(subject, sizeof(subject), "CN=%s,O=Test", row->leaf);
	assert_string_equal(public->subject, subject);
	assert_string_equal(public->key_type, row->key_type);
	if (public->n_chain != row->n_chain)
		fail_msg("%s: a chain of %zu", row->file, public->n_chain);
	result_done(&result);
}

static void assert_all(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *row = &rows[i];

		assert_holds(import(row->file, row->passphrase, NULL), row);
		if (strstr(row->file, "nomac"))
			continue;
		assert_refused(import(row->file, "Swordfish", NULL), ERR_BAD_PASSPHRASE,
			       "wrong passphrase");
	}
}

#define PASS WORLD_PASSPHRASE

static void files_of_openssl_are_read_whatever_the_key_is(void **state)
{
	static const struct row rows[] = {
		{"openssl-rsa2048", PASS, "rsa2048", "RSA-2048", 2},
		{"openssl-rsa3072", PASS, "rsa3072", "RSA-3072", 2},
		{"openssl-rsa4096", PASS, "rsa4096", "RSA-4096", 2},
		{"openssl-rsa8192", PASS, "rsa8192", "RSA-8192", 2},
		{"openssl-pss2048", PASS, "pss2048", "RSA-PSS-2048", 2},
		{"openssl-p256", PASS, "p256", "ECDSA-P256", 2},
		{"openssl-p384", PASS, "p384", "ECDSA-P384", 2},
		{"openssl-p521", PASS, "p521", "ECDSA-P521", 2},
		{"openssl-ed25519", PASS, "ed25519", "Ed25519", 2},
		{"openssl-ed448", PASS, "ed448", "Ed448", 2},
	};

	(void)state;
	assert_all(rows, ARRAY_SIZE(rows));
}

static void files_of_openssl_are_read_whatever_protects_them(void **state)
{
	static const struct row rows[] = {
		{"openssl-legacy", PASS, "rsa2048", "RSA-2048", 2},
		{"openssl-1.0", PASS, "rsa2048", "RSA-2048", 2},
		{"openssl-1.1", PASS, "rsa2048", "RSA-2048", 2},
		{"openssl-mac-sha1", PASS, "p256", "ECDSA-P256", 2},
		{"openssl-mac-sha224", PASS, "p256", "ECDSA-P256", 2},
		{"openssl-mac-sha256", PASS, "p256", "ECDSA-P256", 2},
		{"openssl-mac-sha384", PASS, "p256", "ECDSA-P256", 2},
		{"openssl-mac-sha512", PASS, "p256", "ECDSA-P256", 2},
		{"openssl-aes128", PASS, "p256", "ECDSA-P256", 2},
		{"openssl-aes192", PASS, "p256", "ECDSA-P256", 2},
		{"openssl-aes256", PASS, "p256", "ECDSA-P256", 2},
		{"openssl-nomac", PASS, "p256", "ECDSA-P256", 2},
	};

	(void)state;
	assert_all(rows, ARRAY_SIZE(rows));
}

static void files_as_windows_and_apple_write_them_are_read(void **state)
{
	static const struct row rows[] = {
		{"windows-3des", PASS, "rsa2048", "RSA-2048", 2},
		{"windows-aes", PASS, "rsa2048", "RSA-2048", 2},
		{"apple-rc2", PASS, "rsa2048", "RSA-2048", 2},
	};

	(void)state;
	assert_all(rows, ARRAY_SIZE(rows));
}

static void files_of_java_and_python_are_read(void **state)
{
	static const struct row rows[] = {
		{"java-rsa2048", PASS, "rsa2048", "RSA-2048", 2},
		{"java-p256", PASS, "p256", "ECDSA-P256", 2},
		{"java-ed25519", PASS, "ed25519", "Ed25519", 2},
		{"java-legacy", PASS, "rsa2048", "RSA-2048", 2},
		{"python-best", PASS, "rsa2048", "RSA-2048", 2},
		{"python-ed25519", PASS, "ed25519", "Ed25519", 2},
		{"python-3des-sha1", PASS, "p256", "ECDSA-P256", 2},
		{"python-aes256-sha1", PASS, "p256", "ECDSA-P256", 2},
		{"python-aes256-sha256", PASS, "p256", "ECDSA-P256", 2},
		{"python-aes256-sha512", PASS, "p256", "ECDSA-P256", 2},
	};

	(void)state;
	assert_all(rows, ARRAY_SIZE(rows));
}

/* 600,000 rounds for the MAC and for each part: these take their time. */
static void files_of_gnutls_are_read(void **state)
{
	static const struct row rows[] = {
		{"gnutls-rsa2048", PASS, "rsa2048", "RSA-2048", 1},
		{"gnutls-pss2048", PASS, "pss2048", "RSA-PSS-2048", 1},
		{"gnutls-p256", PASS, "p256", "ECDSA-P256", 1},
		{"gnutls-ed25519", PASS, "ed25519", "Ed25519", 1},
		{"gnutls-ed448", PASS, "ed448", "Ed448", 1},
		{"gnutls-3des", PASS, "p256", "ECDSA-P256", 1},
		{"gnutls-3des-pkcs12", PASS, "p256", "ECDSA-P256", 1},
		{"gnutls-aes-128", PASS, "p256", "ECDSA-P256", 1},
		{"gnutls-aes-192", PASS, "p256", "ECDSA-P256", 1},
		{"gnutls-aes-256", PASS, "p256", "ECDSA-P256", 1},
		{"gnutls-rc2-40", PASS, "p256", "ECDSA-P256", 1},
		{"gnutls-arcfour", PASS, "p256", "ECDSA-P256", 1},
		{"gnutls-sha512", PASS, "p256", "ECDSA-P256", 1},
	};

	(void)state;
	assert_all(rows, ARRAY_SIZE(rows));
}

static void files_of_nss_are_read(void **state)
{
	static const struct row rows[] = {
		{"nss-rsa2048", PASS, "rsa2048", "RSA-2048", 2},
		{"nss-p256", PASS, "p256", "ECDSA-P256", 2},
		{"nss-p384", PASS, "p384", "ECDSA-P384", 2},
		{"nss-legacy", PASS, "rsa2048", "RSA-2048", 2},
		{"nss-aes128", PASS, "p256", "ECDSA-P256", 2},
	};

	(void)state;
	assert_all(rows, ARRAY_SIZE(rows));
}

static void passphrases_of_every_script_are_taken(void **state)
{
	static const struct row rows[] = {
		{"openssl-wide", WIDE, "p256", "ECDSA-P256", 2},
		{"openssl-wide-legacy", WIDE, "p256", "ECDSA-P256", 2},
		{"openssl-beyond", BEYOND, "p256", "ECDSA-P256", 2},
		{"gnutls-wide", WIDE, "p256", "ECDSA-P256", 1},
		{"gnutls-beyond", BEYOND, "p256", "ECDSA-P256", 1},
		{"nss-wide", WIDE, "p256", "ECDSA-P256", 2},
		{"nss-beyond", BEYOND, "p256", "ECDSA-P256", 2},
		{"python-wide", WIDE, "p256", "ECDSA-P256", 2},
	};

	(void)state;
	assert_all(rows, ARRAY_SIZE(rows));
}

static void no_passphrase_and_an_empty_one_open_what_either_made(void **state)
{
	static const struct row rows[] = {
		{"openssl-empty", "", "p256", "ECDSA-P256", 2},
		{"gnutls-empty", "", "p256", "ECDSA-P256", 1},
		{"gnutls-null", "", "p256", "ECDSA-P256", 1},
		{"python-none", "", "p256", "ECDSA-P256", 2},
	};

	(void)state;
	assert_all(rows, ARRAY_SIZE(rows));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_holds(import(rows[i].file, NULL, NULL), &rows[i]);
}

static void chains_are_put_in_order_and_lead_to_a_root(void **state)
{
	static const struct {
		struct row row;
		bool is_complete;
		const char *warning;
	} rows[] = {
		{{"chain-backwards", PASS, "p256", "ECDSA-P256", 2}, true, NULL},
		{{"chain-cross-signed", PASS, "p256", "ECDSA-P256", 3}, true, NULL},
		{{"chain-both-roots", PASS, "p256", "ECDSA-P256", 2}, true, "left out 2"},
		{{"chain-dead-end", PASS, "p256", "ECDSA-P256", 2}, true, "left out a"},
		{{"chain-surplus", PASS, "p256", "ECDSA-P256", 2}, true, "left out 3"},
		{{"chain-twice", PASS, "p256", "ECDSA-P256", 2}, true, NULL},
		{{"chain-gap", PASS, "p256", "ECDSA-P256", 0}, false, "does not hold the issuer"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct result result = import(rows[i].row.file, PASS, NULL);

		assert_int_equal(result.code, 0);
		assert_int_equal(result.identity.public_part->chain_complete, rows[i].is_complete);
		if (rows[i].warning)
			assert_true(warns(&result.identity, rows[i].warning));
		else
			assert_int_equal(result.identity.n_warnings, 0);
		assert_holds(result, &rows[i].row);
	}
}

static void of_several_identities_the_named_one_is_taken(void **state)
{
	static const struct row ed25519 = {"several-java", PASS, "ed25519", "Ed25519", 2};
	static const struct row rsa = {"several-joined", PASS, "rsa2048", "RSA-2048", 2};

	(void)state;
	assert_refused(import("several-java", PASS, NULL), ERR_UNSUPPORTED, "\"ed25519\" (");
	assert_refused(import("several-joined", PASS, ""), ERR_UNSUPPORTED, "--friendly-name");
	assert_refused(import("several-java", PASS, "p521"), ERR_NOT_FOUND, "\"rsa2048\" (");
	assert_holds(import("several-java", PASS, "Ed25519"), &ed25519);
	assert_holds(import("several-joined", PASS, "rsa2048"), &rsa);
	/* One that is the only one is not taken for another. */
	assert_refused(import("openssl-p256", PASS, "p384"), ERR_NOT_FOUND, "\"p256\" (");
}

/* Whatever happened to a file on its way: no other key, no other certificate, and a reason. */
static void a_file_that_was_changed_is_never_another_identity(void **state)
{
	static const char *const names[] = {"openssl-p256", "openssl-1.0", "windows-3des",
					    "python-3des-sha1", "several-joined"};
	struct identity_policy policy = {.now = NOW, .library = library, .friendly_name = "p256"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(buf_done) struct buf file = {0};

		read_file(names[i], &file);
		for (size_t at = i; at < file.size; at += 97) {
			struct result result;

			file.data[at] ^= 0x10;
			result = import_bytes(&file, PASS, &policy);
			file.data[at] ^= 0x10;
			if (result.code == 0)
				assert_string_equal(result.identity.public_part->subject,
						    "CN=p256,O=Test");
			else
				assert_true(*result.why.text);
			result_done(&result);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_openssl_are_read_whatever_the_key_is),
		cmocka_unit_test(files_of_openssl_are_read_whatever_protects_them),
		cmocka_unit_test(files_as_windows_and_apple_write_them_are_read),
		cmocka_unit_test(files_of_java_and_python_are_read),
		cmocka_unit_test(files_of_gnutls_are_read),
		cmocka_unit_test(files_of_nss_are_read),
		cmocka_unit_test(passphrases_of_every_script_are_taken),
		cmocka_unit_test(no_passphrase_and_an_empty_one_open_what_either_made),
		cmocka_unit_test(chains_are_put_in_order_and_lead_to_a_root),
		cmocka_unit_test(of_several_identities_the_named_one_is_taken),
		cmocka_unit_test(a_file_that_was_changed_is_never_another_identity),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
