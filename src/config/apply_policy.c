/* SPDX-License-Identifier: Apache-2.0 */
/* `group-policy`: what a policy does not say DfltGrpPolicy says. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "config/apply.h"

static struct config_policy *policy_of(struct apply *apply)
{
	return &apply->config->vpn.policies[apply->index];
}

/* One that says nothing. */
static void init_policy(struct config_policy *policy, const char *name)
{
	*policy = (struct config_policy){.split = CONFIG_NOT_SAID,
					 .idle_minutes = CONFIG_NOT_SAID,
					 .session_minutes = CONFIG_NOT_SAID,
					 .logins = CONFIG_NOT_SAID,
					 .dtls = CONFIG_NOT_SAID};
	(void)snprintf(policy->name, sizeof(policy->name), "%s", name);
}

static int remove_policy(struct apply *apply, const struct value *name, size_t index)
{
	struct config_vpn *vpn = &apply->config->vpn;

	if (index == vpn->n_policies)
		return apply_refuse(apply, ERR_NOT_FOUND, name, "there is no such group-policy");
	if (index == 0) {
		init_policy(&vpn->policies[0], CONFIG_DEFAULT_POLICY);
		return 0;
	}
	vpn->n_policies--;
	memmove(&vpn->policies[index], &vpn->policies[index + 1],
		(vpn->n_policies - index) * sizeof(vpn->policies[0]));
	return 0;
}

static int set_policy(struct apply *apply, const struct grammar_match *match)
{
	struct config_vpn *vpn = &apply->config->vpn;
	const struct value *name = grammar_match_value(match, "name");
	const struct config_policy *found = config_policy_find(vpn, name->text);
	size_t index = found ? (size_t)(found - vpn->policies) : vpn->n_policies;

	if (match->is_negated)
		return remove_policy(apply, name, index);
	if (found)
		return 0;
	if (index == CONFIG_POLICIES_MAX)
		return apply_refuse(apply, ERR_TOO_LARGE, name, "more than %d group-policies",
				    CONFIG_POLICIES_MAX);
	init_policy(&vpn->policies[vpn->n_policies++], name->text);
	return 0;
}

static int open_policy(struct apply *apply, const struct grammar_match *match)
{
	struct config_vpn *vpn = &apply->config->vpn;
	const struct value *name = grammar_match_value(match, "name");
	const struct config_policy *found = config_policy_find(vpn, name->text);

	if (!found)
		return apply_refuse(apply, ERR_NOT_FOUND, name,
				    "there is no such group-policy: give \"group-policy %s "
				    "internal\" first",
				    name->text);
	apply->index = (size_t)(found - vpn->policies);
	apply->mode = COMMAND_MODE_GROUP_POLICY;
	return 0;
}

static int set_dns(struct apply *apply, const struct grammar_match *match)
{
	static const char *const names[CONFIG_DNS_MAX] = {"server", "server2", "server3",
							  "server4"};
	struct config_policy *policy = policy_of(apply);

	policy->n_dns = 0;
	for (size_t i = 0; i < CONFIG_DNS_MAX && !match->is_negated; i++) {
		const struct value *server = grammar_match_value(match, names[i]);

		if (server)
			policy->dns[policy->n_dns++] = server->address;
	}
	return 0;
}

static int set_domain(struct apply *apply, const struct grammar_match *match)
{
	struct config_policy *policy = policy_of(apply);
	const char *domain = match->is_negated ? "" : apply_text(match, "domain");

	if (domain[0] == '*')
		return apply_refuse(apply, ERR_SYNTAX, grammar_match_value(match, "domain"),
				    "names are searched in one domain, not in many");
	(void)snprintf(policy->domain, sizeof(policy->domain), "%s", domain);
	return 0;
}

/* The words from VALUE on, with a blank between. */
static int set_banner(struct apply *apply, const struct grammar_match *match)
{
	struct config_policy *policy = policy_of(apply);
	const struct value *value = grammar_match_value(match, "banner");
	char text[CONFIG_BANNER_MAX] = "";
	size_t used = 0;

	for (size_t i = value ? value->token : SIZE_MAX;
	     !match->is_negated && i < apply->words->n_words; i++) {
		int length = snprintf(text + used, sizeof(text) - used, "%s%s", used ? " " : "",
				      apply->words->words[i].text);

		used += (size_t)length;
		if (used >= sizeof(text))
			return apply_refuse(apply, ERR_TOO_LARGE, value,
					    "a banner has at most %d bytes", CONFIG_BANNER_MAX - 1);
	}
	memcpy(policy->banner, text, sizeof(text));
	return 0;
}

