/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round: the keeper says which leaf a trustpoint has, the helper asks about it, the keeper judges
 * what it brought. Whatever happened to it, the round ends with the next time to look.
 */
#include "failover/engine/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/utc.h"
#include "failover/engine/engine.h"
#include "failover/engine/fetchplan.h"
#include "failover/engine/report.h"
#include "ipc/channel.h"

#define SOON_MS 500u
/* The wall clock may be set: nothing is left alone for longer. */
#define LOOK_MAX_S 3600

/* ---- the list ---- */

static struct fetched *find(struct engine *engine, const char *name)
{
	struct engine_fetch *fetch = &engine->fetch;

	for (size_t i = 0; i < fetch->n; i++) {
		if (strcmp(fetch->list[i].name, name) == 0)
			return &fetch->list[i];
	}
	return NULL;
}

const struct fetched *engine_fetch_find(const struct engine *engine, const char *name)
{
	return find((struct engine *)(uintptr_t)engine, name);
}

bool engine_fetch_is_here(const struct engine *engine, const char *name)
{
	const struct config_trustpoint *lines = config_trustpoint_find(engine->config, name);

	return lines && lines->is_fetched && (lines->is_of_unit || engine_is_active(engine));
}

static void arm(struct engine *engine)
{
	struct engine_fetch *fetch = &engine->fetch;
	struct monotime first = MONOTIME_NEVER;

	for (size_t i = 0; i < fetch->n; i++) {
		if (engine_fetch_is_here(engine, fetch->list[i].name))
			first = monotime_min(first, fetch->list[i].look_at);
	}
	if (fetch->running[0] || first.ns == MONOTIME_NEVER.ns ||
	    sd_event_source_set_time(fetch->timer, first.ns / 1000) < 0)
		(void)sd_event_source_set_enabled(fetch->timer, SD_EVENT_OFF);
	else
		(void)sd_event_source_set_enabled(fetch->timer, SD_EVENT_ONESHOT);
}

void engine_fetch_kick(struct engine *engine)
{
	struct engine_fetch *fetch = &engine->fetch;
	struct monotime soon = monotime_add_ms(monotime_now(), SOON_MS);

	for (size_t i = 0; i < fetch->n; i++)
		fetch->list[i].look_at = monotime_min(fetch->list[i].look_at, soon);
	if (fetch->timer)
		arm(engine);
}

/* What was known of one goes on where its lines are the same. */
static struct fetched taken_over(struct engine *engine, const struct config_trustpoint *lines)
{
	const struct fetched *before = find(engine, lines->name);
	struct fetched fetched = {.look_at = monotime_add_ms(monotime_now(), SOON_MS)};

	if (before && strcmp(before->wanted_url, lines->ocsp_url) == 0)
		return *before;
	memcpy(fetched.name, lines->name, sizeof(fetched.name));
	memcpy(fetched.wanted_url, lines->ocsp_url, sizeof(fetched.wanted_url));
	return fetched;
}

void engine_fetch_configure(struct engine *engine)
{
	const struct config *config = engine->config;
	struct engine_fetch *fetch = &engine->fetch;
	struct fetched *list = calloc(config->n_trustpoints + 1, sizeof(*list));
	size_t n = 0;

	if (!list)
		return;
	for (size_t i = 0; i < config->n_trustpoints; i++) {
		if (config->trustpoints[i].is_fetched)
			list[n++] = taken_over(engine, &config->trustpoints[i]);
	}
	free(fetch->list);
	fetch->list = list;
	fetch->n = n;
	arm(engine);
}

/* ---- the end of a round ---- */

/* NULL: its lines are gone, or are others by now. */
static struct fetched *running(struct engine *engine)
{
	return find(engine, engine->fetch.running);
}

static void ended(struct engine *engine, struct fetched *fetched, int64_t after_s)
{
	if (fetched)
		fetched->look_at = monotime_add_ms(
			monotime_now(),
			(uint64_t)(after_s > LOOK_MAX_S ? LOOK_MAX_S : after_s) * 1000);
	engine->fetch.running[0] = '\0';
	arm(engine);
}

