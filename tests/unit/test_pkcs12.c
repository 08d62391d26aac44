/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "tests/unit/pkcs12_result.h"

#define YEAR (INT64_C(365) * 86400)

static void key_and_leaf_are_the_bytes_that_openssl_finds(void **state)
{
	static const char *const names[] = {"rsa",
					    "p256",
					    "p384",
					    "p521",
					    "ed25519",
					    "ed448",
					    "rsapss",
					    "legacy",
					    "rc2_128",
					    "rc4_128",
					    "des2",
					    "camellia",
					    "aria",
					    "mac_sha512",
					    "mac_sha3",
					    "mac_md5",
					    "plain_certificates",
					    "nomac",
					    "once"};
	struct world *world = *state;
	struct identity_policy policy = world->policy;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct result result;

		policy.allow_no_mac = strcmp(names[i], "nomac") == 0;
		result = import_name(world, names[i], WORLD_PASSPHRASE, &policy);
		if (result.code != 0)
			fail_msg("%s: %s", names[i], result.why.text);
		assert_same_as_file(world, names[i], "leaf", result.identity.public_part->leaf.data,
				    result.identity.public_part->leaf.len);
		assert_same_as_file(world, names[i], "key", result.identity.key.data,
				    result.identity.key.size);
		assert_int_equal(result.identity.public_part->n_chain, 2);
		assert_true(result.identity.public_part->chain_complete);
		assert_int_equal(result.identity.n_warnings, 0);
		result_done(&result);
	}
}

static void the_public_part_says_what_the_certificate_says(void **state)
{
	struct world *world = *state;
	struct result result = import_name(world, "p256", WORLD_PASSPHRASE, &world->policy);
	const Asafo__Record__TrustpointPublic *public = result.identity.public_part;

	assert_int_equal(result.code, 0);
	assert_string_equal(public->subject, "CN=p256,O=Test");
	assert_string_equal(public->issuer, "CN=inter,O=Test");
	assert_string_equal(public->key_type, "ECDSA-P256");
	assert_int_equal(public->n_names, 4);
	assert_string_equal(public->names[0], "gw.example");
	assert_string_equal(public->names[1], "*.gw.example");
	assert_string_equal(public->names[2], "198.51.100.10");
	assert_string_equal(public->names[3], "2001:db8::1");
	assert_int_equal(public->fingerprint.len, 32);
	assert_int_equal(public->key_id.len, 32);
	assert_int_equal(public->not_after - public->not_before, 800 * INT64_C(86400));
	assert_false(result.identity.is_local_ca);
	result_done(&result);
}

static void each_key_type_has_its_name(void **state)
{
	static const char *const pairs[][2] = {
		{"rsa", "RSA-2048"},	   {"p384", "ECDSA-P384"}, {"p521", "ECDSA-P521"},
		{"ed25519", "Ed25519"},	   {"ed448", "Ed448"},	   {"rsapss", "RSA-PSS-2048"},
		{"pss384", "RSA-PSS-2048"}};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct result result =
			import_name(world, pairs[i][0], WORLD_PASSPHRASE, &world->policy);

		assert_int_equal(result.code, 0);
		assert_string_equal(result.identity.public_part->key_type, pairs[i][1]);
		result_done(&result);
	}
}

static void a_wrong_passphrase_is_told_as_such_and_nothing_else(void **state)
{
	static const char *const names[] = {"rsa",	"legacy", "rc2_128",
					    "mac_sha3", "nopass", "keyless"};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_refused(import_name(world, names[i], "Swordfish", &world->policy),
			       ERR_BAD_PASSPHRASE, "wrong passphrase");
	assert_refused(import_name(world, "p256", "", &world->policy), ERR_BAD_PASSPHRASE,
		       "wants a passphrase");
	assert_refused(import_name(world, "p256", NULL, &world->policy), ERR_BAD_PASSPHRASE,
		       "wants a passphrase");
}

