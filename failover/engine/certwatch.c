/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper searches its store, rarely; the soonest ends are kept here. Which alert is due follows
 * from the dates alone, so nothing has to be kept over a restart: after one, what is due is said
 * again, once.
 */
#include "failover/engine/certwatch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/utc.h"
#include "certstore/store/record.pb-c.h"
#include "failover/engine/engine.h"
#include "failover/engine/report.h"

#define TICK_MS 1000
#define FIRST_MS 15000		/* after the start: first the unit finds its role */
#define AGAIN_MS 3600000	/* time goes on */
#define CHANGED_MS 10000	/* at most so often where the store or the clock changed */
#define CLOCK_SET_S 60		/* less than that changes no date */
#define APART_MS 60000		/* an import that is on its way is no difference yet */
#define APART_AGAIN_MS 86400000 /* said again */
#define NAMED_MAX 3
#define DAY_S 86400

int64_t certwatch_turn(int64_t not_after, int64_t now, uint32_t begin, uint32_t repeat)
{
	int64_t first = not_after - (int64_t)begin * DAY_S;
	int64_t turn = (now - first) / ((int64_t)repeat * DAY_S);

	if (now < first)
		return -1;
	/* The end itself is one more. */
	return now > not_after ? turn + 1 : turn;
}

static bool has_ended(const struct certwatch_end *end, int64_t now)
{
	return now > end->not_after;
}

/* ---- the log ---- */

static void say_end(const struct engine *engine, const struct certwatch_end *end, int64_t now)
{
	int64_t days = (end->not_after - now) / DAY_S;
	char at[UTC_TEXT_MAX];

	(void)utc_log_text(end->not_after, at);
	if (has_ended(end, now))
		report(engine, LOG_ALERT, 717055, NULL,
		       "The ID certificate in the trustpoint %s has expired. Expiration date and "
		       "time: %s Subject Name: %s Issuer Name: %s Serial Number: %s",
		       end->name, at, end->subject, end->issuer, end->serial);
	else
		report(engine, LOG_ALERT, 717054, NULL,
		       "The ID certificate in the trustpoint %s is due to expire in %" PRId64
		       " days. Expiration date and time: %s Subject Name: %s Issuer Name: %s "
		       "Serial Number: %s",
		       end->name, days, at, end->subject, end->issuer, end->serial);
}

/* What was said of the same certificate. */
static int64_t said_turn(const struct certwatch *watch, const struct certwatch_end *end)
{
	for (size_t i = 0; i < watch->n_ends; i++) {
		const struct certwatch_end *said = &watch->ends[i];

		if (said->not_after == end->not_after && strcmp(said->name, end->name) == 0)
			return said->turn;
	}
	return -1;
}

static void search_ended(struct engine *engine)
{
	struct certwatch *watch = &engine->certwatch;
	const struct config *config = engine->config;
	int64_t now = (int64_t)time(NULL);

	for (size_t i = 0; i < watch->n_found; i++) {
		struct certwatch_end *end = &watch->found[i];

		end->turn = certwatch_turn(end->not_after, now, config->alert_begin_days,
					   config->alert_repeat_days);
		if (end->turn <= said_turn(watch, end))
			continue;
		say_end(engine, end, now);
		watch->alerts++;
	}
	memcpy(watch->ends, watch->found, sizeof(watch->ends));
	watch->n_ends = watch->n_found;
	watch->is_searching = false;
}

/* ---- the search ---- */

/* In the order of their ends; the latest gives way where there is no room. */
static void insert(struct certwatch *watch, const struct certwatch_end *end)
{
	size_t at = watch->n_found;

	if (at == CERTWATCH_NAMES_MAX) {
		if (watch->found[at - 1].not_after <= end->not_after)
			return;
		at--;
	} else {
		watch->n_found++;
	}
	for (; at > 0 && watch->found[at - 1].not_after > end->not_after; at--)
		watch->found[at] = watch->found[at - 1];
	watch->found[at] = *end;
}

static void take(struct certwatch *watch, const ProtobufCBinaryData *public_part)
{
	Asafo__Record__TrustpointPublic *trustpoint =
		asafo__record__trustpoint_public__unpack(NULL, public_part->len, public_part->data);
	struct certwatch_end end = {.turn = -1};

	if (!trustpoint)
		return;
	/* The fallback is this service's own: nobody imports its renewal. */
	if (trustpoint->origin != ASAFO__RECORD__ORIGIN__ORIGIN_FALLBACK) {
		(void)snprintf(end.name, sizeof(end.name), "%s", trustpoint->name);
		(void)snprintf(end.subject, sizeof(end.subject), "%s", trustpoint->subject);
		(void)snprintf(end.issuer, sizeof(end.issuer), "%s", trustpoint->issuer);
		if (trustpoint->serial.len * 2 < sizeof(end.serial))
			hex_encode(trustpoint->serial.data, trustpoint->serial.len, end.serial);
		end.not_after = trustpoint->not_after;
		insert(watch, &end);
	}
	asafo__record__trustpoint_public__free_unpacked(trustpoint, NULL);
}

static void on_list(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__ListReply *reply = (const Asafo__Ipc__ListReply *)body;
	struct engine *engine = userdata;
	struct certwatch *watch = &engine->certwatch;

	if (engine->is_exiting)
		return;
	if (code < 0 || (reply->status && reply->status->code < 0)) {
		watch->is_searching = false;
		return;
	}
	for (size_t i = 0; i < reply->n_public_parts; i++)
		take(watch, &reply->public_parts[i]);
	if (!has_more)
		search_ended(engine);
}

