/* SPDX-License-Identifier: Apache-2.0 */
/* The ASA's order; what is at its default is left out, as there, but for what everybody looks for.
 */
#include <string.h>

#include "config/config.h"
#include "config/render_vpn.h"

/* Keeps the first error, so that a rendering reads as the text it makes. */
struct renderer {
	struct buf *text;
	bool is_all; /* what is at its default, too */
	int error;
};

#define PUT(renderer, ...)                                                                         \
	do {                                                                                       \
		if ((renderer)->error == 0)                                                        \
			(renderer)->error = buf_append_format((renderer)->text, __VA_ARGS__);      \
	} while (0)

static void put_addresses4(struct renderer *renderer, const struct config_address *active,
			   const struct config_address *standby)
{
	char address[INET6_ADDRSTRLEN], mask[INET_ADDRSTRLEN];

	config_address_format(active, address);
	config_address_format_mask(active->prefix_length, mask);
	PUT(renderer, " %s %s", address, mask);
	if (standby->family) {
		config_address_format(standby, address);
		PUT(renderer, " standby %s", address);
	}
	PUT(renderer, "\n");
}

static void put_addresses6(struct renderer *renderer, const struct config_address *active,
			   const struct config_address *standby)
{
	char address[INET6_ADDRSTRLEN];

	config_address_format(active, address);
	PUT(renderer, " %s/%u", address, active->prefix_length);
	if (standby->family) {
		config_address_format(standby, address);
		PUT(renderer, " standby %s", address);
	}
	PUT(renderer, "\n");
}

static void put_secondaries(struct renderer *renderer, const struct config *config,
			    const char *device)
{
	char address[INET6_ADDRSTRLEN], mask[INET_ADDRSTRLEN];

	for (size_t i = 0; i < config->n_secondaries; i++) {
		const struct config_secondary *secondary = &config->secondaries[i];
		uint8_t length = secondary->address.prefix_length;

		if (strcmp(secondary->device, device) != 0)
			continue;
		config_address_format(&secondary->address, address);
		if (secondary->address.family == AF_INET6) {
			PUT(renderer, " ipv6 address %s/%u secondary\n", address, length);
			continue;
		}
		config_address_format_mask(length, mask);
		PUT(renderer, " ip address %s %s secondary\n", address, mask);
	}
}

static void put_fqdns(struct renderer *renderer, const struct config *config, const char *device)
{
	for (size_t i = 0; i < config->n_fqdns; i++) {
		const struct config_fqdn *fqdn = &config->fqdns[i];

		if (strcmp(fqdn->device, device) != 0)
			continue;
		PUT(renderer, " fqdn %s", fqdn->active);
		if (fqdn->standby[0])
			PUT(renderer, " standby %s", fqdn->standby);
		PUT(renderer, "\n");
	}
}

static void put_interface(struct renderer *renderer, const struct config *config,
			  const struct config_interface *interface)
{
	PUT(renderer, "interface %s\n", interface->device);
	if (interface->is_shutdown)
		PUT(renderer, " shutdown\n");
	else if (renderer->is_all)
		PUT(renderer, " no shutdown\n");
	if (interface->name[0])
		PUT(renderer, " nameif %s\n", interface->name);
	if (interface->active4.family) {
		PUT(renderer, " ip address");
		put_addresses4(renderer, &interface->active4, &interface->standby4);
	}
	if (interface->active6.family) {
		PUT(renderer, " ipv6 address");
		put_addresses6(renderer, &interface->active6, &interface->standby6);
	}
	put_secondaries(renderer, config, interface->device);
	put_fqdns(renderer, config, interface->device);
	PUT(renderer, "!\n");
}

static void put_link(struct renderer *renderer, const struct config_link *link)
{
	if (link->is_failover)
		PUT(renderer, "failover lan interface %s %s\n", link->name, link->device);
	if (link->is_stateful)
		PUT(renderer, "failover link %s %s\n", link->name, link->device);
}

