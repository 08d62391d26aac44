/* SPDX-License-Identifier: Apache-2.0 */
/* Behind this conversion no generated type and no unchecked length. */
#include "front/tunnel/vpn_config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"

static int networks_from(const Asafo__Ipc__VpnPolicy *from, struct vpn_policy *to)
{
	int r = 0;

	to->networks = calloc(from->n_networks + 1, sizeof(*to->networks));
	if (!to->networks)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_networks && r == 0; i++) {
		const Asafo__Ipc__VpnNetwork *network = from->networks[i];

		r = network->address.len ? vpn_address_from(&network->address, network->prefix,
							    &to->networks[to->n_networks++])
					 : ERR_MALFORMED;
	}
	return r;
}

static int policy_from(const Asafo__Ipc__VpnPolicy *from, struct vpn_policy *to)
{
	int r = vpn_name_from(from->name, to->name, sizeof(to->name));

	if (r == 0)
		r = vpn_name_from(from->default_domain, to->domain, sizeof(to->domain));
	if (r == 0)
		r = vpn_name_from(from->banner, to->banner, sizeof(to->banner));
	if (r == 0 && (from->n_dns > VPN_DNS_MAX || from->split >= VPN_SPLIT__MAX))
		r = ERR_MALFORMED;
	for (size_t i = 0; i < from->n_dns && r == 0; i++)
		r = from->dns[i].len ? vpn_address_from(&from->dns[i], 0, &to->dns[to->n_dns++])
				     : ERR_MALFORMED;
	to->split = (enum vpn_split)from->split;
	to->idle_timeout_s = from->idle_timeout_s;
	to->session_timeout_s = from->session_timeout_s;
	to->simultaneous_logins = from->simultaneous_logins;
	to->is_without_dtls = from->is_without_dtls;
	return r == 0 ? networks_from(from, to) : r;
}

static int group_from(const Asafo__Ipc__VpnGroup *from, struct vpn_group *to)
{
	int r = vpn_name_from(from->name, to->name, sizeof(to->name));

	to->aliases = calloc(from->n_aliases + 1, sizeof(*to->aliases));
	if (!to->aliases)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_aliases && r == 0; i++)
		r = vpn_name_from(from->aliases[i], to->aliases[to->n_aliases++], VPN_NAME_MAX);
	if (r == 0)
		r = vpn_name_from(from->policy, to->policy, sizeof(to->policy));
	to->is_by_certificate = from->is_by_certificate || from->is_without_password;
	to->is_without_password = from->is_without_password;
	if (r == 0)
		r = vpn_names_from(from->name_from, from->n_name_from, to->name_from);
	if (r == 0 && strcmp(from->authentication, "LOCAL") != 0)
		r = ERR_MALFORMED;
	return r;
}

CLEANUP_DEFINE(struct vpn_config *, vpn_config_free)

static int key_from(const ProtobufCBinaryData *bytes, uint8_t key[static VPN_COOKIE_KEY_SIZE],
		    bool *ret_is_there, struct why *ret_why)
{
	if (bytes->len > 0 && bytes->len != VPN_COOKIE_KEY_SIZE)
		return why_set(ret_why, ERR_MALFORMED, "a DTLS cookie key of %zu bytes",
			       bytes->len);
	if (bytes->len > 0)
		memcpy(key, bytes->data, VPN_COOKIE_KEY_SIZE);
	*ret_is_there = bytes->len > 0;
	return 0;
}

int vpn_config_from(const Asafo__Ipc__VpnConfig *message, struct vpn_config **ret_config,
		    struct why *ret_why)
{
	_cleanup_(vpn_config_free_p) struct vpn_config *config = calloc(1, sizeof(*config));
	int r = 0;

	if (!config)
		return -ENOMEM;
	config->groups = calloc(message->n_groups + 1, sizeof(*config->groups));
	config->policies = calloc(message->n_policies + 1, sizeof(*config->policies));
	if (!config->groups || !config->policies)
		return -ENOMEM;
	config->is_enabled = message->is_enabled;
	config->generation = message->generation;
	r = key_from(&message->dtls_cookie_key, config->cookie_key, &config->has_cookie_key,
		     ret_why);
	if (r == 0)
		r = key_from(&message->dtls_cookie_key_before, config->cookie_key_before,
			     &config->has_cookie_key_before, ret_why);
	if (r < 0)
		return r;
	for (size_t i = 0; i < message->n_policies && r == 0; i++) {
		r = policy_from(message->policies[i], &config->policies[config->n_policies++]);
		if (r < 0)
			return why_set(ret_why, r, "group-policy %zu of the VPN configuration: %s",
				       i + 1, err_text(r));
	}
	for (size_t i = 0; i < message->n_groups && r == 0; i++) {
		r = group_from(message->groups[i], &config->groups[config->n_groups++]);
		if (r < 0)
			return why_set(ret_why, r, "tunnel-group %zu of the VPN configuration: %s",
				       i + 1, err_text(r));
	}
	*ret_config = TAKE_PTR(config);
	return 0;
}

void vpn_config_free(struct vpn_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->n_policies; i++)
		free(config->policies[i].networks);
	for (size_t i = 0; i < config->n_groups; i++)
		free(config->groups[i].aliases);
	free(config->policies);
	free(config->groups);
	explicit_bzero(config->cookie_key, sizeof(config->cookie_key));
	explicit_bzero(config->cookie_key_before, sizeof(config->cookie_key_before));
	free(config);
}

const struct vpn_policy *vpn_policy_find(const struct vpn_config *config, const char *name)
{
	for (size_t i = 0; i < config->n_policies; i++) {
		if (strcmp(config->policies[i].name, name) == 0)
			return &config->policies[i];
	}
	return NULL;
}

static bool group_has(const struct vpn_group *group, const char *name)
{
	for (size_t i = 0; i < group->n_aliases; i++) {
		if (strcasecmp(group->aliases[i], name) == 0)
			return true;
	}
	return false;
}

const struct vpn_group *vpn_group_find(const struct vpn_config *config, const char *name)
{
	for (size_t i = 0; i < config->n_groups; i++) {
		if (strcasecmp(config->groups[i].name, name) == 0)
			return &config->groups[i];
	}
	for (size_t i = 0; i < config->n_groups; i++) {
		if (group_has(&config->groups[i], name))
			return &config->groups[i];
	}
	return NULL;
}
