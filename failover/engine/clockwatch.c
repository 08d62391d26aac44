/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole store is searched when the clocks begin to differ, when they differ by something else,
 * and rarely otherwise; the keeper searches, and names no more than are shown. An import is judged
 * by itself.
 */
#include "failover/engine/clockwatch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/utc.h"
#include "certstore/store/record.pb-c.h"
#include "failover/engine/engine.h"

#define SEARCH_CHANGED_MS 60000 /* at most so often where the store changed */
#define SEARCH_AGAIN_MS 600000	/* time goes on, and makes certificates valid or not */
#define SEARCH_SKEW_MS 10000	/* at most so often where the difference changed */
#define NS_PER_SEC ((int64_t)MONOTIME_NS_PER_SEC)

static uint64_t realtime_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * MONOTIME_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static int64_t now_s(void)
{
	return (int64_t)(realtime_ns() / MONOTIME_NS_PER_SEC);
}

static bool differs(const struct clockwatch *watch)
{
	return watch->clock.class == FO_CLOCK_AHEAD || watch->clock.class == FO_CLOCK_BEHIND;
}

static int64_t mate_now_s(const struct clockwatch *watch)
{
	/* Not of two times that are cut to seconds: a second is what a new certificate is old. */
	int64_t at = ((int64_t)realtime_ns() + watch->clock.skew_ns) / NS_PER_SEC;

	return at > 0 ? at : 1;
}

static bool is_valid_at(const struct clockwatch_misfit *dates, int64_t at)
{
	return at >= dates->not_before && at <= dates->not_after;
}

/* "3.2 s", "5 min", "2 h", "3 d": of what order the difference is. */
static void span_text(int64_t ns, char *text, size_t size)
{
	int64_t ms = (ns < 0 ? -ns : ns) / (int64_t)MONOTIME_NS_PER_MS, s = ms / 1000;

	if (s < 120)
		(void)snprintf(text, size, "%" PRId64 ".%" PRId64 " s", s, ms % 1000 / 100);
	else if (s < 7200)
		(void)snprintf(text, size, "%" PRId64 " min", (s + 30) / 60);
	else if (s < 172800)
		(void)snprintf(text, size, "%" PRId64 " h", (s + 1800) / 3600);
	else
		(void)snprintf(text, size, "%" PRId64 " d", (s + 43200) / 86400);
}

static void describe_skew(const struct clockwatch *watch, struct why *ret_why)
{
	int64_t skew_ns = watch->clock.skew_ns, limit_ns = FO_CLOCK_FAR_NS / 100 * 99;
	bool is_far = skew_ns > limit_ns || skew_ns < -limit_ns;
	char span[32];

	span_text(is_far ? limit_ns : skew_ns, span, sizeof(span));
	(void)why_set(ret_why, 0,
		      "the clocks of the units differ by %s%s (the mate's is %s): set them, since "
		      "certificates are judged by them",
		      is_far ? "more than " : "", span, fo_clock_text(watch->clock.class));
}

static void describe_misfit(const struct clockwatch *watch, const struct clockwatch_misfit *misfit,
			    struct why *ret_why)
{
	bool is_valid_here = is_valid_at(misfit, now_s());
	int64_t there = is_valid_here ? mate_now_s(watch) : now_s();
	bool is_early = there < misfit->not_before;
	char limit[UTC_TEXT_MAX];

	(void)utc_text(is_early ? misfit->not_before : misfit->not_after, limit);
	(void)why_set(ret_why, 0,
		      "trustpoint %s is not valid by the clock of %s unit, %s %s: set the clocks "
		      "before a failover needs it",
		      misfit->name, is_valid_here ? "the other" : "this",
		      is_early ? "but from" : "but until", limit);
}

/* ---- the search ---- */

static bool take_misfit(const struct clockwatch *watch, const ProtobufCBinaryData *public_part,
			struct clockwatch_misfit *ret_misfit)
{
	Asafo__Record__TrustpointPublic *trustpoint =
		asafo__record__trustpoint_public__unpack(NULL, public_part->len, public_part->data);
	struct clockwatch_misfit misfit = {0};

