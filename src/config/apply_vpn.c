/* SPDX-License-Identifier: Apache-2.0 */
/* Pools, groups and users; a name opens its lines, and what it refers to is checked as a whole. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "config/apply.h"

/* Takes place INDEX out of a table of N entries. */
#define REMOVE(table, n, index)                                                                    \
	do {                                                                                       \
		(n)--;                                                                             \
		memmove(&(table)[index], &(table)[(index) + 1],                                    \
			((n) - (index)) * sizeof((table)[0]));                                     \
	} while (0)

static uint8_t class_prefix(const struct config_address *address)
{
	if (address->bytes[0] < 128)
		return 8;
	return address->bytes[0] < 192 ? 16 : 24;
}

static void fill_pool(const struct grammar_match *match, struct config_pool *pool)
{
	const struct value *range = grammar_match_value(match, "range");
	const struct value *mask = grammar_match_value(match, "mask");
	const struct value *first = grammar_match_value(match, "first");

	if (range) {
		pool->first = range->address;
		pool->first.prefix_length =
			mask ? mask->address.prefix_length : class_prefix(&range->address);
		pool->count = (uint32_t)range->number;
	} else {
		pool->first = first->address;
		pool->count = (uint32_t)grammar_match_value(match, "count")->number;
	}
}

static int set_pool(struct apply *apply, const struct grammar_match *match)
{
	struct config_vpn *vpn = &apply->config->vpn;
	const struct value *name = grammar_match_value(match, "name");
	const struct config_pool *found = config_pool_find(vpn, name->text);
	size_t index = found ? (size_t)(found - vpn->pools) : vpn->n_pools;

	if (match->is_negated && !found)
		return apply_refuse(apply, ERR_NOT_FOUND, name, "there is no such pool");
	if (match->is_negated) {
		REMOVE(vpn->pools, vpn->n_pools, index);
		return 0;
	}
	if (index == CONFIG_POOLS_MAX)
		return apply_refuse(apply, ERR_TOO_LARGE, name, "more than %d pools",
				    CONFIG_POOLS_MAX);
	vpn->pools[index] = (struct config_pool){0};
	(void)snprintf(vpn->pools[index].name, CONFIG_VPN_NAME_MAX, "%s", name->text);
	fill_pool(match, &vpn->pools[index]);
	vpn->n_pools += found ? 0 : 1;
	return 0;
}

/* ---- groups ---- */

static int set_group(struct apply *apply, const struct grammar_match *match)
{
	struct config_vpn *vpn = &apply->config->vpn;
	const struct value *name = grammar_match_value(match, "name");
	const struct config_group *found = config_group_find(vpn, name->text);

	if (match->is_negated && !found)
		return apply_refuse(apply, ERR_NOT_FOUND, name, "there is no such tunnel-group");
	if (match->is_negated) {
		REMOVE(vpn->groups, vpn->n_groups, (size_t)(found - vpn->groups));
		return 0;
	}
	if (found)
		return 0;
	if (vpn->n_groups == CONFIG_GROUPS_MAX)
		return apply_refuse(apply, ERR_TOO_LARGE, name, "more than %d tunnel-groups",
				    CONFIG_GROUPS_MAX);
	vpn->groups[vpn->n_groups] = (struct config_group){0};
	(void)snprintf(vpn->groups[vpn->n_groups++].name, CONFIG_VPN_NAME_MAX, "%s", name->text);
	return 0;
}

static int open_group(struct apply *apply, const struct grammar_match *match,
		      enum command_mode mode)
{
	struct config_vpn *vpn = &apply->config->vpn;
	const struct value *name = grammar_match_value(match, "name");
	const struct config_group *found = config_group_find(vpn, name->text);

	if (!found)
		return apply_refuse(apply, ERR_NOT_FOUND, name,
				    "there is no such tunnel-group: give \"tunnel-group %s type "
				    "remote-access\" first",
				    name->text);
	apply->index = (size_t)(found - vpn->groups);
	apply->mode = mode;
	return 0;
}

static int open_general(struct apply *apply, const struct grammar_match *match)
{
	return open_group(apply, match, COMMAND_MODE_TUNNEL_GENERAL);
}

static int open_webvpn(struct apply *apply, const struct grammar_match *match)
{
	return open_group(apply, match, COMMAND_MODE_TUNNEL_WEBVPN);
}

