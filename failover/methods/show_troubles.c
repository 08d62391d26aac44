/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody should mend, in sentences: `show failover` lists them under Trouble, and `asafo
 * check` warns of each. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "failover/engine/health.h"
#include "failover/engine/hooks.h"
#include "failover/engine/schedule.h"
#include "failover/engine/stranger.h"
#include "failover/methods/handlers.h"
#include "failover/methods/proof.h"
#include "failover/replication/replication.h"
#include "failover/vpn/hub.h"

#define NAMED_MAX 3 /* names may be long; the rest is counted */

static void add_sentence(struct json_object *array, const char *sentence)
{
	if (sentence[0])
		(void)json_object_array_add(array, json_object_new_string(sentence));
}

const char *engine_trouble(const struct engine *engine)
{
	if (engine->store.why[0])
		return engine->store.why;
	if (engine->store.incomplete[0])
		return engine->store.incomplete;
	if (engine->config->failover.is_enabled && !engine->pair.has_keys)
		return ENGINE_NO_KEY;
	if (engine_health_trouble(engine->health))
		return engine_health_trouble(engine->health);
	return stranger_trouble(engine);
}

bool mate_trouble(const struct engine *engine, struct why *ret_why)
{
	const struct engine_mate *mate = &engine->mate;
	uint64_t ago_s;

	if (!engine->is_started || !engine->config->failover.is_enabled ||
	    engine_hears_mate(engine) || *engine_trouble(engine))
		return false;
	if (!mate->was_heard) {
		if (engine->fsm.state == FO_STATE_NEGOTIATION)
			return false; /* it is being listened for */
		(void)why_set(ret_why, 0,
			      "no hello of the other unit came since this one started: is it up, "
			      "the failover link connected, and failover interface ip the same on "
			      "both?");
		return true;
	}
	ago_s = monotime_since(monotime_now(), mate->heard_at) / MONOTIME_NS_PER_SEC;
	if (mate->view.is_leaving)
		(void)why_set(ret_why, 0,
			      "the other unit stopped its service %" PRIu64
			      " s ago: it cannot take "
			      "over, and what it lacks is unknown",
			      ago_s);
	else
		(void)why_set(ret_why, 0,
			      "the other unit is lost, no hello for %" PRIu64 " s: it cannot take "
			      "over, and what it lacks is unknown; look at it, then at the links",
			      ago_s);
	return true;
}

static void add_suspension(const struct engine *engine, struct json_object *array)
{
	struct monotime now = monotime_now();
	struct why why;

	if (!fo_fsm_is_suspended(&engine->fsm, now))
		return;
	(void)why_set(&why, 0,
		      "the units switched back and forth: this one makes no change of its own will "
		      "for %" PRIu64 " s more; show failover history details has the reasons",
		      monotime_since(engine->fsm.flap.until, now) / MONOTIME_NS_PER_SEC);
	add_sentence(array, why.text);
}

/* Where the mate is not heard at all, that is what is said. A link may carry hellos one way only:
 * then each unit says it in its own words. */
static void add_links(const struct engine *engine, struct json_object *array)
{
	size_t n = engine->pair.paths ? path_set_count(engine->pair.paths) : 0;
	struct why why;

	if (!engine_hears_mate(engine))
		return;
	for (size_t i = 0; i < n; i++) {
		struct path_statistics path;

		path_set_statistics(engine->pair.paths, i, &path);
		if (!path.is_failover_link || (path.state == PATH_STATE_UP && !path.is_mate_deaf))
			continue;
		if (path.last_error == -ENODEV)
			(void)why_set(&why, 0,
				      "the failover link %s has no device: there is no %s on this "
				      "unit; make it, or name the right one in `failover lan "
				      "interface` or `failover link`",
				      path.name, path.device);
		else if (path.is_unknown_to_mate)
			(void)why_set(&why, 0,
				      "the other unit has no failover link with the addresses of "
				      "%s (%s): make the lines `failover interface ip` the same on "
				      "both units",
				      path.name, path.device);
		else
			(void)why_set(&why, 0,
				      "%s on the failover link %s (%s): repair it, nobody fails "
				      "over for that alone",
				      path.state == PATH_STATE_UP
					      ? "no hello of this unit reaches the mate"
					      : "no hello of the mate comes",
				      path.name, path.device);
		add_sentence(array, why.text);
	}
}

