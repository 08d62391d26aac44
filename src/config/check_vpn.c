/* SPDX-License-Identifier: Apache-2.0 */
/* Pools do not overlap, and whatever is referred to is there. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "config/check.h"
#include "config/value.h"

static bool is_name(const char text[static CONFIG_VPN_NAME_MAX])
{
	return memchr(text, 0, CONFIG_VPN_NAME_MAX) && value_accept(VALUE_NAME, 0, 0, text, NULL);
}

static bool is_empty_or_name(const char text[static CONFIG_VPN_NAME_MAX])
{
	return !text[0] || is_name(text);
}

static bool overlap(const struct config_pool *a, const struct config_pool *b)
{
	uint32_t index;

	return config_pool_index(a, &b->first, &index) || config_pool_index(b, &a->first, &index);
}

/* Of an IPv4 pool the netmask must leave all of it in one network: clients would not route to the
 * rest. An IPv6 pool's own count fits behind its prefix. */
static int check_extent(const struct config_pool *pool, struct why *ret_why)
{
	struct config_address last = config_pool_address(pool, pool->count - 1);
	uint8_t bits = pool->first.family == AF_INET ? 32 : 128;

	if (pool->first.prefix_length < 1 || pool->first.prefix_length > bits ||
	    !config_address_same_net(&pool->first, &last, pool->first.prefix_length))
		return why_set(ret_why, ERR_SYNTAX,
			       "pool %s: its first and its last address are not in one network of "
			       "its netmask",
			       pool->name);
	if (memcmp(last.bytes, pool->first.bytes, sizeof(last.bytes)) < 0)
		return why_set(ret_why, ERR_SYNTAX, "pool %s: it has too many addresses",
			       pool->name);
	return 0;
}

static int check_pool(const struct config *config, size_t index, struct why *ret_why)
{
	const struct config_pool *pool = &config->vpn.pools[index];
	uint32_t place;
	int r;

	if (!is_name(pool->name) ||
	    (pool->first.family != AF_INET && pool->first.family != AF_INET6) || pool->count < 1 ||
	    pool->count > VALUE_RANGE_MAX)
		return why_set(ret_why, ERR_SYNTAX, "pool %zu: no name or no addresses", index + 1);
	r = check_extent(pool, ret_why);
	for (size_t i = 0; i < index && r == 0; i++) {
		const struct config_pool *other = &config->vpn.pools[i];

		if (strcmp(other->name, pool->name) == 0)
			return why_set(ret_why, ERR_EXISTS, "pool %s stands twice", pool->name);
		if (overlap(pool, other))
			return why_set(ret_why, ERR_EXISTS, "pool %s overlaps with pool %s",
				       pool->name, other->name);
	}
	for (size_t i = 0; i < config->n_interfaces && r == 0; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		if (config_pool_index(pool, &interface->active4, &place) ||
		    config_pool_index(pool, &interface->standby4, &place) ||
		    config_pool_index(pool, &interface->active6, &place) ||
		    config_pool_index(pool, &interface->standby6, &place))
			return why_set(ret_why, ERR_EXISTS,
				       "pool %s has an address of interface %s in it", pool->name,
				       interface->device);
	}
	return r;
}

static int check_pool_reference(const struct config_vpn *vpn, const char *where, const char *owner,
				const char pool[static CONFIG_VPN_NAME_MAX], uint8_t family,
				struct why *ret_why)
{
	const struct config_pool *found = pool[0] ? config_pool_find(vpn, pool) : NULL;

	if (!is_empty_or_name(pool) || (pool[0] && !found))
		return why_set(ret_why, ERR_NOT_FOUND, "%s %s: there is no pool %.63s", where,
			       owner, pool);
	if (found && found->first.family != family)
		return why_set(ret_why, ERR_SYNTAX, "%s %s: pool %s is not one of %s addresses",
			       where, owner, pool, family == AF_INET ? "IPv4" : "IPv6");
	return 0;
}

static int check_lock(const struct config_vpn *vpn, const char *where, const char *owner,
		      const struct config_lock *lock, struct why *ret_why)
{
	if (!lock->group[0] ||
	    (lock->is_said && is_name(lock->group) && config_group_find(vpn, lock->group)))
		return 0;
	return why_set(ret_why, ERR_NOT_FOUND, "%s %s: group-lock: there is no tunnel-group %.63s",
		       where, owner, lock->group);
}

static bool is_text(const char *text, size_t size)
{
	return memchr(text, 0, size) && (!text[0] || value_accept(VALUE_REST, 0, 0, text, NULL));
}

