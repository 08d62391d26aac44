/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with the CRLs: where `revocation-check` wants them, or between the units. */
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/utc.h"
#include "certstore/x509/crl.h"
#include "failover/engine/engine.h"

#define APART_MS 90000 /* one that is on its way to the mate is no difference yet */

static bool is_wanted(const struct config_trustpoint *trustpoint)
{
	return trustpoint->is_for_clients && trustpoint->revocation != CONFIG_REVOCATION_NONE;
}

static bool is_any_wanted(const struct config *config)
{
	for (size_t i = 0; i < config->n_trustpoints; i++) {
		if (is_wanted(&config->trustpoints[i]))
			return true;
	}
	return false;
}

static bool has_crl(const struct engine_crls *crls, const char *name)
{
	for (size_t i = 0; i < crls->n; i++) {
		if (engine_crl_is_of(&crls->list[i], name))
			return true;
	}
	return false;
}

/* By which name people know it: of a trustpoint where it is wanted, if there is one. */
static const char *name_of(const struct engine *engine, const struct engine_crl *crl)
{
	for (size_t i = 0; i < crl->n_names; i++) {
		const struct config_trustpoint *lines =
			config_trustpoint_find(engine->config, crl->names[i]);

		if (lines && is_wanted(lines))
			return crl->names[i];
	}
	return crl->names[0];
}

/* Of a CA that has two, one of them at home, the later one holds. */
static bool is_outdone(const struct engine_crls *crls, const struct engine_crl *crl)
{
	for (size_t i = 0; i < crls->n; i++) {
		const struct engine_crl *other = &crls->list[i];

		if (memcmp(other->key_id, crl->key_id, sizeof(crl->key_id)) == 0 &&
		    other->this_update > crl->this_update)
			return true;
	}
	return false;
}

/* What comes of it to whom this CA, or one below it, gave a certificate. */
static const char *effect(const struct engine *engine, const char *name)
{
	const struct config_trustpoint *lines = config_trustpoint_find(engine->config, name);

	if (lines && lines->revocation == CONFIG_REVOCATION_CRL_NONE)
		return "who has its certificates is let in unchecked";
	return "who has its certificates is not let in (revocation-check crl)";
}

static void judge(const struct engine *engine, const struct engine_crl *crl, int64_t now,
		  struct usecheck_findings *findings)
{
	int64_t left = crl->next_update - now, whole = crl->next_update - crl->this_update;
	const char *name = name_of(engine, crl);
	char at[UTC_TEXT_MAX];

	if (now >= crl->next_update + CRL_SKEW_S)
		(void)why_set(usecheck_next(findings), 0,
			      "the CRL of trustpoint %s ended at %s: %s; import its CA's new one "
			      "(asafo crl import %s FILE)",
			      name, utc_text(crl->next_update, at), effect(engine, name), name);
	else if (!crl_is_good(crl->this_update, crl->next_update, now))
		(void)why_set(usecheck_next(findings), 0,
			      "the CRL of trustpoint %s begins at %s only, by this unit's clock: "
			      "%s; set the clock",
			      name, utc_text(crl->this_update, at), effect(engine, name));
	else if (left < whole / 4)
		(void)why_set(usecheck_next(findings), 0,
			      "the CRL of trustpoint %s ends at %s: import its CA's new one (asafo "
			      "crl import %s FILE)",
			      name, utc_text(crl->next_update, at), name);
}

void engine_crls_judge(const struct engine *engine, struct usecheck_findings *findings)
{
	const struct config *config = engine->config;
	const struct engine_crls *crls = &engine->crls;
	int64_t now = (int64_t)time(NULL);

	if (crls->id == 0 || !is_any_wanted(config))
		return;
	for (size_t i = 0; i < config->n_trustpoints; i++) {
		const struct config_trustpoint *trustpoint = &config->trustpoints[i];

		if (is_wanted(trustpoint) && !has_crl(crls, trustpoint->name))
			(void)why_set(usecheck_next(findings), 0,
				      "trustpoint %s has revocation-check, and its CA no CRL: %s; "
				      "import one (asafo crl import %s FILE)",
				      trustpoint->name, effect(engine, trustpoint->name),
				      trustpoint->name);
	}
	for (size_t i = 0; i < crls->n; i++) {
		if (crls->list[i].n_names > 0 && !is_outdone(crls, &crls->list[i]))
			judge(engine, &crls->list[i], now, findings);
	}
}

void engine_crls_say(struct engine *engine)
{
	struct engine_crls *crls = &engine->crls;
	int64_t now = (int64_t)time(NULL);
	char at[UTC_TEXT_MAX];

	for (size_t i = 0; i < crls->n && is_any_wanted(engine->config); i++) {
		struct engine_crl *crl = &crls->list[i];

		if (crl->is_end_said || crl->n_names == 0 || is_outdone(crls, crl) ||
		    now < crl->next_update + CRL_SKEW_S)
			continue;
		crl->is_end_said = true;
		log_line(LOG_WARNING,
			 "the CRL of trustpoint %s ended at %s: %s; import its CA's new one (asafo "
			 "crl import %s FILE)",
			 name_of(engine, crl), utc_text(crl->next_update, at),
			 effect(engine, name_of(engine, crl)), name_of(engine, crl));
	}
}

/* ---- the mate ---- */

static size_t count_shared(const struct engine_crls *crls)
{
	size_t n = 0;

	for (size_t i = 0; i < crls->n; i++)
		n += !crls->list[i].is_home;
	return n;
}

/* Not of a mate that is not there: that it lacks everything is said elsewhere. */
bool engine_crls_are_apart(const struct engine *engine)
{
	const struct engine_crls *crls = &engine->crls;

	return engine_is_active(engine) && engine_hears_mate(engine) && engine->pair.link &&
	       link_is_up(engine->pair.link) && crls->id != 0 && crls->mate_id != crls->id &&
	       (count_shared(crls) > 0 || crls->n_newer > 0);
}

void engine_crls_look_apart(struct engine *engine)
{
	struct engine_crls *crls = &engine->crls;
	bool are_apart = engine_crls_are_apart(engine);

	if (are_apart && !crls->is_apart)
		crls->apart_since = monotime_now();
	crls->is_apart = are_apart;
}

bool engine_crls_trouble(const struct engine *engine, struct why *ret_why)
{
	const struct engine_crls *crls = &engine->crls;

	if (crls->n_newer > 0 && engine_crls_are_apart(engine)) {
		(void)why_set(ret_why, 0,
			      "the standby has %zu CRLs that this unit has not, or older ones of: "
			      "they are taken from it; if this stays, the logs of both say why",
			      crls->n_newer);
		return true;
	}
	if (!crls->is_apart || !engine_crls_are_apart(engine) ||
	    !monotime_reached(monotime_now(), monotime_add_ms(crls->apart_since, APART_MS)))
		return false;
	(void)why_set(ret_why, 0,
		      "the standby has other CRLs than this unit, or none: after a failover it "
		      "knows of other revoked certificates; its log says why (a store without "
		      "room, a release that knows no CRLs)");
	return true;
}