static void put_link_addresses(struct renderer *renderer, const struct config_link *link)
{
	if (link->active.family)
		PUT(renderer, "failover interface ip %s", link->name);
	if (link->active.family == AF_INET)
		put_addresses4(renderer, &link->active, &link->standby);
	if (link->active.family == AF_INET6)
		put_addresses6(renderer, &link->active, &link->standby);
}

static void put_failover_local(struct renderer *renderer, const struct config_failover *failover)
{
	PUT(renderer, "%sfailover\n", failover->is_enabled ? "" : "no ");
	PUT(renderer, "failover lan unit %s\n",
	    failover->unit == FO_UNIT_PRIMARY ? "primary" : "secondary");
	for (size_t i = 0; i < failover->n_links; i++)
		put_link(renderer, &failover->links[i]);
	if (failover->has_key || failover->new_key[0])
		PUT(renderer, "failover key *****\n");
	for (size_t i = 0; i < failover->n_links; i++)
		put_link_addresses(renderer, &failover->links[i]);
	if (failover->is_maintenance)
		PUT(renderer, "failover maintenance\n");
	else if (renderer->is_all)
		PUT(renderer, "no failover maintenance\n");
}

static void put_time(struct renderer *renderer, const char *before, uint32_t ms)
{
	if (ms % 1000 == 0)
		PUT(renderer, "%s %u", before, ms / 1000);
	else
		PUT(renderer, "%s msec %u", before, ms);
}

static const char *replication_word(enum config_replication replication)
{
	switch (replication) {
	case CONFIG_REPLICATION_ASYNC:
		return "async";
	case CONFIG_REPLICATION_SYNC:
		return "sync";
	case CONFIG_REPLICATION_OFF:
	case CONFIG_REPLICATION__MAX:
		break;
	}
	return "off";
}

static void put_failover_shared(struct renderer *renderer, const struct config_failover *failover)
{
	if (renderer->is_all || failover->poll_ms != 100 || failover->hold_ms != 500) {
		put_time(renderer, "failover polltime unit", failover->poll_ms);
		put_time(renderer, " holdtime", failover->hold_ms);
		PUT(renderer, "\n");
	}
	if (renderer->is_all || failover->interface_poll_ms != 200 ||
	    failover->interface_hold_ms != 1000) {
		put_time(renderer, "failover polltime interface", failover->interface_poll_ms);
		put_time(renderer, " holdtime", failover->interface_hold_ms);
		PUT(renderer, "\n");
	}
	if (failover->interface_policy_percent)
		PUT(renderer, "failover interface-policy %u%%\n",
		    failover->interface_policy_percent);
	else if (renderer->is_all || failover->interface_policy != 1)
		PUT(renderer, "failover interface-policy %u\n", failover->interface_policy);
	PUT(renderer, "failover replication trustpoint %s\n",
	    replication_word(failover->replication));
	if (failover->is_preempt && failover->preempt_delay_s > 0)
		PUT(renderer, "failover preempt delay %u\n", failover->preempt_delay_s);
	else if (failover->is_preempt)
		PUT(renderer, "failover preempt\n");
	else if (renderer->is_all)
		PUT(renderer, "no failover preempt\n");
	if (failover->is_config_open)
		PUT(renderer, "no failover standby config-lock\n");
	else if (renderer->is_all)
		PUT(renderer, "failover standby config-lock\n");
}

static void put_track_target(struct renderer *renderer, const struct config_track *track)
{
	char address[INET6_ADDRSTRLEN] = "";

	config_address_format(&track->address, address);
	switch (track->kind) {
	case CONFIG_TRACK_INTERFACE:
		PUT(renderer, " interface %s line-protocol", track->interface);
		return;
	case CONFIG_TRACK_PING:
		PUT(renderer, " ping %s", address);
		break;
	case CONFIG_TRACK_TCP:
		PUT(renderer, " tcp %s %u", address, track->port);
		break;
	case CONFIG_TRACK_SCRIPT:
		PUT(renderer, " script %s", track->script);
		break;
	case CONFIG_TRACK__MAX:
		return;
	}
	if (track->interface[0])
		PUT(renderer, " interface %s", track->interface);
	if (renderer->is_all || track->frequency_ms != 1000)
		put_time(renderer, " frequency", track->frequency_ms);
	if (renderer->is_all || track->timeout_ms != 500)
		PUT(renderer, " timeout %u", track->timeout_ms);
}

