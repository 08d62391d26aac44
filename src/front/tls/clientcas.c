/* SPDX-License-Identifier: Apache-2.0 */
#include "front/tls/clientcas.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

struct clientcas {
	struct clientcert_cas *trusted;
	ProtobufCBinaryData der[CLIENTCERT_CAS_MAX];
	size_t n;
	unsigned revision;
};

int clientcas_new(struct clientcas **ret_cas)
{
	struct clientcas *cas = calloc(1, sizeof(*cas));

	if (!cas)
		return -ENOMEM;
	*ret_cas = cas;
	return 0;
}

static void clear(struct clientcas *cas)
{
	clientcert_cas_free(cas->trusted);
	cas->trusted = NULL;
	while (cas->n > 0)
		free(cas->der[--cas->n].data);
}

void clientcas_free(struct clientcas *cas)
{
	if (!cas)
		return;
	clear(cas);
	free(cas);
}

static int copy(const Asafo__Ipc__VpnTrust *message, struct clientcas *to)
{
	size_t n_ignored;

	if (message->n_cas > CLIENTCERT_CAS_MAX)
		return ERR_TOO_LARGE;
	for (size_t i = 0; i < message->n_cas; i++) {
		to->der[i].data = malloc(message->cas[i].len + 1);
		if (!to->der[i].data)
			return -ENOMEM;
		if (message->cas[i].len > 0)
			memcpy(to->der[i].data, message->cas[i].data, message->cas[i].len);
		to->der[i].len = message->cas[i].len;
		to->n++;
	}
	return clientcert_cas_new(to->der, to->n, NULL, 0, &to->trusted, &n_ignored);
}

int clientcas_take(struct clientcas *cas, const Asafo__Ipc__VpnTrust *message)
{
	struct clientcas next = {.revision = cas->revision + 1};
	int r = message->is_known ? copy(message, &next) : 0;

	if (!message->is_known)
		return 0;
	if (r < 0) {
		clear(&next);
		return r;
	}
	clear(cas);
	*cas = next;
	return 0;
}

const struct clientcert_cas *clientcas_trusted(const struct clientcas *cas)
{
	return clientcert_cas_count(cas->trusted) > 0 ? cas->trusted : NULL;
}

unsigned clientcas_revision(const struct clientcas *cas)
{
	return cas->revision;
}

int clientcas_list(const struct clientcas *cas, gnutls_x509_trust_list_t *ret_list)
{
	gnutls_x509_trust_list_t list;

	if (gnutls_x509_trust_list_init(&list, 0) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < cas->n; i++) {
		gnutls_datum_t datum = {cas->der[i].data, (unsigned)cas->der[i].len};
		gnutls_x509_crt_t certificate;

		if (gnutls_x509_crt_init(&certificate) < 0)
			continue;
		/* The list's, where it is taken. */
		if (gnutls_x509_crt_import(certificate, &datum, GNUTLS_X509_FMT_DER) < 0 ||
		    gnutls_x509_trust_list_add_cas(list, &certificate, 1, GNUTLS_TL_USE_IN_TLS) !=
			    1)
			gnutls_x509_crt_deinit(certificate);
	}
	*ret_list = list;
	return 0;
}
