/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A place is an interface that is listened on, and a name that is bound there ("": any). The fronts
 * tell what each would get, and how their last handshake with it ended; the mate tells the same of
 * its own. Judged is always by the running-config, which both share.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "failover/methods/handlers.h"
#include "failover/methods/proof.h"

#define KEY_MAX 512 /* an interface, a name and a trustpoint */

struct json_object *proof_verdict(const char *state, int64_t at, const char *why)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "state", state);
	json_add_number(object, "at", at);
	json_add_text(object, "why", why);
	return object;
}

/* ---- this unit's ---- */

static void fill_place(struct json_object *place, const Asafo__Ipc__FrontServed *served,
		       bool is_current)
{
	json_add_text(place, "interface", served->interface);
	json_add_text(place, "domain", served->domain);
	json_add_text(place, "trustpoint", served->trustpoint);
	json_add_hex(place, "fingerprint", served->fingerprint.data, served->fingerprint.len);
	json_add_text(place, "kind", served->kind);
	json_add_flag(place, "is_fallback", served->is_fallback);
	json_add_flag(place, "is_idle", served->is_idle);
	json_add_text(place, "why", served->why);
	json_add_number(place, "tested_at", is_current ? served->tested_at : 0);
	json_add_number(place, "code", served->test_code);
	json_add_text(place, "test_why", served->test_why);
	json_add_number(place, "staple_until", served->staple_until);
}

/* The one that tells less well: not tested, failed, tested earlier. */
static bool is_worse(struct json_object *place, const Asafo__Ipc__FrontServed *served,
		     bool is_current)
{
	int64_t at = is_current ? served->tested_at : 0;
	int64_t code = parameter_number(place, "code", 0);

	if (served->is_fallback != parameter_flag(place, "is_fallback"))
		return served->is_fallback;
	if (served->is_idle != parameter_flag(place, "is_idle"))
		return served->is_idle;
	if ((served->test_code < 0) != (code < 0))
		return served->test_code < 0;
	return at < parameter_number(place, "tested_at", 0);
}

/* Hundreds of places in each of many fronts: INDEX has each under its interface, name and
 * trustpoint, as several may be served there by their kinds of keys. */
static void add_served(struct json_object *places, struct json_object *index,
		       const Asafo__Ipc__FrontServed *served, bool is_current)
{
	struct json_object *place = NULL;
	char key[KEY_MAX];

	(void)snprintf(key, sizeof(key), "%s %s %s", served->interface, served->domain,
		       served->trustpoint);
	if (json_object_object_get_ex(index, key, &place)) {
		if (is_worse(place, served, is_current))
			fill_place(place, served, is_current);
		return;
	}
	place = json_object_new_object();
	fill_place(place, served, is_current);
	(void)json_object_object_add(index, key, json_object_get(place));
	(void)json_object_array_add(places, place);
}

struct json_object *proof_places_since(const struct engine *engine, uint64_t round)
{
	struct json_object *places = json_object_new_array();
	struct json_object *index = json_object_new_object();

	for (size_t i = 0; i < ENGINE_FRONTS_MAX; i++) {
		const Asafo__Ipc__FrontReport *report = engine->rooms.reports[i];
		bool is_current;

		if (!engine->rooms.fronts[i] || !report)
			continue;
		is_current = report->generation == engine->config_generation &&
			     report->test_round >= round;
		for (size_t j = 0; j < report->n_served; j++)
			add_served(places, index, report->served[j], is_current);
	}
	json_object_put(index);
	return places;
}

struct json_object *proof_places(const struct engine *engine)
{
	return proof_places_since(engine, 0);
}

bool proof_places_are_tried(struct json_object *places)
{
	for (size_t i = 0; i < json_object_array_length(places); i++) {
		struct json_object *place = json_object_array_get_idx(places, i);

		if (!parameter_flag(place, "is_idle") &&
		    parameter_number(place, "tested_at", 0) == 0)
			return false;
	}
	return true;
}

