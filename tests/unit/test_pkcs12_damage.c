/* SPDX-License-Identifier: Apache-2.0 */
/* What is not what was exported: wrapped, cut off, changed, made to cost, or another file
 * altogether. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/utf8.h"
#include "tests/unit/pkcs12_result.h"

static void base64_is_read_with_and_without_armour(void **state)
{
	static const char *const names[] = {"base64", "oneline", "armoured", "asa", "quit"};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct result result =
			import_name(world, names[i], WORLD_PASSPHRASE, &world->policy);

		if (result.code != 0)
			fail_msg("%s: %s", names[i], result.why.text);
		assert_same_as_file(world, "p256", "leaf", result.identity.public_part->leaf.data,
				    result.identity.public_part->leaf.len);
		result_done(&result);
	}
	assert_refused(import_name(world, "noend", WORLD_PASSPHRASE, &world->policy), ERR_MALFORMED,
		       "cut off");
}

static void other_kinds_of_files_are_named(void **state)
{
	static const char text[] = "hostname gw\n";
	struct world *world = *state;
	struct buf file = {.data = (uint8_t *)(uintptr_t)text, .size = sizeof(text) - 1};

	assert_refused(import_name(world, "certificate", WORLD_PASSPHRASE, &world->policy),
		       ERR_MALFORMED, "not a PKCS#12 file");
	assert_refused(import_name(world, "certificates", WORLD_PASSPHRASE, &world->policy),
		       ERR_MALFORMED, "this is a certificate, or several (DER)");
	assert_refused(import_name(world, "p7", WORLD_PASSPHRASE, &world->policy), ERR_MALFORMED,
		       "openssl pkcs7 -inform DER");
	assert_refused(import_bytes(&file, "x", &world->policy), ERR_MALFORMED,
		       "not a PKCS#12 file");
	file.size = 0;
	assert_refused(import_bytes(&file, "x", &world->policy), ERR_MALFORMED, "is empty");
}

/* What reads DER does not read it. */
static void what_is_base64_is_not_called_der(void **state)
{
	struct world *world = *state;

	assert_refused(import_name(world, "certificate_base64", WORLD_PASSPHRASE, &world->policy),
		       ERR_MALFORMED,
		       "this is a certificate, or several (base64: base64 -d FILE first), not a "
		       "PKCS#12 file: give it as PEM with its key (openssl x509 -in FILE");
	assert_refused(import_name(world, "p7_base64", WORLD_PASSPHRASE, &world->policy),
		       ERR_MALFORMED,
		       "these are certificates alone (base64: base64 -d FILE first), not");
	assert_refused(import_name(world, "request_base64", WORLD_PASSPHRASE, &world->policy),
		       ERR_MALFORMED, "this is a certificate request (base64): import");
	assert_refused(import_name(world, "p7", WORLD_PASSPHRASE, &world->policy), ERR_MALFORMED,
		       "these are certificates alone (PKCS#7), not");
}

static void too_many_rounds_are_refused_before_they_are_done(void **state)
{
	_cleanup_(buf_done) struct buf file = {0}, inner = {0};
	struct world *world = *state;
	struct identity_policy policy = world->policy;
	static const uint8_t rounds[] = {0x02, 0x03, 0x01, 0x86, 0xa0};
	uint8_t *found;

	world_read(world, "rounds.p12", &file);
	assert_memory_equal(file.data + file.size - 5, rounds, 5);
	memcpy(file.data + file.size - 3, "\x7f\xff\xff", 3);
	assert_refused(import_bytes(&file, WORLD_PASSPHRASE, &policy), ERR_WEAK, "5000000");
	world_read(world, "rounds_nomac.p12", &inner);
	found = memmem(inner.data, inner.size, rounds, 5);
	assert_non_null(found);
	memcpy(found + 2, "\x7f\xff\xff", 3);
	policy.allow_no_mac = true;
	assert_refused(import_bytes(&inner, WORLD_PASSPHRASE, &policy), ERR_WEAK, "5000000");
}