static void no_passphrase_opens_files_made_with_the_empty_and_with_the_null_one(void **state)
{
	static const struct world_item items[] = {{"p256", NULL}, {0}};
	struct world *world = *state;
	const char *const made_with[] = {NULL, ""};

	for (size_t i = 0; i < 2; i++) {
		struct world_pack pack = {
			.certificates = items, .keys = items, .passphrase = made_with[i]};
		_cleanup_(buf_done) struct buf file = {0};

		world_pack(world, &pack, &file);
		for (size_t j = 0; j < 2; j++) {
			struct result result = import_bytes(&file, made_with[j], &world->policy);

			assert_int_equal(result.code, 0);
			result_done(&result);
		}
	}
}

static void a_passphrase_beyond_ascii_works_in_both_encodings(void **state)
{
	static const struct world_item items[] = {{"p256", NULL}, {0}};
	struct world *world = *state;
	/* As an old program makes it: each byte of the UTF-8 taken for a character. */
	struct world_pack old = {
		.certificates = items, .keys = items, .passphrase = "gr\303\203\302\274n"};
	_cleanup_(buf_done) struct buf file = {0};
	struct result result = import_name(world, "latin1", "gr\303\274n", &world->policy);

	assert_int_equal(result.code, 0);
	result_done(&result);
	world_pack(world, &old, &file);
	result = import_bytes(&file, "gr\303\274n", &world->policy);
	assert_int_equal(result.code, 0);
	result_done(&result);
	assert_refused(import_bytes(&file, "gr\374n", &world->policy), ERR_BAD_PASSPHRASE,
		       "wrong passphrase");
}

static void a_passphrase_with_a_nul_or_without_end_is_refused(void **state)
{
	_cleanup_(secret_done) struct secret secret = {0};
	_cleanup_(buf_done) struct buf file = {0};
	struct world *world = *state;
	struct result result = {0};

	world_read(world, "p256.p12", &file);
	assert_int_equal(secret_init_copy(&secret, "a\0b", 3), 0);
	result.code = identity_from_file(file.data, file.size, &secret, &world->policy,
					 &result.identity, &result.why);
	assert_refused(result, ERR_BAD_PASSPHRASE, "NUL byte");
	secret_done(&secret);
	assert_int_equal(secret_init(&secret, 2000), 0);
	memset(secret.data, 'a', 2000);
	result.code = identity_from_file(file.data, file.size, &secret, &world->policy,
					 &result.identity, &result.why);
	assert_refused(result, ERR_BAD_PASSPHRASE, "longer than 1024");
}

static void a_file_without_a_mac_is_taken_only_when_allowed(void **state)
{
	struct world *world = *state;
	struct identity_policy policy = world->policy;

	assert_refused(import_name(world, "nomac", WORLD_PASSPHRASE, &policy), ERR_NO_MAC,
		       "has no MAC");
	policy.allow_no_mac = true;
	assert_refused(import_name(world, "nomac", "other", &policy), ERR_BAD_PASSPHRASE,
		       "no MAC to tell which");
}

static void a_file_with_two_passphrases_says_so(void **state)
{
	static const struct world_item items[] = {{"p256", NULL}, {0}};
	struct world *world = *state;
	struct world_pack pack = {.certificates = items,
				  .keys = items,
				  .passphrase = WORLD_PASSPHRASE,
				  .content_passphrase = "another"};

	assert_refused(import_pack(world, &pack), ERR_BAD_PASSPHRASE, "two passphrases");
}

static void scrypt_and_pbmac1_are_read(void **state)
{
	static const struct world_item items[] = {{"p256", NULL}, {0}};
	struct world *world = *state;
	struct world_pack pack = {.certificates = items,
				  .keys = items,
				  .passphrase = WORLD_PASSPHRASE,
				  .is_scrypt = true};
	_cleanup_(buf_done) struct buf file = {0};
	struct result result = import_pack(world, &pack);

	assert_int_equal(result.code, 0);
	result_done(&result);
	pack.is_pbmac1 = true;
	result = import_pack(world, &pack);
	if (result.code != 0)
		fail_msg("%s", result.why.text);
	result_done(&result);
	world_pack(world, &pack, &file);
	assert_refused(import_bytes(&file, "other", &world->policy), ERR_BAD_PASSPHRASE,
		       "wrong passphrase");
	file.data[file.size - 10] ^= 1; /* in the MAC */
	assert_refused(import_bytes(&file, WORLD_PASSPHRASE, &world->policy), ERR_BAD_PASSPHRASE,
		       "wrong passphrase");
}

