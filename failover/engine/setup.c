/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the configuration to sockets. A new snapshot is swapped in whole; then only what differs is
 * rebuilt, so that a change of a binding does not touch the hellos.
 */
#include <config.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/engine/ca_marks.h"
#include "failover/engine/engine.h"
#include "failover/engine/health.h"
#include "failover/engine/pairing.h"
#include "failover/engine/report.h"
#include "failover/replication/replication.h"
#include "failover/engine/schedule.h"
#include "failover/engine/stranger.h"
#include "failover/vpn/hub.h"

struct fo_params engine_params(const struct config *config)
{
	return (struct fo_params){.unit = config->failover.unit,
				  .is_enabled = config->failover.is_enabled,
				  .poll_ms = config->failover.poll_ms,
				  .hold_ms = config->failover.hold_ms,
				  .is_preempt = config->failover.is_preempt,
				  .preempt_delay_ms = config->failover.preempt_delay_s * 1000};
}

/* Zero is for a version that does not tell it. True: it is another. */
static bool hash_lines(struct engine *engine)
{
	uint8_t digest[ENGINE_DIGEST_SIZE];
	uint64_t before = engine->config_hash;

	engine->config_hash = 0;
	if (engine_config_digest(engine, NULL, digest) == 0)
		memcpy(&engine->config_hash, digest, sizeof(engine->config_hash));
	return engine->config_hash != before;
}

/* Who hears that this unit has these lines takes its score for the one by them: that is told before
 * (health.h in core, struct health_lines). */
static void tell_lines(struct engine *engine)
{
	engine_feed(engine,
		    (struct fo_event){.type = FO_EVENT_POSITION,
				      .position = engine_position_brief(&engine->store.position)});
}

bool engine_shares_lines(const struct engine *engine)
{
	uint64_t theirs = engine->mate.view.position.config;

	return engine->config_hash == 0 || theirs == 0 || engine->config_hash == theirs;
}

void engine_link_config(const struct engine *engine, struct link_config *ret_config)
{
	const struct config_failover *failover = &engine->config->failover;

	*ret_config = (struct link_config){.is_listener = failover->unit == FO_UNIT_PRIMARY,
					   .unit = (uint32_t)failover->unit,
					   .boot = engine->pair.boot,
					   .psk_identity = "asafo-link"};
	for (size_t i = 0; i < failover->n_links; i++) {
		const struct config_link *link = &failover->links[i];
		struct link_way *way = &ret_config->ways[ret_config->n_ways];

		if (!config_link_has_addresses(link))
			continue;
		engine_link_addresses(failover, link, LINK_PORT, &way->local, &way->remote);
		memcpy(way->device, link->device, sizeof(way->device));
		memcpy(way->name, link->name, sizeof(way->name));
		ret_config->n_ways++;
	}
}

/* ---- what comes in ---- */

static void on_link_up(struct link *link, void *userdata)
{
	struct engine *engine = userdata;

	engine->pair.link_why[0] = 0;
	engine->pair.link_code = 0;
	engine->pair.was_up = true;
	engine->pair.up_since = monotime_now();
	engine->pair.is_loss_untold = false;
	(void)snprintf(engine->pair.link_over, sizeof(engine->pair.link_over), "%s",
		       link_way_name(link));
	report_connection(engine, true, NULL);
	engine_rekey_link_up(engine);
	replication_link_up(engine->replication);
	vpnhub_link_up(engine->vpnhub);
	engine->upper->on_news(engine);
	ca_marks_tell(engine);
	engine_resumption_link_up(engine);
	engine_staples_link_up(engine);
	engine_crls_link_up(engine);
}

/* One that lasts has the count begin anew: note_apart() in hellos.c. */
static void note_end(struct engine_pair *pair, const char *why)
{
	if (!pair->was_up ||
	    monotime_since(monotime_now(), pair->up_since) >= ENGINE_APART_MS * MONOTIME_NS_PER_MS)
		return;
	pair->n_short++;
	pair->short_at = monotime_now();
	(void)snprintf(pair->short_why, sizeof(pair->short_why), "%s", why);
}

static void on_link_down(struct link *link, int code, const char *why, void *userdata)
{
	struct engine *engine = userdata;

	(void)link;
	note_end(&engine->pair, why);
	engine->pair.link_code = code;
	if (strncmp(engine->pair.link_why, why, sizeof(engine->pair.link_why) - 1) != 0)
		report_connection(engine, false, why);
	engine->pair.was_up = false;
	(void)snprintf(engine->pair.link_why, sizeof(engine->pair.link_why), "%s", why);
	engine_rekey_link_down(engine);
	engine->upper->on_link_down(engine, why);
	replication_link_down(engine->replication, why);
	vpnhub_link_down(engine->vpnhub);
}