/* The argument NAME, or nothing with `no`. */
static void take_name(const struct grammar_match *match, const char *name,
		      char ret_text[static CONFIG_VPN_NAME_MAX])
{
	(void)snprintf(ret_text, CONFIG_VPN_NAME_MAX, "%s",
		       match->is_negated ? "" : apply_text(match, name));
}

static struct config_group *group_of(struct apply *apply)
{
	return &apply->config->vpn.groups[apply->index];
}

static int set_group_pool(struct apply *apply, const struct grammar_match *match)
{
	take_name(match, "pool", group_of(apply)->pool4);
	return 0;
}

static int set_group_pool6(struct apply *apply, const struct grammar_match *match)
{
	take_name(match, "pool", group_of(apply)->pool6);
	return 0;
}

static int set_group_policy(struct apply *apply, const struct grammar_match *match)
{
	take_name(match, "policy", group_of(apply)->policy);
	return 0;
}

static int set_group_authentication(struct apply *apply, const struct grammar_match *match)
{
	struct config_group *group = group_of(apply);

	group->is_by_pam = !match->is_negated && grammar_match_value(match, "pam");
	group->is_local_too = !match->is_negated && grammar_match_value(match, "local");
	return 0;
}

static int set_group_pam_service(struct apply *apply, const struct grammar_match *match)
{
	struct config_group *group = group_of(apply);
	const struct value *service = grammar_match_value(match, "service");

	if (!match->is_negated && !config_is_pam_service(service->text))
		return apply_refuse(apply, ERR_SYNTAX, service,
				    "a service of PAM is a file of /etc/pam.d with a name in lower "
				    "case (a-z, digits, '.', '_', '-') that begins with no dot");
	take_name(match, "service", group->pam_service);
	if (strcmp(group->pam_service, CONFIG_DEFAULT_PAM_SERVICE) == 0)
		group->pam_service[0] = '\0';
	return 0;
}

static int set_group_alias(struct apply *apply, const struct grammar_match *match)
{
	struct config_group *group = group_of(apply);
	const struct value *alias = grammar_match_value(match, "alias");
	size_t index = 0;

	while (index < group->n_aliases && strcasecmp(group->aliases[index], alias->text) != 0)
		index++;
	if (match->is_negated && index == group->n_aliases)
		return apply_refuse(apply, ERR_NOT_FOUND, alias, "the group has no such alias");
	if (match->is_negated)
		REMOVE(group->aliases, group->n_aliases, index);
	else if (index == CONFIG_ALIASES_MAX)
		return apply_refuse(apply, ERR_TOO_LARGE, alias, "more than %d aliases of a group",
				    CONFIG_ALIASES_MAX);
	else
		take_name(match, "alias", group->aliases[index]);
	if (!match->is_negated && index == group->n_aliases)
		group->n_aliases++;
	return 0;
}

static int set_group_certificate(struct apply *apply, const struct grammar_match *match)
{
	struct config_group *group = group_of(apply);

	group->is_without_password = !match->is_negated && grammar_match_value(match, "only");
	group->is_by_certificate = group->is_without_password ||
				   (!match->is_negated && grammar_match_value(match, "also"));
	return 0;
}

static uint32_t name_from(const struct grammar_match *match, const char *name)
{
	static const char *const words[] = {"", "CN", "EA", "UPN"}; /* enum vpn_name_from */
	const struct value *value = grammar_match_value(match, name);
	uint32_t from = 0;

	for (uint32_t i = 1; i < ARRAY_SIZE(words); i++)
		from = value && strcasecmp(value->text, words[i]) == 0 ? i : from;
	return from;
}

static int set_group_name_from(struct apply *apply, const struct grammar_match *match)
{
	struct config_group *group = group_of(apply);

	group->name_from[0] = match->is_negated ? 0 : name_from(match, "first");
	group->name_from[1] = match->is_negated ? 0 : name_from(match, "second");
	return 0;
}

/* ---- users ---- */

