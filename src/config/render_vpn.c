/* SPDX-License-Identifier: Apache-2.0 */
#include "config/render_vpn.h"

#include <string.h>

#include "base/cleanup.h"

/* Keeps the first error. */
struct renderer {
	struct buf *text;
	bool is_all;
	int error;
};

#define PUT(renderer, ...)                                                                         \
	do {                                                                                       \
		if ((renderer)->error == 0)                                                        \
			(renderer)->error = buf_append_format((renderer)->text, __VA_ARGS__);      \
	} while (0)

static void put_pool(struct renderer *renderer, const struct config_pool *pool)
{
	struct config_address end = config_pool_address(pool, pool->count - 1);
	char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN], mask[INET_ADDRSTRLEN];

	config_address_format(&pool->first, first);
	if (pool->first.family == AF_INET6) {
		PUT(renderer, "ipv6 local pool %s %s/%u %u\n", pool->name, first,
		    pool->first.prefix_length, pool->count);
		return;
	}
	config_address_format(&end, last);
	config_address_format_mask(pool->first.prefix_length, mask);
	PUT(renderer, "ip local pool %s %s-%s mask %s\n", pool->name, first, last, mask);
}

static void put_minutes(struct renderer *renderer, const char *word, uint32_t minutes,
			const char *otherwise)
{
	if (minutes == CONFIG_NOT_SAID && !otherwise)
		return;
	if (minutes == CONFIG_NOT_SAID)
		PUT(renderer, " %s %s\n", word, otherwise);
	else if (minutes == 0)
		PUT(renderer, " %s none\n", word);
	else
		PUT(renderer, " %s %u\n", word, minutes);
}

static void put_lists(struct renderer *renderer, const struct config_policy *policy)
{
	char address[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < policy->n_dns; i++) {
		config_address_format(&policy->dns[i], address);
		PUT(renderer, "%s %s", i == 0 ? " dns-server value" : "", address);
	}
	if (policy->n_dns > 0)
		PUT(renderer, "\n");
	if (policy->domain[0])
		PUT(renderer, " default-domain value %s\n", policy->domain);
	if (policy->banner[0])
		PUT(renderer, " banner value %s\n", policy->banner);
}

static void put_split(struct renderer *renderer, const struct config_policy *policy, bool is_all)
{
	static const char *const words[] = {"tunnelall", "tunnelspecified", "excludespecified"};
	char address[INET6_ADDRSTRLEN];

	if (policy->split < ARRAY_SIZE(words) || is_all)
		PUT(renderer, " split-tunnel-policy %s\n",
		    words[policy->split < ARRAY_SIZE(words) ? policy->split : 0]);
	for (size_t i = 0; i < policy->n_networks; i++) {
		config_address_format(&policy->networks[i], address);
		PUT(renderer, " split-tunnel-network-list value %s/%u\n", address,
		    policy->networks[i].prefix_length);
	}
}

/* OTHERWISE: where it is not said; NULL: no line. */
static void put_lock(struct renderer *renderer, const struct config_lock *lock,
		     const char *otherwise)
{
	if (lock->group[0])
		PUT(renderer, " group-lock value %s\n", lock->group);
	else if (lock->is_said || otherwise)
		PUT(renderer, " group-lock %s\n", lock->is_said ? "none" : otherwise);
}

static bool says_nothing(const struct config_policy *policy)
{
	return policy->n_dns == 0 && policy->n_networks == 0 && !policy->domain[0] &&
	       !policy->banner[0] && !policy->pool4[0] && !policy->pool6[0] &&
	       policy->split == CONFIG_NOT_SAID && policy->idle_minutes == CONFIG_NOT_SAID &&
	       policy->session_minutes == CONFIG_NOT_SAID && policy->logins == CONFIG_NOT_SAID &&
	       policy->dtls == CONFIG_NOT_SAID && !policy->lock.is_said;
}

