/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whether the certificates that a client sent may be worked with at all. Who it is, and who says
 * so, is judged after the handshake (ipc/clientcert.h); but within the handshake the client proves
 * that it has the key, and what that costs the server, the key says: anybody makes himself one with
 * a modulus and an exponent of 64 kbit, that takes seconds.
 */
#define CLIENT_CHAIN_RSA_BITS_MAX 8192u
#define CLIENT_CHAIN_EXPONENT_BITS_MAX 64u

/* MESSAGE: the body of a Certificate (RFC 5246 section 7.4.6, RFC 8446 section 4.4.2). Returns 0,
 * also where it has none, or the GnuTLS code to end the handshake with. */
int client_chain_check(const gnutls_datum_t *message, bool is_tls13);
