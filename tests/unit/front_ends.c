/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/front_ends.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

/* ---- a certificate whose key is here ---- */

static int on_sign(const uint8_t key_id[static 32], gnutls_sign_algorithm_t algorithm,
		   bool is_digest, const uint8_t *data, size_t size, struct buf *ret_signature,
		   void *userdata)
{
	struct identity *identity = userdata;
	gnutls_datum_t bytes = {(unsigned char *)(uintptr_t)data, (unsigned)size}, signature;

	(void)key_id;
	assert_true(is_digest);
	assert_int_equal(gnutls_privkey_sign_hash2(identity->key, algorithm, 0, &bytes, &signature),
			 0);
	assert_int_equal(buf_append(ret_signature, signature.data, signature.size), 0);
	gnutls_free(signature.data);
	return 0;
}

void identity_make(struct identity *identity)
{
	Asafo__Record__TrustpointPublic part = ASAFO__RECORD__TRUSTPOINT_PUBLIC__INIT;
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t leaf;
	gnutls_datum_t der;
	uint8_t fingerprint[32], key_id[32], bytes[4096], serial = 1;
	size_t size = sizeof(key_id);
	char name[] = "vpn";

	assert_int_equal(gnutls_x509_privkey_init(&key), 0);
	assert_int_equal(
		gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
					     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
		0);
	assert_int_equal(gnutls_x509_crt_init(&leaf), 0);
	assert_int_equal(gnutls_x509_crt_set_version(leaf, 3), 0);
	assert_int_equal(gnutls_x509_crt_set_serial(leaf, &serial, 1), 0);
	assert_int_equal(gnutls_x509_crt_set_dn(leaf, "CN=vpn.example.net", NULL), 0);
	assert_int_equal(gnutls_x509_crt_set_key(leaf, key), 0);
	assert_int_equal(gnutls_x509_crt_set_activation_time(leaf, time(NULL) - 60), 0);
	assert_int_equal(gnutls_x509_crt_set_expiration_time(leaf, time(NULL) + 86400), 0);
	assert_int_equal(gnutls_x509_crt_sign2(leaf, leaf, key, GNUTLS_DIG_SHA256, 0), 0);
	assert_int_equal(gnutls_x509_crt_export2(leaf, GNUTLS_X509_FMT_DER, &der), 0);
	assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA256, der.data, der.size, fingerprint), 0);
	assert_int_equal(gnutls_x509_crt_get_key_id(leaf, GNUTLS_KEYID_USE_SHA256, key_id, &size),
			 0);
	part.name = name;
	part.leaf = (ProtobufCBinaryData){der.size, der.data};
	part.fingerprint = (ProtobufCBinaryData){32, fingerprint};
	part.key_id = (ProtobufCBinaryData){32, key_id};
	part.not_after = time(NULL) + 86400;
	size = asafo__record__trustpoint_public__pack(&part, bytes);
	assert_int_equal(gnutls_privkey_init(&identity->key), 0);
	assert_int_equal(gnutls_privkey_import_x509(identity->key, key, GNUTLS_PRIVKEY_IMPORT_COPY),
			 0);
	identity->signer = (struct credential_signer){on_sign, identity};
	assert_int_equal(
		credential_new(bytes, size, &identity->signer, &identity->credential, NULL), 0);
	gnutls_free(der.data);
	gnutls_x509_crt_deinit(leaf);
	gnutls_x509_privkey_deinit(key);
}

void identity_done(struct identity *identity)
{
	credential_unref(identity->credential);
	gnutls_privkey_deinit(identity->key);
}

/* ---- two ends ---- */

static ssize_t on_push(gnutls_transport_ptr_t pointer, const void *data, size_t size)
{
	struct end *end = pointer;

	assert_int_equal(buf_append(end->out, data, size), 0);
	return (ssize_t)size;
}

static ssize_t on_pull(gnutls_transport_ptr_t pointer, void *data, size_t size)
{
	struct end *end = pointer;
	size_t n = end->in->size < size ? end->in->size : size;

	if (n == 0) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(data, end->in->data, n);
	buf_consume(end->in, n);
	return (ssize_t)n;
}

void speak_through(gnutls_session_t session, struct end *end)
{
	gnutls_transport_set_ptr(session, end);
	gnutls_transport_set_push_function(session, on_push);
	gnutls_transport_set_pull_function(session, on_pull);
}