static bool is_there(const struct engine *engine, const struct config_interface *interface)
{
	struct linkmon_link link;

	linkmon_get(engine->addresses.linkmon, interface->device, &link);
	return link.is_present;
}

/* Of one unit, in one sentence: "interfaces of this unit: dmz1 No Link, dmz2 Failed". */
static void add_interfaces(const struct engine *engine, bool is_mate, struct json_object *array)
{
	struct why why = {0}, list = {0};
	size_t n = 0;

	for (size_t i = 0; i < engine->config->n_interfaces; i++) {
		const struct config_interface *interface = &engine->config->interfaces[i];
		struct engine_health_shown shown;

		engine_health_show_interface(engine->health, interface, &shown);
		if (!(is_mate ? shown.is_mate_failed : shown.is_failed) || n++ >= NAMED_MAX)
			continue;
		(void)why_set(&why, 0, "%s%s%s %s", list.text, n == 1 ? "" : ", ", interface->name,
			      is_mate ? shown.mate_status : shown.status);
		list = why;
		if (!is_mate && !is_there(engine, interface))
			(void)why_set(&list, 0, "%s (there is no device %s)", why.text,
				      interface->device);
	}
	if (n == 0)
		return;
	(void)why_set(&why, 0, "interface%s of %s unit: %s", n == 1 ? "" : "s",
		      is_mate ? "the other" : "this", list.text);
	if (n > NAMED_MAX) {
		list = why;
		(void)why_set(&why, 0, "%s and %zu more", list.text, n - NAMED_MAX);
	}
	add_sentence(array, why.text);
}

static void add_tracks(const struct engine *engine, struct json_object *array)
{
	const struct tracks *tracks = engine_health_tracks(engine->health);
	struct why why;

	for (size_t i = 0; i < tracks_count(tracks); i++) {
		struct track_shown shown;

		tracks_show(tracks, i, &shown);
		if (shown.state != HEALTH_TRACK_DOWN || shown.config->decrement == 0)
			continue;
		(void)why_set(&why, 0, "track %u is Down: %s", (unsigned)shown.config->number,
			      shown.result);
		add_sentence(array, why.text);
	}
}

/* Frozen roles look like others, until one is to change. */
static const char *off_trouble(const struct engine *engine)
{
	if (engine->config->failover.n_links == 0)
		return ""; /* a unit that has no other */
	if (engine->is_started && !engine->config->failover.is_enabled)
		return engine_is_active(engine)
			       ? "failover is off on this unit, which serves: it hands over to "
				 "nobody; asafo configure failover turns it on"
			       : "failover is off on this unit, which does not serve: it takes "
				 "over "
				 "only when asked to; asafo configure failover turns it on";
	if (engine_hears_mate(engine) && engine->mate.view.state == FO_STATE_DISABLED)
		return engine->mate.view.is_serving
			       ? "failover is off on the other unit, which serves: it hands over "
				 "to "
				 "nobody; asafo configure failover turns it on there"
			       : "failover is off on the other unit: it takes over only when asked "
				 "to; asafo configure failover turns it on there";
	return "";
}

const char *maintenance_trouble(const struct engine *engine)
{
	/* A store that lost something has its own sentence. */
	bool is_ours = engine->fsm.flags.is_maintenance && !engine->store.incomplete[0];
	bool is_mates = engine_hears_mate(engine) && engine->mate.view.is_maintenance;
	bool is_served = engine_is_active(engine) ||
			 (engine_hears_mate(engine) && engine->mate.view.is_serving);

	if (is_ours && is_mates)
		return is_served ? "both units are in maintenance: if the active one is lost, "
				   "nobody serves; end it on one (asafo maintenance off)"
				 : "both units are in maintenance, and neither serves: asafo "
				   "failover active, or asafo maintenance off, on one of them";
	if (is_ours && engine_is_active(engine))
		return "this unit is in maintenance, and serves: asafo failover standby hands over "
		       "once the other unit is ready";
	if (is_ours)
		return "this unit is in maintenance: it takes over only when asked to";
	return is_mates ? "the other unit is in maintenance: it takes over only when asked to" : "";
}

static void add_misplaced(const struct engine *engine, struct json_object *array)
{
	struct why whys[NAMED_MAX], rest;
	size_t n = engine_misplaced(engine, whys, NAMED_MAX);

	for (size_t i = 0; i < n && i < NAMED_MAX; i++)
		add_sentence(array, whys[i].text);
	if (n <= NAMED_MAX)
		return;
	(void)why_set(&rest, 0, "%zu more addresses of the pair were configured by somebody",
		      n - NAMED_MAX);
	add_sentence(array, rest.text);
}

