/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On the failover link, which has two ends only, who sends from the mate's address is the mate. On
 * an interface it may as well be another pair on the same segment: that is worth a line in the log,
 * and a word in `show failover` only while the mate is not heard. A twin is heard there alone,
 * since it has this unit's address on the link, but it has the pair's key. Its words are not proven
 * to be of now, so they count only where they were said at this time of the day.
 */
#include "failover/engine/stranger.h"

#include <config.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/engine/report.h"

#define TROUBLE_MS 10000
#define DOUBLED_MS 60000    /* either of them may be quiet for a while */
#define TWIN_RECENT_MS 5000 /* so far the two clocks may be apart */

enum reason { REASON_VERSION, REASON_KEY, REASON_TWIN, REASON__NONE };

static enum reason reason_of(int code)
{
	if (code == ERR_VERSION)
		return REASON_VERSION;
	return code == ERR_INTEGRITY ? REASON_KEY : REASON__NONE;
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
static const char *consequence(const struct engine *engine, const struct hello_outside *outside,
			       bool goes_first)
{
	if (engine_is_active(engine))
		return outside->is_serving ? "; both units serve: repair it now" : "";
	if (outside->is_serving)
		return "; it serves, so this unit waits (`asafo failover active` overrides)";
	return goes_first ? "; it goes first, so this unit waits (`asafo failover active` "
			    "overrides)"
			  : "";
}

/* Of a twin whose hellos are not of this time of the day: nothing that this unit does goes by them.
 */
static const char *stale_consequence(const struct engine *engine,
				     const struct hello_outside *outside)
{
	if (engine_is_active(engine) && outside->is_serving)
		return "; both units serve, unless somebody repeats old hellos: repair it now, and "
		       "set the clocks, which differ by more than 5 s";
	return "; its clock and this unit's differ by more than 5 s, so this unit does not wait "
	       "for it: set the clocks";
}

static void log_refused(struct engine *engine, size_t index, enum reason reason, const char *why)
{
	const struct engine_mate *mate = &engine->mate;

	if ((engine->pair.told[index] & 1u << reason) != 0)
		return;
	engine->pair.told[index] |= (uint8_t)(1u << reason);
	if (reason != REASON_VERSION) {
		log_line(LOG_WARNING, "hello refused: %s", why);
		return;
	}
	report(engine, LOG_ALERT, 103006, NULL,
	       "Mate version %s is not compatible with ours %s: %s",
	       mate->software[0] ? mate->software : "unknown", PACKAGE_VERSION, why);
	report(engine, LOG_ALERT, 105040, NULL, "Mate failover version is not compatible.");
}

static const char *outcome(const struct engine *engine, enum reason reason,
			   const struct hello_outside *outside, bool is_believed, bool goes_first)
{
	if (is_believed)
		return consequence(engine, outside, goes_first);
	return reason == REASON_TWIN ? stale_consequence(engine, outside) : "";
}

/* IS_BELIEVED: what OUTSIDE says of serving counts. GOES_FIRST: so does who is only about to. */
static void note(struct engine *engine, size_t index, enum reason reason,
		 const struct hello_outside *outside, bool is_believed, bool goes_first)
{
	struct engine_mate *mate = &engine->mate;
	const struct path_config *path = path_set_config(engine->pair.paths, index);
	char sender[128];
	struct why why;

	describe_sender(engine, path, sender, sizeof(sender));
	describe(engine, reason, sender, outside, &why);
	log_refused(engine, index, reason, why.text);
	if (!path->is_failover_link && engine_hears_mate(engine))
		return;
	(void)snprintf(mate->refused, sizeof(mate->refused), "%s%s", why.text,
		       outcome(engine, reason, outside, is_believed, goes_first));
	mate->refused_at = monotime_now();
	if (is_believed)
		engine_feed(engine, (struct fo_event){.type = FO_EVENT_STRANGER,
						      .is_stranger_serving =
							      outside->is_serving || goes_first});
}

void stranger_refused(struct engine *engine, size_t index, int code, const uint8_t *data,
		      size_t size)
{
	enum reason reason = reason_of(code);
	struct hello_outside outside;

	if (reason == REASON__NONE || hello_peek(data, size, &outside) < 0)
		return;
	note(engine, index, reason, &outside,
	     path_set_config(engine->pair.paths, index)->is_failover_link &&
		     outside.unit != engine->config->failover.unit,
	     false);
}

static bool is_recent(const struct hello *hello)
{
	uint64_t now_ns, then_ns = hello->sent_realtime_ns;
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	now_ns = (uint64_t)ts.tv_sec * MONOTIME_NS_PER_SEC + (uint64_t)ts.tv_nsec;
	return (now_ns > then_ns ? now_ns - then_ns : then_ns - now_ns) <=
	       TWIN_RECENT_MS * MONOTIME_NS_PER_MS;
}

/* Of two that begin together one goes first, and both know which: their boots are numbers. */
static bool goes_first(const struct engine *engine, const struct hello *hello)
{
	const struct fo_mate_view *twin = &hello->view;

	return fo_state_is_active(twin->state) ||
	       (twin->state == FO_STATE_NEGOTIATION && twin->may_activate &&
		hello->boot < engine->pair.boot);
}

void stranger_twin(struct engine *engine, size_t index, const struct hello *hello)
{
	struct hello_outside outside = {.version = HELLO_VERSION,
					.unit = hello->unit,
					.is_serving = hello->view.is_serving};

	note(engine, index, REASON_TWIN, &outside, is_recent(hello), goes_first(engine, hello));
}

bool stranger_is_doubled(const struct engine *engine, struct why *ret_why)
{
	const struct engine_mate *mate = &engine->mate;
	bool is_primary = engine->config->failover.unit == FO_UNIT_SECONDARY;

	if (mate->doubled_at.ns == 0 ||
	    monotime_since(monotime_now(), mate->doubled_at) >= DOUBLED_MS * MONOTIME_NS_PER_MS)
		return false;
	(void)why_set(ret_why, 0,
		      "two machines are the %s unit, and have this pair's key (a copy of its disk, "
		      "or of its virtual machine?): turn one of them off",
		      fo_unit_text(is_primary ? FO_UNIT_PRIMARY : FO_UNIT_SECONDARY));
	return true;
}

void stranger_boot(struct engine *engine, uint64_t boot)
{
	struct engine_mate *mate = &engine->mate;
	bool was_doubled, is_back = false;
	struct why why;

	for (size_t i = 0; i < ENGINE_MATE_BOOTS; i++)
		is_back |= mate->boots[i] == boot;
	mate->boots[mate->n_boots++ % ENGINE_MATE_BOOTS] = mate->boot;
	if (!is_back)
		return;
	was_doubled = stranger_is_doubled(engine, &why);
	mate->doubled_at = monotime_now();
	if (!was_doubled && stranger_is_doubled(engine, &why))
		log_line(LOG_ERR, "%s", why.text);
}

const char *stranger_trouble(const struct engine *engine)
{
	const struct engine_mate *mate = &engine->mate;
	uint64_t ago = monotime_since(monotime_now(), mate->refused_at);

	return ago < TROUBLE_MS * MONOTIME_NS_PER_MS ? mate->refused : "";
}
