/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"
#include "ipc/channel.h"
#include "ipc/vpn.h"

/* Of all fronts' DTLS cookies. Another one each hour: a cookie from long ago is none. */
#define HUB_COOKIE_KEY_MS 3600000
struct hub_cookie_keys {
	uint8_t now[VPN_COOKIE_KEY_SIZE], before[VPN_COOKIE_KEY_SIZE];
	bool has_before;
	struct monotime next_at; /* 0: there is none yet */
};
/* Errors: ERR_CRYPTO: they stay as they were. */
int hub_cookie_keys_next(struct hub_cookie_keys *keys);

/* Sends what fronts need of the configuration. Errors: those of ipc_channel_send. */
int hub_config_send(struct ipc_channel *front, const struct config *config, uint64_t generation,
		    const struct hub_cookie_keys *cookie_keys);
/* Sends the users, in as many messages as it takes. Errors: those of ipc_channel_send. */
int hub_users_send(struct ipc_channel *auth, const struct config *config);
/* CAS: DER, REVOCATION of each of them (enum vpn_revocation; NULL: to a front). With the groups,
 * where there is a CONFIG: to the auth helper. */
int hub_trust_send(struct ipc_channel *channel, const struct config *config,
		   const uint32_t *revocation, const ProtobufCBinaryData *cas, size_t n,
		   bool is_known);
