/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each monitored interface has a pure machine (core/health) and a probe that obeys it. A link that
 * goes is stepped at once from the kernel's event; the timer is for silences and tests only.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "core/health.h"
#include "failover/engine/health_internal.h"
#include "failover/engine/report.h"
#include "failover/engine/schedule.h"

/* So long an interface that was just configured does not count against the active unit unless the
 * mate has it, too. */
#define NEW_PORT_MS 5000u

/* Behind what the sockets brought in the same turn. */
#define TIMER_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 5)

static unsigned device_index(const struct port *port)
{
	struct linkmon_link link = {0};

	if (!port->health->engine->addresses.linkmon)
		return 0;
	linkmon_get(port->health->engine->addresses.linkmon, port->device, &link);
	return link.is_present ? link.index : 0;
}

/* ---- the sum ---- */

/*
 * Scores are compared, so both units must count the same interfaces: else a line that names a
 * device which neither has would make the active hand over to a mate that has not read it yet.
 */
static bool counts(const struct port *port)
{
	const struct engine *engine = port->health->engine;

	if (!health_word_is_failed(port->state.word))
		return false;
	return !port->is_new || !engine_is_active(engine) || !engine_hears_mate(engine) ||
	       monotime_reached(monotime_now(), monotime_add_ms(port->since, NEW_PORT_MS));
}

void engine_health_show_sum(const struct engine_health *health, struct health_sum *ret_sum)
{
	*ret_sum = (struct health_sum){.monitored = (uint32_t)health->n_ports};
	for (size_t i = 0; i < health->n_ports; i++)
		ret_sum->failed += counts(health->ports[i]);
	tracks_sum(health->tracks, ret_sum);
	ret_sum->is_service_failed = service_trouble(&health->service, health->engine) != NULL;
}

static void log_service(struct engine_health *health)
{
	const char *why = service_trouble(&health->service, health->engine);

	if (why && !health->trouble[0])
		log_line(LOG_CRIT, "this unit could not serve: %s", why);
	if (!why && health->trouble[0])
		log_line(LOG_NOTICE, "this unit could serve again");
	if (why)
		(void)snprintf(health->trouble, sizeof(health->trouble), "%s", why);
	else
		health->trouble[0] = '\0';
}

/* A mate of another release does not tell in a way that can be compared: it is waited for. */
static bool are_lines_settled(struct engine_health *health)
{
	const struct engine *engine = health->engine;
	bool is_told = engine->config_hash != 0 && engine->mate.view.position.config != 0;

	return health_lines_settle(&health->lines,
				   !engine_hears_mate(engine) ||
					   (is_told && engine_shares_lines(engine)),
				   monotime_now());
}

static void feed(struct engine_health *health)
{
	const struct config_failover *failover = &health->engine->config->failover;
	struct health_policy policy = {failover->interface_policy,
				       failover->interface_policy_percent};
	struct health_sum sum;
	struct fo_health now;

	if (!health->engine->is_started)
		return;
	service_watch(&health->service, health->engine);
	log_service(health);
	engine_health_show_sum(health, &sum);
	now = health_sum_score(&sum, &policy);
	if (!are_lines_settled(health) && health->is_fed)
		now = health_lines_say(&now, &health->fed, engine_is_active(health->engine),
				       health->engine->fsm.state == FO_STATE_FAILED);
	if (health->is_fed && now.score == health->fed.score &&
	    now.failed_interfaces == health->fed.failed_interfaces &&
	    now.is_failing == health->fed.is_failing &&
	    now.is_unsettled == health->fed.is_unsettled && now.cause == health->fed.cause)
		return;
	health->fed = now;
	health->is_fed = true;
	engine_feed(health->engine, (struct fo_event){.type = FO_EVENT_HEALTH, .health = now});
}

/* What the steps came to: first for this unit, then, where it is still to be told, for the mate,
 * whose verdict on its own end waits for our words. */
