/* SPDX-License-Identifier: Apache-2.0 */
#include "config/reference.h"

#include <stdio.h>
#include <string.h>

void reference_rename(struct config *config, const char *old_name, const char *new_name)
{
	for (size_t i = 0; i < config->n_bindings; i++) {
		if (strcmp(config->bindings[i].interface, old_name) == 0)
			(void)snprintf(config->bindings[i].interface,
				       sizeof(config->bindings[i].interface), "%s", new_name);
	}
	for (size_t i = 0; i < config->n_tracks; i++) {
		if (strcmp(config->tracks[i].interface, old_name) == 0)
			(void)snprintf(config->tracks[i].interface,
				       sizeof(config->tracks[i].interface), "%s", new_name);
	}
	for (size_t i = 0; i < config->n_routes; i++) {
		if (strcmp(config->routes[i].interface, old_name) == 0)
			(void)snprintf(config->routes[i].interface,
				       sizeof(config->routes[i].interface), "%s", new_name);
	}
	for (size_t i = 0; i < config->webvpn.n_enabled; i++) {
		if (strcmp(config->webvpn.enabled_on[i], old_name) == 0)
			(void)snprintf(config->webvpn.enabled_on[i],
				       sizeof(config->webvpn.enabled_on[i]), "%s", new_name);
	}
}

void reference_remove(struct config *config, const char *name)
{
	struct config_webvpn *webvpn = &config->webvpn;
	size_t kept = 0;

	for (size_t i = 0; i < config->n_bindings; i++) {
		if (strcmp(config->bindings[i].interface, name) == 0)
			continue;
		if (i != kept)
			config->bindings[kept] = config->bindings[i];
		kept++;
	}
	config->n_bindings = kept;
	kept = 0;
	for (size_t i = 0; i < config->n_routes; i++) {
		if (strcmp(config->routes[i].interface, name) == 0)
			continue;
		if (i != kept)
			config->routes[kept] = config->routes[i];
		kept++;
	}
	config->n_routes = kept;
	kept = 0;
	for (size_t i = 0; i < webvpn->n_enabled; i++) {
		if (strcmp(webvpn->enabled_on[i], name) == 0)
			continue;
		if (i != kept)
			memcpy(webvpn->enabled_on[kept], webvpn->enabled_on[i],
			       sizeof(webvpn->enabled_on[kept]));
		kept++;
	}
	webvpn->n_enabled = kept;
	kept = 0;
	for (size_t i = 0; i < config->n_tracks; i++) {
		if (strcmp(config->tracks[i].interface, name) == 0)
			continue;
		if (i != kept)
			config->tracks[kept] = config->tracks[i];
		kept++;
	}
	config->n_tracks = kept;
}
