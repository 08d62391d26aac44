/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with the staples: of a leaf that is bound, or of the pair's. */
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "base/utc.h"
#include "certstore/x509/staple.h"
#include "failover/engine/engine.h"

#define APART_MS 90000 /* one that is on its way to the mate is no difference yet */

static const struct engine_staple *find(const struct engine *engine,
					const Asafo__Record__TrustpointPublic *part)
{
	const struct engine_staples *staples = &engine->staples;
	bool is_home = part->kept_home[0] != 0;

	if (part->fingerprint.len != STAPLES_FINGERPRINT_SIZE)
		return NULL;
	for (size_t i = 0; i < staples->n; i++) {
		if (staples->list[i].is_home == is_home &&
		    memcmp(staples->list[i].fingerprint, part->fingerprint.data,
			   STAPLES_FINGERPRINT_SIZE) == 0)
			return &staples->list[i];
	}
	return NULL;
}

const struct engine_staple *engine_staple_find(const struct engine *engine,
					       const Asafo__Record__TrustpointPublic *part)
{
	const struct engine_staple *staple = find(engine, part);

	return staple && !staple->is_revoked ? staple : NULL;
}

const struct engine_staple *engine_staple_find_revoked(const struct engine *engine,
						       const Asafo__Record__TrustpointPublic *part)
{
	const struct engine_staple *staple = find(engine, part);

	return staple && staple->is_revoked ? staple : NULL;
}

bool engine_staple_is_good(const struct engine_staple *staple, int64_t now)
{
	return staple_is_good(staple->this_update, staple->next_update, now);
}

bool engine_staple_is_ending(const struct engine_staple *staple, int64_t now)
{
	return (staple->next_update - now) < (staple->next_update - staple->this_update) / 4;
}

/* NULL: it is not fetched, not by this unit, or all is well. What a unit saw while it was the
 * active one is of that time. */
static const struct fetched *find_failing(const struct engine *engine, const char *name)
{
	const struct fetched *fetched = engine_fetch_find(engine, name);

	return fetched && fetched->failures > 0 && engine_fetch_is_here(engine, name) ? fetched
										      : NULL;
}

/* What becomes of it, or what to do. */
static void describe_remedy(const struct engine *engine, const char *name, struct why *ret_why)
{
	const struct fetched *failing = find_failing(engine, name);

	if (failing)
		(void)why_set(ret_why, 0, "to fetch one fails: %s", failing->why.text);
	else if (engine_fetch_find(engine, name))
		(void)why_set(ret_why, 0, "%s asks for one (ocsp fetch)",
			      engine_fetch_is_here(engine, name) ? "this unit" : "the active unit");
	else
		(void)why_set(ret_why, 0, "import one (asafo ocsp import %s FILE)", name);
}

void engine_staples_judge(const struct engine *engine, const Asafo__Record__TrustpointPublic *part,
			  struct usecheck_findings *findings)
{
	const struct engine_staple *staple = engine_staple_find(engine, part);
	int64_t now = (int64_t)time(NULL);
	bool is_good = staple && engine_staple_is_good(staple, now);
	bool has_ended = staple && now >= staple->next_update;
	char at[UTC_TEXT_MAX];
	const struct fetched *failing = find_failing(engine, part->name);
	const struct engine_staple *revoked = engine_staple_find_revoked(engine, part);
	struct why remedy;

	if (!usecheck_is_bound(engine->config, part->name))
		return;
	describe_remedy(engine, part->name, &remedy);
	if (revoked)
		(void)why_set(
			usecheck_next(findings), 0,
			"trustpoint %s is bound, and revoked: the issuer has revoked the "
			"certificate (at %s): clients will refuse it, have another one issued",
			part->name,
			revoked->revoked_at ? utc_text(revoked->revoked_at, at)
					    : "an unknown time");
	else if (failing && failing->code == ERR_REVOKED)
		(void)why_set(usecheck_next(findings), 0, "trustpoint %s is bound, and revoked: %s",
			      part->name, failing->why.text);
	else if (part->must_staple && !is_good)
		(void)why_set(usecheck_next(findings), 0,
			      "trustpoint %s is bound, and its certificate wants an OCSP staple "
			      "(must-staple), which %s: clients may refuse it; %s",
			      part->name,
			      !staple	  ? "is not there"
			      : has_ended ? "has ended"
					  : "begins later, by this unit's clock",
			      remedy.text);
	else if (!staple && failing)
		(void)why_set(usecheck_next(findings), 0, "trustpoint %s has no OCSP staple: %s",
			      part->name, remedy.text);
	else if (has_ended)
		(void)why_set(usecheck_next(findings), 0,
			      "the OCSP staple of trustpoint %s ended at %s: clients get none; %s",
			      part->name, utc_text(staple->next_update, at), remedy.text);
	else if (staple && !is_good)
		(void)why_set(usecheck_next(findings), 0,
			      "the OCSP staple of trustpoint %s begins at %s only, by this unit's "
			      "clock: clients get none; set the clock",
			      part->name, utc_text(staple->this_update, at));
	else if (staple && engine_staple_is_ending(staple, now))
		(void)why_set(usecheck_next(findings), 0,
			      "the OCSP staple of trustpoint %s ends at %s: %s", part->name,
			      utc_text(staple->next_update, at), remedy.text);
}

