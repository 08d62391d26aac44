/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int config_new(struct config **ret_config)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return -ENOMEM;
	(void)snprintf(config->hostname, sizeof(config->hostname), "asafo");
	(void)snprintf(config->minimum_tls, sizeof(config->minimum_tls), "tlsv1.2");
	config->failover.unit = FO_UNIT_SECONDARY;
	config->failover.poll_ms = 100;
	config->failover.hold_ms = 500;
	config->failover.interface_poll_ms = 200;
	config->failover.interface_hold_ms = 1000;
	config->failover.interface_policy = 1;
	config->failover.replication = CONFIG_REPLICATION_OFF;
	config->alert_begin_days = 60;
	config->alert_repeat_days = 7;
	config->webvpn.port = 443;
	config_vpn_init(&config->vpn);
	*ret_config = config;
	return 0;
}

int config_copy(const struct config *config, struct config **ret_config)
{
	struct config *copy = malloc(sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	memcpy(copy, config, sizeof(*copy));
	*ret_config = copy;
	return 0;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	explicit_bzero(config->failover.new_key, sizeof(config->failover.new_key));
	free(config);
}

bool config_mac_is_set(const uint8_t mac[static 6])
{
	static const uint8_t none[6] = {0};

	return memcmp(mac, none, sizeof(none)) != 0;
}

const struct config_interface *config_interface_find(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_interfaces; i++) {
		if (config->interfaces[i].name[0] && strcmp(config->interfaces[i].name, name) == 0)
			return &config->interfaces[i];
	}
	return NULL;
}

void config_error_format(const struct config_error *error, char *ret_text, size_t size)
{
	if (error->line == 0)
		(void)snprintf(ret_text, size, "%s: %s", error->source, error->why.text);
	else
		(void)snprintf(ret_text, size, "%s:%u:%u: %s", error->source, error->line,
			       error->column, error->why.text);
}
