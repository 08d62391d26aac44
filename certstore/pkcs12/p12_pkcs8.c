/* SPDX-License-Identifier: Apache-2.0 */
#include "certstore/pkcs12/p12_pkcs8.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

/* What ASN1_get_object says of a length that is not known. */
#define INDEFINITE 1

struct span {
	const uint8_t *at, *end;
};

/* Takes the element with TAG of CLASS off the front; false: another one is there. */
static bool take(struct span *span, int tag, int class, struct span *ret_contents)
{
	const uint8_t *at = span->at;
	int found_tag, found_class, r;
	long length;

	if (at >= span->end)
		return false;
	r = ASN1_get_object(&at, &length, &found_tag, &found_class, span->end - at);
	if ((r & 0x80) || (r & INDEFINITE) || found_tag != tag || found_class != class)
		return false;
	*ret_contents = (struct span){at, at + length};
	span->at = at + length;
	return true;
}

static bool is_second_version(const struct span *version)
{
	return version->end - version->at == 1 && *version->at == 1;
}

int p12_pkcs8_drop_public(const uint8_t *der, size_t size, struct secret *ret_der)
{
	static const uint8_t first_version[] = {V_ASN1_INTEGER, 1, 0};
	struct span all = {der, der + size}, key, part;
	const uint8_t *from, *to;
	uint8_t *at;
	int length, r;

	if (!take(&all, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, &key) || all.at != all.end ||
	    !take(&key, V_ASN1_INTEGER, V_ASN1_UNIVERSAL, &part) || !is_second_version(&part))
		return ERR_NOT_FOUND;
	from = key.at;
	if (!take(&key, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, &part) ||
	    !take(&key, V_ASN1_OCTET_STRING, V_ASN1_UNIVERSAL, &part))
		return ERR_NOT_FOUND;
	/* Attributes. */
	(void)take(&key, 0, V_ASN1_CONTEXT_SPECIFIC, &part);
	to = key.at;
	if (!take(&key, 1, V_ASN1_CONTEXT_SPECIFIC, &part) || key.at != key.end)
		return ERR_NOT_FOUND;
	length = (int)(sizeof(first_version) + (size_t)(to - from));
	r = secret_init(ret_der, (size_t)ASN1_object_size(1, length, V_ASN1_SEQUENCE));
	if (r < 0)
		return r;
	at = ret_der->data;
	ASN1_put_object(&at, 1, length, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
	memcpy(at, first_version, sizeof(first_version));
	memcpy(at + sizeof(first_version), from, (size_t)(to - from));
	return 0;
}

static PKCS8_PRIV_KEY_INFO *read_first(const uint8_t *der, size_t size)
{
	const uint8_t *at = der;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)size);

	if (info && at == der + size)
		return info;
	PKCS8_PRIV_KEY_INFO_free(info);
	return NULL;
}

PKCS8_PRIV_KEY_INFO *p12_pkcs8_read(const uint8_t *der, size_t size)
{
	_cleanup_(secret_done) struct secret plain = {0};

	return p12_pkcs8_drop_public(der, size, &plain) == 0 ? read_first(plain.data, plain.size)
							     : read_first(der, size);
}

PKCS8_PRIV_KEY_INFO *p12_pkcs8_decrypt(const X509_SIG *encrypted, const char *passphrase,
				       OSSL_LIB_CTX *library)
{
	const X509_ALGOR *algorithm;
	const ASN1_OCTET_STRING *data;
	PKCS8_PRIV_KEY_INFO *info;
	unsigned char *der = NULL;
	int size = 0;

	X509_SIG_get0(encrypted, &algorithm, &data);
	if (!PKCS12_pbe_crypt_ex(algorithm, passphrase, passphrase ? (int)strlen(passphrase) : 0,
				 ASN1_STRING_get0_data(data), ASN1_STRING_length(data), &der, &size,
				 0, library, NULL))
		return NULL;
	info = p12_pkcs8_read(der, (size_t)size);
	OPENSSL_clear_free(der, (size_t)size);
	/* The encryption is known, whatever came of it. */
	ERR_clear_error();
	return info;
}
