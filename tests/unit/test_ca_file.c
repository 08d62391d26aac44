/* SPDX-License-Identifier: Apache-2.0 */
/* A CA's certificate alone, in each form that `crypto ca authenticate` says it takes, and what is
 * given in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "base/err.h"
#include "base/io.h"
#include "tests/unit/pkcs12_result.h"

#define NOW INT64_C(1800000000) /* January 2027 */

struct forms {
	OSSL_LIB_CTX *library;
	struct identity_policy policy;
	struct buf root, leaf; /* DER */
};

static struct buf odd(const char *name)
{
	struct buf file = {0};
	char path[512];

	(void)snprintf(path, sizeof(path), SOURCE_DIR "/tests/unit/pkcs12.d/odd-%s.p12", name);
	assert_int_equal(io_read_file(path, 65536, &file), 0);
	return file;
}

static int setup(void **state)
{
	static struct forms forms;
	_cleanup_(buf_done) struct buf file = odd("plain-keybag");
	const Asafo__Record__TrustpointPublic *public;
	struct result result;

	assert_int_equal(identity_library_new(&forms.library), 0);
	forms.policy = (struct identity_policy){.now = NOW, .library = forms.library};
	result = import_bytes(&file, "swordfish", &forms.policy);
	assert_int_equal(result.code, 0);
	public = result.identity.public_part;
	assert_int_equal(public->n_chain, 2);
	assert_int_equal(buf_append(&forms.root, public->chain[1].data, public->chain[1].len), 0);
	assert_int_equal(buf_append(&forms.leaf, public->leaf.data, public->leaf.len), 0);
	result_done(&result);
	*state = &forms;
	return 0;
}

static int teardown(void **state)
{
	struct forms *forms = *state;

	buf_done(&forms->root);
	buf_done(&forms->leaf);
	identity_library_free(forms->library);
	return 0;
}

static struct result take(const struct forms *forms, const void *data, size_t size)
{
	struct result result = {0};

	result.code =
		identity_ca_from_file(data, size, &forms->policy, &result.identity, &result.why);
	return result;
}

static void assert_root(const struct forms *forms, const void *data, size_t size)
{
	struct result result = take(forms, data, size);

	if (result.code != 0)
		fail_msg("%s", result.why.text);
	assert_string_equal(result.identity.public_part->subject, "CN=root");
	assert_int_equal(result.identity.public_part->leaf.len, forms->root.size);
	assert_memory_equal(result.identity.public_part->leaf.data, forms->root.data,
			    forms->root.size);
	assert_true(result.identity.public_part->is_ca);
	result_done(&result);
}

/* Base64 in lines of WIDTH, each with END, and QUIT behind it. */
static struct buf base64(const struct buf *der, size_t width, const char *end, const char *quit)
{
	unsigned char digits[4096];
	struct buf text = {0};
	size_t size = (size_t)EVP_EncodeBlock(digits, der->data, (int)der->size);

	for (size_t at = 0; at < size; at += width) {
		size_t n = size - at < width ? size - at : width;

		assert_int_equal(buf_append(&text, digits + at, n), 0);
		assert_int_equal(buf_append(&text, end, strlen(end)), 0);
	}
	assert_int_equal(buf_append(&text, quit, strlen(quit)), 0);
	return text;
}

static void der_is_taken(void **state)
{
	const struct forms *forms = *state;

	assert_root(forms, forms->root.data, forms->root.size);
}

static void base64_is_taken_as_a_terminal_sends_it(void **state)
{
	static const struct {
		size_t width;
		const char *end, *quit;
	} rows[] = {{64, "\n", ""}, {64, "\r\n", "quit\r\n"}, {76, "\n", "quit\n"}, {4096, "", ""}};
	const struct forms *forms = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(buf_done) struct buf text =
			base64(&forms->root, rows[i].width, rows[i].end, rows[i].quit);

		assert_root(forms, text.data, text.size);
		/* With the NUL of a string behind it. */
		assert_int_equal(buf_append(&text, "", 1), 0);
		assert_root(forms, text.data, text.size);
	}
}

static void what_is_cut_or_followed_is_no_certificate(void **state)
{
	const struct forms *forms = *state;
	_cleanup_(buf_done) struct buf longer = {0};

	assert_refused(take(forms, forms->root.data, forms->root.size - 7), ERR_MALFORMED,
		       "the CA certificate is cut off");
	assert_int_equal(buf_append(&longer, forms->root.data, forms->root.size), 0);
	assert_int_equal(buf_append(&longer, forms->leaf.data, forms->leaf.size), 0);
	assert_refused(take(forms, longer.data, longer.size), ERR_MALFORMED,
		       "bytes follow the end of the CA certificate");
	longer.size = forms->root.size + 1;
	assert_refused(take(forms, longer.data, longer.size), ERR_MALFORMED,
		       "1 byte follows the end of the CA certificate");
	assert_refused(take(forms, "", 0), ERR_MALFORMED, "the CA certificate is empty");
	assert_refused(take(forms, "Zm9v\n", 5), ERR_MALFORMED, "not a certificate");
}

/* As `openssl s_client -showcerts` writes it, from the first line on that somebody marked. */
static void text_before_it_may_be_anything(void **state)
{
	static const char text[] = "0 s:CN = root\n   i:CN = root\n-----BEGIN CERTIFICATE-----\n";
	const struct forms *forms = *state;
	_cleanup_(buf_done) struct buf file = {0}, digits = base64(&forms->root, 64, "\n", "");

	assert_int_equal(buf_append(&file, text, sizeof(text) - 1), 0);
	assert_int_equal(buf_append(&file, digits.data, digits.size), 0);
	assert_int_equal(buf_append(&file, "-----END CERTIFICATE-----\n", 26), 0);
	assert_root(forms, file.data, file.size);
	/* And nothing of it is PKCS#12, whatever it begins with. */
	assert_refused(take(forms, "01 of 01: a text\n", 17), ERR_MALFORMED,
		       "this is not a certificate");
}

static void what_is_given_in_its_place_is_named(void **state)
{
	static const struct {
		const char *file, *words;
	} rows[] = {
		{"plain-keybag", "this is a PKCS#12 file: a CA's trustpoint takes"},
		{"armour-comment", "this is a PKCS#12 file (base64: what is between BEGIN and END "
				   "through base64 -d first): a CA's trustpoint takes"},
		{"der-key", "this is a private key (DER)"},
		{"der-key-v2", "this is a private key (DER)"},
		{"der-request", "this is a certificate request (DER)"},
	};
	const struct forms *forms = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(buf_done) struct buf file = odd(rows[i].file);

		assert_refused(take(forms, file.data, file.size), ERR_MALFORMED, rows[i].words);
	}
	assert_refused(take(forms, forms->leaf.data, forms->leaf.size), ERR_UNSUPPORTED,
		       "CN=leaf is not a CA's");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(der_is_taken),
		cmocka_unit_test(base64_is_taken_as_a_terminal_sends_it),
		cmocka_unit_test(what_is_cut_or_followed_is_no_certificate),
		cmocka_unit_test(text_before_it_may_be_anything),
		cmocka_unit_test(what_is_given_in_its_place_is_named),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
