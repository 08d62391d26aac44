/* SPDX-License-Identifier: Apache-2.0 */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "base/err.h"
#include "ipc/vpn.h"

int vpn_tag(const uint8_t hash[static VPN_HASH_SIZE], uint8_t ret_tag[static VPN_HASH_SIZE])
{
	return gnutls_hash_fast(GNUTLS_DIG_SHA256, hash, VPN_HASH_SIZE, ret_tag) < 0 ? ERR_CRYPTO
										     : 0;
}

int vpn_session_fill_tagged(const struct vpn_session *session, struct monotime now,
			    struct vpn_session_message *ret_message)
{
	vpn_session_fill(session, now, ret_message);
	ret_message->message.cookie_hash.data = ret_message->tag;
	return vpn_tag(session->hash, ret_message->tag);
}