static int check_policy(const struct config_vpn *vpn, size_t index, struct why *ret_why)
{
	const struct config_policy *policy = &vpn->policies[index];
	int r;

	if (!is_name(policy->name) || config_policy_find(vpn, policy->name) != policy ||
	    (index == 0) != (strcmp(policy->name, CONFIG_DEFAULT_POLICY) == 0))
		return why_set(ret_why, ERR_EXISTS, "group-policy %zu: its name is not one",
			       index + 1);
	if (!is_text(policy->banner, sizeof(policy->banner)) ||
	    !memchr(policy->domain, 0, sizeof(policy->domain)) ||
	    (policy->domain[0] && !value_accept(VALUE_FQDN, 0, 0, policy->domain, NULL)) ||
	    policy->n_dns > CONFIG_DNS_MAX || policy->n_networks > CONFIG_NETWORKS_MAX)
		return why_set(ret_why, ERR_SYNTAX, "group-policy %s: a line is not usable",
			       policy->name);
	r = check_lock(vpn, "group-policy", policy->name, &policy->lock, ret_why);
	if (r == 0)
		r = check_pool_reference(vpn, "group-policy", policy->name, policy->pool4, AF_INET,
					 ret_why);
	return r < 0 ? r
		     : check_pool_reference(vpn, "group-policy", policy->name, policy->pool6,
					    AF_INET6, ret_why);
}

static int check_group(const struct config_vpn *vpn, size_t index, struct why *ret_why)
{
	const struct config_group *group = &vpn->groups[index];
	int r;

	if (!is_name(group->name) || config_group_find(vpn, group->name) != group ||
	    group->n_aliases > CONFIG_ALIASES_MAX || group->name_from[0] > 3 ||
	    group->name_from[1] > 3 || (group->is_without_password && !group->is_by_certificate))
		return why_set(ret_why, ERR_EXISTS, "tunnel-group %zu: its name is not one",
			       index + 1);
	if (!memchr(group->pam_service, 0, sizeof(group->pam_service)) ||
	    (group->pam_service[0] && !config_is_pam_service(group->pam_service)) ||
	    (group->is_local_too && !group->is_by_pam))
		return why_set(ret_why, ERR_SYNTAX,
			       "tunnel-group %s: pam-service is no name of a service", group->name);
	if (group->policy[0] &&
	    (!is_name(group->policy) || !config_policy_find(vpn, group->policy)))
		return why_set(ret_why, ERR_NOT_FOUND,
			       "tunnel-group %s: there is no group-policy %.63s", group->name,
			       group->policy);
	r = check_pool_reference(vpn, "tunnel-group", group->name, group->pool4, AF_INET, ret_why);
	return r < 0 ? r
		     : check_pool_reference(vpn, "tunnel-group", group->name, group->pool6,
					    AF_INET6, ret_why);
}

static int check_user(const struct config_vpn *vpn, size_t index, struct why *ret_why)
{
	const struct config_user *user = &vpn->users[index];

	if (config_is_masked(user->hash) || config_is_masked(user->totp))
		return why_set(ret_why, ERR_SYNTAX,
			       "username %s: " CONFIG_MASK
			       " is what is shown to who may only look: "
			       "take the line from a `show running-config` of root's, or give the "
			       "password itself",
			       user->name);
	if (!is_name(user->name) || !memchr(user->hash, 0, sizeof(user->hash)) ||
	    (user->hash[0] && !config_is_hash(user->hash)))
		return why_set(ret_why, ERR_SYNTAX,
			       "username %zu: no name, or a password that is no hash", index + 1);
	if (config_user_find(vpn, user->name) != user)
		return why_set(ret_why, ERR_EXISTS, "username %s stands twice", user->name);
	if (!memchr(user->totp, 0, sizeof(user->totp)) ||
	    (user->totp[0] && !config_is_sealed(user->totp)))
		return why_set(ret_why, ERR_SYNTAX, "username %s: its second factor is not sealed",
			       user->name);
	if (user->policy[0] && (!is_name(user->policy) || !config_policy_find(vpn, user->policy)))
		return why_set(ret_why, ERR_NOT_FOUND,
			       "username %s: there is no group-policy %.63s", user->name,
			       user->policy);
	return check_lock(vpn, "username", user->name, &user->lock, ret_why);
}

int check_vpn(const struct config *config, struct why *ret_why)
{
	const struct config_vpn *vpn = &config->vpn;
	int r = 0;

	for (size_t i = 0; i < vpn->n_pools && r == 0; i++)
		r = check_pool(config, i, ret_why);
	for (size_t i = 0; i < vpn->n_policies && r == 0; i++)
		r = check_policy(vpn, i, ret_why);
	for (size_t i = 0; i < vpn->n_groups && r == 0; i++)
		r = check_group(vpn, i, ret_why);
	for (size_t i = 0; i < vpn->n_users && r == 0; i++)
		r = check_user(vpn, i, ret_why);
	return r;
}