static int set_user(struct apply *apply, const struct grammar_match *match)
{
	struct config_vpn *vpn = &apply->config->vpn;
	const struct value *name = grammar_match_value(match, "name");
	const struct value *password = grammar_match_value(match, "password");
	const struct config_user *found = config_user_find(vpn, name->text);
	size_t index = found ? (size_t)(found - vpn->users) : vpn->n_users;

	if (match->is_negated && !found)
		return apply_refuse(apply, ERR_NOT_FOUND, name, "there is no such user");
	if (match->is_negated) {
		REMOVE(vpn->users, vpn->n_users, index);
		return 0;
	}
	if (index == CONFIG_USERS_MAX)
		return apply_refuse(apply, ERR_TOO_LARGE, name, "more than %d users",
				    CONFIG_USERS_MAX);
	if (password && !config_is_hash(password->text) && !config_is_masked(password->text))
		return apply_refuse(apply, ERR_SYNTAX, password,
				    "a password in clear is not kept: `asafo configure` makes its "
				    "hash");
	if (!found)
		vpn->users[vpn->n_users++] = (struct config_user){0};
	(void)snprintf(vpn->users[index].name, CONFIG_VPN_NAME_MAX, "%s", name->text);
	if (password)
		(void)snprintf(vpn->users[index].hash, CONFIG_HASH_MAX, "%s", password->text);
	return 0;
}

static int open_user(struct apply *apply, const struct grammar_match *match)
{
	struct config_vpn *vpn = &apply->config->vpn;
	const struct value *name = grammar_match_value(match, "name");
	const struct config_user *found = config_user_find(vpn, name->text);

	if (!found)
		return apply_refuse(apply, ERR_NOT_FOUND, name,
				    "there is no such user: give \"username %s password PASSWORD\" "
				    "first, or \"username %s\" where PAM has the password",
				    name->text, name->text);
	apply->index = (size_t)(found - vpn->users);
	apply->mode = COMMAND_MODE_USER;
	return 0;
}

/* There is only `no`: `username NAME password PASSWORD` sets one, `username NAME` keeps it. */
static int set_user_password(struct apply *apply, const struct grammar_match *match)
{
	char *hash = apply->config->vpn.users[apply->index].hash;

	(void)match;
	explicit_bzero(hash, CONFIG_HASH_MAX);
	return 0;
}

static int set_user_policy(struct apply *apply, const struct grammar_match *match)
{
	take_name(match, "policy", apply->config->vpn.users[apply->index].policy);
	return 0;
}

static int set_user_lock(struct apply *apply, const struct grammar_match *match)
{
	apply_lock(match, &apply->config->vpn.users[apply->index].lock);
	return 0;
}

static int set_user_totp(struct apply *apply, const struct grammar_match *match)
{
	struct config_user *user = &apply->config->vpn.users[apply->index];
	const struct value *secret = grammar_match_value(match, "secret");

	if (!match->is_negated && !config_is_sealed(secret->text) &&
	    !config_is_masked(secret->text))
		return apply_refuse(apply, ERR_SYNTAX, secret,
				    "a secret in clear is not kept: `asafo configure` seals it, "
				    "`asafo username %s totp` makes one",
				    user->name);
	(void)snprintf(user->totp, sizeof(user->totp), "%s", match->is_negated ? "" : secret->text);
	return 0;
}

static int set_anyconnect(struct apply *apply, const struct grammar_match *match)
{
	apply->config->vpn.is_enabled = !match->is_negated;
	return 0;
}

apply_fn apply_vpn_handler(enum command_id id)
{
	static const apply_fn handlers[COMMAND__MAX] = {
		[COMMAND_ANYCONNECT_ENABLE] = set_anyconnect,
		[COMMAND_POOL] = set_pool,
		[COMMAND_TUNNEL_GROUP] = set_group,
		[COMMAND_TUNNEL_GENERAL] = open_general,
		[COMMAND_TUNNEL_WEBVPN] = open_webvpn,
		[COMMAND_GROUP_POOL] = set_group_pool,
		[COMMAND_GROUP_POOL6] = set_group_pool6,
		[COMMAND_GROUP_DEFAULT_POLICY] = set_group_policy,
		[COMMAND_GROUP_AUTHENTICATION] = set_group_authentication,
		[COMMAND_GROUP_PAM_SERVICE] = set_group_pam_service,
		[COMMAND_GROUP_ALIAS] = set_group_alias,
		[COMMAND_GROUP_CERTIFICATE] = set_group_certificate,
		[COMMAND_GROUP_NAME_FROM] = set_group_name_from,
		[COMMAND_USER] = set_user,
		[COMMAND_USER_ATTRIBUTES] = open_user,
		[COMMAND_USER_PASSWORD] = set_user_password,
		[COMMAND_USER_POLICY] = set_user_policy,
		[COMMAND_USER_LOCK] = set_user_lock,
		[COMMAND_USER_TOTP] = set_user_totp,
	};

	return handlers[id];
}
