/* SPDX-License-Identifier: Apache-2.0 */
#include "front/tls/ciphers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

#define REST                                                                                       \
	":+AEAD:+COMP-NULL:+CTYPE-SRV-X509"                                                        \
	":+ECDHE-ECDSA:+ECDHE-RSA:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1"                 \
	":+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-ECDSA-SECP521R1-SHA512"  \
	":+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SHA512"                                \
	":+SIGN-EDDSA-ED25519:+SIGN-EDDSA-ED448"                                                   \
	":+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-PSS-RSAE-SHA512"           \
	":+SIGN-RSA-PSS-SHA256:+SIGN-RSA-PSS-SHA384:+SIGN-RSA-PSS-SHA512"                          \
	":+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512:%SERVER_PRECEDENCE"
#define PRIORITY_MAX 1200

/* With these ciphers (":+A:+B"). */
static int priority_new(bool is_tls13_only, const char *ciphers, gnutls_priority_t *ret_priority)
{
	char text[PRIORITY_MAX];
	int r;

	(void)snprintf(text, sizeof(text), "NONE:+VERS-TLS1.3%s%s%s",
		       is_tls13_only ? "" : ":+VERS-TLS1.2", ciphers, REST);
	r = gnutls_priority_init(ret_priority, text, NULL);
	if (r == GNUTLS_E_MEMORY_ERROR)
		return -ENOMEM;
	return r < 0 ? ERR_CRYPTO : 0;
}

static int class_init(struct ciphers *ciphers, enum suite_class class, const uint16_t *codes,
		      size_t n)
{
	char text[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		const struct suite *suite = client_hello_suite_find(codes[i]);

		if (!suite || suite->class != class || (ciphers->suites & suite->bit) != 0)
			continue;
		ciphers->suites |= suite->bit;
		used += (size_t)snprintf(text + used, sizeof(text) - used, ":+%s", suite->cipher);
	}
	return used > 0 ? priority_new(ciphers->is_tls13_only, text, &ciphers->of_class[class]) : 0;
}

int ciphers_init(struct ciphers *ciphers, bool is_tls13_only, const uint16_t *codes, size_t n)
{
	size_t n_known;
	const struct suite *known = client_hello_known_suites(&n_known);
	uint16_t all[32];
	int r;

	*ciphers = (struct ciphers){.is_tls13_only = is_tls13_only};
	for (size_t i = 0; n == 0 && i < n_known; i++)
		all[i] = known[i].code;
	r = priority_new(is_tls13_only, ":+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305",
			 &ciphers->any);
	for (int i = 0; i < SUITE__MAX && r == 0; i++)
		r = class_init(ciphers, (enum suite_class)i, n > 0 ? codes : all,
			       n > 0 ? n : n_known);
	if (r < 0)
		ciphers_done(ciphers);
	return r;
}

void ciphers_done(struct ciphers *ciphers)
{
	if (ciphers->any)
		gnutls_priority_deinit(ciphers->any);
	for (int i = 0; i < SUITE__MAX; i++) {
		if (ciphers->of_class[i])
			gnutls_priority_deinit(ciphers->of_class[i]);
	}
	*ciphers = (struct ciphers){0};
}

gnutls_priority_t ciphers_choose(const struct ciphers *ciphers, const struct client_hello *hello,
				 bool is_rsa)
{
	if (hello->is_tls13)
		return ciphers->of_class[SUITE_TLS13];
	/* The version is what it is refused for. */
	if (ciphers->is_tls13_only)
		return ciphers->any;
	return ciphers->of_class[is_rsa ? SUITE_RSA : SUITE_ECDSA];
}