static void put_policy(struct renderer *renderer, const struct config_policy *policy)
{
	bool is_default = strcmp(policy->name, CONFIG_DEFAULT_POLICY) == 0;
	bool is_all = renderer->is_all && is_default;

	if (!is_default)
		PUT(renderer, "group-policy %s internal\n", policy->name);
	if (says_nothing(policy) && !is_all)
		return;
	PUT(renderer, "group-policy %s attributes\n", policy->name);
	put_lists(renderer, policy);
	put_split(renderer, policy, is_all);
	if (policy->pool4[0])
		PUT(renderer, " address-pools value %s\n", policy->pool4);
	if (policy->pool6[0])
		PUT(renderer, " ipv6-address-pools value %s\n", policy->pool6);
	put_minutes(renderer, "vpn-idle-timeout", policy->idle_minutes, is_all ? "30" : NULL);
	put_minutes(renderer, "vpn-session-timeout", policy->session_minutes,
		    is_all ? "none" : NULL);
	if (policy->logins != CONFIG_NOT_SAID || is_all)
		PUT(renderer, " vpn-simultaneous-logins %u\n",
		    policy->logins == CONFIG_NOT_SAID ? 3 : policy->logins);
	if (policy->dtls != CONFIG_NOT_SAID || is_all)
		PUT(renderer, " anyconnect ssl dtls %s\n", policy->dtls == 0 ? "none" : "enable");
	put_lock(renderer, &policy->lock, is_all ? "none" : NULL);
}

static void put_names_from(struct renderer *renderer, const struct config_group *group)
{
	static const char *const words[] = {"", "CN", "EA", "UPN"};
	uint32_t first = group->name_from[0], second = group->name_from[1];

	if (first == 0 && !renderer->is_all)
		return;
	PUT(renderer, " username-from-certificate %s%s%s\n", words[first == 0 ? 1 : first],
	    second ? " " : "", words[second]);
}

static void put_webvpn(struct renderer *renderer, const struct config_group *group)
{
	if (group->n_aliases > 0 || group->is_by_certificate || renderer->is_all)
		PUT(renderer, "tunnel-group %s webvpn-attributes\n", group->name);
	for (size_t i = 0; i < group->n_aliases; i++)
		PUT(renderer, " group-alias %s enable\n", group->aliases[i]);
	if (group->is_by_certificate || renderer->is_all)
		PUT(renderer, " authentication %s\n",
		    group->is_without_password ? "certificate"
		    : group->is_by_certificate ? "aaa certificate"
					       : "aaa");
}

static void put_group(struct renderer *renderer, const struct config_group *group)
{
	PUT(renderer, "tunnel-group %s type remote-access\n", group->name);
	if (renderer->is_all || group->pool4[0] || group->pool6[0] || group->policy[0] ||
	    group->name_from[0] || group->is_by_pam || group->pam_service[0])
		PUT(renderer, "tunnel-group %s general-attributes\n", group->name);
	if (group->pool4[0])
		PUT(renderer, " address-pool %s\n", group->pool4);
	if (group->pool6[0])
		PUT(renderer, " ipv6-address-pool %s\n", group->pool6);
	if (group->is_by_pam || renderer->is_all)
		PUT(renderer, " authentication-server-group %s\n",
		    !group->is_by_pam	  ? "LOCAL"
		    : group->is_local_too ? "PAM LOCAL"
					  : "PAM");
	if (group->pam_service[0] || renderer->is_all)
		PUT(renderer, " pam-service %s\n",
		    group->pam_service[0] ? group->pam_service : CONFIG_DEFAULT_PAM_SERVICE);
	if (group->policy[0] || renderer->is_all)
		PUT(renderer, " default-group-policy %s\n",
		    group->policy[0] ? group->policy : CONFIG_DEFAULT_POLICY);
	put_names_from(renderer, group);
	put_webvpn(renderer, group);
}

static void put_user(struct renderer *renderer, const struct config_user *user)
{
	if (user->hash[0])
		PUT(renderer, "username %s password %s\n", user->name, user->hash);
	else
		PUT(renderer, "username %s\n", user->name);
	if (user->policy[0] || user->totp[0] || user->lock.is_said)
		PUT(renderer, "username %s attributes\n", user->name);
	if (user->policy[0])
		PUT(renderer, " vpn-group-policy %s\n", user->policy);
	put_lock(renderer, &user->lock, NULL);
	if (user->totp[0])
		PUT(renderer, " totp %s\n", user->totp);
}

int render_vpn(const struct config_vpn *vpn, bool is_all, struct buf *text)
{
	struct renderer renderer = {.text = text, .is_all = is_all};

	for (size_t i = 0; i < vpn->n_pools; i++)
		put_pool(&renderer, &vpn->pools[i]);
	for (size_t i = 0; i < vpn->n_policies; i++)
		put_policy(&renderer, &vpn->policies[i]);
	for (size_t i = 0; i < vpn->n_groups; i++)
		put_group(&renderer, &vpn->groups[i]);
	for (size_t i = 0; i < vpn->n_users; i++)
		put_user(&renderer, &vpn->users[i]);
	return renderer.error;
}
