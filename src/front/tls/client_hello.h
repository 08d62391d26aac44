/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a ClientHello says, as far as the front chooses by it: the certificate, the ticket's key. */
struct client_hello {
	char server_name[256]; /* empty: none was said, or one that is not printable */
	uint8_t ticket_name[16];
	bool has_ticket;
	bool is_tls13;	  /* TLS 1.3 is among the versions that it offers */
	bool has_groups;  /* it says which elliptic curves it knows */
	uint8_t groups;	  /* of the curves that a certificate may have (client_hello.c) */
	uint16_t schemes; /* that it verifies */
	uint16_t suites;  /* that it offers */
};

/* HELLO is the body of a ClientHello (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2). What is
 * malformed counts as not said: it is TLS' to refuse. */
void client_hello_read(const uint8_t *hello, size_t size, struct client_hello *ret_hello);

/* For which keys a cipher suite is: those of TLS 1.3 are for any. */
enum suite_class { SUITE_TLS13, SUITE_ECDSA, SUITE_RSA, SUITE__MAX };

struct suite {
	uint16_t code; /* IANA's number */
	enum suite_class class;
	const char *cipher; /* as GnuTLS calls it */
	uint16_t bit;	    /* in `suites` */
};
/* Those that are known, the preferred one of a class first. */
const struct suite *client_hello_known_suites(size_t *ret_n);
/* NULL: it is not known. */
const struct suite *client_hello_suite_find(uint16_t code);
/*
 * Whether the client can verify a server with a key of this kind and size, where the server speaks
 * the cipher suites OURS (RFC 8446 section 4.4.2.2, RFC 5246 section 7.4.2, RFC 8422 section 5.1).
 */
bool client_hello_suits(const struct client_hello *hello, uint16_t ours,
			gnutls_pk_algorithm_t algorithm, unsigned bits);