	if (!trustpoint)
		return false;
	(void)snprintf(misfit.name, sizeof(misfit.name), "%s", trustpoint->name);
	misfit.not_before = trustpoint->not_before;
	misfit.not_after = trustpoint->not_after;
	asafo__record__trustpoint_public__free_unpacked(trustpoint, NULL);
	*ret_misfit = misfit;
	return is_valid_at(&misfit, now_s()) != is_valid_at(&misfit, mate_now_s(watch));
}

static void search_ended(struct clockwatch *watch)
{
	bool is_new =
		watch->n_found > 0 && (watch->n_found != watch->n_misfits ||
				       strcmp(watch->found[0].name, watch->misfits[0].name) != 0);
	struct why why;

	watch->is_searching = false;
	memcpy(watch->misfits, watch->found, sizeof(watch->misfits));
	watch->n_misfits = watch->n_found;
	if (!is_new)
		return;
	describe_misfit(watch, &watch->misfits[0], &why);
	if (watch->n_misfits == 1)
		log_line(LOG_WARNING, "%s", why.text);
	else
		log_line(LOG_WARNING, "%s; and %s%zu more", why.text,
			 watch->n_misfits == CLOCKWATCH_NAMES_MAX ? "at least " : "",
			 watch->n_misfits - 1);
}

static void on_list(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__ListReply *reply = (const Asafo__Ipc__ListReply *)body;
	struct engine *engine = userdata;
	struct clockwatch *watch = &engine->clockwatch;

	if (engine->is_exiting)
		return;
	if (code < 0 || (reply->status && reply->status->code < 0)) {
		watch->is_searching = watch->was_searched = false;
		return;
	}
	for (size_t i = 0; i < reply->n_public_parts; i++) {
		if (watch->n_found < CLOCKWATCH_NAMES_MAX &&
		    take_misfit(watch, &reply->public_parts[i], &watch->found[watch->n_found]))
			watch->n_found++;
	}
	if (!has_more)
		search_ended(watch);
}

static bool is_search_due(const struct engine *engine)
{
	const struct clockwatch *watch = &engine->clockwatch;
	uint64_t ago_ms = monotime_since(monotime_now(), watch->searched_at) / MONOTIME_NS_PER_MS;
	int64_t moved = watch->clock.skew_ns - watch->searched_skew_ns;
	int64_t much = watch->searched_skew_ns / 4;

	if (!differs(watch) || watch->is_searching)
		return false;
	if (!watch->was_searched || ago_ms >= SEARCH_AGAIN_MS)
		return true;
	if (ago_ms >= SEARCH_SKEW_MS &&
	    (moved < 0 ? -moved : moved) > (much < 0 ? -much : much) + NS_PER_SEC)
		return true;
	return ago_ms >= SEARCH_CHANGED_MS &&
	       memcmp(watch->searched_digest, engine->store.position.digest,
		      sizeof(watch->searched_digest)) != 0;
}

static void search(struct engine *engine)
{
	struct clockwatch *watch = &engine->clockwatch;
	Asafo__Ipc__List message = ASAFO__IPC__LIST__INIT;

	message.valid_at = now_s();
	message.mate_valid_at = mate_now_s(watch);
	message.max = CLOCKWATCH_NAMES_MAX;
	watch->n_found = 0;
	watch->searched_at = monotime_now();
	watch->searched_skew_ns = watch->clock.skew_ns;
	memcpy(watch->searched_digest, engine->store.position.digest,
	       sizeof(watch->searched_digest));
	watch->is_searching =
		engine_keeper_call(engine, IPC_LIST, &message.base, NULL, 0, on_list, engine) == 0;
	watch->was_searched = watch->is_searching;
}

/* ---- the hellos ---- */

void clockwatch_sent(struct engine *engine, uint64_t counter)
{
	engine->clockwatch.sent[counter % CLOCKWATCH_SENT] =
		(struct clockwatch_sent){counter, monotime_now()};
}

