/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/tunnel/vpn.h"

/* What an engine tells a front's copy of the sessions, for tests. */

static inline struct vpn_session session_of(unsigned number)
{
	struct monotime now = monotime_now();
	struct vpn_session session = {
		.id = number + 1,
		.v4 = {{10, 0, (uint8_t)(number >> 8), (uint8_t)number}, 4, 16},
		.v6 = {{0xfd}, 16, 64},
		.created_at = now,
		.ends_at = monotime_add_ms(now, 60000),
		.idle_ends_at = monotime_add_ms(now, 30000)};

	(void)snprintf(session.user, sizeof(session.user), "user%u", number);
	(void)snprintf(session.group, sizeof(session.group), "staff");
	(void)snprintf(session.policy, sizeof(session.policy), "DfltGrpPolicy");
	session.hash[0] = (uint8_t)number;
	session.hash[1] = (uint8_t)(number >> 8);
	session.hash[31] = 1;
	session.v6.bytes[14] = (uint8_t)(number >> 8);
	session.v6.bytes[15] = (uint8_t)number;
	return session;
}

static inline int take(struct vpn *vpn, enum ipc_type type, const ProtobufCMessage *body)
{
	struct ipc_frame frame = {.type = type};
	struct why why;

	return vpn_message(vpn, &frame, body, &why);
}

/* SESSION may be NULL. */
static inline int put(struct vpn *vpn, const struct vpn_session *session, bool is_reset,
		      bool is_complete)
{
	Asafo__Ipc__VpnTable table = ASAFO__IPC__VPN_TABLE__INIT;
	struct vpn_session_message message;
	Asafo__Ipc__VpnSession *pointers[1] = {&message.message};

	if (session)
		assert_int_equal(vpn_session_fill_tagged(session, monotime_now(), &message), 0);
	table.put = pointers;
	table.n_put = session ? 1 : 0;
	table.is_reset = is_reset;
	table.is_complete = is_complete;
	return take(vpn, IPC_VPN_TABLE, &table.base);
}

static inline int drop(struct vpn *vpn, const struct vpn_session *session, uint32_t reason)
{
	Asafo__Ipc__VpnTable table = ASAFO__IPC__VPN_TABLE__INIT;
	Asafo__Ipc__VpnGone gone = ASAFO__IPC__VPN_GONE__INIT;
	Asafo__Ipc__VpnGone *pointers[1] = {&gone};
	uint8_t tag[VPN_HASH_SIZE];

	assert_int_equal(vpn_tag(session->hash, tag), 0);
	gone.tag = (ProtobufCBinaryData){sizeof(tag), tag};
	gone.reason = reason;
	table.gone = pointers;
	table.n_gone = 1;
	table.is_complete = true;
	return take(vpn, IPC_VPN_TABLE, &table.base);
}
