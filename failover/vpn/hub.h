/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ipc/channel.h"
#include "ipc/vpn.h"

/*
 * The engine's side of the VPN (ipc/vpn.h): what fronts ask of it.
 */

/* For the table of a front's channel. */
bool vpnhub_is_message(enum ipc_type type);
/* A request of front INSTANCE. */
void vpnhub_message(struct ipc_channel *channel, const struct ipc_frame *frame);
