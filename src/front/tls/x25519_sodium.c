/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GnuTLS has no interface to give a key exchange to another library. It calls nettle by name, and
 * what the program itself defines under a name goes before what a library has: a rule of ELF, which
 * the linker and the loader keep. The arguments are the same in both libraries. Of the two steps of
 * a handshake only this one is taken: for the other, of a new key, they need the same time.
 */
#include "front/tls/x25519.h"

#include <nettle/curve25519.h>
#include <sodium.h>
#include <string.h>

/* A point of small order is refused by libsodium; GnuTLS ends a handshake whose shared secret is
 * zero (RFC 8446 section 7.4.2). */
__attribute__((visibility("default"))) void
nettle_curve25519_mul(uint8_t *shared, const uint8_t *secret, const uint8_t *point)
{
	if (crypto_scalarmult_curve25519(shared, secret, point) != 0)
		memset(shared, 0, crypto_scalarmult_curve25519_BYTES);
}

/* Where it fails libsodium's portable code goes on serving. */
bool x25519_init(void)
{
	return sodium_init() >= 0;
}