/* ---- the verdict ---- */

static bool is_bound(const struct engine *engine, const char *name)
{
	for (size_t i = 0; i < engine->config->n_bindings; i++) {
		if (strcmp(engine->config->bindings[i].trustpoint, name) == 0)
			return true;
	}
	return false;
}

static const char *name_text(const char *domain)
{
	return domain[0] ? domain : "any name";
}

/* 1: exactly this leaf; 0: not known yet; negative: no, RET_WHY says why. */
static int judge_place(struct json_object *place, const char *fingerprint, struct why *ret_why)
{
	const char *interface = parameter_text(place, "interface");
	const char *domain = name_text(parameter_text(place, "domain"));

	if (parameter_flag(place, "is_idle"))
		return why_set(ret_why, -1, "interface %s, %s: no client gets it (%s)", interface,
			       domain, parameter_text(place, "why"));
	if (parameter_flag(place, "is_fallback"))
		return why_set(ret_why, -1,
			       "interface %s, %s: clients get the self-signed certificate (%s)",
			       interface, domain, parameter_text(place, "why"));
	if (parameter_number(place, "tested_at", 0) == 0)
		return 0;
	if (parameter_number(place, "code", 0) < 0)
		return why_set(ret_why, -1, "interface %s, %s: the handshake failed: %s", interface,
			       domain, parameter_text(place, "test_why"));
	if (fingerprint[0] && strcmp(parameter_text(place, "fingerprint"), fingerprint) != 0)
		return why_set(ret_why, -1,
			       "interface %s, %s: clients get the leaf %.16s..., the store has "
			       "%.16s...",
			       interface, domain, parameter_text(place, "fingerprint"),
			       fingerprint);
	return 1;
}

struct json_object *proof_judge_served(const struct engine *engine, struct json_object *places,
				       const char *name, const char *fingerprint)
{
	int64_t oldest = INT64_MAX;
	bool is_pending = false;
	size_t n = 0;

	if (!is_bound(engine, name))
		return proof_verdict("none", 0, "it is bound nowhere");
	if (engine->config->webvpn.n_enabled == 0)
		return proof_verdict("none", 0, "nothing is listened on: webvpn is not enabled");
	for (size_t i = 0; i < json_object_array_length(places); i++) {
		struct json_object *place = json_object_array_get_idx(places, i);
		int64_t at = parameter_number(place, "tested_at", 0);
		struct why why = {0};
		int r;

		if (strcmp(parameter_text(place, "trustpoint"), name) != 0)
			continue;
		n++;
		r = judge_place(place, fingerprint, &why);
		if (r < 0)
			return proof_verdict("no", at, why.text);
		is_pending = is_pending || r == 0;
		oldest = at < oldest ? at : oldest;
	}
	if (n == 0)
		return proof_verdict("no", 0,
				     json_object_array_length(places) == 0
					     ? "no listener of that unit has reported yet"
					     : "no listener serves it: it is bound where nothing "
					       "listens, or where another binding goes first");
	return is_pending ? proof_verdict("unknown", 0, "the listeners have not tried it yet")
			  : proof_verdict("yes", oldest, "");
}

/* ---- what is missing ---- */

static void add_sentence(struct json_object *array, const struct why *why)
{
	(void)json_object_array_add(array, json_object_new_string(why->text));
}

/* Where the trustpoints of other lines are: "vpn on inside". */
static void describe_bindings(const struct engine *engine, struct why *ret_why)
{
	const struct config_binding *binding = engine->config->bindings;

	if (engine->config->n_bindings == 0)
		(void)why_set(ret_why, 0, "there is none");
	else
		(void)why_set(ret_why, 0, "there is one for %s%s%s%s%s%s", binding->trustpoint,
			      binding->interface[0] ? " on " : "", binding->interface,
			      binding->domain[0] ? " for " : "", binding->domain,
			      engine->config->n_bindings > 1 ? ", and others" : "");
}