static void missing_parts_are_told_apart(void **state)
{
	static const struct world_item leaf[] = {{"p256", "1"}, {0}},
				       other[] = {{"p384", "1"}, {0}};
	struct world *world = *state;
	struct world_pack mismatch = {
		.certificates = leaf, .keys = other, .passphrase = WORLD_PASSPHRASE};
	struct world_pack empty = {.passphrase = WORLD_PASSPHRASE};

	assert_refused(import_name(world, "keyless", WORLD_PASSPHRASE, &world->policy), ERR_NO_KEY,
		       "no private key");
	assert_refused(import_name(world, "certless", WORLD_PASSPHRASE, &world->policy),
		       ERR_NO_CERTIFICATE, "no certificate");
	assert_refused(import_pack(world, &mismatch), ERR_KEY_MISMATCH, "CN=p256");
	assert_refused(import_pack(world, &empty), ERR_NO_KEY, "neither");
}

static void of_several_keys_the_joined_one_is_taken_or_none(void **state)
{
	static const struct world_item certificates[] = {{"p256", "a"}, {"p384", NULL}, {0}};
	static const struct world_item both_joined[] = {{"p256", "a"}, {"p384", "b"}, {0}};
	static const struct world_item spare_key[] = {{"p521", NULL}, {"p256", NULL}, {0}};
	struct world *world = *state;
	struct world_pack pack = {
		.certificates = certificates, .keys = certificates, .passphrase = WORLD_PASSPHRASE};
	struct result result = import_pack(world, &pack);

	assert_int_equal(result.code, 0);
	assert_string_equal(result.identity.public_part->subject, "CN=p256,O=Test");
	result_done(&result);
	pack.certificates = pack.keys = both_joined;
	assert_refused(import_pack(world, &pack), ERR_UNSUPPORTED, "holds 2 identities");
	pack.certificates = certificates;
	pack.keys = spare_key;
	result = import_pack(world, &pack);
	assert_int_equal(result.code, 0);
	assert_string_equal(result.identity.public_part->subject, "CN=p256,O=Test");
	assert_true(result.identity.n_warnings > 0);
	result_done(&result);
}

static bool warns(const struct identity *identity, const char *words)
{
	for (size_t i = 0; i < identity->n_warnings; i++) {
		if (strstr(identity->warnings[i], words))
			return true;
	}
	return false;
}

static void the_chain_is_ordered_and_strangers_are_left_out(void **state)
{
	static const struct world_item certificates[] = {{"root", NULL}, {"other", NULL},
							 {"p256", NULL}, {"inter", NULL},
							 {"root", NULL}, {0}};
	static const struct world_item key[] = {{"p256", NULL}, {0}};
	struct world *world = *state;
	struct world_pack pack = {
		.certificates = certificates, .keys = key, .passphrase = WORLD_PASSPHRASE};
	_cleanup_(X509_free_p) X509 *inter = world_certificate(world, "inter");
	_cleanup_(buf_done) struct buf der = {0};
	struct result result = import_pack(world, &pack);
	const Asafo__Record__TrustpointPublic *public = result.identity.public_part;

	assert_int_equal(result.code, 0);
	assert_int_equal(public->n_chain, 2);
	assert_int_equal(x509_to_der(inter, &der), 0);
	assert_int_equal(public->chain[0].len, der.size);
	assert_memory_equal(public->chain[0].data, der.data, der.size);
	assert_true(public->chain_complete);
	assert_true(warns(&result.identity, "CN=other"));
	result_done(&result);
}