/* NULL: there is none of its leaf. */
static const struct engine_staple *staple_of(const struct engine *engine,
					     const struct fetched *fetched)
{
	for (size_t i = 0; i < engine->staples.n; i++) {
		const struct engine_staple *staple = &engine->staples.list[i];

		if (memcmp(staple->fingerprint, fetched->fingerprint, STAPLES_FINGERPRINT_SIZE) ==
		    0)
			return staple;
	}
	return NULL;
}

/* A staple that is good for long makes a failure one line, and what is revoked stays so; without it
 * each is said, and it is asked again sooner. */
static bool is_pressing(const struct engine *engine, const struct fetched *fetched)
{
	const struct engine_staple *staple = staple_of(engine, fetched);

	if (fetched->code == ERR_REVOKED || (staple && staple->is_revoked))
		return false;
	return !staple || engine_staple_is_ending(staple, (int64_t)time(NULL));
}

static void failed(struct engine *engine, int code, const char *why)
{
	struct fetched *fetched = running(engine);
	bool is_new, presses;
	int64_t after;

	if (!fetched) {
		ended(engine, NULL, 0);
		return;
	}
	is_new = fetched->failures == 0 || fetched->code != code;
	fetched->failures++;
	fetched->code = code;
	(void)why_set(&fetched->why, code, "%s", why && why[0] ? why : err_text(code));
	presses = is_pressing(engine, fetched);
	if (is_new || presses)
		report(engine, LOG_ERR, 717032, NULL,
		       "OCSP status check failed for trustpoint %s. Reason: %s", fetched->name,
		       fetched->why.text);
	after = fetchplan_after_failure(fetched->failures, presses, engine->fetch.jitter);
	fetched->ask_at = monotime_add_ms(monotime_now(), (uint64_t)after * 1000);
	ended(engine, fetched, after);
	usewatch_kick(engine);
}

static void succeeded(struct engine *engine, struct fetched *fetched, int64_t after_s)
{
	bool was_failing = fetched->failures > 0;

	fetched->failures = 0;
	fetched->code = 0;
	fetched->ask_at = (struct monotime){0};
	ended(engine, fetched, after_s);
	if (was_failing)
		usewatch_kick(engine);
}

/* There is a good one, and nobody has a newer one yet. */
static void nothing_newer(struct engine *engine, struct fetched *fetched, int64_t after_s)
{
	succeeded(engine, fetched, after_s);
	fetched->ask_at = fetched->look_at;
}

/* ---- the keeper judges ---- */

static void on_imported(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__StapleReply *reply = (const Asafo__Ipc__StapleReply *)body;
	struct engine *engine = userdata;
	int64_t now = (int64_t)time(NULL), due;
	char until[UTC_TEXT_MAX];
	struct fetched *fetched;

	(void)has_more;
	if (engine->is_exiting)
		return;
	if (code == 0 && reply->status)
		code = reply->status->code;
	fetched = running(engine);
	/* A responder that is behind another of its issuer's, of which there is an answer. */
	if (code == ERR_EXISTS && fetched) {
		const struct engine_staple *ours = staple_of(engine, fetched);

		nothing_newer(engine, fetched,
			      ours ? fetchplan_again(ours->next_update, now)
				   : FETCHPLAN_RETRY_MIN_S);
		return;
	}
	if (code < 0 || !reply->staple || !fetched) {
		failed(engine, code < 0 ? code : ERR_MALFORMED,
		       body && reply->status ? reply->status->why : NULL);
		return;
	}
	due = fetchplan_due(reply->staple->this_update, reply->staple->next_update,
			    engine->fetch.jitter);
	if (!reply->unchanged)
		report(engine, LOG_INFO, 717033, NULL,
		       "OCSP response status - Successful. Trustpoint: %s, from %s, until %s",
		       fetched->name, fetched->url, utc_text(reply->staple->next_update, until));
	if (due > now)
		succeeded(engine, fetched, due - now);
	else
		nothing_newer(engine, fetched, fetchplan_again(reply->staple->next_update, now));
}

