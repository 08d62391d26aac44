/* SPDX-License-Identifier: Apache-2.0 */
/* Key, certificate and chain as PEM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "tests/unit/pkcs12_result.h"

#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct result import_parts(const struct world *world, const char *passphrase,
				  const char *const *parts)
{
	_cleanup_(buf_wipe) struct buf file = {0};

	for (; *parts; parts++)
		world_read(world, *parts, &file);
	return import_bytes(&file, passphrase, &world->policy);
}

static void assert_is(struct result result, const char *subject, size_t n_chain)
{
	if (result.code != 0)
		fail_msg("%s", result.why.text);
	assert_string_equal(result.identity.public_part->subject, subject);
	assert_int_equal(result.identity.public_part->n_chain, n_chain);
	result_done(&result);
}

static void key_certificate_and_chain_are_read_in_any_order(void **state)
{
	static const char *const names[] = {"rsa", "p256", "p384", "p521", "ed25519", "rsapss"};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char key[32], certificate[32], subject[64];

		(void)snprintf(key, sizeof(key), "%s.key", names[i]);
		(void)snprintf(certificate, sizeof(certificate), "%s.crt", names[i]);
		(void)snprintf(subject, sizeof(subject), "CN=%s,O=Test", names[i]);
		assert_is(import_parts(world, NULL, PARTS("chain.pem", key, certificate)), subject,
			  2);
		assert_is(import_parts(world, "unused", PARTS(key, certificate, "inter.crt")),
			  subject, 1);
	}
}

/* As a CA of Windows' gives them, and as openssl x509 -trustout does. */
static void certificates_in_other_wrappings_are_read(void **state)
{
	struct world *world = *state;

	assert_is(import_parts(world, NULL, PARTS("pem_chain.p7b", "p256.key")), "CN=p256,O=Test",
		  2);
	assert_is(import_parts(world, NULL, PARTS("p256.key", "pem_chain.p7b")), "CN=p256,O=Test",
		  2);
	assert_is(import_parts(world, NULL, PARTS("p256.key", "pem_trusted.crt", "chain.pem")),
		  "CN=p256,O=Test", 2);
	assert_refused(import_parts(world, NULL, PARTS("pem_chain.p7b")), ERR_NO_KEY,
		       "holds 3 certificate(s) but no private key");
}

static void keys_of_older_forms_are_read_with_their_passphrase(void **state)
{
	static const char *const keys[] = {"pem_pkcs8.key", "pem_rsa_aes.key", "pem_rsa_des3.key"};
	struct world *world = *state;

	assert_is(import_parts(world, NULL, PARTS("rsa.crt", "pem_rsa.key")), "CN=rsa,O=Test", 0);
	assert_is(import_parts(world, NULL, PARTS("p256.crt", "pem_ec.key")), "CN=p256,O=Test", 0);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		assert_is(import_parts(world, WORLD_PASSPHRASE, PARTS("rsa.crt", keys[i])),
			  "CN=rsa,O=Test", 0);
		assert_refused(import_parts(world, "Swordfish", PARTS("rsa.crt", keys[i])),
			       ERR_BAD_PASSPHRASE, "wrong passphrase for the private key");
		assert_refused(import_parts(world, NULL, PARTS("rsa.crt", keys[i])),
			       ERR_BAD_PASSPHRASE, "is encrypted");
	}
}

/* How it came to us: APPEND makes the text's next character of C. */
static void reformat(const struct buf *file, struct buf *ret_file, const char *mark,
		     int (*append)(struct buf *buf, char c))
{
	assert_int_equal(buf_append(ret_file, mark, strlen(mark)), 0);
	for (size_t i = 0; i < file->size; i++)
		assert_int_equal(append(ret_file, (char)file->data[i]), 0);
}

static int plain(struct buf *buf, char c)
{
	return buf_append(buf, &c, 1);
}

static int little_endian(struct buf *buf, char c)
{
	return buf_append(buf, (const char[]){c, 0}, 2);
}

static int big_endian(struct buf *buf, char c)
{
	return buf_append(buf, (const char[]){0, c}, 2);
}

static int with_crlf(struct buf *buf, char c)
{
	return c == '\n' ? buf_append(buf, "\r\n", 2) : plain(buf, c);
}

/* Strings of C, one behind the other. */
static int with_nul(struct buf *buf, char c)
{
	return c == '\n' ? buf_append(buf, "\n\0", 2) : plain(buf, c);
}

static int with_cr(struct buf *buf, char c)
{
	return plain(buf, c == '\n' ? '\r' : c);
}

static int indented(struct buf *buf, char c)
{
	return c == '\n' ? buf_append(buf, "\n\t    ", 6) : plain(buf, c);
}

static int on_one_line(struct buf *buf, char c)
{
	return c == '\n' ? buf_append(buf, "\\n", 2) : plain(buf, c);
}