static void settle(struct engine_health *health)
{
	if (health->is_stepping)
		return;
	feed(health);
	if (health->wants_hello && health->engine->is_started)
		engine_send_hello(health->engine);
	health->wants_hello = false;
}

/* ---- an interface ---- */

static void log_word(const struct port *port, enum health_word from)
{
	const struct engine *engine = port->health->engine;
	const struct report_about about = {.interface = port->name};
	const char *name = port->name;

	switch (port->state.word) {
	case HEALTH_WAITING:
		report(engine, LOG_ALERT, 105003, &about, "Monitoring on interface %s waiting",
		       name);
		return;
	case HEALTH_NORMAL:
		if (from == HEALTH_TESTING || from == HEALTH_UNKNOWN || from == HEALTH_FAILED)
			report(engine, LOG_ALERT, 105009, &about, "Testing on interface %s Passed",
			       name);
		report(engine, LOG_ALERT, 105004, &about, "Monitoring on interface %s normal",
		       name);
		return;
	case HEALTH_TESTING:
		report(engine, LOG_ALERT, 105008, &about, "Testing Interface %s", name);
		return;
	case HEALTH_FAILED:
		report(engine, LOG_ALERT, 105009, &about, "Testing on interface %s Failed", name);
		return;
	case HEALTH_UNKNOWN:
		report(engine, LOG_ALERT, 105009, &about,
		       "Testing on interface %s Failed: not counted unless the mate hears "
		       "others there",
		       name);
		return;
	case HEALTH_NO_LINK:
	case HEALTH_LINK_DOWN:
	case HEALTH_NOT_MONITORED:
	case HEALTH__MAX:
		return; /* 105007 tells of it */
	}
}

static bool has_address4(const struct port *port)
{
	const struct engine *engine = port->health->engine;
	const struct config_interface *interface =
		config_interface_find(engine->config, port->name);

	if (!interface)
		return false;
	return engine->addresses.is_claimed ? interface->active4.family != 0
					    : interface->standby4.family != 0;
}

static void obey(struct port *port, const struct health_update *update)
{
	bool is_busy = update->is_listening || update->sends_arp;
	unsigned index = is_busy ? device_index(port) : 0;
	int r = ifprobe_listen(port->probe, index, update->is_listening);

	if (r < 0 && !port->is_probe_broken)
		log_line(LOG_ERR, "interface %s cannot be tested: %s", port->name, err_text(r));
	port->is_probe_broken = r < 0;
	if (update->sends_arp)
		ifprobe_send_arp(port->probe, index);
	if (update->sends_ping)
		ifprobe_send_ping(port->probe, port->device, has_address4(port));
}

static void step(struct port *port, struct health_event event)
{
	struct engine_health *health = port->health;
	enum health_word word = port->state.word;
	struct health_update update;

	event.at = monotime_now();
	health_interface_step(&port->state, &health->times, &event, &update);
	obey(port, &update);
	if (!update.is_changed)
		return;
	if (word != port->state.word) {
		log_word(port, word);
		health->wants_hello = true;
	}
	settle(health);
}

static void on_packet(struct ifprobe *probe, void *userdata)
{
	(void)probe;
	step(userdata, (struct health_event){.type = HEALTH_EVENT_PACKET});
}

static void port_free(struct port *port)
{
	if (!port)
		return;
	ifprobe_free(port->probe);
	free(port);
}

static struct port *port_new(struct engine_health *health, const struct config_interface *interface)
{
	struct port *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	port->health = health;
	memcpy(port->name, interface->name, sizeof(port->name));
	memcpy(port->device, interface->device, sizeof(port->device));
	port->is_new = true;
	port->since = monotime_now();
	health_interface_init(&port->state);
	if (ifprobe_new(health->engine->event, on_packet, port, &port->probe) < 0) {
		free(port);
		return NULL;
	}
	return port;
}

