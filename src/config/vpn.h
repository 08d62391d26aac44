/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/why.h"
#include "config/address.h"

/* The part of the configuration that VPN clients are served by: pools, policies, groups, users. */
#define CONFIG_VPN_NAME_MAX 64
#define CONFIG_POOLS_MAX 64
#define CONFIG_POLICIES_MAX 64
#define CONFIG_GROUPS_MAX 64
#define CONFIG_USERS_MAX 1000
#define CONFIG_ALIASES_MAX 4
#define CONFIG_DNS_MAX 4
#define CONFIG_NETWORKS_MAX 64
#define CONFIG_BANNER_MAX 512
#define CONFIG_HASH_MAX 128
#define CONFIG_DEFAULT_POLICY "DfltGrpPolicy"
#define CONFIG_DEFAULT_PAM_SERVICE "asafo"
#define CONFIG_NOT_SAID UINT32_MAX /* of a policy: as DfltGrpPolicy has it */

/* `ip local pool`, `ipv6 local pool`: COUNT addresses from FIRST on; its prefix is the clients'. */
struct config_pool {
	char name[CONFIG_VPN_NAME_MAX];
	struct config_address first;
	uint32_t count;
};

/* `group-lock`: the only tunnel-group that its users may choose. */
struct config_lock {
	bool is_said;
	char group[CONFIG_VPN_NAME_MAX]; /* said and empty: `none`, any of them */
};

/* Empty, 0 of a list, CONFIG_NOT_SAID of a number: as DfltGrpPolicy has it. */
struct config_policy {
	char name[CONFIG_VPN_NAME_MAX];
	struct config_address dns[CONFIG_DNS_MAX];
	size_t n_dns;
	char domain[254];
	char banner[CONFIG_BANNER_MAX];
	uint32_t split; /* enum vpn_split of ipc/vpn.h */
	struct config_address networks[CONFIG_NETWORKS_MAX];
	size_t n_networks;
	char pool4[CONFIG_VPN_NAME_MAX], pool6[CONFIG_VPN_NAME_MAX];
	uint32_t idle_minutes, session_minutes; /* 0: none */
	uint32_t logins;
	uint32_t dtls; /* 0: `anyconnect ssl dtls none` */
	struct config_lock lock;
};

struct config_group {
	char name[CONFIG_VPN_NAME_MAX];
	char pool4[CONFIG_VPN_NAME_MAX], pool6[CONFIG_VPN_NAME_MAX];
	char policy[CONFIG_VPN_NAME_MAX]; /* empty: DfltGrpPolicy */
	char aliases[CONFIG_ALIASES_MAX][CONFIG_VPN_NAME_MAX];
	size_t n_aliases;
	bool is_by_certificate;	  /* `authentication certificate`, `... aaa certificate` */
	bool is_without_password; /* the former */
	uint32_t name_from[2];	  /* enum vpn_name_from of ipc/vpn.h; 0: not said */
	bool is_by_pam;		  /* `authentication-server-group PAM`, */
	bool is_local_too;	  /* ... `PAM LOCAL` */
	char pam_service[CONFIG_VPN_NAME_MAX]; /* empty: CONFIG_DEFAULT_PAM_SERVICE */
};

struct config_user {
	char name[CONFIG_VPN_NAME_MAX];
	char hash[CONFIG_HASH_MAX]; /* as crypt(5) has it; empty: no password here */
	char policy[CONFIG_VPN_NAME_MAX];
	char totp[CONFIG_HASH_MAX]; /* the second factor's secret, as the keeper sealed it; empty:
				       none */
	struct config_lock lock;    /* not said: his policy's */
};

struct config_vpn {
	bool is_enabled; /* `webvpn`, `anyconnect enable` */
	struct config_pool pools[CONFIG_POOLS_MAX];
	size_t n_pools;
	struct config_policy policies[CONFIG_POLICIES_MAX]; /* the first is DfltGrpPolicy */
	size_t n_policies;
	struct config_group groups[CONFIG_GROUPS_MAX];
	size_t n_groups;
	struct config_user users[CONFIG_USERS_MAX];
	size_t n_users;
};

/* The defaults: DfltGrpPolicy only. */
void config_vpn_init(struct config_vpn *vpn);
/* NULL: there is none of this name. */
const struct config_pool *config_pool_find(const struct config_vpn *vpn, const char *name);
const struct config_policy *config_policy_find(const struct config_vpn *vpn, const char *name);
const struct config_group *config_group_find(const struct config_vpn *vpn, const char *name);
const struct config_user *config_user_find(const struct config_vpn *vpn, const char *name);
/* POLICY with what it does not say taken from DfltGrpPolicy, and that from the defaults. */
void config_policy_resolve(const struct config_vpn *vpn, const struct config_policy *policy,
			   struct config_policy *ret_policy);
/*
 * Which tunnel-group USER may choose, "" for any, as far as it does not depend on the one that he
 * chooses: by his own line, or by that of the policy that he has of his own. False: it does.
 */
bool config_user_lock(const struct config_vpn *vpn, const struct config_user *user,
		      const char **ret_group);
/* The same of the other users: by the policy of the GROUP that they choose. */
const char *config_group_lock(const struct config_vpn *vpn, const struct config_group *group);
/* Address INDEX (below count) of POOL, with the pool's prefix. */
struct config_address config_pool_address(const struct config_pool *pool, uint32_t index);
/* Where ADDRESS stands in POOL; false: not in it. */
bool config_pool_index(const struct config_pool *pool, const struct config_address *address,
		       uint32_t *ret_index);

/*
 * Whether who logs in to GROUP may be a user of whom the configuration has no line: PAM says who is
 * one. A certificate alone names one of the configuration.
 */
bool config_group_takes_others(const struct config_group *group);
/* Whether TEXT names a service of PAM: libpam opens its file by the name in lower case. */
bool config_is_pam_service(const char *text);
/* Whether TEXT is a second factor's secret as the keeper seals it (ipc/loginbox.h). */
bool config_is_sealed(const char *text);
/* Looks like a hash of crypt(5), "$y$j9T$...". */
bool config_is_hash(const char *text);