void clockwatch_fill(const struct engine *engine, struct hello *hello)
{
	const struct engine_mate *mate = &engine->mate;

	if (!mate->was_heard)
		return;
	hello->echo_boot = mate->boot;
	hello->echo_counter = mate->counter;
	hello->echo_held_us = monotime_since(monotime_now(), mate->heard_at) / 1000;
}

static void say_class(struct clockwatch *watch, enum fo_clock_class before)
{
	struct why why;

	if (differs(watch)) {
		describe_skew(watch, &why);
		log_line(LOG_WARNING, "%s", why.text);
	} else if (before != FO_CLOCK_UNKNOWN) {
		log_line(LOG_NOTICE, "the clocks of the units agree again");
	}
	watch->was_searched = false;
	watch->n_misfits = 0;
}

/* When the echoed hello left; NULL: not in this life, or too long ago. */
static const struct clockwatch_sent *find_sent(const struct engine *engine,
					       const struct hello *hello)
{
	const struct clockwatch_sent *sent =
		&engine->clockwatch.sent[hello->echo_counter % CLOCKWATCH_SENT];

	if (hello->echo_boot != engine->pair.boot || sent->counter != hello->echo_counter ||
	    sent->counter == 0)
		return NULL;
	return sent;
}

uint32_t clockwatch_age_ms(const struct engine *engine, const struct hello *hello)
{
	const struct clockwatch_sent *sent = find_sent(engine, hello);
	uint64_t round_us, age_ms;

	if (!sent)
		return UINT32_MAX;
	round_us = monotime_since(monotime_now(), sent->at) / 1000;
	/* Nobody can hold longer than the round took. */
	age_ms =
		(hello->echo_held_us < round_us ? round_us - hello->echo_held_us : round_us) / 1000;
	return age_ms < UINT32_MAX ? (uint32_t)age_ms : UINT32_MAX;
}

void clockwatch_heard(struct engine *engine, const struct hello *hello)
{
	struct clockwatch *watch = &engine->clockwatch;
	const struct clockwatch_sent *sent = find_sent(engine, hello);
	enum fo_clock_class before = watch->clock.class;
	struct fo_clock_exchange exchange = {.mate_realtime_ns = hello->sent_realtime_ns,
					     .realtime_ns = realtime_ns()};

	if (!sent)
		return; /* it has not heard us in this life */
	exchange.round_ns = monotime_since(monotime_now(), sent->at);
	exchange.mate_held_ns = hello->echo_held_us > UINT32_MAX ? 0 : hello->echo_held_us * 1000;
	if (fo_clock_take(&watch->clock, &exchange))
		say_class(watch, before);
	if (is_search_due(engine))
		search(engine);
}

/* ---- for the operator ---- */

int64_t clockwatch_mate_now(const struct engine *engine)
{
	const struct fo_clock *clock = &engine->clockwatch.clock;

	/* Of one that went away nobody knows what its clock says, nor whether it comes back. */
	if (clock->class == FO_CLOCK_UNKNOWN || !engine_hears_mate(engine))
		return 0;
	return ((int64_t)realtime_ns() + clock->skew_ns) / (int64_t)MONOTIME_NS_PER_SEC;
}

bool clockwatch_misfits(const struct engine *engine, const ProtobufCBinaryData *public_part,
			struct why *ret_why)
{
	const struct clockwatch *watch = &engine->clockwatch;
	struct clockwatch_misfit misfit;

	if (!differs(watch) || !take_misfit(watch, public_part, &misfit))
		return false;
	describe_misfit(watch, &misfit, ret_why);
	return true;
}

bool clockwatch_trouble(const struct engine *engine, size_t index, struct why *ret_why)
{
	const struct clockwatch *watch = &engine->clockwatch;

	if (!differs(watch) || index > watch->n_misfits)
		return false;
	if (index == 0)
		describe_skew(watch, ret_why);
	else
		describe_misfit(watch, &watch->misfits[index - 1], ret_why);
	return true;
}