/* ---- events ---- */

static bool is_link_counted(struct port *port, const struct linkmon_link *link)
{
	const struct report_about about = {.interface = port->name};
	bool was_flapping = port->flap.is_flapping;
	bool is_counted = flap_step(&port->flap, linkmon_is_running(link), monotime_now());

	if (port->flap.is_flapping && !was_flapping)
		log_line(LOG_WARNING,
			 "the link of interface %s goes and comes again and again: it counts as "
			 "down until it has stayed up for %u s; look at its cable and its switch",
			 port->name, FLAP_CALM_MS / 1000);
	if (was_flapping && !port->flap.is_flapping)
		report(port->health->engine, LOG_ALERT, 105006, &about,
		       "Link status 'Up' on interface %s", port->name);
	return is_counted;
}

static void check_link(struct port *port)
{
	struct linkmon_link link = {0};

	linkmon_get(port->health->engine->addresses.linkmon, port->device, &link);
	step(port, (struct health_event){.type = HEALTH_EVENT_LINK,
					 .has_link = is_link_counted(port, &link),
					 .is_admin_up = !link.is_present || link.is_admin_up});
}

static void check_links(struct engine_health *health)
{
	if (!health->engine->addresses.linkmon)
		return;
	health->is_stepping = true;
	for (size_t i = 0; i < health->n_ports; i++)
		check_link(health->ports[i]);
	tracks_check_links(health->tracks);
	health->is_stepping = false;
}

bool engine_health_is_flapping(const struct engine_health *health, const char *interface)
{
	const struct port *port = health_port_find(health, interface);

	return port && port->flap.is_flapping;
}

void engine_health_path_heard(struct engine_health *health, size_t path)
{
	if (path < HELLO_PATHS_MAX && health->port_of_path[path])
		step(health->port_of_path[path],
		     (struct health_event){.type = HEALTH_EVENT_MATE_HEARD});
}

static void log_mate(const struct port *port, enum health_word from)
{
	const struct engine *engine = port->health->engine;
	const struct report_about about = {.interface = port->name};
	enum health_word word = port->state.mate.word;

	if (health_word_is_failed(word) && !health_word_is_failed(from))
		report(engine, LOG_ALERT, 103003, &about,
		       "Other firewall network interface %s failed: %s", port->name,
		       health_word_text(word));
	if (word == HEALTH_NORMAL && health_word_is_failed(from))
		report(engine, LOG_ALERT, 103002, &about, "Other firewall network interface %s OK",
		       port->name);
}

/* VIEW NULL: the mate does not say. Where no hello can come, none is missed. */
static void tell_mate(struct port *port, const struct health_view *view)
{
	enum health_word before = port->state.mate.word;

	step(port, (struct health_event){
			   .type = HEALTH_EVENT_MATE,
			   .is_mate_up = port->has_path && engine_hears_mate(port->health->engine),
			   .mate = view ? *view : port->state.mate,
		   });
	if (view)
		log_mate(port, before);
}

/* Its words and its score are of one moment: just after a change of lines they are not. */
static bool is_consistent(const struct hello *hello)
{
	uint32_t failed = 0;

	for (size_t i = 0; i < hello->n_interfaces; i++)
		failed += health_word_is_failed(health_view_unpack(hello->interface_words[i]).word);
	return failed == hello->view.health.failed_interfaces;
}

void engine_health_mate(struct engine_health *health, const struct hello *hello)
{
	bool is_ours =
		hello->interface_names == health->names && hello->n_interfaces == health->n_ports;
	struct health_view unknown = {HEALTH_UNKNOWN, false};

	health->is_stepping = true;
	for (size_t i = 0; i < health->n_ports; i++) {
		struct health_view view =
			is_ours ? health_view_unpack(hello->interface_words[i]) : unknown;

		health->ports[i]->is_new &= !is_ours || !is_consistent(hello);
		tell_mate(health->ports[i], &view);
	}
	health->is_stepping = false;
	settle(health);
}

