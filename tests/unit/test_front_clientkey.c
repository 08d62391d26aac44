/* SPDX-License-Identifier: Apache-2.0 */
/* Anybody may send a certificate before he is anybody: what its key costs the server is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <gnutls/x509.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "front/tls/client_chain.h"
#include "front/tls/tls.h"
#include "tests/unit/front_ends.h"

#define TURNS 64
#define BITS_MAX 20000

static const char *const priorities[] = {
	"NORMAL:-VERS-ALL:+VERS-TLS1.3",
	"NORMAL:-VERS-ALL:+VERS-TLS1.2",
};
static struct identity vpn;
static gnutls_x509_privkey_t maker; /* signs all that is made here */
static gnutls_x509_crt_t maker_certificate;

/* ---- certificates ---- */

/* A number of BITS, all of them set. */
static gnutls_datum_t number(size_t bits, uint8_t room[static BITS_MAX / 8])
{
	size_t size = (bits + 7) / 8;

	memset(room, 0xff, size);
	room[0] = (uint8_t)(0xff >> (size * 8 - bits));
	return (gnutls_datum_t){room, (unsigned)size};
}

static void key_generate(gnutls_pubkey_t to, gnutls_pk_algorithm_t kind, unsigned bits)
{
	gnutls_x509_privkey_t x509;
	gnutls_privkey_t key;

	assert_int_equal(gnutls_x509_privkey_init(&x509), 0);
	assert_int_equal(gnutls_x509_privkey_generate(x509, kind, bits, 0), 0);
	assert_int_equal(gnutls_privkey_init(&key), 0);
	assert_int_equal(gnutls_privkey_import_x509(key, x509, GNUTLS_PRIVKEY_IMPORT_COPY), 0);
	assert_int_equal(gnutls_pubkey_import_privkey(to, key, 0, 0), 0);
	gnutls_privkey_deinit(key);
	gnutls_x509_privkey_deinit(x509);
}

/* RSA with a modulus of so many bits, or of EXPONENT 0 another KIND's key. Nobody has the other
 * half of the former. */
static gnutls_datum_t der_make(gnutls_pk_algorithm_t kind, unsigned bits, unsigned exponent)
{
	uint8_t n[BITS_MAX / 8], e[BITS_MAX / 8];
	gnutls_datum_t modulus = number(exponent ? bits : 1, n),
		       power = number(exponent ? exponent : 1, e), der;
	gnutls_x509_crt_t leaf;
	gnutls_pubkey_t key;

	assert_int_equal(gnutls_pubkey_init(&key), 0);
	if (exponent)
		assert_int_equal(gnutls_pubkey_import_rsa_raw(key, &modulus, &power), 0);
	else
		key_generate(key, kind, bits);
	assert_int_equal(gnutls_x509_crt_init(&leaf), 0);
	assert_int_equal(gnutls_x509_crt_set_version(leaf, 3), 0);
	assert_int_equal(gnutls_x509_crt_set_serial(leaf, "\x07", 1), 0);
	assert_int_equal(gnutls_x509_crt_set_dn(leaf, "CN=anybody", NULL), 0);
	assert_int_equal(gnutls_x509_crt_set_basic_constraints(leaf, 1, -1), 0);
	assert_int_equal(gnutls_x509_crt_set_pubkey(leaf, key), 0);
	assert_int_equal(gnutls_x509_crt_set_activation_time(leaf, time(NULL) - 60), 0);
	assert_int_equal(gnutls_x509_crt_set_expiration_time(leaf, time(NULL) + 86400), 0);
	assert_int_equal(
		gnutls_x509_crt_sign2(leaf, maker_certificate, maker, GNUTLS_DIG_SHA256, 0), 0);
	assert_int_equal(gnutls_x509_crt_export2(leaf, GNUTLS_X509_FMT_DER, &der), 0);
	gnutls_x509_crt_deinit(leaf);
	gnutls_pubkey_deinit(key);
	return der;
}

/* ---- the message ---- */

static void put(struct buf *to, size_t size, unsigned n_bytes)
{
	while (n_bytes-- > 0) {
		uint8_t byte = (uint8_t)(size >> (n_bytes * 8));

		assert_int_equal(buf_append(to, &byte, 1), 0);
	}
}

