/* SPDX-License-Identifier: Apache-2.0 */
/* What libcrypto signs, GnuTLS verifies; and a whole handshake, as the front will have it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

#include "base/err.h"
#include "certstore/x509/localca.h"
#include "certstore/keys/signer.h"
#include "certstore/x509/x509.h"
#include "tests/unit/pkcs12_world.h"

struct keys {
	struct world *world;
	const char *names[8]; /* key_id[0] is the index */
	unsigned n_loads;
};

static int load(const uint8_t key_id[static 32], struct secret *ret_pkcs8, void *userdata)
{
	struct keys *keys = userdata;
	EVP_PKEY *key;
	int r;

	if (key_id[0] >= ARRAY_SIZE(keys->names) || !keys->names[key_id[0]])
		return ERR_NOT_FOUND;
	keys->n_loads++;
	key = world_key(keys->world, keys->names[key_id[0]]);
	r = x509_key_to_pkcs8(key, ret_pkcs8);
	EVP_PKEY_free(key);
	return r;
}

static void read_pem(const struct world *world, const char *name, const char *suffix,
		     struct buf *ret)
{
	char path[80];

	(void)snprintf(path, sizeof(path), "%s.%s", name, suffix);
	world_read(world, path, ret);
}

static gnutls_pubkey_t public_key(const struct world *world, const char *name)
{
	_cleanup_(buf_done) struct buf pem = {0};
	gnutls_x509_crt_t certificate;
	gnutls_pubkey_t key;
	gnutls_datum_t data;

	read_pem(world, name, "crt", &pem);
	data = (gnutls_datum_t){pem.data, (unsigned)pem.size};
	assert_int_equal(gnutls_x509_crt_init(&certificate), 0);
	assert_int_equal(gnutls_x509_crt_import(certificate, &data, GNUTLS_X509_FMT_PEM), 0);
	assert_int_equal(gnutls_pubkey_init(&key), 0);
	assert_int_equal(gnutls_pubkey_import_x509(key, certificate, 0), 0);
	gnutls_x509_crt_deinit(certificate);
	return key;
}

struct row {
	const char *key;
	gnutls_sign_algorithm_t algorithm;
	gnutls_digest_algorithm_t digest; /* UNKNOWN: the message is signed */
};

static const struct row rows[] = {
	{"rsa", GNUTLS_SIGN_RSA_SHA256, GNUTLS_DIG_SHA256},
	{"rsa", GNUTLS_SIGN_RSA_SHA384, GNUTLS_DIG_SHA384},
	{"rsa", GNUTLS_SIGN_RSA_SHA512, GNUTLS_DIG_SHA512},
	{"rsa", GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, GNUTLS_DIG_SHA256},
	{"rsa", GNUTLS_SIGN_RSA_PSS_RSAE_SHA384, GNUTLS_DIG_SHA384},
	{"rsa", GNUTLS_SIGN_RSA_PSS_RSAE_SHA512, GNUTLS_DIG_SHA512},
	{"rsapss", GNUTLS_SIGN_RSA_PSS_SHA256, GNUTLS_DIG_SHA256},
	{"rsapss", GNUTLS_SIGN_RSA_PSS_SHA512, GNUTLS_DIG_SHA512},
	{"p256", GNUTLS_SIGN_ECDSA_SHA256, GNUTLS_DIG_SHA256},
	{"p256", GNUTLS_SIGN_ECDSA_SHA512, GNUTLS_DIG_SHA512},
	{"p384", GNUTLS_SIGN_ECDSA_SHA256, GNUTLS_DIG_SHA256},
	{"p384", GNUTLS_SIGN_ECDSA_SECP384R1_SHA384, GNUTLS_DIG_SHA384},
	{"p256", GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, GNUTLS_DIG_SHA256},
	{"p521", GNUTLS_SIGN_ECDSA_SECP521R1_SHA512, GNUTLS_DIG_SHA512},
	{"ed25519", GNUTLS_SIGN_EDDSA_ED25519, GNUTLS_DIG_UNKNOWN},
	{"ed448", GNUTLS_SIGN_EDDSA_ED448, GNUTLS_DIG_UNKNOWN},
};

static const uint8_t message[] = "what the client and the server said so far";