static void on_link_message(struct link *link, const Asafo__Wire__Link *message, void *userdata)
{
	struct engine *engine = userdata;
	bool is_taken;

	(void)link;
	is_taken =
		pairing_message(engine->pairing, message) ||
		replication_message(engine->replication, message) ||
		ca_marks_message(engine, message) || vpnhub_link_message(engine->vpnhub, message) ||
		engine_rekey_message(engine, message) ||
		engine_resumption_message(engine, message) ||
		engine_staples_message(engine, message) || engine_crls_message(engine, message) ||
		engine->upper->on_message(engine, message);
	traffic_received(&engine->traffic, (int)message->body_case, is_taken);
}

static void on_link_writable(struct link *link, void *userdata)
{
	struct engine *engine = userdata;

	(void)link;
	replication_link_writable(engine->replication);
	vpnhub_link_writable(engine->vpnhub);
	engine_crls_link_writable(engine);
}

/* ---- building ---- */

void engine_drop_link(struct engine *engine, const char *why)
{
	if (!engine->pair.link)
		return;
	link_free(TAKE_PTR(engine->pair.link));
	engine_rekey_link_down(engine);
	engine->upper->on_link_down(engine, why);
	replication_link_down(engine->replication, why);
	vpnhub_link_down(engine->vpnhub);
}

static int change_link(struct engine *engine)
{
	struct link_change change;
	int r;

	engine_rekey_fill(engine, &change);
	r = link_change_keys(engine->pair.link, &change);
	explicit_bzero(&change, sizeof(change));
	return r;
}

static void build_link(struct engine *engine)
{
	static const struct link_ops ops = {on_link_up, on_link_down, on_link_message,
					    on_link_writable};
	struct engine_pair *pair = &engine->pair;
	struct link_config config;
	int r;

	engine_link_config(engine, &config);
	if (config.n_ways == 0)
		return;
	if (pair->has_keys)
		memcpy(config.psk, pair->link_psk, sizeof(config.psk));
	else if (!config.is_listener || !pair->is_answered ||
		 gnutls_rnd(GNUTLS_RND_KEY, config.psk, sizeof(config.psk)) < 0)
		return; /* nothing to say yet; a listener waits for `asafo pair` behind a key that
			   nobody has */
	r = link_new(engine->event, &config, &ops, engine, &pair->link);
	explicit_bzero(&config, sizeof(config));
	if (r == 0 && pair->has_keys)
		r = change_link(engine);
	if (r < 0)
		log_line(LOG_ERR, "failover link: %s", err_text(r));
	if (!pair->link)
		(void)snprintf(pair->link_why, sizeof(pair->link_why),
			       "this unit could not make it (%s); systemctl restart asafo here "
			       "tries again",
			       err_text(r));
	if (r == 0)
		pairing_link_made(engine->pairing);
}

void engine_rebuild_pair(struct engine *engine)
{
	struct engine_pair *pair = &engine->pair;
	int r = 0;

	engine_drop_link(engine, "the failover link is set up anew");
	path_set_free(TAKE_PTR(pair->paths));
	hello_codec_free(TAKE_PTR(pair->codec));
	pair->link_why[0] = 0;
	memset(pair->told, 0, sizeof(pair->told));
	engine->mate.refused[0] = 0;
	/* A boot id goes with one key and one nonce sequence. */
	if (gnutls_rnd(GNUTLS_RND_NONCE, &pair->boot, sizeof(pair->boot)) < 0)
		log_line(LOG_ERR, "no random numbers");
	if (pair->has_keys)
		r = hello_codec_new(pair->hello_key, engine->config->failover.unit, pair->boot,
				    &pair->codec);
	if (r == 0 && pair->has_other)
		r = hello_codec_set_keys(pair->codec, pair->hello_key, pair->other_hello_key);
	if (r < 0)
		log_line(LOG_ERR, "hellos: %s", err_text(r));
	else
		(void)engine_rebuild_paths(engine);
	build_link(engine);
}

