/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the log is told of carriers, paths and connections that come and go. A bad cable, or
 * somebody who wants to fill the log, makes a thousand changes a second of one thing: see
 * changes.h. What was counted is said by report_ways_tick, as things stand by then.
 */
#include <config.h>

#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/engine/health.h"
#include "failover/engine/report.h"

/* ---- carriers ---- */

static void say_link_carrier(const struct engine *engine, const char *name, bool is_up,
			     const char *more)
{
	const struct report_about about = {.interface = name};

	if (is_up)
		report(engine, LOG_ALERT, 105031, &about, "Failover LAN interface is up: %s%s",
		       name, more);
	else
		report(engine, LOG_ALERT, 105032, &about, "LAN Failover interface is down: %s%s",
		       name, more);
}

static void say_interface_carrier(const struct engine *engine, const char *name, bool is_up,
				  const char *more)
{
	report(engine, LOG_ALERT, is_up ? 105006 : 105007,
	       &(struct report_about){.interface = name}, "Link status '%s' on interface %s%s",
	       is_up ? "Up" : "Down", name, more);
}

void report_carrier(struct engine *engine, const struct linkmon_link *link)
{
	const struct config_link *carried = config_link_on(&engine->config->failover, link->device);
	struct monotime now = monotime_now();
	char more[PACE_TEXT_MAX];

	for (size_t i = 0; i < engine->config->n_interfaces; i++) {
		const char *name = engine->config->interfaces[i].name;
		/* The health has told of it, and tells when it counts again. */
		bool is_told = engine_health_is_flapping(engine->health, name);

		if (name[0] && strcmp(engine->config->interfaces[i].device, link->device) == 0 &&
		    changes_take(&engine->changes, CHANGE_INTERFACE_CARRIER, name,
				 is_told ? CHANGE_QUIET : CHANGE_STATE, link->has_carrier, now,
				 more))
			say_interface_carrier(engine, name, link->has_carrier, more);
	}
	if (carried && changes_take(&engine->changes, CHANGE_LINK_CARRIER, carried->name,
				    CHANGE_STATE, link->has_carrier, now, more))
		say_link_carrier(engine, carried->name, link->has_carrier, more);
}

/* ---- paths ---- */

static const char *family_text(const struct path_statistics *path)
{
	return path->family == AF_INET6 ? "IPv6" : "IPv4";
}

/* Another family of the same interface still brings hellos. */
static bool is_otherwise_up(const struct engine *engine, const struct path_statistics *path)
{
	struct path_statistics other;

	for (size_t i = 0; i < path_set_count(engine->pair.paths); i++) {
		path_set_statistics(engine->pair.paths, i, &other);
		if (strcmp(other.name, path->name) == 0 && other.family != path->family &&
		    other.state == PATH_STATE_UP)
			return true;
	}
	return false;
}

/* An interface is lost when all of its families are; one of them alone is worth a line. */
static void say_path(const struct engine *engine, const struct path_statistics *path,
		     enum path_state before, const char *more)
{
	const struct report_about about = {.interface = path->name, .reason = path->why};
	bool is_up = path->state == PATH_STATE_UP;

	if (path->is_failover_link && is_up)
		report(engine, LOG_ALERT, 105042, &about, "Failover interface OK%s", more);
	if (path->is_failover_link && !is_up)
		report(engine, LOG_ALERT, 105043, &about, "Failover interface failed%s", more);
	if (is_up && before == PATH_STATE_LOST && !path->is_failover_link)
		log_line(LOG_NOTICE, "hellos of the mate come on interface %s (%s) again%s",
			 path->name, family_text(path), more);
	if (is_up)
		return;
	if (is_otherwise_up(engine, path))
		log_line(LOG_WARNING,
			 "no hello of the mate comes on interface %s by %s any more%s%s%s",
			 path->name, family_text(path), path->why[0] ? ": " : "", path->why, more);
	else
		report(engine, LOG_ALERT, 105005, &about,
		       "Lost Failover communications with mate on interface %s%s", path->name,
		       more);
}

