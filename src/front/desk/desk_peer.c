/* SPDX-License-Identifier: Apache-2.0 */
#include "front/desk/desk_peer.h"

#include <ctype.h>
#include <gnutls/crypto.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/hex.h"
#include "front/tls/credential.h"

void desk_peer_address(const struct session *session, struct vpn_address *ret_address)
{
	struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer;
	socklen_t size = sizeof(peer);

	*ret_address = (struct vpn_address){.size = 0};
	if (getpeername(session_fd(session), (struct sockaddr *)&peer, &size) < 0)
		return;
	if (peer.ss_family == AF_INET) {
		memcpy(ret_address->bytes, &v4->sin_addr, 4);
		ret_address->size = 4;
	} else if (peer.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		memcpy(ret_address->bytes, v6->sin6_addr.s6_addr + 12, 4);
		ret_address->size = 4;
	} else if (peer.ss_family == AF_INET6) {
		memcpy(ret_address->bytes, &v6->sin6_addr, 16);
		ret_address->size = 16;
	}
}

void desk_peer_certificate(const struct session *session, char ret_text[static DESK_SHA1_MAX])
{
	struct credential *credential = session_credential(session);
	gnutls_pcert_st *chain = NULL;
	gnutls_privkey_t key;
	unsigned n = 0;
	uint8_t digest[20];

	ret_text[0] = '\0';
	if (credential)
		credential_handshake(credential, &chain, &n, &key);
	if (n == 0 ||
	    gnutls_hash_fast(GNUTLS_DIG_SHA1, chain[0].cert.data, chain[0].cert.size, digest) < 0)
		return;
	hex_encode(digest, sizeof(digest), ret_text);
	for (char *c = ret_text; *c; c++)
		*c = (char)toupper((unsigned char)*c);
}