static void put_track(struct renderer *renderer, const struct config_track *track)
{
	uint32_t otherwise = track->kind == CONFIG_TRACK_INTERFACE ? 1 : 3;

	PUT(renderer, "track %u", track->number);
	put_track_target(renderer, track);
	if (renderer->is_all || track->down != otherwise)
		PUT(renderer, " down %u", track->down);
	if (renderer->is_all || track->up != otherwise)
		PUT(renderer, " up %u", track->up);
	PUT(renderer, "\n");
	if (track->decrement == 10 && !renderer->is_all)
		PUT(renderer, "failover track %u\n", track->number);
	else if (track->decrement)
		PUT(renderer, "failover track %u decrement %u\n", track->number, track->decrement);
}

static void put_mac(struct renderer *renderer, const uint8_t mac[static 6])
{
	if (config_mac_is_set(mac))
		PUT(renderer, " %02x%02x.%02x%02x.%02x%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		    mac[5]);
}

static void put_macs(struct renderer *renderer, const struct config_interface *interface)
{
	if (!config_mac_is_set(interface->active_mac))
		return;
	PUT(renderer, "failover mac address %s", interface->device);
	put_mac(renderer, interface->active_mac);
	put_mac(renderer, interface->standby_mac);
	PUT(renderer, "\n");
}

static void put_route(struct renderer *renderer, const struct config_route *route)
{
	char destination[INET6_ADDRSTRLEN], gateway[INET6_ADDRSTRLEN], mask[INET_ADDRSTRLEN];
	uint8_t length = route->destination.prefix_length;

	config_address_format(&route->destination, destination);
	config_address_format(&route->gateway, gateway);
	if (route->destination.family == AF_INET6) {
		PUT(renderer, "ipv6 route %s %s/%u %s", route->interface, destination, length,
		    gateway);
	} else {
		config_address_format_mask(length, mask);
		PUT(renderer, "route %s %s %s %s", route->interface, destination, mask, gateway);
	}
	if (renderer->is_all || route->metric != 1)
		PUT(renderer, " %u", route->metric);
	PUT(renderer, "%s\n", route->is_active_only ? " active" : "");
}

static void put_binding(struct renderer *renderer, const struct config_binding *binding)
{
	PUT(renderer, "ssl trust-point %s", binding->trustpoint);
	if (binding->interface[0])
		PUT(renderer, " %s", binding->interface);
	if (binding->domain[0])
		PUT(renderer, " domain %s", binding->domain);
	PUT(renderer, "\n");
}

static void put_ciphers(struct renderer *renderer, const struct config *config)
{
	for (int i = 0; i < CONFIG_CIPHER_VERSION__MAX; i++) {
		const struct config_cipher *cipher = &config->ciphers[i];
		const char *version = config_cipher_version_word((enum config_cipher_version)i);

		if (cipher->level == CONFIG_CIPHER_CUSTOM)
			PUT(renderer, "ssl cipher %s custom \"%s\"\n", version, cipher->custom);
		else if (renderer->is_all || cipher->level != CONFIG_CIPHER_MEDIUM)
			PUT(renderer, "ssl cipher %s %s\n", version,
			    config_cipher_level_word(cipher->level));
	}
}

static void put_trustpoint(struct renderer *renderer, const struct config_trustpoint *trustpoint)
{
	PUT(renderer, "crypto ca trustpoint %s\n", trustpoint->name);
	if (trustpoint->is_of_unit || renderer->is_all)
		PUT(renderer, " scope %s\n", trustpoint->is_of_unit ? "unit" : "pair");
	if (trustpoint->is_home || renderer->is_all)
		PUT(renderer, " redundancy %s\n", trustpoint->is_home ? "no" : "yes");
	if (trustpoint->is_for_clients)
		PUT(renderer, " validation-usage ssl-client\n");
	if (trustpoint->revocation == CONFIG_REVOCATION_CRL)
		PUT(renderer, " revocation-check crl\n");
	else if (trustpoint->revocation == CONFIG_REVOCATION_CRL_NONE)
		PUT(renderer, " revocation-check crl none\n");
	else if (renderer->is_all)
		PUT(renderer, " revocation-check none\n");
	if (trustpoint->ocsp_url[0])
		PUT(renderer, " ocsp url %s\n", trustpoint->ocsp_url);
	if (trustpoint->is_fetched || renderer->is_all)
		PUT(renderer, " %socsp fetch\n", trustpoint->is_fetched ? "" : "no ");
}

static void put_services(struct renderer *renderer, const struct config *config)
{
	for (size_t i = 0; i < config->n_trustpoints; i++)
		put_trustpoint(renderer, &config->trustpoints[i]);
	if (config->n_trustpoints > 0)
		PUT(renderer, "!\n");
	if (renderer->is_all || config->alert_begin_days != 60 || config->alert_repeat_days != 7)
		PUT(renderer, "crypto ca alerts expiration begin %u repeat %u\n",
		    config->alert_begin_days, config->alert_repeat_days);
	if (config->is_weak_permitted)
		PUT(renderer, "crypto ca permit-weak-crypto\n");
	else if (renderer->is_all)
		PUT(renderer, "no crypto ca permit-weak-crypto\n");
	if (renderer->is_all || strcmp(config->minimum_tls, "tlsv1.2") != 0)
		PUT(renderer, "ssl server-version %s\n", config->minimum_tls);
	put_ciphers(renderer, config);
	for (size_t i = 0; i < config->n_bindings; i++)
		put_binding(renderer, &config->bindings[i]);
	if (config->webvpn.n_enabled == 0 && config->webvpn.port == 443 && !renderer->is_all &&
	    !config->vpn.is_enabled)
		return;
	PUT(renderer, "webvpn\n");
	if (renderer->is_all || config->webvpn.port != 443)
		PUT(renderer, " port %u\n", config->webvpn.port);
	for (size_t i = 0; i < config->webvpn.n_enabled; i++)
		PUT(renderer, " enable %s\n", config->webvpn.enabled_on[i]);
	if (config->vpn.is_enabled || renderer->is_all)
		PUT(renderer, " %sanyconnect enable\n", config->vpn.is_enabled ? "" : "no ");
	PUT(renderer, "!\n");
}

int config_render(const struct config *config, enum config_part part, struct buf *text)
{
	struct renderer renderer = {.text = text, .is_all = part == CONFIG_PART_DEFAULTS};

	PUT(&renderer, "hostname %s\n!\n", config->hostname);
	for (size_t i = 0; i < config->n_interfaces; i++)
		put_interface(&renderer, config, &config->interfaces[i]);
	if (part != CONFIG_PART_REPLICATED)
		put_failover_local(&renderer, &config->failover);
	put_failover_shared(&renderer, &config->failover);
	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		if (interface->name[0] && (renderer.is_all || !interface->is_monitored))
			PUT(&renderer, "%smonitor-interface %s\n",
			    interface->is_monitored ? "" : "no ", interface->name);
	}
	for (size_t i = 0; i < config->n_interfaces; i++)
		put_macs(&renderer, &config->interfaces[i]);
	for (size_t i = 0; i < config->n_routes; i++)
		put_route(&renderer, &config->routes[i]);
	for (size_t i = 0; i < config->n_tracks; i++)
		put_track(&renderer, &config->tracks[i]);
	PUT(&renderer, "!\n");
	put_services(&renderer, config);
	if (renderer.error == 0)
		renderer.error = render_vpn(&config->vpn, renderer.is_all, text);
	return renderer.error;
}