static void add_disk(const struct engine *engine, struct json_object *array)
{
	const struct engine_store *store = &engine->store;
	struct why why;

	if (!store->waits_for[0])
		return;
	(void)why_set(&why, 0,
		      "the disk of this unit is slow, or hangs: %s has been waited for for %" PRIu64
		      " s; clients are served, and nothing is changed meanwhile: look at the disk, "
		      "the kernel's log may tell more",
		      store->waits_for,
		      monotime_since(monotime_now(), store->waits_since) / MONOTIME_NS_PER_SEC);
	add_sentence(array, why.text);
}

/* Of interest to nobody where no group asks PAM. */
static void add_without_pam(const struct engine *engine, struct json_object *array)
{
	const struct config_vpn *vpn = &engine->config->vpn;
	struct why why;

	for (size_t i = 0; engine->options.is_without_pam && i < vpn->n_groups; i++) {
		if (!vpn->groups[i].is_by_pam)
			continue;
		(void)why_set(&why, 0,
			      "there is no user asafo-pam on this unit: nobody can log in by PAM "
			      "here, as tunnel-group %s wants; systemd-sysusers, then systemctl "
			      "restart asafo",
			      vpn->groups[i].name);
		add_sentence(array, why.text);
		return;
	}
}

struct json_object *json_troubles(const struct engine *engine)
{
	struct json_object *array = json_object_new_array();
	struct usecheck_findings crls = {.n = 0};
	struct why why;

	add_sentence(array, engine_trouble(engine));
	if (mate_trouble(engine, &why))
		add_sentence(array, why.text);
	if (stranger_is_doubled(engine, &why))
		add_sentence(array, why.text);
	add_suspension(engine, array);
	add_disk(engine, array);
	if (lockwatch_trouble(engine, &why))
		add_sentence(array, why.text);
	for (size_t i = 0; schedule_trouble(engine, i, &why); i++)
		add_sentence(array, why.text);
	add_sentence(array, off_trouble(engine));
	add_sentence(array, maintenance_trouble(engine));
	if (replication_version_trouble(engine->replication, &why))
		add_sentence(array, why.text);
	if (vpnhub_is_mate_older(engine->vpnhub) && engine->config->vpn.is_enabled)
		add_sentence(array, "the mate's version knows no VPN sessions: they would not "
				    "survive a failover; upgrade it");
	if (vpnhub_trust_trouble(engine->vpnhub, &why))
		add_sentence(array, why.text);
	add_without_pam(engine, array);
	if (engine_rekey_trouble(engine, &why))
		add_sentence(array, why.text);
	if (engine_monitor_trouble(engine, &why))
		add_sentence(array, why.text);
	if (engine_apart_trouble(engine, &why))
		add_sentence(array, why.text);
	add_links(engine, array);
	add_interfaces(engine, false, array);
	add_interfaces(engine, true, array);
	add_tracks(engine, array);
	if (engine_staples_trouble(engine, &why))
		add_sentence(array, why.text);
	if (engine_crls_trouble(engine, &why))
		add_sentence(array, why.text);
	engine_crls_judge(engine, &crls);
	for (size_t i = 0; i < crls.n; i++)
		add_sentence(array, crls.sentences[i].text);
	if (ca_marks_trouble(engine, &why))
		add_sentence(array, why.text);
	add_sentence(array, engine->addresses.macs_why);
	for (size_t i = 0; hooks_trouble(engine->hooks, i, &why); i++)
		add_sentence(array, why.text);
	proof_add_troubles(engine, array);
	for (size_t i = 0; collision_get(engine, i, &why); i++)
		add_sentence(array, why.text);
	if (engine_address_trouble(engine, &why))
		add_sentence(array, why.text);
	add_misplaced(engine, array);
	for (size_t i = 0; clockwatch_trouble(engine, i, &why); i++)
		add_sentence(array, why.text);
	for (size_t i = 0; certwatch_trouble(engine, i, &why); i++)
		add_sentence(array, why.text);
	for (size_t i = 0; i < engine->usewatch.known.n; i++)
		add_sentence(array, engine->usewatch.known.sentences[i].text);
	return array;
}
