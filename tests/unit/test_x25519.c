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
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "front/tls/x25519.h"

/* How often libsodium was asked, for whatever reason. It stands before libsodium's as ours stands
 * before nettle's. */
static unsigned n_asked;

int crypto_scalarmult_curve25519(unsigned char *shared, const unsigned char *secret,
				 const unsigned char *point)
{
	int (*theirs)(unsigned char *, const unsigned char *, const unsigned char *);

	n_asked++;
	*(void **)&theirs = dlsym(RTLD_NEXT, "crypto_scalarmult_curve25519");
	assert_non_null(theirs);
	return theirs(shared, secret, point);
}

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
	exchange_fn theirs;

	(void)state;
	/* Of the libraries behind this program, whatever they are called. */
	*(void **)&theirs = dlsym(RTLD_NEXT, "nettle_curve25519_mul");
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

static gnutls_session_t end_new(unsigned flags, int fd, void *credentials)
{
	gnutls_session_t session;

	assert_int_equal(gnutls_init(&session, flags | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), 0);
	assert_int_equal(
		gnutls_priority_set_direct(session,
					   "NONE:+VERS-TLS1.2:+CIPHER-ALL:+MAC-ALL:+SIGN-ALL"
					   ":+COMP-NULL:+GROUP-X25519:+ANON-ECDH",
					   NULL),
		0);
	assert_int_equal(gnutls_credentials_set(session, GNUTLS_CRD_ANON, credentials), 0);
	gnutls_handshake_set_timeout(session, GNUTLS_INDEFINITE_TIMEOUT);
	gnutls_transport_set_int(session, fd);
	return session;
}

/* Each end of a handshake derives the secret once; nobody else here asks libsodium. */
static void test_gnutls_gets_it(void **state)
{
	int fds[2], server_result = GNUTLS_E_AGAIN, client_result = GNUTLS_E_AGAIN;
	gnutls_anon_server_credentials_t server_credentials;
	gnutls_anon_client_credentials_t client_credentials;
	gnutls_session_t server, client;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	assert_int_equal(gnutls_anon_allocate_server_credentials(&server_credentials), 0);
	assert_int_equal(gnutls_anon_allocate_client_credentials(&client_credentials), 0);
	server = end_new(GNUTLS_SERVER, fds[0], server_credentials);
	client = end_new(GNUTLS_CLIENT, fds[1], client_credentials);
	n_asked = 0;
	while (server_result == GNUTLS_E_AGAIN || client_result == GNUTLS_E_AGAIN) {
		if (client_result == GNUTLS_E_AGAIN)
			client_result = gnutls_handshake(client);
		if (server_result == GNUTLS_E_AGAIN)
			server_result = gnutls_handshake(server);
	}
	assert_int_equal(server_result, 0);
	assert_int_equal(client_result, 0);
	assert_int_equal(gnutls_group_get(server), GNUTLS_GROUP_X25519);
	assert_int_equal(n_asked, 2);
	gnutls_deinit(server);
	gnutls_deinit(client);
	gnutls_anon_free_server_credentials(server_credentials);
	gnutls_anon_free_client_credentials(client_credentials);
	(void)close(fds[0]);
	(void)close(fds[1]);
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
		{"a handshake of GnuTLS takes this one, not nettle's", test_gnutls_gets_it, NULL,
		 NULL, NULL},
	};

	return x25519_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