static void add_unbound_place(const struct engine *engine, const char *unit, const char *interface,
			      const char *suggested, struct json_object *array)
{
	struct why bindings, why;

	/* Nothing was imported yet: it is no surprise to anybody. */
	if (engine->config->n_bindings == 0 && !suggested && !engine->store.position.has_data &&
	    engine->store.unit_trustpoints == 0)
		return;
	describe_bindings(engine, &bindings);
	(void)why_set(&why, 0,
		      "clients of interface %s%s get the self-signed certificate: no ssl "
		      "trust-point line holds there (%s): type asafo bind %s %s",
		      interface, unit, bindings.text, suggested ? suggested : "NAME", interface);
	add_sentence(array, &why);
}

static void add_place(const struct engine *engine, struct json_object *place, bool is_mate,
		      const char *suggested, struct json_object *array)
{
	const char *unit = is_mate ? " of the other unit" : "";
	const char *interface = parameter_text(place, "interface");
	const char *trustpoint = parameter_text(place, "trustpoint");
	const char *domain = parameter_text(place, "domain");
	struct why why;

	if (parameter_flag(place, "is_fallback") && !trustpoint[0]) {
		add_unbound_place(engine, unit, interface, suggested, array);
		return;
	}
	if (parameter_flag(place, "is_idle"))
		(void)why_set(
			&why, 0,
			"no client of interface %s%s (%s) gets trustpoint %s (%s): import it, "
			"or type asafo unbind %s where it is bound",
			interface, unit, name_text(domain), trustpoint,
			parameter_text(place, "why"), trustpoint);
	else if (parameter_flag(place, "is_fallback"))
		(void)why_set(&why, 0,
			      "clients of interface %s%s (%s) get the self-signed certificate: ssl "
			      "trust-point %s holds there, but %s store cannot give it (%s): "
			      "asafo why %s says what to do",
			      interface, unit, name_text(domain), trustpoint,
			      is_mate ? "that unit's" : "this unit's", parameter_text(place, "why"),
			      trustpoint);
	else if (parameter_number(place, "code", 0) < 0)
		(void)why_set(&why, 0,
			      "a handshake on interface %s%s (%s) with trustpoint %s failed: %s",
			      interface, unit, name_text(domain), trustpoint,
			      parameter_text(place, "test_why"));
	else
		return;
	add_sentence(array, &why);
}

void proof_add_gaps(const struct engine *engine, struct json_object *places, bool is_mate,
		    const char *suggested, struct json_object *array)
{
	for (size_t i = 0; i < json_object_array_length(places); i++)
		add_place(engine, json_object_array_get_idx(places, i), is_mate, suggested, array);
}

static bool is_listened_on(const struct config *config, const char *interface)
{
	for (size_t i = 0; i < config->webvpn.n_enabled; i++) {
		if (strcmp(config->webvpn.enabled_on[i], interface) == 0)
			return true;
	}
	return false;
}

void proof_add_idle_bindings(const struct engine *engine, struct json_object *array)
{
	const struct config *config = engine->config;
	struct why why;

	for (size_t i = 0; config->webvpn.n_enabled > 0 && i < config->n_bindings; i++) {
		const struct config_binding *binding = &config->bindings[i];

		if (!binding->interface[0] || is_listened_on(config, binding->interface))
			continue;
		(void)why_set(
			&why, 0,
			"ssl trust-point %s %s serves nobody: nothing listens on %s (webvpn is "
			"enabled on %s%s): type asafo configure webvpn \"enable %s\", or bind "
			"it where clients come",
			binding->trustpoint, binding->interface, binding->interface,
			config->webvpn.enabled_on[0],
			config->webvpn.n_enabled > 1 ? " and others" : "", binding->interface);
		add_sentence(array, &why);
	}
}
