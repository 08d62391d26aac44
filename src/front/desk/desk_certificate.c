/* SPDX-License-Identifier: Apache-2.0 */
#include "front/desk/desk_certificate.h"

#include <stdio.h>

#include "base/err.h"

void desk_certificate_read(const struct session *session, const struct vpn *vpn,
			   const struct vpn_group *group, struct desk_certificate *ret_certificate)
{
	struct desk_certificate certificate = {.n = 0};
	struct clientcert found;
	const gnutls_datum_t *chain;
	unsigned n = 0;

	chain = tls_client_chain(session_tls(session), &n);
	/* What is too long is judged so by its number, and not looked at. */
	for (unsigned i = 0; i < n && i < CLIENTCERT_CHAIN_MAX; i++)
		certificate.chain[certificate.n++] =
			(ProtobufCBinaryData){chain[i].size, chain[i].data};
	certificate.code =
		n > CLIENTCERT_CHAIN_MAX
			? why_set(&certificate.why, ERR_TOO_LARGE, "comes with too many others")
			: clientcert_verify(clientcas_trusted(vpn_clientcas(vpn)),
					    certificate.chain, certificate.n, &found,
					    &certificate.why);
	if (certificate.code == 0 && group) {
		(void)snprintf(certificate.user, sizeof(certificate.user), "%s",
			       clientcert_user(&found, group->name_from));
		if (!certificate.user[0])
			certificate.code = why_set(&certificate.why, ERR_DENIED,
						   "names no user where this group looks");
	}
	*ret_certificate = certificate;
}

void desk_certificate_say(const struct desk_certificate *certificate, char *ret_text, size_t size)
{
	if (certificate->n == 0)
		(void)snprintf(ret_text, size,
			       "This group wants a certificate, and your program sent none.");
	else
		(void)snprintf(ret_text, size, "Your certificate is not taken: it %s.",
			       certificate->why.text[0] ? certificate->why.text
							: err_text(certificate->code));
}
