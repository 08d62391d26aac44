/* SPDX-License-Identifier: Apache-2.0 */
/* Leases are the sessions themselves: the standby has reserved whatever it was told of. */
#include "failover/vpn/pool.h"

#include <string.h>

static struct vpn_address address_from(const struct config_address *from)
{
	struct vpn_address address = {.size = from->family == AF_INET ? 4 : 16,
				      .prefix = from->prefix_length};

	memcpy(address.bytes, from->bytes, address.size);
	return address;
}

static struct config_address address_to(const struct vpn_address *from)
{
	struct config_address address = {.family = from->size == 4 ? AF_INET : AF_INET6};

	memcpy(address.bytes, from->bytes, from->size);
	return address;
}

static uint32_t start_of(const char *user, uint32_t count)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (; *user; user++)
		sum = (sum ^ (uint8_t)*user) * UINT64_C(0x100000001b3);
	return (uint32_t)((sum ^ sum >> 32) % count);
}

/* A host cannot have them. */
static bool is_reserved(const struct config_address *address)
{
	uint8_t length = address->prefix_length;
	uint32_t number = (uint32_t)address->bytes[0] << 24 | (uint32_t)address->bytes[1] << 16 |
			  (uint32_t)address->bytes[2] << 8 | address->bytes[3];
	uint32_t host;

	if (address->family == AF_INET6)
		return length < 127 && config_address_is_network(address);
	if (length >= 31)
		return false;
	host = UINT32_MAX >> length;
	return (number & host) == 0 || (number & host) == host;
}

bool pool_allocate(const struct config_pool *pool, const struct sessiondb *db, const char *user,
		   struct vpn_address *ret_address)
{
	uint32_t start = start_of(user, pool->count);

	for (uint32_t i = 0; i < pool->count; i++) {
		struct config_address candidate =
			config_pool_address(pool, (start + i) % pool->count);
		struct vpn_address address = address_from(&candidate);

		if (is_reserved(&candidate) || sessiondb_find_address(db, &address))
			continue;
		*ret_address = address;
		return true;
	}
	return false;
}

bool pool_gives(const struct config_pool *pool, const struct vpn_address *address)
{
	struct config_address wanted = address_to(address), candidate;
	uint32_t index;

	if (address->size == 0 || !config_pool_index(pool, &wanted, &index))
		return false;
	candidate = config_pool_address(pool, index);
	return !is_reserved(&candidate);
}

static bool has_address(const struct config_vpn *vpn, const struct vpn_address *address)
{
	struct config_address wanted = address_to(address);
	uint32_t index;

	if (address->size == 0)
		return true;
	for (size_t i = 0; i < vpn->n_pools; i++) {
		if (config_pool_index(&vpn->pools[i], &wanted, &index))
			return true;
	}
	return false;
}

bool pool_has_session(const struct config_vpn *vpn, const struct vpn_session *session)
{
	return has_address(vpn, &session->v4) && has_address(vpn, &session->v6);
}