void report_path(struct engine *engine, const struct path_statistics *path, enum path_state before)
{
	enum change_topic topic = path->family == AF_INET6 ? CHANGE_HELLOS6 : CHANGE_HELLOS4;
	char more[PACE_TEXT_MAX];

	if (changes_take(&engine->changes, topic, path->name, CHANGE_STATE,
			 path->state == PATH_STATE_UP, monotime_now(), more))
		say_path(engine, path, before, more);
}

static void say_path_again(const struct engine *engine, const struct change *change,
			   const char *more)
{
	size_t n = engine->pair.paths ? path_set_count(engine->pair.paths) : 0;
	uint8_t family = change->topic == CHANGE_HELLOS6 ? AF_INET6 : AF_INET;

	for (size_t i = 0; i < n; i++) {
		struct path_statistics path;

		path_set_statistics(engine->pair.paths, i, &path);
		if (path.family == family && strcmp(path.name, change->name) == 0)
			say_path(engine, &path, PATH_STATE_LOST, more);
	}
}

/* ---- the connection of the replication ---- */

/* Lost is what was there: a unit that waits for its mate, or for its key, has lost nothing. */
static void say_connection_down(struct engine *engine, const char *why, const char *more)
{
	bool was_up = engine->pair.was_up || engine->pair.is_loss_untold;
	bool has_others = engine->config->failover.n_links > 1;
	const char *name = engine->pair.link_over[0] ? engine->pair.link_over
						     : engine->config->failover.links[0].name;
	const struct report_about about = {.reason = why, .interface = name};
	const char *software = engine->mate.software[0] ? engine->mate.software : "unknown";

	engine->pair.is_loss_untold = false;
	if (engine->pair.link_code == ERR_VERSION)
		report(engine, LOG_ALERT, 103006, &about,
		       "Mate version %s is not compatible with ours %s: %s%s", software,
		       PACKAGE_VERSION, why, more);
	else if (was_up && has_others)
		log_line(LOG_NOTICE, "failover link down over %s: %s%s", name, why, more);
	else if (was_up)
		report(engine, LOG_ALERT, 105005, &about,
		       "Lost Failover communications with mate on interface %s: %s%s", name, why,
		       more);
	else
		log_line(LOG_INFO, "failover link %s is not up: %s%s", name, why, more);
}

static void say_connection_up(const struct engine *engine, const char *more)
{
	log_line(LOG_INFO, "failover link up over %s: mate runs %s%s", engine->pair.link_over,
		 link_mate_software(engine->pair.link), more);
}

void report_connection(struct engine *engine, bool is_up, const char *why)
{
	char more[PACE_TEXT_MAX];

	if (!changes_take(&engine->changes, CHANGE_REPLICATION, "", CHANGE_NEWS, is_up,
			  monotime_now(), more)) {
		/* Whatever says it later says that it was lost, not that it is not up. */
		engine->pair.is_loss_untold |= !is_up && engine->pair.was_up;
		return;
	}
	if (is_up)
		say_connection_up(engine, more);
	else
		say_connection_down(engine, why, more);
}

static void say_connection_again(struct engine *engine, const char *more)
{
	if (!engine->pair.link)
		return;
	if (link_is_up(engine->pair.link))
		say_connection_up(engine, more);
	else
		say_connection_down(engine, engine->pair.link_why, more);
}

/* ---- what was counted ---- */

static void say_again(struct engine *engine, const struct change *change, const char *more)
{
	switch (change->topic) {
	case CHANGE_LINK_CARRIER:
		say_link_carrier(engine, change->name, change->is_up, more);
		return;
	case CHANGE_INTERFACE_CARRIER:
		say_interface_carrier(engine, change->name, change->is_up, more);
		return;
	case CHANGE_HELLOS4:
	case CHANGE_HELLOS6:
		say_path_again(engine, change, more);
		return;
	case CHANGE_REPLICATION:
		say_connection_again(engine, more);
		return;
	case CHANGE__MAX:
		return;
	}
}

void report_ways_tick(struct engine *engine)
{
	struct monotime now = monotime_now();
	const struct change *change;
	char more[PACE_TEXT_MAX];

	while ((change = changes_due(&engine->changes, now, more)) != NULL)
		say_again(engine, change, more);
}