/* 2^31, which GnuTLS reads as 1, in the place of 2048 at the end of the file's MAC. */
static void rounds_that_no_integer_holds_are_no_wrong_passphrase(void **state)
{
	static const uint8_t many[] = {0x02, 0x05, 0x00, 0x80, 0x00, 0x00, 0x00};
	_cleanup_(buf_wipe) struct buf file = {0};
	struct world *world = *state;
	size_t mac;

	world_read(world, "p256.p12", &file);
	mac = file.size - 67;
	assert_int_equal(file.data[1], 0x82);
	assert_int_equal(file.data[mac], 0x30);
	assert_int_equal(file.data[mac + 1], 65);
	file.data[mac + 1] += 3;
	assert_true(file.data[3] <= 0xff - 3);
	file.data[3] += 3;
	file.size -= 4;
	assert_int_equal(buf_append(&file, many, sizeof(many)), 0);
	assert_refused(import_bytes(&file, WORLD_PASSPHRASE, &world->policy), ERR_WEAK,
		       "key-derivation rounds");
}

static void what_gnutls_would_cut_is_read_whole(void **state)
{
	struct world *world = *state;

	assert_refused(import_name(world, "links", WORLD_PASSPHRASE, &world->policy), ERR_TOO_LARGE,
		       "longer than 16");
}

static void what_clients_or_libraries_cannot_take_is_named(void **state)
{
	struct world *world = *state;
	struct identity_policy policy = world->policy;
	static const uint8_t jks[64] = {0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2};
	struct buf file = {.data = (uint8_t *)(uintptr_t)jks, .size = sizeof(jks)};

	assert_refused(import_name(world, "explicit", WORLD_PASSPHRASE, &policy), ERR_UNSUPPORTED,
		       "spells out the parameters");
	policy.allow_no_mac = true;
	assert_refused(import_name(world, "gcm", WORLD_PASSPHRASE, &policy), ERR_UNSUPPORTED,
		       "aes-256-gcm");
	assert_refused(import_bytes(&file, "x", &policy), ERR_MALFORMED, "keytool -importkeystore");
	assert_refused(import_name(world, "wide_names", WORLD_PASSPHRASE, &policy), ERR_TOO_LARGE,
		       "cannot be served to clients (65536 at most)");
}

static void names_of_any_characters_do_no_harm(void **state)
{
	static const char *const names[] = {"wide", "controls"};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct identity_policy policy = world->policy;
		struct result result =
			import_name(world, names[i], WORLD_PASSPHRASE, &world->policy);

		if (result.code != 0)
			fail_msg("%s: %s", names[i], result.why.text);
		result_done(&result);
		/* What it has is told with each wrong name. */
		policy.friendly_name = (char *)(uintptr_t) "other";
		result = import_name(world, names[i], WORLD_PASSPHRASE, &policy);
		assert_int_equal(result.code, ERR_NOT_FOUND);
		for (const char *c = result.why.text; *c; c++) {
			size_t n = utf8_length((const uint8_t *)c, strlen(c));

			assert_true(n > 0 && (unsigned char)*c >= 0x20);
			c += n - 1;
		}
		result_done(&result);
	}
}

static void a_file_cut_anywhere_is_refused(void **state)
{
	_cleanup_(buf_done) struct buf file = {0};
	struct world *world = *state;

	world_read(world, "rsa.p12", &file);
	for (size_t size = 0; size < file.size; size++) {
		/* On the heap and exactly as long, so that a sanitizer sees one byte too far. */
		_cleanup_(buf_done) struct buf cut = {0};

		assert_int_equal(buf_append(&cut, file.data, size), 0);
		assert_refused(import_bytes(&cut, WORLD_PASSPHRASE, &world->policy), ERR_MALFORMED,
			       "");
	}
	assert_int_equal(buf_append(&file, "\n", 1), 0);
	assert_refused(import_bytes(&file, WORLD_PASSPHRASE, &world->policy), ERR_MALFORMED,
		       "1 byte follows the end");
}