/* ---- the log ---- */

static void say_end(const struct engine *engine, struct engine_staple *staple, const char *name,
		    int64_t now)
{
	char at[UTC_TEXT_MAX];
	struct why remedy;

	if (staple->is_end_said || staple->next_update > now)
		return;
	staple->is_end_said = true;
	describe_remedy(engine, name, &remedy);
	log_line(LOG_WARNING,
		 "the OCSP staple of trustpoint %s ended at %s: clients get none any more; %s",
		 name, utc_text(staple->next_update, at), remedy.text);
}

/* Once while it is so: of each leaf that wants one. */
static void say_missing(struct engine *engine, const Asafo__Record__TrustpointPublic *part,
			bool is_missing)
{
	struct engine_staples *staples = &engine->staples;
	uint8_t(*said)[STAPLES_FINGERPRINT_SIZE] = staples->missing_said;
	struct why remedy;
	size_t i = 0;

	while (i < staples->n_missing_said &&
	       memcmp(said[i], part->fingerprint.data, STAPLES_FINGERPRINT_SIZE) != 0)
		i++;
	if (!is_missing && i < staples->n_missing_said) {
		staples->n_missing_said--;
		memmove(said[i], said[staples->n_missing_said], STAPLES_FINGERPRINT_SIZE);
		return;
	}
	if (!is_missing || i < staples->n_missing_said || i == STAPLES_MISSING_SAID_MAX)
		return;
	memcpy(said[staples->n_missing_said++], part->fingerprint.data, STAPLES_FINGERPRINT_SIZE);
	describe_remedy(engine, part->name, &remedy);
	log_line(
		LOG_WARNING,
		"the certificate of trustpoint %s wants an OCSP staple (must-staple), and there is "
		"none that can be sent: clients may refuse it; %s",
		part->name, remedy.text);
}

void engine_staples_say(struct engine *engine, const Asafo__Record__TrustpointPublic *part)
{
	struct engine_staple *staple =
		(struct engine_staple *)(uintptr_t)engine_staple_find(engine, part);
	int64_t now = (int64_t)time(NULL);

	if (staple)
		say_end(engine, staple, part->name, now);
	if (part->must_staple && part->fingerprint.len == STAPLES_FINGERPRINT_SIZE)
		say_missing(engine, part, !staple || !engine_staple_is_good(staple, now));
}

/* ---- the mate ---- */

static size_t count_shared(const struct engine_staples *staples)
{
	size_t n = 0;

	for (size_t i = 0; i < staples->n; i++)
		n += !staples->list[i].is_home;
	return n;
}

/* Not of a mate that is not there: that it lacks everything is said elsewhere. */
bool engine_staples_are_apart(const struct engine *engine)
{
	const struct engine_staples *staples = &engine->staples;

	return engine_is_active(engine) && engine_hears_mate(engine) && engine->pair.link &&
	       link_is_up(engine->pair.link) && staples->id != 0 &&
	       staples->mate_id != staples->id && count_shared(staples) > 0;
}

void engine_staples_look_apart(struct engine *engine)
{
	struct engine_staples *staples = &engine->staples;

	bool are_apart = engine_staples_are_apart(engine);

	if (are_apart && !staples->is_apart)
		staples->apart_since = monotime_now();
	staples->is_apart = are_apart;
}

bool engine_staples_trouble(const struct engine *engine, struct why *ret_why)
{
	const struct engine_staples *staples = &engine->staples;

	if (!staples->is_apart || !engine_staples_are_apart(engine) ||
	    !monotime_reached(monotime_now(), monotime_add_ms(staples->apart_since, APART_MS)))
		return false;
	(void)why_set(
		ret_why, 0,
		"the standby has other OCSP staples than this unit, or none: after a failover "
		"clients get those; its log says why (a store without room, a release that "
		"knows no staples)");
	return true;
}
