/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ipc/channel.h"
#include "ipc/vpn.h"

/*
 * The engine's side of the VPN (ipc/vpn.h): what fronts and the auth helper are told, and what
 * fronts ask.
 */
struct engine;
struct vpnhub;

int vpnhub_new(struct engine *engine, struct vpnhub **ret_hub);
void vpnhub_free(struct vpnhub *hub);

/* Another configuration holds. */
void vpnhub_configure(struct vpnhub *hub);

/* A front has a channel; it has none any more. */
void vpnhub_front_attached(struct vpnhub *hub, unsigned instance);
void vpnhub_front_gone(struct vpnhub *hub, unsigned instance);
/* For the table of a front's channel. */
bool vpnhub_is_message(enum ipc_type type);
/* A request of front INSTANCE. */
void vpnhub_message(struct vpnhub *hub, unsigned instance, struct ipc_channel *channel,
		    const struct ipc_frame *frame, const ProtobufCMessage *body);
/* The auth helper's channel; takes over FD. */
void vpnhub_auth_attach(struct vpnhub *hub, int fd);