void engine_health_fill_hello(const struct engine_health *health, struct hello *hello)
{
	hello->interface_names = health->names;
	hello->n_interfaces = health->n_ports;
	for (size_t i = 0; i < health->n_ports; i++) {
		const struct health_interface *state = &health->ports[i]->state;

		hello->interface_words[i] =
			health_view_pack((struct health_view){state->word, state->hears_mate});
	}
}

/* ---- the timer ---- */

static uint64_t look_slack_us(const struct engine_health *health)
{
	uint32_t quarter_ms = health->times.poll_ms / 4;
	uint32_t ms = health->times.unit_poll_ms;

	return 1000 * (uint64_t)(ms < quarter_ms ? ms : quarter_ms);
}

static void arm(struct engine_health *health)
{
	/* At least each polltime: that the mate is gone is no event of its own. */
	struct monotime due = monotime_add_ms(monotime_now(), health->times.poll_ms);

	struct monotime polled = due;
	uint64_t slack_us;

	if (health->lines.is_open)
		due = monotime_min(due, monotime_add_ms(health->lines.from, HEALTH_LINES_MAX_MS));
	for (size_t i = 0; i < health->n_ports; i++)
		due = monotime_min(due, monotime_min(health->ports[i]->state.deadline,
						     flap_deadline(&health->ports[i]->flap)));
	health->due = due;
	/* A mere look is taken when the unit polls, a little sooner or later; a deadline has no
	 * time. */
	slack_us = due.ns == polled.ns ? look_slack_us(health) : 0;
	(void)sd_event_source_set_time(health->timer, due.ns / 1000 + 1 - slack_us);
	(void)sd_event_source_set_time_accuracy(health->timer, 1 + 2 * slack_us);
	(void)sd_event_source_set_enabled(health->timer, SD_EVENT_ONESHOT);
}

void engine_health_check_links(struct engine_health *health)
{
	struct monotime first = MONOTIME_NEVER;

	check_links(health);
	settle(health);
	for (size_t i = 0; i < health->n_ports; i++)
		first = monotime_min(first, flap_deadline(&health->ports[i]->flap));
	if (first.ns < health->due.ns)
		arm(health);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct engine_health *health = userdata;
	uint64_t late_ns = monotime_since(monotime_now(), health->due);
	bool is_late = late_ns > health->times.poll_ms * MONOTIME_NS_PER_MS;

	(void)source;
	(void)usec;
	/* What waits in the sockets was said before the timer ran out. */
	if (health->engine->pair.paths)
		path_set_drain(health->engine->pair.paths);
	health->is_stepping = true;
	for (size_t i = 0; i < health->n_ports; i++) {
		struct port *port = health->ports[i];

		if (is_late)
			step(port, (struct health_event){.type = HEALTH_EVENT_LATE});
		if (port->flap.is_flapping)
			check_link(port);
		if (!engine_hears_mate(health->engine) && port->state.is_mate_up)
			tell_mate(port, NULL);
		step(port, (struct health_event){.type = HEALTH_EVENT_TICK});
	}
	health->is_stepping = false;
	settle(health);
	arm(health);
	return 0;
}

/* ---- configuration ---- */

/* FNV-1a, 32 bits, over the names with their NULs. */
static uint32_t hash_names(const struct engine_health *health)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < health->n_ports; i++) {
		const char *c = health->ports[i]->name;

		do
			hash = (hash ^ (uint8_t)*c) * 16777619u;
		while (*c++);
	}
	return hash;
}

static bool is_monitored(const struct config_interface *interface)
{
	return interface->is_monitored && !interface->is_shutdown && interface->name[0];
}