static void check_row(struct world *world, const struct row *row, bool is_digest)
{
	struct keys keys = {.world = world, .names = {row->key}};
	uint8_t id[32] = {0}, digest[64];
	_cleanup_(buf_done) struct buf signature = {0};
	gnutls_pubkey_t key = public_key(world, row->key);
	gnutls_datum_t data = {(unsigned char *)(uintptr_t)message, sizeof(message)}, signed_data;
	struct signer *signer;
	int r;

	assert_int_equal(signer_new(load, &keys, 4, &signer), 0);
	if (is_digest) {
		assert_int_equal(gnutls_hash_fast(row->digest, message, sizeof(message), digest),
				 0);
		r = signer_sign(signer, id, row->algorithm, true, digest,
				gnutls_hash_get_len(row->digest), &signature);
	} else {
		r = signer_sign(signer, id, row->algorithm, false, message, sizeof(message),
				&signature);
	}
	assert_int_equal(r, 0);
	signed_data = (gnutls_datum_t){signature.data, (unsigned)signature.size};
	r = gnutls_pubkey_verify_data2(key, row->algorithm, 0, &data, &signed_data);
	if (r < 0)
		fail_msg("%s, %s: %s", row->key, gnutls_sign_get_name(row->algorithm),
			 gnutls_strerror(r));
	gnutls_pubkey_deinit(key);
	signer_free(signer);
}

static void gnutls_verifies_every_algorithm_from_message_and_from_digest(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		check_row(*state, &rows[i], false);
		if (rows[i].digest != GNUTLS_DIG_UNKNOWN)
			check_row(*state, &rows[i], true);
	}
}

static void what_does_not_fit_is_refused(void **state)
{
	struct keys keys = {.world = *state, .names = {"rsa", "p256", "ed25519"}};
	static const uint8_t rsa[32] = {0}, ec[32] = {1}, ed[32] = {2}, none[32] = {7};
	_cleanup_(buf_done) struct buf signature = {0};
	uint8_t digest[32] = {1};
	struct signer *signer;

	assert_int_equal(signer_new(load, &keys, 4, &signer), 0);
	assert_int_equal(
		signer_sign(signer, rsa, GNUTLS_SIGN_RSA_SHA256, true, digest, 31, &signature),
		ERR_MALFORMED);
	assert_int_equal(
		signer_sign(signer, rsa, GNUTLS_SIGN_RSA_SHA384, true, digest, 32, &signature),
		ERR_MALFORMED);
	assert_int_equal(
		signer_sign(signer, ed, GNUTLS_SIGN_EDDSA_ED25519, true, digest, 32, &signature),
		ERR_MALFORMED);
	assert_int_equal(
		signer_sign(signer, rsa, GNUTLS_SIGN_ECDSA_SHA256, true, digest, 32, &signature),
		ERR_UNSUPPORTED);
	assert_int_equal(
		signer_sign(signer, ec, GNUTLS_SIGN_RSA_SHA256, true, digest, 32, &signature),
		ERR_UNSUPPORTED);
	assert_int_equal(signer_sign(signer, ec, GNUTLS_SIGN_ECDSA_SECP384R1_SHA384, false, digest,
				     32, &signature),
			 ERR_UNSUPPORTED);
	assert_int_equal(
		signer_sign(signer, rsa, GNUTLS_SIGN_RSA_RAW, true, digest, 32, &signature),
		ERR_UNSUPPORTED);
	assert_int_equal(
		signer_sign(signer, rsa, GNUTLS_SIGN_RSA_SHA1, false, digest, 20, &signature),
		ERR_UNSUPPORTED);
	assert_int_equal(
		signer_sign(signer, none, GNUTLS_SIGN_RSA_SHA256, true, digest, 32, &signature),
		ERR_NOT_FOUND);
	assert_int_equal(signature.size, 0);
	signer_free(signer);
}

