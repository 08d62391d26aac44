/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/*
 * X25519 (RFC 7748) of every TLS handshake of this process: GnuTLS leaves it to nettle, which
 * computes it with GMP's numbers; libsodium has it in half the time. Where asafo was built without
 * libsodium nettle's own serves.
 */

/* Before the walls and before the first handshake: libsodium finds out what the processor can.
 * Returns whether it did. Where it could not its portable code serves, where it is not built in
 * nettle: both slower, and as good. Does not fail. */
bool x25519_init(void);
