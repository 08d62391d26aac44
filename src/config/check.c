/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole, also where it was not made from lines: every word is checked again, so that what
 * passes can be rendered and read back.
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "config/check.h"
#include "config/config.h"
#include "config/value.h"

static bool is_terminated(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

#define IS_WORD(type, field)                                                                       \
	(is_terminated((field), sizeof(field)) && value_accept((type), 0, 0, (field), NULL))
#define IS_EMPTY_OR_WORD(type, field) ((field)[0] == 0 || IS_WORD(type, field))

static int check_addresses(const struct config_address *active,
			   const struct config_address *standby, const char *where,
			   struct why *ret_why)
{
	const char *misuse = active->family ? config_address_misuse(active) : NULL;

	if (!active->family)
		return standby->family
			       ? why_set(ret_why, ERR_SYNTAX,
					 "%s: a standby address without an active one", where)
			       : 0;
	if (!misuse && standby->family)
		misuse = config_address_misuse(standby);
	if (misuse)
		return why_set(ret_why, ERR_SYNTAX, "%s: its address is %s", where, misuse);
	if (!standby->family)
		return 0;
	if (config_address_equal(active, standby))
		return why_set(ret_why, ERR_SYNTAX, "%s: the standby's address must be another one",
			       where);
	if (active->prefix_length != standby->prefix_length ||
	    !config_address_same_net(active, standby, active->prefix_length))
		return why_set(ret_why, ERR_SYNTAX,
			       "%s: active and standby address are not in the "
			       "same network",
			       where);
	return 0;
}

static int check_times(const struct config_failover *failover, struct why *ret_why)
{
	if (failover->poll_ms < 2 || failover->poll_ms > 15000)
		return why_set(ret_why, ERR_SYNTAX,
			       "failover polltime: %u ms is not from 2 ms to 15 s",
			       failover->poll_ms);
	if (failover->hold_ms < 6 || failover->hold_ms > 45000)
		return why_set(ret_why, ERR_SYNTAX,
			       "failover polltime: the holdtime of %u ms is not from 6 ms to 45 s",
			       failover->hold_ms);
	if (failover->hold_ms < 3 * failover->poll_ms)
		return why_set(ret_why, ERR_SYNTAX,
			       "failover polltime: the holdtime of %u ms is less than 3 polltimes "
			       "of %u ms",
			       failover->hold_ms, failover->poll_ms);
	return check_interface_times(failover, ret_why);
}

static int check_link(const struct config_failover *failover, size_t index, struct why *ret_why)
{
	const struct config_link *link = &failover->links[index];
	char where[96];

	if (!IS_WORD(VALUE_NAME, link->name) || !IS_WORD(VALUE_DEVICE, link->device) ||
	    (!link->is_failover && !link->is_stateful))
		return why_set(ret_why, ERR_SYNTAX,
			       "failover lan interface: not a name and a device");
	if (config_link_find(failover, link->name) != link)
		return why_set(ret_why, ERR_EXISTS, "two links to the mate have the name %s",
			       link->name);
	if (config_link_on(failover, link->device) != link)
		return why_set(ret_why, ERR_EXISTS,
			       "%s %s: its device %s carries the %s %s, too: each link needs a "
			       "device of its own",
			       config_link_kind(link), link->name, link->device,
			       config_link_kind(config_link_on(failover, link->device)),
			       config_link_on(failover, link->device)->name);
	(void)snprintf(where, sizeof(where), "failover interface ip %s", link->name);
	return check_addresses(&link->active, &link->standby, where, ret_why);
}

/* Where failover is on, one failover link at least has addresses. A further one that has none is
 * of no use yet. */
static int check_has_link(const struct config_failover *failover, struct why *ret_why)
{
	const struct config_link *first = &failover->links[0];

	if (failover->n_links == 0 || !first->is_failover)
		return why_set(ret_why, ERR_NOT_FOUND,
			       "failover is on, but there is no failover link: give \"failover lan "
			       "interface NAME DEVICE\"");
	for (size_t i = 0; i < failover->n_links; i++) {
		const struct config_link *link = &failover->links[i];

		if (link->is_failover && config_link_has_addresses(link))
			return 0;
	}
	return why_set(ret_why, ERR_NOT_FOUND,
		       "failover is on, but its link has no addresses: give \"failover "
		       "interface ip %s ADDRESS MASK standby ADDRESS\"",
		       first->name);
}

static int check_failover(const struct config_failover *failover, struct why *ret_why)
{
	int r = check_times(failover, ret_why);

	if (r < 0)
		return r;
	if (failover->interface_policy < 1 || failover->interface_policy > 250)
		return why_set(ret_why, ERR_SYNTAX,
			       "failover interface-policy: %u is not from 1 to 250",
			       failover->interface_policy);
	if (failover->interface_policy_percent > 100)
		return why_set(ret_why, ERR_SYNTAX,
			       "failover interface-policy: %u%% is not from 1%% to 100%%",
			       failover->interface_policy_percent);
	for (size_t i = 0; i < failover->n_links && r == 0; i++)
		r = check_link(failover, i, ret_why);
	return r < 0 || !failover->is_enabled ? r : check_has_link(failover, ret_why);
}

static int check_interface(const struct config *config, size_t index, struct why *ret_why)
{
	const struct config_interface *interface = &config->interfaces[index];
	const struct config_link *link;
	char where[32];
	int r;

	if (!IS_WORD(VALUE_DEVICE, interface->device))
		return why_set(ret_why, ERR_SYNTAX, "interface %zu has no usable device",
			       index + 1);
	(void)snprintf(where, sizeof(where), "interface %s", interface->device);
	if (!IS_EMPTY_OR_WORD(VALUE_NAME, interface->name) ||
	    strcasecmp(interface->name, "domain") == 0)
		return why_set(ret_why, ERR_SYNTAX, "%s: its name is not one", where);
	for (size_t i = 0; i < index; i++) {
		if (strcmp(config->interfaces[i].device, interface->device) == 0)
			return why_set(ret_why, ERR_EXISTS, "%s stands twice", where);
	}
	if (interface->name[0] && config_interface_find(config, interface->name) != interface)
		return why_set(ret_why, ERR_EXISTS, "%s: another one has the name %s", where,
			       interface->name);
	if (interface->name[0] && config_link_find(&config->failover, interface->name))
		return why_set(ret_why, ERR_EXISTS, "%s: the failover link has the name %s", where,
			       interface->name);
	link = config_link_on(&config->failover, interface->device);
	if (link && (interface->name[0] || interface->active4.family || interface->active6.family))
		return why_set(ret_why, ERR_EXISTS,
			       "%s carries the %s: it cannot have a nameif or addresses", where,
			       config_link_kind(link));
	r = check_addresses(&interface->active4, &interface->standby4, where, ret_why);
	if (r == 0)
		r = check_addresses(&interface->active6, &interface->standby6, where, ret_why);
	return r;
}

static bool overlaps(const struct config_address *a, const struct config_address *b)
{
	uint8_t length = a->prefix_length < b->prefix_length ? a->prefix_length : b->prefix_length;

	return a->family && config_address_same_net(a, b, length);
}

static int check_link_overlaps(const struct config *config, size_t index, struct why *ret_why)
{
	const struct config_link *link = &config->failover.links[index];

	for (size_t i = 0; i < index; i++) {
		const struct config_link *other = &config->failover.links[i];

		if (overlaps(&link->active, &other->active))
			return why_set(ret_why, ERR_EXISTS,
				       "%s %s: its network overlaps with that of the %s %s: each "
				       "link needs a network of its own",
				       config_link_kind(link), link->name, config_link_kind(other),
				       other->name);
	}
	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct config_interface *a = &config->interfaces[i];

		if (overlaps(&a->active4, &link->active) || overlaps(&a->active6, &link->active))
			return why_set(ret_why, ERR_EXISTS,
				       "interface %s: its network overlaps with the %s's",
				       a->device, config_link_kind(link));
	}
	return 0;
}