static void a_text_is_read_whatever_editor_or_terminal_it_went_through(void **state)
{
	static const struct {
		const char *mark;
		int (*append)(struct buf *buf, char c);
	} ways[] = {{"\xef\xbb\xbf", plain},
		    {"\xff\xfe", little_endian},
		    {"\xfe\xff", big_endian},
		    {"", little_endian},
		    {"", big_endian},
		    {"", with_nul},
		    {"Bag Attributes\r\n    friendlyName: x\r\n", with_crlf},
		    {"0 s:CN = gw.example\n   i:CN = CA\n", plain},
		    {"", with_cr},
		    {"tls:\n    ", indented}};
	_cleanup_(buf_wipe) struct buf file = {0}, line = {0};
	struct world *world = *state;

	world_read(world, "p256.crt", &file);
	world_read(world, "p256.key", &file);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		_cleanup_(buf_wipe) struct buf odd = {0};

		reformat(&file, &odd, ways[i].mark, ways[i].append);
		assert_is(import_bytes(&odd, NULL, &world->policy), "CN=p256,O=Test", 0);
	}
	reformat(&file, &line, "key: ", on_one_line);
	assert_refused(import_bytes(&line, NULL, &world->policy), ERR_MALFORMED,
		       "BEGIN is not on a line of its own");
}

static void a_key_whose_protection_is_not_supported_is_no_wrong_passphrase(void **state)
{
	struct world *world = *state;

	assert_is(import_parts(world, WORLD_PASSPHRASE, PARTS("rsa.crt", "pem_scrypt.key")),
		  "CN=rsa,O=Test", 0);
	assert_refused(
		import_parts(world, WORLD_PASSPHRASE, PARTS("rsa.crt", "pem_scrypt_large.key")),
		ERR_WEAK, "254 MiB of memory");
	assert_refused(import_parts(world, WORLD_PASSPHRASE, PARTS("rsa.crt", "pem_gcm.key")),
		       ERR_UNSUPPORTED, "openssl pkcs8 -topk8");
	assert_refused(import_parts(world, WORLD_PASSPHRASE, PARTS("rsa.crt", "pem_rsa_foo.key")),
		       ERR_UNSUPPORTED, "openssl pkcs8 -topk8");
}

static void what_is_missing_or_does_not_fit_is_named(void **state)
{
	struct world *world = *state;

	assert_refused(import_parts(world, NULL, PARTS("p256.crt", "chain.pem")), ERR_NO_KEY,
		       "no private key");
	assert_refused(import_parts(world, NULL, PARTS("p256.key")), ERR_NO_CERTIFICATE,
		       "no certificate");
	assert_refused(import_parts(world, NULL, PARTS("p256.key", "p384.crt")), ERR_KEY_MISMATCH,
		       "CN=p384");
	assert_refused(import_parts(world, NULL, PARTS("pem_openssh.key", "p256.crt")),
		       ERR_UNSUPPORTED, "ssh-keygen -p -m PKCS8");
	assert_refused(import_parts(world, NULL, PARTS("pem_tss2.key", "p256.crt")),
		       ERR_UNSUPPORTED, "only the TPM which made it can use");
	assert_refused(import_parts(world, NULL, PARTS("rsa1024.key", "rsa1024.crt")), ERR_WEAK,
		       "1024");
}

static void a_text_cut_anywhere_holds_nothing_else(void **state)
{
	_cleanup_(buf_wipe) struct buf file = {0};
	struct world *world = *state;

	world_read(world, "p256.key", &file);
	world_read(world, "p256.crt", &file);
	for (size_t size = 0; size + 2 < file.size; size++) {
		_cleanup_(buf_wipe) struct buf cut = {0};
		struct result result;

		assert_int_equal(buf_append(&cut, file.data, size), 0);
		result = import_bytes(&cut, NULL, &world->policy);
		if (result.code != ERR_MALFORMED)
			assert_int_equal(result.code, ERR_NO_CERTIFICATE);
		assert_true(*result.why.text);
		result_done(&result);
	}
}

static void rounds_are_paid_for_in_pem_too(void **state)
{
	struct world *world = *state;

	assert_refused(import_parts(world, WORLD_PASSPHRASE, PARTS("rsa.crt", "pem_rounds.key")),
		       ERR_WEAK, "5000000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_certificate_and_chain_are_read_in_any_order),
		cmocka_unit_test(certificates_in_other_wrappings_are_read),
		cmocka_unit_test(keys_of_older_forms_are_read_with_their_passphrase),
		cmocka_unit_test(a_text_is_read_whatever_editor_or_terminal_it_went_through),
		cmocka_unit_test(a_key_whose_protection_is_not_supported_is_no_wrong_passphrase),
		cmocka_unit_test(what_is_missing_or_does_not_fit_is_named),
		cmocka_unit_test(a_text_cut_anywhere_holds_nothing_else),
		cmocka_unit_test(rounds_are_paid_for_in_pem_too),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
