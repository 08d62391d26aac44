/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"
#include "ipc/channel.h"
#include "ipc/vpn.h"

/* Sends what fronts need of the configuration. Errors: those of ipc_channel_send. */
int hub_config_send(struct ipc_channel *front, const struct config *config, uint64_t generation,
		    const uint8_t cookie_key[static VPN_COOKIE_KEY_SIZE]);
/* Sends the users, in as many messages as it takes. Errors: those of ipc_channel_send. */
int hub_users_send(struct ipc_channel *auth, const struct config *config);
/* CAS: DER. With the groups, where there is a CONFIG: to the auth helper. */
int hub_trust_send(struct ipc_channel *channel, const struct config *config,
		   const ProtobufCBinaryData *cas, size_t n, bool is_known);