static void an_incomplete_chain_is_taken_and_said(void **state)
{
	static const struct world_item key[] = {{"p256", NULL}, {0}};
	static const struct world_item gap[] = {{"p256", NULL}, {"root", NULL}, {0}};
	static const struct world_item half[] = {{"inter", NULL}, {"p256", NULL}, {0}};
	struct world *world = *state;
	struct world_pack pack = {.certificates = gap, .keys = key, .passphrase = WORLD_PASSPHRASE};
	struct result result = import_pack(world, &pack);

	assert_int_equal(result.code, 0);
	assert_int_equal(result.identity.public_part->n_chain, 0);
	assert_false(result.identity.public_part->chain_complete);
	assert_true(warns(&result.identity, "does not hold the issuer's certificate"));
	assert_true(warns(&result.identity, "CN=root"));
	result_done(&result);
	pack.certificates = half;
	result = import_pack(world, &pack);
	assert_int_equal(result.code, 0);
	assert_int_equal(result.identity.public_part->n_chain, 1);
	assert_false(result.identity.public_part->chain_complete);
	result_done(&result);
}

static void what_clients_refuse_of_a_chain_is_said(void **state)
{
	static const char *const files[] = {"critical", "constrained", "p256"},
				 *const words[] = {"unhandled critical extension",
						   "permitted subtree violation", "clients"};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct result result =
			import_name(world, files[i], WORLD_PASSPHRASE, &world->policy);

		assert_int_equal(result.code, 0);
		assert_int_equal(warns(&result.identity, words[i]), i < 2);
		result_done(&result);
	}
}

static void weak_keys_and_signatures_are_refused(void **state)
{
	struct world *world = *state;

	assert_refused(import_name(world, "rsa1024", WORLD_PASSPHRASE, &world->policy), ERR_WEAK,
		       "1024 bits");
	assert_refused(import_name(world, "dsa", WORLD_PASSPHRASE, &world->policy), ERR_UNSUPPORTED,
		       "DSA");
	assert_refused(import_name(world, "sha1", WORLD_PASSPHRASE, &world->policy), ERR_WEAK,
		       "SHA1");
	assert_refused(import_name(world, "md5", WORLD_PASSPHRASE, &world->policy), ERR_WEAK,
		       "MD5");
	assert_refused(import_name(world, "k1", WORLD_PASSPHRASE, &world->policy), ERR_UNSUPPORTED,
		       "secp256k1");
}

static void weak_keys_and_signatures_are_warnings_where_they_are_permitted(void **state)
{
	static const char *const weak[][2] = {
		{"rsa1024", "1024 bits"}, {"sha1", "SHA1"}, {"md5", "MD5"}};
	struct world *world = *state;
	struct identity_policy policy = world->policy;

	policy.allow_weak = true;
	for (size_t i = 0; i < ARRAY_SIZE(weak); i++) {
		struct result result = import_name(world, weak[i][0], WORLD_PASSPHRASE, &policy);

		assert_int_equal(result.code, 0);
		assert_true(warns(&result.identity, weak[i][1]));
		result_done(&result);
	}
	/* What nobody could be served with stays refused. */
	assert_refused(import_name(world, "dsa", WORLD_PASSPHRASE, &policy), ERR_UNSUPPORTED,
		       "DSA");
	assert_refused(import_name(world, "k1", WORLD_PASSPHRASE, &policy), ERR_UNSUPPORTED,
		       "secp256k1");
}

static void dates_are_checked_against_the_clock(void **state)
{
	struct world *world = *state;
	struct identity_policy policy = world->policy;
	struct result result;

	policy.now = world->policy.now + 3 * YEAR;
	assert_refused(import_name(world, "p256", WORLD_PASSPHRASE, &policy), ERR_EXPIRED,
		       "expired on");
	policy.allow_expired = true;
	result = import_name(world, "p256", WORLD_PASSPHRASE, &policy);
	assert_int_equal(result.code, 0);
	assert_true(warns(&result.identity, "expired on"));
	result_done(&result);
	policy.now = world->policy.now - YEAR;
	assert_refused(import_name(world, "p256", WORLD_PASSPHRASE, &policy), ERR_NOT_YET_VALID,
		       "valid only from");
	policy.now = world->policy.now + 790 * INT64_C(86400);
	result = import_name(world, "p256", WORLD_PASSPHRASE, &policy);
	assert_int_equal(result.code, 0);
	assert_true(warns(&result.identity, "expires soon"));
	result_done(&result);
}

