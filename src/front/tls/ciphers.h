/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/tls/client_hello.h"

/*
 * The priorities of a listener. GnuTLS has one list of ciphers for all versions and keys; so that
 * each cipher suite can be on or off by itself, there is one priority for each class of them, and
 * the ClientHello says which class it will be.
 */
struct ciphers {
	gnutls_priority_t any;			/* before the client has said anything */
	gnutls_priority_t of_class[SUITE__MAX]; /* NULL: there is no suite of this class */
	uint16_t suites;			/* in client_hello's bits */
	bool is_tls13_only;
};

/* CODES: known ones, the preferred one first; N 0: all that are known. Errors: -ENOMEM, ERR_CRYPTO.
 */
int ciphers_init(struct ciphers *ciphers, bool is_tls13_only, const uint16_t *codes, size_t n);
/* Sessions that have one of the priorities keep it. Zeroed is valid. */
void ciphers_done(struct ciphers *ciphers);
/* The priority for a client that said HELLO and is shown a key of this kind; NULL: it has to be
 * refused. */
gnutls_priority_t ciphers_choose(const struct ciphers *ciphers, const struct client_hello *hello,
				 bool is_rsa);