static int set_split(struct apply *apply, const struct grammar_match *match)
{
	static const char *const words[] = {"tunnelall", "tunnelspecified", "excludespecified"};
	struct config_policy *policy = policy_of(apply);

	policy->split = CONFIG_NOT_SAID;
	for (uint32_t i = 0; i < 3 && !match->is_negated; i++) {
		if (strcmp(words[i], apply_text(match, "split")) == 0)
			policy->split = i;
	}
	return 0;
}

static int set_network(struct apply *apply, const struct grammar_match *match)
{
	struct config_policy *policy = policy_of(apply);
	const struct value *network = grammar_match_value(match, "network");
	size_t i = 0;

	if (!network) {
		policy->n_networks = 0;
		return 0;
	}
	while (i < policy->n_networks &&
	       !(config_address_equal(&policy->networks[i], &network->address) &&
		 policy->networks[i].prefix_length == network->address.prefix_length))
		i++;
	if (match->is_negated && i == policy->n_networks)
		return apply_refuse(apply, ERR_NOT_FOUND, network, "it is not on the list");
	if (match->is_negated) {
		policy->n_networks--;
		memmove(&policy->networks[i], &policy->networks[i + 1],
			(policy->n_networks - i) * sizeof(policy->networks[0]));
		return 0;
	}
	if (i == CONFIG_NETWORKS_MAX)
		return apply_refuse(
			apply, ERR_TOO_LARGE, network,
			"the list has %d networks, which is all that it takes: put some "
			"of them together in a larger one",
			CONFIG_NETWORKS_MAX);
	if (i == policy->n_networks)
		policy->networks[policy->n_networks++] = network->address;
	return 0;
}

static void take_pool(const struct grammar_match *match, char pool[static CONFIG_VPN_NAME_MAX])
{
	(void)snprintf(pool, CONFIG_VPN_NAME_MAX, "%s",
		       match->is_negated ? "" : apply_text(match, "pool"));
}

static int set_pool4(struct apply *apply, const struct grammar_match *match)
{
	take_pool(match, policy_of(apply)->pool4);
	return 0;
}

static int set_pool6(struct apply *apply, const struct grammar_match *match)
{
	take_pool(match, policy_of(apply)->pool6);
	return 0;
}

/* Minutes, 0 for none. */
static uint32_t minutes_of(const struct grammar_match *match)
{
	const struct value *minutes = grammar_match_value(match, "minutes");

	if (match->is_negated)
		return CONFIG_NOT_SAID;
	return minutes ? (uint32_t)minutes->number : 0;
}

static int set_idle(struct apply *apply, const struct grammar_match *match)
{
	policy_of(apply)->idle_minutes = minutes_of(match);
	return 0;
}

static int set_session(struct apply *apply, const struct grammar_match *match)
{
	policy_of(apply)->session_minutes = minutes_of(match);
	return 0;
}

static int set_logins(struct apply *apply, const struct grammar_match *match)
{
	const struct value *logins = grammar_match_value(match, "logins");

	policy_of(apply)->logins = match->is_negated ? CONFIG_NOT_SAID : (uint32_t)logins->number;
	return 0;
}

static int set_dtls(struct apply *apply, const struct grammar_match *match)
{
	policy_of(apply)->dtls = match->is_negated ? CONFIG_NOT_SAID
						   : strcmp(apply_text(match, "dtls"), "none") != 0;
	return 0;
}

void apply_lock(const struct grammar_match *match, struct config_lock *ret_lock)
{
	const struct value *group = grammar_match_value(match, "group");

	*ret_lock = (struct config_lock){.is_said = !match->is_negated};
	if (group && !match->is_negated)
		(void)snprintf(ret_lock->group, sizeof(ret_lock->group), "%s", group->text);
}

static int set_lock(struct apply *apply, const struct grammar_match *match)
{
	apply_lock(match, &policy_of(apply)->lock);
	return 0;
}

apply_fn apply_policy_handler(enum command_id id)
{
	static const apply_fn handlers[COMMAND__MAX] = {
		[COMMAND_GROUP_POLICY] = set_policy,
		[COMMAND_GROUP_POLICY_ATTRIBUTES] = open_policy,
		[COMMAND_POLICY_DNS] = set_dns,
		[COMMAND_POLICY_DOMAIN] = set_domain,
		[COMMAND_POLICY_BANNER] = set_banner,
		[COMMAND_POLICY_SPLIT] = set_split,
		[COMMAND_POLICY_NETWORK] = set_network,
		[COMMAND_POLICY_POOL] = set_pool4,
		[COMMAND_POLICY_POOL6] = set_pool6,
		[COMMAND_POLICY_LOCK] = set_lock,
		[COMMAND_POLICY_IDLE] = set_idle,
		[COMMAND_POLICY_SESSION] = set_session,
		[COMMAND_POLICY_LOGINS] = set_logins,
		[COMMAND_POLICY_DTLS] = set_dtls,
	};

	return handlers[id];
}