/* The verdict on a message with DER N times, of which CUT bytes are missing at the end. */
static int verdict(const gnutls_datum_t *der, size_t n, bool is_tls13, size_t cut)
{
	_cleanup_(buf_done) struct buf message = {0};
	gnutls_datum_t datum;

	if (is_tls13)
		put(&message, 0, 1);
	put(&message, n * (der->size + (is_tls13 ? 5 : 3)), 3);
	for (size_t i = 0; i < n; i++) {
		put(&message, der->size, 3);
		assert_int_equal(buf_append(&message, der->data, der->size), 0);
		if (is_tls13)
			put(&message, 0, 2);
	}
	datum = (gnutls_datum_t){message.data, (unsigned)(message.size - cut)};
	return client_chain_check(&datum, is_tls13);
}

static void keys_have_bounds(void **state)
{
	static const struct {
		gnutls_pk_algorithm_t kind;
		unsigned bits, exponent;
		int code;
	} cases[] = {
		{GNUTLS_PK_RSA, 2048, 0, 0},
		{GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP521R1), 0, 0},
		{GNUTLS_PK_EDDSA_ED25519, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519), 0, 0},
		{GNUTLS_PK_RSA, 8192, 64, 0},
		{GNUTLS_PK_RSA, 8193, 17, GNUTLS_E_CERTIFICATE_ERROR},
		{GNUTLS_PK_RSA, 2048, 65, GNUTLS_E_CERTIFICATE_ERROR},
		{GNUTLS_PK_RSA, 16384, 16384, GNUTLS_E_CERTIFICATE_ERROR},
		{GNUTLS_PK_DSA, 1024, 0, GNUTLS_E_CERTIFICATE_ERROR},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		gnutls_datum_t der = der_make(cases[i].kind, cases[i].bits, cases[i].exponent);

		for (int is_tls13 = 0; is_tls13 < 2; is_tls13++)
			assert_int_equal(verdict(&der, 1, is_tls13, 0), cases[i].code);
		gnutls_free(der.data);
	}
}

static void lists_have_bounds(void **state)
{
	uint8_t waste[8193] = {0};
	gnutls_datum_t large = {waste, sizeof(waste)}, unreadable = {waste, 64};
	gnutls_datum_t der =
		der_make(GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);

	(void)state;
	for (int is_tls13 = 0; is_tls13 < 2; is_tls13++) {
		assert_int_equal(verdict(&der, 0, is_tls13, 0), 0);
		assert_int_equal(verdict(&der, 6, is_tls13, 0), 0);
		assert_int_equal(verdict(&der, 7, is_tls13, 0), GNUTLS_E_CERTIFICATE_ERROR);
		assert_int_equal(verdict(&large, 1, is_tls13, 0), GNUTLS_E_CERTIFICATE_ERROR);
		assert_int_equal(verdict(&unreadable, 1, is_tls13, 0), GNUTLS_E_CERTIFICATE_ERROR);
		assert_int_equal(verdict(&der, 2, is_tls13, 1), GNUTLS_E_UNEXPECTED_PACKET_LENGTH);
	}
	gnutls_free(der.data);
}

/* ---- the handshake ---- */

static struct credential *on_select(const struct client_hello *hello, uint16_t suites,
				    void *userdata)
{
	(void)hello;
	(void)suites;
	(void)userdata;
	return vpn.credential;
}

/* A signature that is as large as the modulus, and so has to be raised to the exponent. */
static int on_sign(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, void *userdata,
		   unsigned flags, const gnutls_datum_t *data, gnutls_datum_t *ret_signature)
{
	const unsigned *bits = userdata;

	(void)key;
	(void)algorithm;
	(void)flags;
	(void)data;
	ret_signature->size = *bits / 8;
	ret_signature->data = gnutls_malloc(ret_signature->size);
	assert_non_null(ret_signature->data);
	memset(ret_signature->data, 0x55, ret_signature->size);
	return 0;
}

static int on_info(gnutls_privkey_t key, unsigned flags, void *userdata)
{
	(void)key;
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO)
		return GNUTLS_PK_RSA;
	if (flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO)
		return 1;
	return flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS ? (int)*(const unsigned *)userdata : -1;
}

struct client {
	gnutls_pcert_st certificate;
	gnutls_privkey_t key;
	unsigned bits;
};

static int on_retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
		       gnutls_pcert_st **ret_chain, unsigned *ret_n, gnutls_ocsp_data_st **ret_ocsp,
		       unsigned *ret_n_ocsp, gnutls_privkey_t *ret_key, unsigned *ret_flags)
{
	struct client *client = gnutls_session_get_ptr(session);

	(void)info;
	*ret_chain = &client->certificate;
	*ret_n = 1;
	*ret_ocsp = NULL;
	*ret_n_ocsp = 0;
	*ret_key = client->key;
	*ret_flags = 0;
	return 0;
}

