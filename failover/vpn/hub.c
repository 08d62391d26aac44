/* SPDX-License-Identifier: Apache-2.0 */
/* What fronts ask is answered here. */
#include "failover/vpn/hub.h"

#include "base/err.h"

static char not_there[] = "VPN sessions are not there in this version";

bool vpnhub_is_message(enum ipc_type type)
{
	return type == IPC_VPN_SESSION_NEW || type == IPC_VPN_SESSION_TOUCH ||
	       type == IPC_VPN_SESSION_END;
}

void vpnhub_message(struct ipc_channel *channel, const struct ipc_frame *frame)
{
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Ipc__VpnSessionNewReply made = ASAFO__IPC__VPN_SESSION_NEW_REPLY__INIT;
	Asafo__Ipc__StatusReply ended = ASAFO__IPC__STATUS_REPLY__INIT;

	status.code = ERR_UNSUPPORTED;
	status.why = not_there;
	made.status = ended.status = &status;
	if (frame->type == IPC_VPN_SESSION_NEW)
		(void)ipc_channel_reply(channel, frame->type, frame->id, false, &made.base);
	else if (frame->type == IPC_VPN_SESSION_END)
		(void)ipc_channel_reply(channel, frame->type, frame->id, false, &ended.base);
}
