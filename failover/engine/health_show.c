/* SPDX-License-Identifier: Apache-2.0 */
/* What commands and other rooms of the engine are told of this unit's health. */
#include <string.h>

#include "failover/engine/health_internal.h"

struct port *health_port_find(const struct engine_health *health, const char *name)
{
	for (size_t i = 0; i < health->n_ports; i++) {
		if (strcmp(health->ports[i]->name, name) == 0)
			return health->ports[i];
	}
	return NULL;
}

static void show_unmonitored(const struct engine_health *health,
			     const struct config_interface *interface,
			     struct engine_health_shown *ret_shown)
{
	struct linkmon_link link = {0};
	enum health_word word = HEALTH_NORMAL;

	linkmon_get(health->engine->addresses.linkmon, interface->device, &link);
	if (link.is_present && !link.is_admin_up)
		word = HEALTH_LINK_DOWN;
	else if (!link.has_carrier)
		word = HEALTH_NO_LINK;
	*ret_shown =
		(struct engine_health_shown){health_word_text(word),
					     health_monitoring_text(HEALTH_NOT_MONITORED, false),
					     "Unknown",
					     health_monitoring_text(HEALTH_NOT_MONITORED, false),
					     false,
					     false};
}

void engine_health_show_interface(const struct engine_health *health,
				  const struct config_interface *interface,
				  struct engine_health_shown *ret_shown)
{
	const struct port *port =
		interface->name[0] ? health_port_find(health, interface->name) : NULL;
	bool is_told = engine_hears_mate(health->engine);

	if (!port) {
		show_unmonitored(health, interface, ret_shown);
		return;
	}
	*ret_shown = (struct engine_health_shown){
		health_word_text(port->state.word),
		health_monitoring_text(port->state.word, port->state.hears_mate),
		is_told ? health_word_text(port->state.mate.word) : "Unknown",
		health_monitoring_text(port->state.mate.word,
				       is_told && port->state.mate.hears_mate),
		health_word_is_failed(port->state.word),
		is_told && health_word_is_failed(port->state.mate.word)};
}

const char *engine_health_trouble(const struct engine_health *health)
{
	return health->trouble[0] ? health->trouble : NULL;
}

struct service *engine_health_service(struct engine_health *health)
{
	return &health->service;
}

const struct tracks *engine_health_tracks(const struct engine_health *health)
{
	return health->tracks;
}
