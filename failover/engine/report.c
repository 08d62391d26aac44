/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/engine/report.h"

#include <config.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/replication/replication.h"

/* Of 103001, as the ASA's manual lists them. */
enum silence {
	SILENCE_NO_HELLO = 1,	 /* on the failover link */
	SILENCE_LINK_DOWN = 4,	 /* the failover link is down and the others do not answer */
	SILENCE_DURING_SYNC = 5, /* the standby went away while it was being replicated to */
};

void report(const struct engine *engine, int severity, unsigned number,
	    const struct report_about *about, const char *format, ...)
{
	const struct fo_action *of = about ? about->transition : NULL;
	const char *unit = fo_unit_text(engine->config->failover.unit);
	char text[960], term[24];
	const struct log_field fields[] = {
		{"ASAFO_UNIT", unit},
		{"ASAFO_STATE", fo_state_text(of ? of->to : engine->fsm.state)},
		{"ASAFO_TERM", term},
		{"ASAFO_REASON", about ? about->reason : NULL},
		{"ASAFO_INTERFACE", about ? about->interface : NULL},
	};
	int length = snprintf(text, sizeof(text), "(%s) ", unit);
	va_list args;

	(void)snprintf(term, sizeof(term), "%" PRIu64, of ? of->term : engine->fsm.term);
	va_start(args, format);
	(void)vsnprintf(text + length, sizeof(text) - (size_t)length, format, args);
	va_end(args);
	log_event(severity, number, fields, ARRAY_SIZE(fields), text);
}

void report_transition(const struct engine *engine, const struct engine_transition *transition)
{
	const struct fo_action *action = &transition->action;
	const char *reason = fo_reason_text(action->reason);
	const struct report_about about = {.reason = reason, .transition = action};

	if (action->to == FO_STATE_JUST_ACTIVE)
		report(engine, LOG_ALERT, 104001, &about, "Switching to ACTIVE - %s", reason);
	else if (fo_state_is_active(action->from) && !fo_state_is_active(action->to) &&
		 action->to != FO_STATE_FAILED && !transition->is_active)
		report(engine, LOG_ALERT, 104002, &about, "Switching to STANDBY - %s", reason);
	/* It became active, although this unit served and hears it. */
	if (fo_state_is_active(action->from) && action->reason == FO_REASON_OLDER_TERM)
		report(engine, LOG_ALERT, 103004, &about,
		       "Other firewall reports this firewall failed. Reason: it did not hear this "
		       "unit's hellos");
	if (action->to == FO_STATE_FAILED)
		report(engine, LOG_ALERT, 104003, &about, "Switching to FAILED. Reason: %s",
		       reason);
	else if (action->from == FO_STATE_FAILED)
		report(engine, LOG_ALERT, 104004, &about, "Switching to OK. Reason: %s", reason);
	if (action->from == FO_STATE_DISABLED || action->from == FO_STATE_NOT_DETECTED)
		report(engine, LOG_ALERT, 105002, &about, "Enabling failover.");
	else if (action->to == FO_STATE_DISABLED)
		report(engine, LOG_ALERT, 105001, &about, "Disabling failover.");
	log_line(LOG_INFO, "%s -> %s: %s (term %" PRIu64 ")", fo_state_text(action->from),
		 fo_state_text(action->to), reason, action->term);
}

static enum silence why_silent(const struct engine *engine)
{
	struct linkmon_link link = {0};

	if (engine->addresses.linkmon)
		linkmon_get(engine->addresses.linkmon, engine->config->failover.links[0].device,
			    &link);
	if (!link.has_carrier)
		return SILENCE_LINK_DOWN;
	return replication_is_busy(engine->replication) ? SILENCE_DURING_SYNC : SILENCE_NO_HELLO;
}

void report_mate(struct engine *engine, bool was_heard)
{
	bool is_heard = engine->fsm.flags.is_mate_heard;

	if (was_heard == is_heard)
		return;
	if (is_heard)
		log_line(LOG_INFO, "the mate is heard: %s, release %s",
			 fo_state_text(engine->mate.view.state), engine->mate.software);
	else if (engine->mate.view.is_leaving)
		log_line(LOG_INFO, "the mate left in an orderly way");
	else {
		engine->mate.lost_at = (int64_t)time(NULL);
		report(engine, LOG_ALERT, 103001, NULL,
		       "No response from other firewall (reason code = %d).", why_silent(engine));
	}
}

void report_version(struct engine *engine, const struct hello *hello)
{
	struct engine_mate *mate = &engine->mate;

	if (strcmp(mate->reported, hello->software) == 0)
		return;
	memcpy(mate->reported, hello->software, sizeof(mate->reported));
	if (strcmp(hello->software, PACKAGE_VERSION) != 0)
		report(engine, LOG_ALERT, 103007, NULL,
		       "Mate version %s is not identical with ours %s", hello->software,
		       PACKAGE_VERSION);
}
