/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing is computed with a key here; it is only measured. */
#include "front/tls/client_chain.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include "base/cleanup.h"
#include "ipc/clientcert.h"

struct span {
	const uint8_t *data;
	size_t size;
};

/* The vector with a length of N bytes at the beginning of FROM, which moves behind it. */
static bool take(struct span *from, size_t n, struct span *ret_vector)
{
	size_t size = 0;

	if (from->size < n)
		return false;
	for (size_t i = 0; i < n; i++)
		size = size << 8 | from->data[i];
	if (from->size - n < size)
		return false;
	*ret_vector = (struct span){from->data + n, size};
	from->data += n + size;
	from->size -= n + size;
	return true;
}

/* Without the zeros before it. */
static size_t bits_of(const gnutls_datum_t *number)
{
	size_t i = 0, bits;

	while (i < number->size && number->data[i] == 0)
		i++;
	if (i == number->size)
		return 0;
	bits = (number->size - i) * 8;
	for (unsigned top = number->data[i]; top < 0x80; top <<= 1)
		bits--;
	return bits;
}

static int rsa_check(gnutls_pubkey_t key)
{
	gnutls_datum_t modulus = {NULL, 0}, exponent = {NULL, 0};
	int r = gnutls_pubkey_export_rsa_raw(key, &modulus, &exponent);

	if (r == 0 && (bits_of(&modulus) > CLIENT_CHAIN_RSA_BITS_MAX ||
		       bits_of(&exponent) > CLIENT_CHAIN_EXPONENT_BITS_MAX))
		r = GNUTLS_E_CERTIFICATE_ERROR;
	gnutls_free(modulus.data);
	gnutls_free(exponent.data);
	return r;
}

/* What is no key of a kind that has a bound is none. */
static int key_check(gnutls_pubkey_t key)
{
	switch (gnutls_pubkey_get_pk_algorithm(key, NULL)) {
	case GNUTLS_PK_RSA:
	case GNUTLS_PK_RSA_PSS:
		return rsa_check(key);
	case GNUTLS_PK_ECDSA:
	case GNUTLS_PK_EDDSA_ED25519:
	case GNUTLS_PK_EDDSA_ED448:
		return 0;
	default:
		return GNUTLS_E_CERTIFICATE_ERROR;
	}
}

static int certificate_check(const struct span *der)
{
	gnutls_datum_t datum = {(unsigned char *)(uintptr_t)der->data, (unsigned)der->size};
	gnutls_x509_crt_t certificate;
	gnutls_pubkey_t key;
	int r = gnutls_x509_crt_init(&certificate);

	if (r < 0)
		return r;
	r = gnutls_pubkey_init(&key);
	if (r < 0) {
		gnutls_x509_crt_deinit(certificate);
		return r;
	}
	r = gnutls_x509_crt_import(certificate, &datum, GNUTLS_X509_FMT_DER);
	if (r == 0)
		r = gnutls_pubkey_import_x509(key, certificate, 0);
	if (r == 0)
		r = key_check(key);
	gnutls_pubkey_deinit(key);
	gnutls_x509_crt_deinit(certificate);
	/* A code that is no end would be none of the handshake's either. */
	return r == 0 || r == GNUTLS_E_MEMORY_ERROR ? r : GNUTLS_E_CERTIFICATE_ERROR;
}

int client_chain_check(const gnutls_datum_t *message, bool is_tls13)
{
	struct span rest = {message->data, message->size}, list = {NULL, 0}, certificate = list;
	struct span other;
	size_t n = 0;
	int r = 0;

	if ((is_tls13 && !take(&rest, 1, &other)) || !take(&rest, 3, &list))
		return GNUTLS_E_UNEXPECTED_PACKET_LENGTH;
	while (list.size > 0 && r == 0) {
		if (!take(&list, 3, &certificate) || (is_tls13 && !take(&list, 2, &other)))
			return GNUTLS_E_UNEXPECTED_PACKET_LENGTH;
		if (++n > CLIENTCERT_CHAIN_MAX || certificate.size > CLIENTCERT_SIZE_MAX)
			return GNUTLS_E_CERTIFICATE_ERROR;
		r = certificate_check(&certificate);
	}
	return r;
}
