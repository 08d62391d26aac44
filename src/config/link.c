/* SPDX-License-Identifier: Apache-2.0 */
/* The links to the mate in a configuration: failover links first, in the order of their lines. */
#include <string.h>

#include "config/config.h"

const struct config_link *config_link_find(const struct config_failover *failover, const char *name)
{
	for (size_t i = 0; i < failover->n_links; i++)
		if (strcmp(failover->links[i].name, name) == 0)
			return &failover->links[i];
	return NULL;
}

const struct config_link *config_link_on(const struct config_failover *failover, const char *device)
{
	for (size_t i = 0; i < failover->n_links; i++)
		if (strcmp(failover->links[i].device, device) == 0)
			return &failover->links[i];
	return NULL;
}

bool config_link_has_addresses(const struct config_link *link)
{
	return link->active.family != 0 && link->standby.family != 0;
}

const struct config_link *config_link_first(const struct config_failover *failover)
{
	for (size_t i = 0; i < failover->n_links; i++)
		if (config_link_has_addresses(&failover->links[i]))
			return &failover->links[i];
	return NULL;
}

const struct config_address *config_link_own(const struct config_failover *failover,
					     const struct config_link *link)
{
	return failover->unit == FO_UNIT_PRIMARY ? &link->active : &link->standby;
}

const struct config_address *config_link_mate(const struct config_failover *failover,
					      const struct config_link *link)
{
	return failover->unit == FO_UNIT_PRIMARY ? &link->standby : &link->active;
}

const char *config_link_kind(const struct config_link *link)
{
	return link->is_failover ? "failover link" : "stateful link";
}