/* The server's code at the end of a handshake with CLIENT. */
static int shakes_hands(struct tls *tls, const char *priority, struct client *client)
{
	struct buf to_server = {0}, to_client = {0};
	struct end server_end = {&to_server, &to_client}, client_end = {&to_client, &to_server};
	struct tls_peer server = {.select = on_select};
	enum tls_result result = TLS_WAIT;
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
	int code;

	assert_int_equal(tls_peer_init(&server, tls, false, -1), 0);
	speak_through(server.session, &server_end);
	assert_int_equal(gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
	gnutls_session_set_ptr(session, client);
	assert_int_equal(gnutls_certificate_allocate_credentials(&credentials), 0);
	gnutls_certificate_set_retrieve_function3(credentials, on_retrieve);
	assert_int_equal(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials), 0);
	assert_int_equal(gnutls_priority_set_direct(session, priority, NULL), 0);
	speak_through(session, &client_end);
	for (int i = 0; i < TURNS && result == TLS_WAIT; i++) {
		(void)gnutls_handshake(session);
		result = tls_handshake(&server);
	}
	assert_int_equal(result, TLS_REFUSED);
	code = server.error;
	gnutls_deinit(session);
	gnutls_certificate_free_credentials(credentials);
	tls_peer_done(&server);
	buf_done(&to_server);
	buf_done(&to_client);
	return code;
}

static struct clientcas *cas_make(void)
{
	gnutls_datum_t der = der_make(GNUTLS_PK_RSA, 2048, 0);
	Asafo__Ipc__VpnTrust message = ASAFO__IPC__VPN_TRUST__INIT;
	ProtobufCBinaryData bytes = {der.size, der.data};
	struct clientcas *cas = NULL;

	message.is_known = true;
	message.cas = &bytes;
	message.n_cas = 1;
	assert_int_equal(clientcas_new(&cas), 0);
	assert_int_equal(clientcas_take(cas, &message), 0);
	assert_non_null(clientcas_trusted(cas));
	gnutls_free(der.data);
	return cas;
}

/* Where the bound is kept, the signature is looked at, and is none; beyond it, it never is. */
static void a_key_beyond_them_ends_the_handshake_before_its_signature_is_verified(void **state)
{
	static const struct {
		unsigned bits, exponent;
		int code;
	} cases[] = {
		{2048, 17, GNUTLS_E_PK_SIG_VERIFY_FAILED},
		{16384, 16384, GNUTLS_E_CERTIFICATE_ERROR},
	};
	struct clientcas *cas = cas_make();
	struct tls *tls = NULL;

	(void)state;
	assert_int_equal(tls_new(cas, &tls), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		gnutls_datum_t der = der_make(GNUTLS_PK_RSA, cases[i].bits, cases[i].exponent);
		struct client client = {.bits = cases[i].bits};

		assert_int_equal(gnutls_pcert_import_x509_raw(&client.certificate, &der,
							      GNUTLS_X509_FMT_DER, 0),
				 0);
		assert_int_equal(gnutls_privkey_init(&client.key), 0);
		assert_int_equal(gnutls_privkey_import_ext4(client.key, &client.bits, on_sign,
							    on_sign, NULL, NULL, on_info, 0),
				 0);
		for (size_t p = 0; p < ARRAY_SIZE(priorities); p++)
			assert_int_equal(shakes_hands(tls, priorities[p], &client), cases[i].code);
		gnutls_privkey_deinit(client.key);
		gnutls_pcert_deinit(&client.certificate);
		gnutls_free(der.data);
	}
	tls_free(tls);
	clientcas_free(cas);
}

static int setup(void **state)
{
	(void)state;
	identity_make(&vpn);
	assert_int_equal(gnutls_x509_privkey_init(&maker), 0);
	assert_int_equal(
		gnutls_x509_privkey_generate(maker, GNUTLS_PK_ECDSA,
					     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
		0);
	assert_int_equal(gnutls_x509_crt_init(&maker_certificate), 0);
	assert_int_equal(gnutls_x509_crt_set_version(maker_certificate, 3), 0);
	assert_int_equal(gnutls_x509_crt_set_dn(maker_certificate, "CN=maker", NULL), 0);
	assert_int_equal(gnutls_x509_crt_set_key(maker_certificate, maker), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gnutls_x509_crt_deinit(maker_certificate);
	gnutls_x509_privkey_deinit(maker);
	identity_done(&vpn);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_have_bounds),
		cmocka_unit_test(lists_have_bounds),
		cmocka_unit_test(
			a_key_beyond_them_ends_the_handshake_before_its_signature_is_verified),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
