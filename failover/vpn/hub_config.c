/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration as messages: policies with what DfltGrpPolicy lends them, so that fronts look
 * nothing up. */
#include "failover/vpn/hub_config.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "ipc/vpn.h"

#define USERS_BATCH 150 /* so many names, hashes, policies and secrets fit into one message */

struct group_message {
	Asafo__Ipc__VpnGroup group;
	char *aliases[CONFIG_ALIASES_MAX];
	uint32_t name_from[VPN_NAMES_FROM];
};

/* All that the messages point to. */
struct config_message {
	Asafo__Ipc__VpnConfig message;
	struct config_policy resolved[CONFIG_POLICIES_MAX];
	Asafo__Ipc__VpnPolicy policies[CONFIG_POLICIES_MAX];
	Asafo__Ipc__VpnPolicy *policy_pointers[CONFIG_POLICIES_MAX];
	ProtobufCBinaryData dns[CONFIG_POLICIES_MAX][CONFIG_DNS_MAX];
	Asafo__Ipc__VpnNetwork networks[CONFIG_POLICIES_MAX][CONFIG_NETWORKS_MAX];
	Asafo__Ipc__VpnNetwork *network_pointers[CONFIG_POLICIES_MAX][CONFIG_NETWORKS_MAX];
	struct group_message groups[CONFIG_GROUPS_MAX];
	Asafo__Ipc__VpnGroup *group_pointers[CONFIG_GROUPS_MAX];
};

/* protobuf-c's fields are not const, and it changes nothing when it packs. */
static char *text_of(const char *text)
{
	return (char *)(uintptr_t)text;
}

static ProtobufCBinaryData bytes_of(const struct config_address *address)
{
	return (ProtobufCBinaryData){address->family == AF_INET ? 4 : 16,
				     (uint8_t *)(uintptr_t)address->bytes};
}

static void fill_policy(struct config_message *all, size_t i)
{
	const struct config_policy *from = &all->resolved[i];
	Asafo__Ipc__VpnPolicy *to = &all->policies[i];

	asafo__ipc__vpn_policy__init(to);
	all->policy_pointers[i] = to;
	to->name = text_of(from->name);
	to->default_domain = text_of(from->domain);
	to->banner = text_of(from->banner);
	to->split = from->split;
	to->idle_timeout_s = from->idle_minutes * 60;
	to->session_timeout_s = from->session_minutes * 60;
	to->simultaneous_logins = from->logins;
	to->is_without_dtls = from->dtls == 0;
	to->dns = all->dns[i];
	for (size_t d = 0; d < from->n_dns; d++)
		to->dns[to->n_dns++] = bytes_of(&from->dns[d]);
	to->networks = all->network_pointers[i];
	for (size_t n = 0; n < from->n_networks; n++) {
		Asafo__Ipc__VpnNetwork *network = &all->networks[i][n];

		asafo__ipc__vpn_network__init(network);
		network->address = bytes_of(&from->networks[n]);
		network->prefix = from->networks[n].prefix_length;
		to->networks[to->n_networks++] = network;
	}
}

static void fill_group(const struct config_vpn *vpn, const struct config_group *from,
		       struct group_message *all)
{
	static char local[] = "LOCAL";
	Asafo__Ipc__VpnGroup *to = &all->group;

	asafo__ipc__vpn_group__init(to);
	to->name = text_of(from->name);
	to->policy = text_of(from->policy[0] ? from->policy : CONFIG_DEFAULT_POLICY);
	to->authentication = local;
	to->group_lock = text_of(config_group_lock(vpn, from));
	to->is_by_pam = from->is_by_pam;
	to->is_local_too = from->is_local_too;
	to->pam_service =
		text_of(from->pam_service[0] ? from->pam_service : CONFIG_DEFAULT_PAM_SERVICE);
	to->aliases = all->aliases;
	for (size_t a = 0; a < from->n_aliases; a++)
		to->aliases[to->n_aliases++] = text_of(from->aliases[a]);
	to->is_by_certificate = from->is_by_certificate;
	to->is_without_password = from->is_without_password;
	to->name_from = all->name_from;
	for (size_t n = 0; n < ARRAY_SIZE(from->name_from); n++) {
		if (from->name_from[n] != 0)
			to->name_from[to->n_name_from++] = from->name_from[n];
	}
}

static size_t fill_groups(const struct config_vpn *vpn, struct group_message *all,
			  Asafo__Ipc__VpnGroup **pointers)
{
	for (size_t i = 0; i < vpn->n_groups; i++) {
		fill_group(vpn, &vpn->groups[i], &all[i]);
		pointers[i] = &all[i].group;
	}
	return vpn->n_groups;
}