static int check_overlaps(const struct config *config, struct why *ret_why)
{
	for (size_t i = 0; i < config->failover.n_links; i++) {
		int r = check_link_overlaps(config, i, ret_why);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct config_interface *a = &config->interfaces[i];

		for (size_t j = 0; j < i; j++) {
			const struct config_interface *b = &config->interfaces[j];

			if (overlaps(&a->active4, &b->active4) ||
			    overlaps(&a->active6, &b->active6))
				return why_set(ret_why, ERR_EXISTS,
					       "interface %s: its network overlaps with that of "
					       "interface %s",
					       a->device, b->device);
		}
	}
	return 0;
}

static int check_binding(const struct config *config, size_t index, struct why *ret_why)
{
	const struct config_binding *binding = &config->bindings[index];
	size_t n_place = 0;

	if (!IS_WORD(VALUE_NAME, binding->trustpoint) ||
	    !IS_EMPTY_OR_WORD(VALUE_NAME, binding->interface) ||
	    !IS_EMPTY_OR_WORD(VALUE_FQDN, binding->domain))
		return why_set(ret_why, ERR_SYNTAX, "ssl trust-point %zu: a word is not usable",
			       index + 1);
	if (binding->interface[0] && !config_interface_find(config, binding->interface))
		return why_set(ret_why, ERR_NOT_FOUND,
			       "ssl trust-point %s: no interface is named %s", binding->trustpoint,
			       binding->interface);
	for (size_t i = 0; i < index; i++) {
		if (strcmp(config->bindings[i].interface, binding->interface) != 0 ||
		    strcmp(config->bindings[i].domain, binding->domain) != 0)
			continue;
		n_place++;
		if (strcmp(config->bindings[i].trustpoint, binding->trustpoint) == 0)
			return why_set(ret_why, ERR_EXISTS,
				       "ssl trust-point %s: it is bound to the same already",
				       binding->trustpoint);
	}
	if (n_place >= CONFIG_PLACE_MAX)
		return why_set(ret_why, ERR_TOO_LARGE,
			       "ssl trust-point %s: %d others are bound to the same already",
			       binding->trustpoint, CONFIG_PLACE_MAX);
	return 0;
}