static struct port *port_keep_or_new(struct engine_health *health, struct port *const *old,
				     size_t n_old, const struct config_interface *interface)
{
	for (size_t i = 0; i < n_old; i++) {
		if (strcmp(old[i]->name, interface->name) != 0 ||
		    strcmp(old[i]->device, interface->device) != 0)
			continue;
		old[i]->is_kept = true;
		return old[i];
	}
	return port_new(health, interface);
}

/* Each interface has a path for each family of addresses. */
static void find_paths(struct engine_health *health)
{
	const struct path_set *paths = health->engine->pair.paths;
	size_t n = paths ? path_set_count(paths) : 0;

	memset(health->port_of_path, 0, sizeof(health->port_of_path));
	for (size_t i = 0; i < n && i < HELLO_PATHS_MAX; i++) {
		struct path_statistics statistics;
		struct port *port;

		path_set_statistics(paths, i, &statistics);
		port = statistics.is_failover_link ? NULL
						   : health_port_find(health, statistics.name);
		if (port)
			port->has_path = true;
		health->port_of_path[i] = port;
	}
}

static void rebuild_ports(struct engine_health *health)
{
	const struct config *config = health->engine->config;
	struct port *old[CONFIG_INTERFACES_MAX];
	size_t n_old = health->n_ports;

	memcpy(old, health->ports, sizeof(old));
	health->n_ports = 0;
	for (size_t i = 0; i < n_old; i++)
		old[i]->is_kept = false;
	for (size_t i = 0; i < config->n_interfaces; i++) {
		struct port *port;

		if (!is_monitored(&config->interfaces[i]))
			continue;
		port = port_keep_or_new(health, old, n_old, &config->interfaces[i]);
		if (!port) {
			log_line(LOG_ERR, "interface %s is not monitored: out of memory",
				 config->interfaces[i].name);
			continue;
		}
		port->has_path = false;
		health->ports[health->n_ports++] = port;
	}
	health->names = hash_names(health);
	find_paths(health);
	/* The kernel takes its time to close what listened there. */
	for (size_t i = 0; i < n_old; i++) {
		if (old[i]->is_kept)
			continue;
		port_free(old[i]);
		engine_breathe(health->engine);
	}
}

void engine_health_configure(struct engine_health *health)
{
	const struct config_failover *failover = &health->engine->config->failover;

	health->times = (struct health_times){.poll_ms = failover->interface_poll_ms,
					      .hold_ms = failover->interface_hold_ms,
					      .unit_poll_ms = failover->poll_ms};
	rebuild_ports(health);
	tracks_configure(health->tracks);
	if (health->engine->is_started)
		health_lines_read(&health->lines, monotime_now());
	check_links(health);
	arm(health);
}

void engine_health_started(struct engine_health *health)
{
	health->is_fed = false;
	engine_health_check_links(health);
}

void engine_health_check_service(struct engine_health *health)
{
	settle(health);
}

/* ---- life ---- */

static void on_track(void *userdata)
{
	settle(userdata);
}

int engine_health_new(struct engine *engine, struct engine_health **ret_health)
{
	struct engine_health *health = calloc(1, sizeof(*health));
	int r;

	if (!health)
		return -ENOMEM;
	health->engine = engine;
	health->times = (struct health_times){1000, 5000, 1000};
	r = sd_event_add_time(engine->event, &health->timer, CLOCK_MONOTONIC, 0, 1, on_timer,
			      health);
	if (r >= 0)
		r = tracks_new(engine, on_track, health, &health->tracks);
	if (r >= 0)
		r = sd_event_source_set_priority(health->timer, TIMER_PRIORITY);
	if (r < 0) {
		engine_health_free(health);
		return r;
	}
	arm(health);
	*ret_health = health;
	return 0;
}

void engine_health_free(struct engine_health *health)
{
	if (!health)
		return;
	health->timer = sd_event_source_disable_unref(health->timer);
	for (size_t i = 0; i < health->n_ports; i++)
		port_free(health->ports[i]);
	tracks_free(health->tracks);
	free(health);
}