int hub_cookie_keys_next(struct hub_cookie_keys *keys)
{
	uint8_t fresh[VPN_COOKIE_KEY_SIZE];

	if (gnutls_rnd(GNUTLS_RND_KEY, fresh, sizeof(fresh)) < 0)
		return ERR_CRYPTO;
	/* The first one has none before it. */
	keys->has_before = keys->next_at.ns > 0;
	memcpy(keys->before, keys->now, sizeof(keys->before));
	memcpy(keys->now, fresh, sizeof(keys->now));
	explicit_bzero(fresh, sizeof(fresh));
	keys->next_at = monotime_add_ms(monotime_now(), HUB_COOKIE_KEY_MS);
	return 0;
}

int hub_config_send(struct ipc_channel *front, const struct config *config, uint64_t generation,
		    const struct hub_cookie_keys *cookie_keys)
{
	const struct config_vpn *vpn = &config->vpn;
	_cleanup_free_ struct config_message *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	asafo__ipc__vpn_config__init(&all->message);
	all->message.is_enabled = vpn->is_enabled && config->webvpn.n_enabled > 0;
	all->message.generation = generation;
	all->message.dtls_cookie_key =
		(ProtobufCBinaryData){VPN_COOKIE_KEY_SIZE, (uint8_t *)(uintptr_t)cookie_keys->now};
	if (cookie_keys->has_before)
		all->message.dtls_cookie_key_before = (ProtobufCBinaryData){
			VPN_COOKIE_KEY_SIZE, (uint8_t *)(uintptr_t)cookie_keys->before};
	all->message.policies = all->policy_pointers;
	all->message.groups = all->group_pointers;
	for (size_t i = 0; i < vpn->n_policies; i++) {
		config_policy_resolve(vpn, &vpn->policies[i], &all->resolved[i]);
		fill_policy(all, i);
	}
	all->message.n_policies = vpn->n_policies;
	all->message.n_groups = fill_groups(vpn, all->groups, all->group_pointers);
	return ipc_channel_send(front, IPC_VPN_CONFIG, &all->message.base, NULL, 0);
}

int hub_users_send(struct ipc_channel *auth, const struct config *config)
{
	const struct config_vpn *vpn = &config->vpn;
	Asafo__Ipc__AuthUser users[USERS_BATCH], *pointers[USERS_BATCH];
	size_t at = 0;
	int r = 0;

	do {
		Asafo__Ipc__AuthUsers message = ASAFO__IPC__AUTH_USERS__INIT;

		message.is_reset = at == 0;
		message.users = pointers;
		while (at < vpn->n_users && message.n_users < USERS_BATCH) {
			Asafo__Ipc__AuthUser *user = &users[message.n_users];
			const struct config_user *from = &vpn->users[at++];
			const char *lock = "";

			asafo__ipc__auth_user__init(user);
			user->name = text_of(from->name);
			user->hash = text_of(from->hash);
			user->policy = text_of(from->policy);
			user->totp = text_of(from->totp);
			user->has_group_lock = config_user_lock(vpn, from, &lock);
			user->group_lock = text_of(lock);
			pointers[message.n_users++] = user;
		}
		message.is_last = at == vpn->n_users;
		r = ipc_channel_send(auth, IPC_AUTH_USERS, &message.base, NULL, 0);
	} while (r == 0 && at < vpn->n_users);
	return r;
}

int hub_trust_send(struct ipc_channel *channel, const struct config *config,
		   const uint32_t *revocation, const ProtobufCBinaryData *cas, size_t n,
		   bool is_known)
{
	Asafo__Ipc__VpnTrust message = ASAFO__IPC__VPN_TRUST__INIT;
	Asafo__Ipc__VpnGroup *pointers[CONFIG_GROUPS_MAX];
	_cleanup_free_ struct group_message *all = calloc(CONFIG_GROUPS_MAX, sizeof(*all));

	if (!all)
		return -ENOMEM;
	message.is_known = is_known;
	message.cas = (ProtobufCBinaryData *)(uintptr_t)cas;
	message.n_cas = n;
	message.revocation = (uint32_t *)(uintptr_t)revocation;
	message.n_revocation = revocation ? n : 0;
	message.groups = pointers;
	message.n_groups = config ? fill_groups(&config->vpn, all, pointers) : 0;
	return ipc_channel_send(channel, IPC_VPN_TRUST, &message.base, NULL, 0);
}
