/* SPDX-License-Identifier: Apache-2.0 */
/* The key exchange that goes before nettle's: what it computes, and that GnuTLS gets it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <nettle/curve25519.h>
#include <string.h>

#include "base/cleanup.h"
#include "front/tls/x25519.h"

typedef void (*exchange_fn)(uint8_t *shared, const uint8_t *secret, const uint8_t *point);

static void from_hex(const char *hex, uint8_t ret_bytes[static 32])
{
	size_t size = 32;

	assert_int_equal(gnutls_hex_decode(&(gnutls_datum_t){(unsigned char *)(uintptr_t)hex, 64},
					   ret_bytes, &size),
			 0);
	assert_int_equal(size, 32);
}

/* RFC 7748 section 5.2. */
static void test_vectors(void **state)
{
	static const struct {
		const char *secret, *point, *shared;
	} vectors[] = {
		{"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
		 "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
		 "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
		{"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
		 "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
		 "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		uint8_t secret[32], point[32], expected[32], shared[32];

		from_hex(vectors[i].secret, secret);
		from_hex(vectors[i].point, point);
		from_hex(vectors[i].shared, expected);
		nettle_curve25519_mul(shared, secret, point);
		assert_memory_equal(shared, expected, 32);
	}
}

/* RFC 7748 section 5.2: a thousand exchanges, each of the one before. */
static void test_iterated(void **state)
{
	uint8_t secret[32] = {9}, point[32] = {9}, expected[32], shared[32];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		nettle_curve25519_mul(shared, secret, point);
		memcpy(point, secret, 32);
		memcpy(secret, shared, 32);
	}
	from_hex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51", expected);
	assert_memory_equal(secret, expected, 32);
}

/* Of whatever a client sends as its share, also with the bit that is to be ignored. */
static void test_as_nettle(void **state)
{
	void *library = dlopen("libhogweed.so.6", RTLD_NOW | RTLD_NOLOAD);
	exchange_fn theirs;

	(void)state;
	assert_non_null(library);
	*(void **)&theirs = dlsym(library, "nettle_curve25519_mul");
	assert_non_null(theirs);
	assert_ptr_not_equal(theirs, nettle_curve25519_mul);
	for (int i = 0; i < 256; i++) {
		uint8_t secret[32], point[32], shared[32], expected[32];

		assert_int_equal(gnutls_rnd(GNUTLS_RND_NONCE, secret, 32), 0);
		assert_int_equal(gnutls_rnd(GNUTLS_RND_NONCE, point, 32), 0);
		nettle_curve25519_mul(shared, secret, point);
		theirs(expected, secret, point);
		assert_memory_equal(shared, expected, 32);
	}
	(void)dlclose(library);
}

/* Zero is what GnuTLS ends a handshake for. */
static void test_small_order(void **state)
{
	static const uint8_t zero[32] = {0}, secret[32] = {1, 2, 3};
	uint8_t point[32] = {0}, shared[32];

	(void)state;
	for (uint8_t u = 0; u < 2; u++) {
		point[0] = u;
		memset(shared, 0xa5, sizeof(shared));
		nettle_curve25519_mul(shared, secret, point);
		assert_memory_equal(shared, zero, 32);
	}
}

/* The loader's answer to GnuTLS' question for that name: this program, not nettle's library. */
static void test_gnutls_gets_it(void **state)
{
	void *found = dlsym(RTLD_DEFAULT, "nettle_curve25519_mul");
	Dl_info of_found, of_program;

	(void)state;
	assert_non_null(found);
	assert_int_not_equal(dladdr(found, &of_found), 0);
	assert_int_not_equal(dladdr((void *)(uintptr_t)test_vectors, &of_program), 0);
	assert_string_equal(of_found.dli_fname, of_program.dli_fname);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"the examples of RFC 7748 come out right", test_vectors, NULL, NULL, NULL},
		{"a thousand exchanges, each of the one before, too", test_iterated, NULL, NULL,
		 NULL},
		{"what any share gives is what nettle would give", test_as_nettle, NULL, NULL,
		 NULL},
		{"a share of small order gives zero, which is refused", test_small_order, NULL,
		 NULL, NULL},
		{"GnuTLS finds this one, not nettle's", test_gnutls_gets_it, NULL, NULL, NULL},
	};

	return x25519_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