static void import(struct engine *engine, const Asafo__Ipc__StapleFetchReply *reply,
		   const struct fetched *fetched)
{
	Asafo__Ipc__StapleImport message = ASAFO__IPC__STAPLE_IMPORT__INIT;
	int r;

	message.name = engine->fetch.running;
	message.term = engine->fsm.term;
	message.is_active = engine_is_active(engine);
	message.response = reply->response;
	message.source = (char *)(uintptr_t)fetched->url;
	r = engine_keeper_call(engine, IPC_STAPLE_IMPORT, &message.base, NULL, 0, on_imported,
			       engine);
	if (r < 0)
		failed(engine, r, NULL);
}

/* ---- the helper asks ---- */

/* A helper that a responder took over says no more than that it could not ask: what is revoked the
 * keeper says. */
static int code_of_helper(int code)
{
	switch (code) {
	case ERR_NOT_FOUND:
	case ERR_UNSUPPORTED:
	case ERR_TOO_LARGE:
	case ERR_TIMEOUT:
	case ERR_CLOSED:
	case ERR_BUSY:
	case -ENOMEM:
		return code;
	default:
		return ERR_MALFORMED;
	}
}

static void on_fetched(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__StapleFetchReply *reply = (const Asafo__Ipc__StapleFetchReply *)body;
	struct engine *engine = userdata;
	struct fetched *fetched;

	(void)has_more;
	if (engine->is_exiting)
		return;
	fetched = running(engine);
	if (code < 0 || !fetched) {
		failed(engine, code < 0 ? code : ERR_CLOSED, "asafo-fetch went away (see the log)");
		return;
	}
	(void)snprintf(fetched->url, sizeof(fetched->url), "%s",
		       config_is_url(reply->url) ? reply->url : fetched->wanted_url);
	if (reply->status && reply->status->code < 0)
		failed(engine, code_of_helper(reply->status->code), reply->status->why);
	else if (reply->response.len == 0)
		failed(engine, ERR_MALFORMED, "the OCSP responder's answer is empty");
	else if (!engine_fetch_is_here(engine, fetched->name))
		ended(engine, fetched, FETCHPLAN_RETRY_MIN_S); /* this unit gave the role away */
	else
		import(engine, reply, fetched);
}

static void ask(struct engine *engine, struct fetched *fetched,
		const Asafo__Record__TrustpointPublic *part)
{
	Asafo__Ipc__StapleFetch message = ASAFO__IPC__STAPLE_FETCH__INIT;
	struct engine_fetch *fetch = &engine->fetch;
	int r = ERR_CLOSED;

	fetched->asked_at = (int64_t)time(NULL);
	message.leaf = part->leaf;
	message.issuer = part->chain[0];
	message.url = fetched->wanted_url;
	if (fetch->helper)
		r = ipc_channel_call(fetch->helper, IPC_STAPLE_FETCH, &message.base, NULL, 0,
				     on_fetched, engine);
	if (r < 0)
		failed(engine, r, r == ERR_CLOSED ? "asafo-fetch does not run" : NULL);
}

/* ---- which leaf ---- */

static bool is_another_leaf(const struct fetched *fetched,
			    const Asafo__Record__TrustpointPublic *part)
{
	return memcmp(fetched->fingerprint, part->fingerprint.data, STAPLES_FINGERPRINT_SIZE) != 0;
}

static void look_at_leaf(struct engine *engine, struct fetched *fetched,
			 const Asafo__Record__TrustpointPublic *part)
{
	const struct engine_staple *staple = engine_staple_find(engine, part);
	int64_t now = (int64_t)time(NULL), due = now;
	struct monotime moment = monotime_now();

	if (is_another_leaf(fetched, part)) {
		memcpy(fetched->fingerprint, part->fingerprint.data, STAPLES_FINGERPRINT_SIZE);
		fetched->failures = 0;
		fetched->ask_at = (struct monotime){0};
	}
	if (staple && engine_staple_is_good(staple, now))
		due = fetchplan_due(staple->this_update, staple->next_update, engine->fetch.jitter);
	if (due > now)
		succeeded(engine, fetched, due - now);
	else if (!monotime_reached(moment, fetched->ask_at))
		ended(engine, fetched,
		      (int64_t)(monotime_since(fetched->ask_at, moment) / MONOTIME_NS_PER_SEC) + 1);
	else
		ask(engine, fetched, part);
}

