/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/path_key.h"

#include <string.h>

/* FNV-1a, 32 bits. */
static uint32_t mix(uint32_t hash, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash;
}

static const void *address_bytes(const struct sockaddr_storage *address, size_t *ret_size)
{
	*ret_size = address->ss_family == AF_INET6 ? 16 : 4;
	return address->ss_family == AF_INET6
		       ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
		       : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
}

uint32_t path_key(const struct path_config *config)
{
	uint32_t hash = mix(2166136261u, &config->family, 1);
	const void *own, *mate;
	size_t size;

	if (!config->is_failover_link)
		return mix(hash, config->name, strnlen(config->name, sizeof(config->name)));
	own = address_bytes(&config->local, &size);
	mate = address_bytes(&config->remote, &size);
	if (memcmp(own, mate, size) < 0)
		return mix(mix(hash, own, size), mate, size);
	return mix(mix(hash, mate, size), own, size);
}

bool path_is_from_mate(const struct path_config *config, const struct sockaddr_storage *sender)
{
	const void *a, *b;
	size_t size;

	if (!config->is_failover_link)
		return true;
	if (sender->ss_family != config->remote.ss_family)
		return false;
	a = address_bytes(sender, &size);
	b = address_bytes(&config->remote, &size);
	return memcmp(a, b, size) == 0;
}

const char *path_state_text(enum path_state state)
{
	static const char *const texts[PATH_STATE__MAX] = {"waiting", "up", "lost"};

	return texts[state];
}
