/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On the failover link, which has two ends only, who sends from the mate's address is the mate. On
 * an interface it may as well be another pair on the same segment: that is worth a line in the log,
 * and a word in `show failover` only while the mate is not heard.
 */
#include "failover/engine/stranger.h"

#include <config.h>
#include <arpa/inet.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/engine/report.h"

#define TROUBLE_MS 10000

enum reason { REASON_VERSION, REASON_KEY, REASON_TWIN, REASON__NONE };

static enum reason reason_of(int code)
{
	if (code == ERR_VERSION)
		return REASON_VERSION;
	if (code == ERR_INTEGRITY)
		return REASON_KEY;
	return code == ERR_IN_USE ? REASON_TWIN : REASON__NONE;
}

static void describe_sender(const struct engine *engine, const struct path_config *path, char *text,
			    size_t size)
{
	const struct config_failover *failover = &engine->config->failover;
	const struct config_link *link = config_link_find(failover, path->name);
	const struct config_address *mate;
	char address[INET6_ADDRSTRLEN] = "";

	mate = link ? config_link_mate(failover, link) : NULL;
	if (mate && mate->family != 0 &&
	    inet_ntop(mate->family, mate->bytes, address, sizeof(address)))
		(void)snprintf(text, size, "the mate (%s)", address);
	else
		(void)snprintf(text, size, "a unit on interface %.32s (the mate, or another pair)",
			       path->name);
}

static void describe(const struct engine *engine, enum reason reason, const char *sender,
		     const struct hello_outside *outside, struct why *ret_why)
{
	if (reason == REASON_VERSION)
		(void)why_set(
			ret_why, 0,
			"%s speaks hello version %u, this unit %u: install the same release on "
			"both units",
			sender, outside->version, HELLO_VERSION);
	else if (reason == REASON_KEY)
		(void)why_set(
			ret_why, 0,
			"%s has another failover key: give both units the same `failover key`, "
			"or run `asafo pair` again",
			sender);
	else
		(void)why_set(
			ret_why, 0,
			"%s has this unit's key and says that it is the %s, too: `failover lan "
			"unit` must be primary on one unit and secondary on the other",
			sender, fo_unit_text(engine->config->failover.unit));
}

/* What this unit makes of it; see negotiation_tick of the state machine. */
static const char *consequence(const struct engine *engine, const struct hello_outside *outside)
{
	if (engine_is_active(engine))
		return outside->is_serving ? "; both units serve: repair it now" : "";
	return outside->is_serving ? "; it serves, so this unit waits (`asafo failover active` "
				     "overrides)"
				   : "";
}

void stranger_refused(struct engine *engine, size_t index, int code, const uint8_t *data,
		      size_t size)
{
	enum reason reason = reason_of(code);
	struct engine_mate *mate = &engine->mate;
	const struct path_config *path = path_set_config(engine->pair.paths, index);
	struct hello_outside outside;
	char sender[128];
	struct why why;

	if (reason == REASON__NONE || hello_peek(data, size, &outside) < 0)
		return;
	describe_sender(engine, path, sender, sizeof(sender));
	describe(engine, reason, sender, &outside, &why);
	if ((engine->pair.told[index] & 1u << reason) == 0) {
		engine->pair.told[index] |= (uint8_t)(1u << reason);
		if (reason == REASON_VERSION) {
			report(engine, LOG_ALERT, 103006, NULL,
			       "Mate version %s is not compatible with ours %s: %s",
			       mate->software[0] ? mate->software : "unknown", PACKAGE_VERSION,
			       why.text);
			report(engine, LOG_ALERT, 105040, NULL,
			       "Mate failover version is not compatible.");
		} else {
			log_line(LOG_WARNING, "hello refused: %s", why.text);
		}
	}
	if (!path->is_failover_link && engine_hears_mate(engine))
		return;
	(void)snprintf(mate->refused, sizeof(mate->refused), "%s%s", why.text,
		       path->is_failover_link ? consequence(engine, &outside) : "");
	mate->refused_at = monotime_now();
	if (path->is_failover_link && reason != REASON_TWIN &&
	    outside.unit != engine->config->failover.unit)
		engine_feed(engine, (struct fo_event){.type = FO_EVENT_STRANGER,
						      .is_stranger_serving = outside.is_serving});
}

const char *stranger_trouble(const struct engine *engine)
{
	const struct engine_mate *mate = &engine->mate;
	uint64_t ago = monotime_since(monotime_now(), mate->refused_at);

	return ago < TROUBLE_MS * MONOTIME_NS_PER_MS ? mate->refused : "";
}