int engine_change_keys(struct engine *engine)
{
	struct engine_pair *pair = &engine->pair;
	int r = pair->link ? change_link(engine) : 0;

	if (r == 0 && pair->codec)
		r = hello_codec_set_keys(pair->codec, pair->hello_key,
					 pair->has_other ? pair->other_hello_key : NULL);
	return r;
}

static void say_keyless(struct engine *engine)
{
	struct engine_pair *pair = &engine->pair;

	if (!pair->is_answered || pair->is_lack_logged)
		return;
	pair->is_lack_logged = true;
	log_line(LOG_NOTICE, "%s", ENGINE_NO_KEY);
	child_notify(engine->rooms.child, "Disabled: " ENGINE_NO_KEY);
}

void engine_say_maintenance(struct engine *engine)
{
	engine_feed(engine, (struct fo_event){.type = FO_EVENT_OPERATOR_MAINTENANCE,
					      .is_on = engine->config->failover.is_maintenance ||
						       engine->store.incomplete[0]});
}

void engine_try_start(struct engine *engine)
{
	const struct engine_store *store = &engine->store;
	struct fo_event event = {.type = FO_EVENT_START, .params = engine_params(engine->config)};

	if (engine->is_started || !engine->has_config || !store->is_known)
		return;
	if (engine->config->failover.is_enabled && !engine->pair.has_keys) {
		say_keyless(engine);
		return; /* it could not tell its mate from a stranger */
	}
	event.boot = (struct fo_boot){.promised_term = store->promised_term,
				      .activated_term = store->activated_term,
				      .position = engine_position_brief(&store->position)};
	engine->is_started = true;
	engine->alive_at = monotime_now();
	event.at = engine->alive_at;
	engine_feed(engine, event);
	if (engine->config->failover.is_maintenance || store->incomplete[0])
		engine_say_maintenance(engine);
	engine_health_started(engine->health);
}

/* What the link is made of; the monitored interfaces are no part of it. */
static bool same_link(const struct config_failover *a, const struct config_failover *b)
{
	return a->unit == b->unit && a->n_links == b->n_links &&
	       memcmp(a->links, b->links, sizeof(a->links)) == 0;
}

static bool same_addresses(const struct config *a, const struct config *b)
{
	return memcmp(a->interfaces, b->interfaces, sizeof(a->interfaces)) == 0 &&
	       a->n_secondaries == b->n_secondaries &&
	       memcmp(a->secondaries, b->secondaries,
		      a->n_secondaries * sizeof(a->secondaries[0])) == 0;
}

void engine_apply_config(struct engine *engine, struct config *config)
{
	struct config *old = engine->config;
	bool is_same_ways = engine_same_paths(old, config) && engine->pair.paths;
	bool is_same_link = same_link(&old->failover, &config->failover) && engine->pair.paths;
	bool are_new_lines;
	struct fo_params before = engine_params(old), after = engine_params(config);
	struct why why = {0};

	engine_breathe(engine); /* hundreds of lines were read and checked */
	engine->config = config;
	if (config->failover.new_key[0])
		engine->pair.is_key_from_file = engine->config_generation == 0;
	engine->config_generation++;
	are_new_lines = hash_lines(engine);
	engine_raise_devices(engine);
	config->failover.has_key = engine->store.has_failover_key || config->failover.new_key[0];
	if (engine->addresses.vip && engine_set_addresses(engine, &why) < 0)
		log_line(LOG_ERR, "addresses: %s", why.text);
	if (engine->addresses.is_claimed && !same_addresses(old, config))
		engine_announce(engine);
	if (!is_same_link)
		engine_rebuild_pair(engine);
	else if (!is_same_ways)
		(void)engine_rebuild_paths(engine);
	engine_breathe(engine);
	if (config->failover.new_key[0])
		engine_keys_settle(engine);
	engine_fronts_configure(engine);
	engine_fronts_role(engine);
	vpnhub_configure(engine->vpnhub);
	engine_fetch_configure(engine);
	engine_breathe(engine);
	if (old->failover.is_maintenance != config->failover.is_maintenance)
		engine_say_maintenance(engine);
	if (memcmp(&before, &after, sizeof(before)) != 0)
		engine_feed(engine, (struct fo_event){.type = FO_EVENT_PARAMS, .params = after});
	engine_health_configure(engine->health);
	engine_breathe(engine);
	if (are_new_lines)
		tell_lines(engine);
	engine_breathe(engine);
	usewatch_kick(engine);
	engine_try_start(engine);
	replication_compare_versions(engine->replication);
	engine->upper->on_news(engine);
	config_free(old);
}
