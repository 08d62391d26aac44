/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by health.c (what happens) and health_show.c (what is told of it). */
#include "failover/engine/flap.h"
#include "failover/engine/health.h"
#include "failover/ifprobe.h"

struct port {
	struct engine_health *health;
	char name[CONFIG_NAME_MAX];
	char device[16];
	struct health_interface state;
	struct flap flap; /* of its link */
	struct ifprobe *probe;
	bool has_path; /* hellos travel there: there is something to miss */
	bool is_kept;  /* in the new configuration */
	bool is_probe_broken;
	bool is_new; /* the mate is not known to have been told of it */
	struct monotime since;
};

struct engine_health {
	struct engine *engine;
	struct tracks *tracks;
	struct service service;
	char trouble[WHY_TEXT_MAX]; /* of the service, as logged; empty: none */
	sd_event_source *timer;
	struct port *ports[CONFIG_INTERFACES_MAX]; /* in the order of the configuration */
	size_t n_ports;
	struct port *port_of_path[HELLO_PATHS_MAX];
	uint32_t names; /* their hash */
	struct health_times times;
	struct monotime due; /* the timer */
	struct fo_health fed;
	bool is_fed;
	struct health_lines lines;
	bool is_stepping; /* several steps make one result */
	bool wants_hello; /* a word changed that the mate waits for */
};

/* NULL: not monitored. */
struct port *health_port_find(const struct engine_health *health, const char *name);