/* GnuTLS asks so in TLS 1.2: a DigestInfo, already wrapped. */
static void a_digest_info_is_signed_only_when_it_is_one_of_sha_2(void **state)
{
	static const uint8_t sha1[] = {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e,
				       0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14};
	struct keys keys = {.world = *state, .names = {"rsa", "p256"}};
	const uint8_t rsa[32] = {0}, ec[32] = {1};
	_cleanup_(buf_done) struct buf wrapped = {0}, plain = {0};
	uint8_t info[19 + 32] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
				 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20, 0xaa};
	uint8_t old[sizeof(sha1) + 20] = {0};
	struct signer *signer;

	assert_int_equal(signer_new(load, &keys, 4, &signer), 0);
	assert_int_equal(
		signer_sign(signer, rsa, GNUTLS_SIGN_RSA_RAW, true, info, sizeof(info), &wrapped),
		0);
	assert_int_equal(
		signer_sign(signer, rsa, GNUTLS_SIGN_RSA_SHA256, true, info + 19, 32, &plain), 0);
	assert_int_equal(wrapped.size, plain.size);
	assert_memory_equal(wrapped.data, plain.data, plain.size);
	assert_int_equal(
		signer_sign(signer, ec, GNUTLS_SIGN_RSA_RAW, true, info, sizeof(info), &plain),
		ERR_UNSUPPORTED);
	memcpy(old, sha1, sizeof(sha1));
	assert_int_equal(
		signer_sign(signer, rsa, GNUTLS_SIGN_RSA_RAW, true, old, sizeof(old), &plain),
		ERR_UNSUPPORTED);
	info[14] = 2; /* SHA-384's name on a SHA-256 digest */
	assert_int_equal(
		signer_sign(signer, rsa, GNUTLS_SIGN_RSA_RAW, true, info, sizeof(info), &plain),
		ERR_UNSUPPORTED);
	assert_int_equal(signer_sign(signer, rsa, GNUTLS_SIGN_RSA_RAW, true, info, 0, &plain),
			 ERR_UNSUPPORTED);
	assert_int_equal(
		signer_sign(signer, rsa, GNUTLS_SIGN_RSA_RAW, false, info, sizeof(info), &plain),
		ERR_UNSUPPORTED);
	signer_free(signer);
}

static void sign_with(struct signer *signer, uint8_t index)
{
	const uint8_t id[32] = {index};
	const uint8_t digest[32] = {1};
	_cleanup_(buf_done) struct buf signature = {0};

	assert_int_equal(
		signer_sign(signer, id, GNUTLS_SIGN_ECDSA_SHA256, true, digest, 32, &signature), 0);
}

static void keys_are_kept_and_the_least_recently_used_goes_first(void **state)
{
	struct keys keys = {.world = *state, .names = {"p256", "p384", "p521"}};
	struct signer *signer;

	assert_int_equal(signer_new(load, &keys, 2, &signer), 0);
	sign_with(signer, 0);
	sign_with(signer, 1);
	sign_with(signer, 0);
	assert_int_equal(keys.n_loads, 2);
	sign_with(signer, 2); /* takes the place of 1 */
	sign_with(signer, 0);
	assert_int_equal(keys.n_loads, 3);
	sign_with(signer, 1);
	assert_int_equal(keys.n_loads, 4);
	signer_flush(signer);
	sign_with(signer, 1);
	assert_int_equal(keys.n_loads, 5);
	signer_free(signer);
}

/* The front's side of the signer, without the ipc between. */
struct remote {
	struct signer *signer;
	const char *name;
	gnutls_pk_algorithm_t type;
	unsigned bits;
};

static int remote_sign(struct remote *remote, gnutls_sign_algorithm_t algorithm, bool is_digest,
		       const gnutls_datum_t *data, gnutls_datum_t *signature)
{
	const uint8_t id[32] = {0};
	struct buf result = {0};
	int r = signer_sign(remote->signer, id, algorithm, is_digest, data->data, data->size,
			    &result);

	if (r < 0)
		return GNUTLS_E_PK_SIGN_FAILED;
	signature->data = gnutls_malloc(result.size);
	signature->size = (unsigned)result.size;
	memcpy(signature->data, result.data, result.size);
	buf_done(&result);
	return 0;
}

static int sign_data(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, void *userdata,
		     unsigned flags, const gnutls_datum_t *data, gnutls_datum_t *signature)
{
	(void)key;
	(void)flags;
	return remote_sign(userdata, algorithm, false, data, signature);
}

static int sign_hash(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, void *userdata,
		     unsigned flags, const gnutls_datum_t *data, gnutls_datum_t *signature)
{
	(void)key;
	(void)flags;
	return remote_sign(userdata, algorithm, true, data, signature);
}

static int info(gnutls_privkey_t key, unsigned flags, void *userdata)
{
	const struct remote *remote = userdata;

	(void)key;
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO)
		return (int)remote->type;
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS)
		return (int)remote->bits;
	if (flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO)
		return gnutls_sign_supports_pk_algorithm(GNUTLS_FLAGS_TO_SIGN_ALGO(flags),
							 remote->type) != 0;
	return -1;
}

