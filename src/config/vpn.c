/* SPDX-License-Identifier: Apache-2.0 */
#include "config/vpn.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* Of the ASA; a split of 0 is tunnelall. */
#define IDLE_MINUTES 30
#define LOGINS 3

void config_vpn_init(struct config_vpn *vpn)
{
	struct config_policy *policy = &vpn->policies[0];

	(void)snprintf(policy->name, sizeof(policy->name), "%s", CONFIG_DEFAULT_POLICY);
	policy->split = policy->idle_minutes = CONFIG_NOT_SAID;
	policy->session_minutes = policy->logins = policy->dtls = CONFIG_NOT_SAID;
	vpn->n_policies = 1;
}

const struct config_pool *config_pool_find(const struct config_vpn *vpn, const char *name)
{
	for (size_t i = 0; i < vpn->n_pools; i++) {
		if (strcmp(vpn->pools[i].name, name) == 0)
			return &vpn->pools[i];
	}
	return NULL;
}

const struct config_policy *config_policy_find(const struct config_vpn *vpn, const char *name)
{
	for (size_t i = 0; i < vpn->n_policies; i++) {
		if (strcmp(vpn->policies[i].name, name) == 0)
			return &vpn->policies[i];
	}
	return NULL;
}

const struct config_group *config_group_find(const struct config_vpn *vpn, const char *name)
{
	for (size_t i = 0; i < vpn->n_groups; i++) {
		if (strcmp(vpn->groups[i].name, name) == 0)
			return &vpn->groups[i];
	}
	return NULL;
}

const struct config_user *config_user_find(const struct config_vpn *vpn, const char *name)
{
	for (size_t i = 0; i < vpn->n_users; i++) {
		if (strcmp(vpn->users[i].name, name) == 0)
			return &vpn->users[i];
	}
	return NULL;
}

static void number_resolve(uint32_t *number, uint32_t above, uint32_t otherwise)
{
	if (*number == CONFIG_NOT_SAID)
		*number = above;
	if (*number == CONFIG_NOT_SAID)
		*number = otherwise;
}

static void text_resolve(char *text, const char *above, size_t size)
{
	if (!text[0])
		memcpy(text, above, size);
}

void config_policy_resolve(const struct config_vpn *vpn, const struct config_policy *policy,
			   struct config_policy *ret_policy)
{
	const struct config_policy *above = &vpn->policies[0];
	struct config_policy *to = ret_policy;

	*to = *policy;
	number_resolve(&to->split, above->split, 0);
	number_resolve(&to->idle_minutes, above->idle_minutes, IDLE_MINUTES);
	number_resolve(&to->session_minutes, above->session_minutes, 0);
	number_resolve(&to->logins, above->logins, LOGINS);
	number_resolve(&to->dtls, above->dtls, 1);
	text_resolve(to->domain, above->domain, sizeof(to->domain));
	text_resolve(to->banner, above->banner, sizeof(to->banner));
	text_resolve(to->pool4, above->pool4, sizeof(to->pool4));
	text_resolve(to->pool6, above->pool6, sizeof(to->pool6));
	if (!to->lock.is_said)
		to->lock = above->lock;
	if (to->n_dns == 0) {
		memcpy(to->dns, above->dns, sizeof(to->dns));
		to->n_dns = above->n_dns;
	}
	if (to->n_networks == 0) {
		memcpy(to->networks, above->networks, sizeof(to->networks));
		to->n_networks = above->n_networks;
	}
}

/* NULL: there is none. */
static const char *policy_lock(const struct config_vpn *vpn, const char *name)
{
	const struct config_policy *policy = config_policy_find(vpn, name);

	if (!policy)
		return NULL;
	return policy->lock.is_said ? policy->lock.group : vpn->policies[0].lock.group;
}

bool config_user_lock(const struct config_vpn *vpn, const struct config_user *user,
		      const char **ret_group)
{
	const char *lock = user->lock.is_said ? user->lock.group : policy_lock(vpn, user->policy);

	if (lock)
		*ret_group = lock;
	return lock != NULL;
}

const char *config_group_lock(const struct config_vpn *vpn, const struct config_group *group)
{
	const char *lock = policy_lock(vpn, group->policy);

	return lock ? lock : vpn->policies[0].lock.group;
}

/* The last four bytes of an address, where a pool counts. */
static uint8_t *tail_of(struct config_address *address)
{
	return address->bytes + (address->family == AF_INET ? 0 : 12);
}

static uint32_t tail_read(const uint8_t *tail)
{
	return (uint32_t)tail[0] << 24 | (uint32_t)tail[1] << 16 | (uint32_t)tail[2] << 8 | tail[3];
}

struct config_address config_pool_address(const struct config_pool *pool, uint32_t index)
{
	struct config_address address = pool->first;
	uint8_t *tail = tail_of(&address);
	uint32_t number = tail_read(tail) + index;

	tail[0] = (uint8_t)(number >> 24);
	tail[1] = (uint8_t)(number >> 16);
	tail[2] = (uint8_t)(number >> 8);
	tail[3] = (uint8_t)number;
	return address;
}

bool config_pool_index(const struct config_pool *pool, const struct config_address *address,
		       uint32_t *ret_index)
{
	struct config_address first = pool->first, own = *address;
	uint32_t index = tail_read(tail_of(&own)) - tail_read(tail_of(&first));

	if (own.family != first.family || index >= pool->count)
		return false;
	if (own.family == AF_INET6 && memcmp(own.bytes, first.bytes, 12) != 0)
		return false;
	*ret_index = index;
	return true;
}

bool config_group_takes_others(const struct config_group *group)
{
	return group->is_by_pam && !group->is_without_password;
}

bool config_is_pam_service(const char *text)
{
	static const char alphabet[] = "._-0123456789abcdefghijklmnopqrstuvwxyz";
	size_t length = strlen(text);

	return length > 0 && length < CONFIG_VPN_NAME_MAX && text[0] != '.' &&
	       strspn(text, alphabet) == length;
}

bool config_is_sealed(const char *text)
{
	static const char mark[] = "$t1$";
	static const char alphabet[] =
		"+/=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	size_t length = strlen(text);

	return strncmp(text, mark, sizeof(mark) - 1) == 0 && length >= 48 &&
	       length < CONFIG_HASH_MAX &&
	       strspn(text + sizeof(mark) - 1, alphabet) == length - (sizeof(mark) - 1);
}

bool config_is_hash(const char *text)
{
	static const char alphabet[] =
		"./$=,+-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	unsigned dollars = 0;
	size_t length = strlen(text);

	for (const char *c = text; *c; c++)
		dollars += *c == '$';
	return text[0] == '$' && dollars >= 3 && length >= 20 && length < CONFIG_HASH_MAX &&
	       strspn(text, alphabet) == length;
}