void certwatch_search(struct engine *engine)
{
	struct certwatch *watch = &engine->certwatch;
	Asafo__Ipc__List message = ASAFO__IPC__LIST__INIT;

	if (watch->is_searching)
		return;
	message.ends_before =
		(int64_t)time(NULL) + (int64_t)engine->config->alert_begin_days * DAY_S;
	watch->n_found = 0;
	watch->was_searched = true;
	watch->searched_at = monotime_now();
	watch->searched_realtime = (int64_t)time(NULL);
	watch->searched_begin = engine->config->alert_begin_days;
	memcpy(watch->searched_digest, engine->store.position.digest,
	       sizeof(watch->searched_digest));
	watch->is_searching =
		engine_keeper_call(engine, IPC_LIST, &message.base, NULL, 0, on_list, engine) == 0;
}

/* What was found then was judged by another clock: it may say of a good certificate that it has
 * expired. */
static bool is_clock_set(const struct certwatch *watch)
{
	uint64_t passed_s =
		monotime_since(monotime_now(), watch->searched_at) / MONOTIME_NS_PER_SEC;
	int64_t set_s = (int64_t)time(NULL) - watch->searched_realtime - (int64_t)passed_s;

	return set_s > CLOCK_SET_S || set_s < -CLOCK_SET_S;
}

static bool is_search_due(const struct engine *engine)
{
	const struct certwatch *watch = &engine->certwatch;
	struct monotime since = watch->was_searched ? watch->searched_at : engine->started_at;
	uint64_t ago_ms = monotime_since(monotime_now(), since) / MONOTIME_NS_PER_MS;
	bool is_other = memcmp(watch->searched_digest, engine->store.position.digest,
			       sizeof(watch->searched_digest)) != 0;

	if (!engine->is_started || engine->store.why[0])
		return false;
	if (!watch->was_searched)
		return ago_ms >= FIRST_MS;
	return ago_ms >= AGAIN_MS || ((is_other || is_clock_set(watch)) && ago_ms >= CHANGED_MS) ||
	       watch->searched_begin != engine->config->alert_begin_days;
}

/* ---- both units ---- */

static bool are_apart(const struct engine *engine)
{
	return engine_is_active(engine) && engine_hears_mate(engine) &&
	       memcmp(engine->mate.position.digest, engine->store.position.digest,
		      sizeof(engine->mate.position.digest)) != 0;
}

static void describe_apart(const struct engine *engine, struct why *ret_why)
{
	size_t n = engine->lacking.n;

	if (!engine->lacking.is_complete || n == 0)
		(void)why_set(ret_why, 0,
			      "the units hold different certificates: run asafo write-standby");
	else
		(void)why_set(ret_why, 0,
			      "the units hold different certificates, the standby lacks %s%s: run "
			      "asafo write-standby",
			      engine->lacking.names[0], n > 1 ? " and others" : "");
}

static void watch_parity(struct engine *engine)
{
	struct certwatch *watch = &engine->certwatch;
	struct monotime now = monotime_now();
	bool was_apart = watch->is_apart;
	struct why why;

	watch->is_apart = are_apart(engine);
	if (!watch->is_apart) {
		if (watch->is_apart_said && engine_hears_mate(engine))
			log_line(LOG_NOTICE, "the units hold the same certificates again");
		watch->is_apart_said = false;
		return;
	}
	if (!was_apart)
		watch->apart_since = now;
	if (monotime_since(now, watch->apart_since) <
	    (watch->is_apart_said ? APART_AGAIN_MS : APART_MS) * MONOTIME_NS_PER_MS)
		return;
	watch->is_apart_said = true;
	watch->apart_since = now;
	describe_apart(engine, &why);
	log_line(LOG_WARNING, "%s", why.text);
}

void certwatch_tick(struct engine *engine)
{
	struct certwatch *watch = &engine->certwatch;
	struct monotime now = monotime_now();

	if (monotime_since(now, watch->ticked_at) < TICK_MS * MONOTIME_NS_PER_MS)
		return;
	watch->ticked_at = now;
	watch_parity(engine);
	if (is_search_due(engine))
		certwatch_search(engine);
}

/* ---- for the operator ---- */

static void describe_end(const struct certwatch_end *end, struct why *ret_why)
{
	int64_t now = (int64_t)time(NULL);
	char at[UTC_TEXT_MAX];

	(void)utc_log_text(end->not_after, at);
	if (has_ended(end, now))
		(void)why_set(
			ret_why, 0,
			"the certificate of trustpoint %s has expired (%s): import its renewal "
			"with --replace",
			end->name, at);
	else
		(void)why_set(ret_why, 0,
			      "the certificate of trustpoint %s expires in %" PRId64
			      " days (%s): import its renewal with --replace",
			      end->name, (end->not_after - now) / DAY_S, at);
}

bool certwatch_trouble(const struct engine *engine, size_t index, struct why *ret_why)
{
	const struct certwatch *watch = &engine->certwatch;
	size_t n = watch->n_ends;

	if (index < n && index < NAMED_MAX) {
		describe_end(&watch->ends[index], ret_why);
		return true;
	}
	if (index > n || index > NAMED_MAX || n <= NAMED_MAX)
		return false;
	(void)why_set(ret_why, 0,
		      "the certificates of %s%zu more trustpoints have expired or will soon: asafo "
		      "show trustpoints",
		      n == CERTWATCH_NAMES_MAX ? "at least " : "", n - NAMED_MAX);
	return true;
}