static void on_certificate(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__CertificateReply *reply = (const Asafo__Ipc__CertificateReply *)body;
	Asafo__Record__TrustpointPublic *part = NULL;
	struct engine *engine = userdata;
	struct fetched *fetched;

	(void)has_more;
	if (engine->is_exiting)
		return;
	fetched = running(engine);
	if (code == 0 && reply->status->code == 0)
		part = asafo__record__trustpoint_public__unpack(NULL, reply->public_part.len,
								reply->public_part.data);
	/* Nothing is there under its name yet; what comes is told by the keeper. */
	if (!fetched || !part || part->fingerprint.len != STAPLES_FINGERPRINT_SIZE)
		ended(engine, fetched, LOOK_MAX_S);
	else if (part->is_ca || part->n_chain == 0)
		failed(engine, ERR_NO_CERTIFICATE,
		       part->is_ca
			       ? "it holds a CA's certificate, which is never served: take ocsp "
				 "fetch away"
			       : "it holds no certificate of its issuer, whom to ask about: import "
				 "it with its chain (--replace)");
	else
		look_at_leaf(engine, fetched, part);
	if (part)
		asafo__record__trustpoint_public__free_unpacked(part, NULL);
}

static void next_round(struct engine *engine)
{
	Asafo__Ipc__Certificate message = ASAFO__IPC__CERTIFICATE__INIT;
	struct engine_fetch *fetch = &engine->fetch;
	struct monotime now = monotime_now();
	struct fetched *fetched = NULL;

	/* Who waits for longest: the dead responders of some are due all the time. */
	for (size_t i = 0; i < fetch->n; i++) {
		struct fetched *one = &fetch->list[i];

		if (monotime_reached(now, one->look_at) &&
		    (!fetched || one->look_at.ns < fetched->look_at.ns) &&
		    engine_fetch_is_here(engine, one->name))
			fetched = one;
	}
	if (!fetched || fetch->running[0])
		return;
	memcpy(fetch->running, fetched->name, sizeof(fetch->running));
	message.name = fetch->running;
	if (engine_keeper_call(engine, IPC_CERTIFICATE, &message.base, NULL, 0, on_certificate,
			       engine) < 0)
		ended(engine, fetched, FETCHPLAN_RETRY_MIN_S);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct engine *engine = userdata;

	(void)source;
	(void)usec;
	next_round(engine);
	arm(engine);
	return 0;
}

/* ---- life ---- */

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	(void)channel;
	(void)frame;
	(void)body;
	(void)userdata;
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct engine *engine = userdata;

	(void)code;
	if (engine->fetch.helper == channel)
		engine->fetch.helper = NULL;
	ipc_channel_free(channel);
}

void engine_fetch_attach(struct engine *engine, int fd)
{
	static const bool permitted[IPC_TYPE__MAX] = {false};
	static const struct ipc_channel_ops ops = {permitted, on_request, on_closed};
	struct engine_fetch *fetch = &engine->fetch;
	int r;

	ipc_channel_free(TAKE_PTR(fetch->helper));
	r = ipc_channel_new(engine->event, fd, &ops, engine, &fetch->helper);
	if (r < 0)
		log_line(LOG_ERR, "channel to asafo-fetch: %s", err_text(r));
	/* Who waited for it. */
	for (size_t i = 0; i < fetch->n; i++) {
		if (fetch->list[i].code == ERR_CLOSED)
			fetch->list[i].ask_at = (struct monotime){0};
	}
	engine_fetch_kick(engine);
}

int engine_fetch_start(struct engine *engine)
{
	struct engine_fetch *fetch = &engine->fetch;
	int r = getrandom(&fetch->jitter, sizeof(fetch->jitter), 0) < 0 ? -errno : 0;

	if (r == 0)
		r = sd_event_add_time(engine->event, &fetch->timer, CLOCK_MONOTONIC, 0, 0, on_timer,
				      engine);
	if (r >= 0)
		r = sd_event_source_set_enabled(fetch->timer, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

void engine_fetch_stop(struct engine *engine)
{
	struct engine_fetch *fetch = &engine->fetch;

	ipc_channel_free(TAKE_PTR(fetch->helper));
	fetch->timer = sd_event_source_disable_unref(fetch->timer);
	free(TAKE_PTR(fetch->list));
	fetch->n = 0;
}
