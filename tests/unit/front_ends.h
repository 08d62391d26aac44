/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "base/buf.h"
#include "front/tls/credential.h"

/* A certificate for vpn.example.net whose key is here. */
struct identity {
	gnutls_privkey_t key;
	struct credential_signer signer;
	struct credential *credential;
};
void identity_make(struct identity *identity);
void identity_done(struct identity *identity);

/* What a session of GnuTLS speaks through instead of a socket. */
struct end {
	struct buf *in, *out;
};
void speak_through(gnutls_session_t session, struct end *end);