static void dates_are_checked_against_the_clock_of_the_mate(void **state)
{
	struct world *world = *state;
	struct identity_policy policy = world->policy;
	struct result result;

	policy.mate_now = policy.now - YEAR;
	assert_refused(import_name(world, "p256", WORLD_PASSPHRASE, &policy), ERR_NOT_YET_VALID,
		       "by the mate's clock is yet to come");
	policy.mate_now = policy.now + 3 * YEAR;
	assert_refused(import_name(world, "p256", WORLD_PASSPHRASE, &policy), ERR_EXPIRED,
		       "by the mate's clock");
	policy.allow_expired = true;
	result = import_name(world, "p256", WORLD_PASSPHRASE, &policy);
	assert_int_equal(result.code, 0);
	result_done(&result);
	/* Both would refuse it: this unit's clock is the one that is told. */
	policy.allow_expired = false;
	policy.now = policy.mate_now;
	assert_refused(import_name(world, "p256", WORLD_PASSPHRASE, &policy), ERR_EXPIRED,
		       "expired on");
}

/* All wrong at once, and mended one by one in the order of the checks. */
static void the_first_reason_is_the_one_that_is_told(void **state)
{
	struct world *world = *state;
	struct identity_policy policy = world->policy;

	policy.now += 3 * YEAR;
	assert_refused(import_name(world, "rsa1024", "wrong", &policy), ERR_BAD_PASSPHRASE,
		       "passphrase");
	assert_refused(import_name(world, "rsa1024", WORLD_PASSPHRASE, &policy), ERR_WEAK, "1024");
	assert_refused(import_name(world, "rsa", WORLD_PASSPHRASE, &policy), ERR_EXPIRED,
		       "expired");
}

static void names_of_trustpoints_are_words(void **state)
{
	char longest[TRUSTPOINT_NAME_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[TRUSTPOINT_NAME_MAX + 1] = 0;
	assert_false(identity_name_is_valid(longest));
	longest[TRUSTPOINT_NAME_MAX] = 0;
	assert_true(identity_name_is_valid(longest));
	assert_true(identity_name_is_valid("VPN-2024_a.b"));
	assert_false(identity_name_is_valid(""));
	assert_false(identity_name_is_valid("-x"));
	assert_false(identity_name_is_valid(".x"));
	assert_false(identity_name_is_valid("a/b"));
	assert_false(identity_name_is_valid("a b"));
	assert_false(identity_name_is_valid("\303\274"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_and_leaf_are_the_bytes_that_openssl_finds),
		cmocka_unit_test(the_public_part_says_what_the_certificate_says),
		cmocka_unit_test(each_key_type_has_its_name),
		cmocka_unit_test(a_wrong_passphrase_is_told_as_such_and_nothing_else),
		cmocka_unit_test(
			no_passphrase_opens_files_made_with_the_empty_and_with_the_null_one),
		cmocka_unit_test(a_passphrase_beyond_ascii_works_in_both_encodings),
		cmocka_unit_test(a_passphrase_with_a_nul_or_without_end_is_refused),
		cmocka_unit_test(a_file_without_a_mac_is_taken_only_when_allowed),
		cmocka_unit_test(a_file_with_two_passphrases_says_so),
		cmocka_unit_test(scrypt_and_pbmac1_are_read),
		cmocka_unit_test(missing_parts_are_told_apart),
		cmocka_unit_test(of_several_keys_the_joined_one_is_taken_or_none),
		cmocka_unit_test(the_chain_is_ordered_and_strangers_are_left_out),
		cmocka_unit_test(an_incomplete_chain_is_taken_and_said),
		cmocka_unit_test(what_clients_refuse_of_a_chain_is_said),
		cmocka_unit_test(weak_keys_and_signatures_are_refused),
		cmocka_unit_test(weak_keys_and_signatures_are_warnings_where_they_are_permitted),
		cmocka_unit_test(dates_are_checked_against_the_clock),
		cmocka_unit_test(dates_are_checked_against_the_clock_of_the_mate),
		cmocka_unit_test(the_first_reason_is_the_one_that_is_told),
		cmocka_unit_test(names_of_trustpoints_are_words),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
