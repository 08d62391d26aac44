/* SPDX-License-Identifier: Apache-2.0 */
/* The checked conversion of a session, both ways: times are spans in the message and moments here.
 */
#include "ipc/vpn.h"

#include <string.h>

#include "base/err.h"

int vpn_hash_from(const ProtobufCBinaryData *bytes, uint8_t ret_hash[static VPN_HASH_SIZE])
{
	if (bytes->len != VPN_HASH_SIZE)
		return ERR_MALFORMED;
	memcpy(ret_hash, bytes->data, VPN_HASH_SIZE);
	return 0;
}

int vpn_address_from(const ProtobufCBinaryData *bytes, uint32_t prefix,
		     struct vpn_address *ret_address)
{
	struct vpn_address address = {.size = bytes->len, .prefix = (uint8_t)prefix};

	if ((bytes->len != 0 && bytes->len != 4 && bytes->len != 16) || prefix > bytes->len * 8)
		return ERR_MALFORMED;
	if (bytes->len > 0)
		memcpy(address.bytes, bytes->data, bytes->len);
	*ret_address = address;
	return 0;
}

bool vpn_address_is_equal(const struct vpn_address *a, const struct vpn_address *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

int vpn_name_from(const char *text, char *ret_text, size_t size)
{
	size_t length = strlen(text);

	if (length >= size)
		return ERR_MALFORMED;
	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return ERR_MALFORMED;
	}
	memcpy(ret_text, text, length + 1);
	return 0;
}

static int leased_from(const Asafo__Ipc__VpnAddress *message, size_t size,
		       struct vpn_address *ret_address)
{
	*ret_address = (struct vpn_address){0};
	if (!message)
		return 0;
	if (message->address.len != size)
		return ERR_MALFORMED;
	return vpn_address_from(&message->address, message->prefix, ret_address);
}

static int names_from(const Asafo__Ipc__VpnSession *message, struct vpn_session *session)
{
	int r = vpn_name_from(message->user, session->user, sizeof(session->user));

	if (r == 0)
		r = vpn_name_from(message->group, session->group, sizeof(session->group));
	if (r == 0)
		r = vpn_name_from(message->policy, session->policy, sizeof(session->policy));
	return r;
}

int vpn_session_from(const Asafo__Ipc__VpnSession *message, struct monotime now,
		     struct vpn_session *ret_session)
{
	struct vpn_session session = {
		.id = message->id, .is_connected = message->is_connected, .owner = message->owner};
	uint64_t age_max = now.ns / MONOTIME_NS_PER_MS;
	uint64_t age_ms = message->age_ms < age_max ? message->age_ms : age_max;
	int r = vpn_hash_from(&message->cookie_hash, session.hash);

	if (r == 0)
		r = names_from(message, &session);
	if (r == 0)
		r = leased_from(message->v4, 4, &session.v4);
	if (r == 0)
		r = leased_from(message->v6, 16, &session.v6);
	if (r == 0)
		r = vpn_address_from(&message->client, 0, &session.client);
	if (r == 0 && session.id == 0)
		r = ERR_MALFORMED;
	if (r < 0)
		return r;
	/* Of a login before this machine was booted nothing is kept but that it is old. */
	session.created_at = (struct monotime){now.ns - age_ms * MONOTIME_NS_PER_MS};
	session.ends_at =
		message->left_ms ? monotime_add_ms(now, message->left_ms) : MONOTIME_NEVER;
	session.idle_ends_at = message->idle_left_ms ? monotime_add_ms(now, message->idle_left_ms)
						     : MONOTIME_NEVER;
	session.tunnel_at = (struct monotime){message->tunnel_at_ns};
	*ret_session = session;
	return 0;
}

/* What is over has a millisecond left: 0 is no end at all. */
static uint64_t left_ms(struct monotime end, struct monotime now)
{
	uint64_t ms = monotime_since(end, now) / MONOTIME_NS_PER_MS;

	if (end.ns == MONOTIME_NEVER.ns)
		return 0;
	return ms ? ms : 1;
}

static Asafo__Ipc__VpnAddress *leased_fill(const struct vpn_address *address,
					   Asafo__Ipc__VpnAddress *storage)
{
	asafo__ipc__vpn_address__init(storage);
	storage->address.data = (uint8_t *)(uintptr_t)address->bytes;
	storage->address.len = address->size;
	storage->prefix = address->prefix;
	return address->size ? storage : NULL;
}

void vpn_session_fill(const struct vpn_session *session, struct monotime now,
		      struct vpn_session_message *ret_message)
{
	Asafo__Ipc__VpnSession *message = &ret_message->message;

	asafo__ipc__vpn_session__init(message);
	message->cookie_hash.data = (uint8_t *)(uintptr_t)session->hash;
	message->cookie_hash.len = VPN_HASH_SIZE;
	message->id = session->id;
	message->user = (char *)(uintptr_t)session->user;
	message->group = (char *)(uintptr_t)session->group;
	message->policy = (char *)(uintptr_t)session->policy;
	message->v4 = leased_fill(&session->v4, &ret_message->v4);
	message->v6 = leased_fill(&session->v6, &ret_message->v6);
	message->client.data = (uint8_t *)(uintptr_t)session->client.bytes;
	message->client.len = session->client.size;
	message->age_ms = monotime_since(now, session->created_at) / MONOTIME_NS_PER_MS;
	message->left_ms = left_ms(session->ends_at, now);
	message->idle_left_ms = left_ms(session->idle_ends_at, now);
	message->is_connected = session->is_connected;
	message->owner = session->owner;
	message->tunnel_at_ns = session->tunnel_at.ns;
}

const char *vpn_end_text(enum vpn_end reason)
{
	static const char *const texts[VPN_END__MAX] = {
		[VPN_END_NONE] = "none",
		[VPN_END_LOGOUT] = "User Requested",
		[VPN_END_ADMIN] = "Administrator Reset",
		[VPN_END_IDLE] = "Idle Timeout",
		[VPN_END_EXPIRED] = "Max Time Exceeded",
		[VPN_END_CONFIG] = "Configuration Changed",
		[VPN_END_CLASH] = "Address Assigned Twice",
		[VPN_END_DROPPED] = "Resynchronized",
		[VPN_END_REPLACED] = "Simultaneous Logins",
	};

	return (unsigned)reason < VPN_END__MAX ? texts[reason] : "unknown";
}

enum vpn_end vpn_end_from(uint32_t number)
{
	return number > VPN_END_NONE && number < VPN_END__MAX ? (enum vpn_end)number
							      : VPN_END_ADMIN;
}

int vpn_names_from(const uint32_t *numbers, size_t n,
		   enum vpn_name_from ret_from[static VPN_NAMES_FROM])
{
	enum vpn_name_from from[VPN_NAMES_FROM] = {VPN_NAME_FROM_CN};

	if (n > VPN_NAMES_FROM)
		return ERR_MALFORMED;
	for (size_t i = 0; i < n; i++) {
		if (numbers[i] == VPN_NAME_FROM_NONE || numbers[i] >= VPN_NAME_FROM__MAX)
			return ERR_MALFORMED;
		from[i] = (enum vpn_name_from)numbers[i];
	}
	memcpy(ret_from, from, sizeof(from));
	return 0;
}