static int check_webvpn(const struct config *config, struct why *ret_why)
{
	const struct config_webvpn *webvpn = &config->webvpn;

	if (webvpn->port == 0)
		return why_set(ret_why, ERR_SYNTAX, "webvpn: 0 is no port");
	for (size_t i = 0; i < webvpn->n_enabled; i++) {
		if (!IS_WORD(VALUE_NAME, webvpn->enabled_on[i]) ||
		    !config_interface_find(config, webvpn->enabled_on[i]))
			return why_set(ret_why, ERR_NOT_FOUND,
				       "webvpn: no interface is named %.63s",
				       webvpn->enabled_on[i]);
	}
	return 0;
}

static int check_ciphers(const struct config *config, struct why *ret_why)
{
	for (int i = 0; i < CONFIG_CIPHER_VERSION__MAX; i++) {
		const struct config_cipher *cipher = &config->ciphers[i];

		if ((unsigned)cipher->level >= CONFIG_CIPHER_LEVEL__MAX ||
		    !memchr(cipher->custom, '\0', sizeof(cipher->custom)))
			return why_set(ret_why, ERR_SYNTAX, "ssl cipher: not a setting");
		if (cipher->level == CONFIG_CIPHER_CUSTOM &&
		    config_cipher_check(cipher->custom, (enum config_cipher_version)i, ret_why) < 0)
			return ERR_SYNTAX;
	}
	return 0;
}

static int check_words(const struct config *config, struct why *ret_why)
{
	if (!IS_WORD(VALUE_HOST, config->hostname))
		return why_set(ret_why, ERR_SYNTAX, "hostname: not a host name");
	if (config->alert_begin_days < 1 || config->alert_begin_days > 90 ||
	    config->alert_repeat_days < 1 || config->alert_repeat_days > 14)
		return why_set(
			ret_why, ERR_SYNTAX,
			"crypto ca alerts expiration: begin is from 1 to 90 days, repeat from "
			"1 to 14");
	if (strcmp(config->minimum_tls, "tlsv1.2") != 0 &&
	    strcmp(config->minimum_tls, "tlsv1.3") != 0)
		return why_set(ret_why, ERR_SYNTAX, "ssl server-version: not tlsv1.2 or tlsv1.3");
	if (check_ciphers(config, ret_why) < 0)
		return ERR_SYNTAX;
	for (size_t i = 0; i < config->n_trustpoints; i++) {
		if (!IS_WORD(VALUE_NAME, config->trustpoints[i].name))
			return why_set(ret_why, ERR_SYNTAX,
				       "crypto ca trustpoint %zu: the name is not one", i + 1);
	}
	return 0;
}

int config_check(const struct config *config, struct why *ret_why)
{
	int r = check_words(config, ret_why);

	if (r == 0)
		r = check_failover(&config->failover, ret_why);
	for (size_t i = 0; i < config->n_interfaces && r == 0; i++)
		r = check_interface(config, i, ret_why);
	if (r == 0)
		r = check_overlaps(config, ret_why);
	if (r == 0)
		r = check_tracks(config, ret_why);
	if (r == 0)
		r = check_secondaries(config, ret_why);
	if (r == 0)
		r = check_macs(config, ret_why);
	if (r == 0)
		r = check_routes(config, ret_why);
	for (size_t i = 0; i < config->n_bindings && r == 0; i++)
		r = check_binding(config, i, ret_why);
	if (r == 0)
		r = check_webvpn(config, ret_why);
	if (r == 0)
		r = check_vpn(config, ret_why);
	return r;
}