static void base64_cut_anywhere_is_refused(void **state)
{
	_cleanup_(buf_done) struct buf file = {0};
	struct world *world = *state;

	world_read(world, "armoured.p12", &file);
	/* Without the last newline, and even the END line's last dashes, nothing is lost. */
	for (size_t size = 0; size < file.size - strlen("-----END PKCS12-----\n"); size++) {
		_cleanup_(buf_done) struct buf cut = {0};

		assert_int_equal(buf_append(&cut, file.data, size), 0);
		assert_refused(import_bytes(&cut, WORLD_PASSPHRASE, &world->policy), ERR_MALFORMED,
			       "");
	}
}

static void a_changed_byte_never_changes_what_is_imported(void **state)
{
	_cleanup_(buf_done) struct buf file = {0};
	struct world *world = *state;
	size_t n_taken = 0;

	world_read(world, "once.p12", &file);
	for (size_t i = 0; i < file.size; i++) {
		struct result result;

		file.data[i] ^= (uint8_t)(1u << i % 8);
		result = import_bytes(&file, WORLD_PASSPHRASE, &world->policy);
		file.data[i] ^= (uint8_t)(1u << i % 8);
		if (result.code == 0) {
			n_taken++;
			assert_same_as_file(world, "once", "leaf",
					    result.identity.public_part->leaf.data,
					    result.identity.public_part->leaf.len);
			assert_same_as_file(world, "once", "key", result.identity.key.data,
					    result.identity.key.size);
		} else {
			assert_true(*result.why.text);
		}
		result_done(&result);
	}
	assert_true(n_taken < 32);
}

static void garbage_of_any_size_is_refused(void **state)
{
	_cleanup_(buf_done) struct buf file = {0};
	struct world *world = *state;
	uint32_t seed = 12345;

	for (size_t size = 1; size < 600; size++) {
		for (size_t i = 0; i < size; i++) {
			uint8_t byte;

			seed = seed * 1103515245u + 12345u;
			byte = i == 0 && size % 2 ? 0x30 : (uint8_t)(seed >> 16);
			assert_int_equal(buf_append(&file, &byte, 1), 0);
		}
		assert_refused(import_bytes(&file, "x", &world->policy), ERR_MALFORMED, "");
		buf_clear(&file);
	}
	assert_int_equal(buf_reserve(&file, IDENTITY_FILE_MAX + 1), 0);
	memset(file.data, 0x30, IDENTITY_FILE_MAX + 1);
	file.size = IDENTITY_FILE_MAX + 1;
	assert_refused(import_bytes(&file, "x", &world->policy), ERR_TOO_LARGE, "larger than");
	file.size = IDENTITY_FILE_MAX;
	assert_refused(import_bytes(&file, "x", &world->policy), ERR_MALFORMED, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_is_read_with_and_without_armour),
		cmocka_unit_test(other_kinds_of_files_are_named),
		cmocka_unit_test(what_is_base64_is_not_called_der),
		cmocka_unit_test(too_many_rounds_are_refused_before_they_are_done),
		cmocka_unit_test(rounds_that_no_integer_holds_are_no_wrong_passphrase),
		cmocka_unit_test(what_gnutls_would_cut_is_read_whole),
		cmocka_unit_test(what_clients_or_libraries_cannot_take_is_named),
		cmocka_unit_test(names_of_any_characters_do_no_harm),
		cmocka_unit_test(a_file_cut_anywhere_is_refused),
		cmocka_unit_test(base64_cut_anywhere_is_refused),
		cmocka_unit_test(a_changed_byte_never_changes_what_is_imported),
		cmocka_unit_test(garbage_of_any_size_is_refused),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