static gnutls_certificate_credentials_t server_credentials(const struct world *world,
							   struct remote *remote)
{
	gnutls_certificate_credentials_t credentials;
	_cleanup_(buf_done) struct buf pem = {0};
	gnutls_pcert_st *certificate = gnutls_calloc(1, sizeof(*certificate));
	gnutls_privkey_t key;
	gnutls_datum_t data;

	read_pem(world, remote->name, "crt", &pem);
	data = (gnutls_datum_t){pem.data, (unsigned)pem.size};
	assert_int_equal(gnutls_certificate_allocate_credentials(&credentials), 0);
	assert_int_equal(gnutls_pcert_import_x509_raw(certificate, &data, GNUTLS_X509_FMT_PEM, 0),
			 0);
	assert_int_equal(gnutls_privkey_init(&key), 0);
	assert_int_equal(
		gnutls_privkey_import_ext4(key, remote, sign_data, sign_hash, NULL, NULL, info, 0),
		0);
	assert_true(gnutls_certificate_set_key(credentials, NULL, 0, certificate, 1, key) >= 0);
	gnutls_free(certificate);
	return credentials;
}

static gnutls_session_t session(unsigned flags, int fd,
				gnutls_certificate_credentials_t credentials, const char *priority)
{
	gnutls_session_t result;

	assert_int_equal(gnutls_init(&result, flags | GNUTLS_NONBLOCK), 0);
	assert_int_equal(gnutls_priority_set_direct(result, priority, NULL), 0);
	assert_int_equal(gnutls_credentials_set(result, GNUTLS_CRD_CERTIFICATE, credentials), 0);
	gnutls_transport_set_int(result, fd);
	return result;
}

static void shake_hands(struct world *world, struct remote *remote, const char *priority)
{
	gnutls_certificate_credentials_t server_side = server_credentials(world, remote),
					 client_side;
	gnutls_session_t server, client;
	int sockets[2], server_result = GNUTLS_E_AGAIN, client_result = GNUTLS_E_AGAIN;

	assert_int_equal(gnutls_certificate_allocate_credentials(&client_side), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), 0);
	server = session(GNUTLS_SERVER, sockets[0], server_side, priority);
	client = session(GNUTLS_CLIENT, sockets[1], client_side, priority);
	while (server_result != 0 || client_result != 0) {
		if (client_result != 0)
			client_result = gnutls_handshake(client);
		if (server_result != 0)
			server_result = gnutls_handshake(server);
		if (gnutls_error_is_fatal(server_result) || gnutls_error_is_fatal(client_result))
			fail_msg("%s, %s: %s, %s", remote->name, priority,
				 gnutls_strerror(server_result), gnutls_strerror(client_result));
	}
	gnutls_deinit(server);
	gnutls_deinit(client);
	gnutls_certificate_free_credentials(server_side);
	gnutls_certificate_free_credentials(client_side);
	(void)close(sockets[0]);
	(void)close(sockets[1]);
}

static void tls_handshakes_succeed_with_a_key_that_is_elsewhere(void **state)
{
	static const struct remote remotes[] = {
		{NULL, "rsa", GNUTLS_PK_RSA, 2048},
		{NULL, "rsapss", GNUTLS_PK_RSA_PSS, 2048},
		{NULL, "p256", GNUTLS_PK_ECDSA, 256},
		{NULL, "p384", GNUTLS_PK_ECDSA, 384},
		{NULL, "p521", GNUTLS_PK_ECDSA, 521},
		{NULL, "ed25519", GNUTLS_PK_EDDSA_ED25519, 256},
		{NULL, "ed448", GNUTLS_PK_EDDSA_ED448, 456},
	};

	for (size_t i = 0; i < ARRAY_SIZE(remotes); i++) {
		struct keys keys = {.world = *state, .names = {remotes[i].name}};
		struct remote remote = remotes[i];

		assert_int_equal(signer_new(load, &keys, 4, &remote.signer), 0);
		shake_hands(*state, &remote, "NORMAL:-VERS-ALL:+VERS-TLS1.3");
		shake_hands(*state, &remote, "NORMAL:-VERS-ALL:+VERS-TLS1.2");
		signer_free(remote.signer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gnutls_verifies_every_algorithm_from_message_and_from_digest),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(a_digest_info_is_signed_only_when_it_is_one_of_sha_2),
		cmocka_unit_test(keys_are_kept_and_the_least_recently_used_goes_first),
		cmocka_unit_test(tls_handshakes_succeed_with_a_key_that_is_elsewhere),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
