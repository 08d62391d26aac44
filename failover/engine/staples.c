/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper has is asked for when something changed; once a minute it is seen what ended
 * meanwhile. */
#include "failover/engine/staples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/utc.h"
#include "failover/engine/engine.h"

#define TICK_MS 60000u

/* ---- the list ---- */

static bool fill(struct engine_staple *staple, const Asafo__Record__Staple *from)
{
	if (from->fingerprint.len != sizeof(staple->fingerprint) ||
	    from->digest.len != sizeof(staple->digest))
		return false;
	memcpy(staple->fingerprint, from->fingerprint.data, sizeof(staple->fingerprint));
	memcpy(staple->digest, from->digest.data, sizeof(staple->digest));
	staple->this_update = from->this_update;
	staple->next_update = from->next_update;
	staple->taken_at = from->taken_at;
	(void)snprintf(staple->source, sizeof(staple->source), "%s", from->source);
	(void)snprintf(staple->trustpoint, sizeof(staple->trustpoint), "%s", from->trustpoint);
	staple->is_home = from->is_home;
	staple->is_revoked = from->is_revoked;
	staple->revoked_at = from->revoked_at;
	return true;
}

/* Does not depend on their order. */
static uint64_t set_id(const struct engine_staples *staples)
{
	uint64_t id = UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < staples->n; i++) {
		uint64_t part;

		memcpy(&part, staples->list[i].digest, sizeof(part));
		id += staples->list[i].is_home ? 0 : part;
	}
	return id ? id : 1;
}

static bool was_said(const struct engine_staples *staples, const struct engine_staple *staple)
{
	for (size_t i = 0; i < staples->n; i++) {
		if (memcmp(staples->list[i].digest, staple->digest, sizeof(staple->digest)) == 0)
			return staples->list[i].is_end_said;
	}
	return false;
}

/* Errors: -ENOMEM. 1: it is another list than before. */
static int take_list(struct engine_staples *staples, const Asafo__Ipc__StapleListReply *reply)
{
	struct engine_staple *list = calloc(reply->n_staples + 1, sizeof(*list));
	size_t n = 0;
	bool is_same;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < reply->n_staples; i++) {
		if (!fill(&list[n], reply->staples[i]))
			continue;
		list[n].is_end_said = was_said(staples, &list[n]);
		n++;
	}
	is_same =
		n == staples->n && (n == 0 || memcmp(list, staples->list, n * sizeof(*list)) == 0);
	free(staples->list);
	staples->list = list;
	staples->n = n;
	return is_same ? 0 : 1;
}

static void listed(struct engine *engine, const Asafo__Ipc__StapleListReply *reply)
{
	struct engine_staples *staples = &engine->staples;
	int r = take_list(staples, reply);
	uint64_t id;

	if (r < 0)
		return;
	id = set_id(staples);
	if (id != staples->id) {
		staples->id = id;
		staples->is_told = false;
		engine_staples_report(engine);
	}
	engine_staples_tell(engine);
	if (r > 0)
		usewatch_kick(engine);
	engine_fetch_kick(engine); /* perhaps of another certificate */
}

static void on_list(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__StapleListReply *reply = (const Asafo__Ipc__StapleListReply *)body;
	struct engine *engine = userdata;
	struct engine_staples *staples = &engine->staples;
	bool is_again = staples->is_asked_again;

	(void)has_more;
	if (engine->is_exiting)
		return;
	staples->is_asked = staples->is_asked_again = false;
	if (code == 0 && (!reply->status || reply->status->code == 0))
		listed(engine, reply);
	if (is_again)
		engine_staples_kick(engine);
}

void engine_staples_kick(struct engine *engine)
{
	struct engine_staples *staples = &engine->staples;

	if (engine->is_exiting)
		return;
	if (staples->is_asked) {
		staples->is_asked_again = true;
		return;
	}
	staples->is_asked =
		engine_keeper_call(engine, IPC_STAPLE_LIST, NULL, NULL, 0, on_list, engine) == 0;
}

void engine_staples_role(struct engine *engine)
{
	struct engine_staples *staples = &engine->staples;

	/* What is known of the mate is from before. */
	staples->mate_id = 0;
	staples->is_told = false;
	staples->n_lacking = staples->i_lacking = 0;
	engine_staples_kick(engine);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct engine *engine = userdata;
	struct engine_staples *staples = &engine->staples;

	(void)usec;
	/* The mate may have had no ears for it: two that are active, a keeper that was gone. One of
	 * an older version skips what it does not know. */
	staples->is_told = false;
	engine_staples_tell(engine);
	engine_staples_look_apart(engine);
	/* One that comes to its end is trouble then. */
	if (staples->n > 0)
		usewatch_kick(engine);
	(void)sd_event_source_set_time_relative(source, TICK_MS * 1000ull);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int engine_staples_start(struct engine *engine)
{
	int r = sd_event_add_time_relative(engine->event, &engine->staples.timer, CLOCK_MONOTONIC,
					   TICK_MS * 1000ull, 0, on_timer, engine);

	return r < 0 ? r : 0;
}

void engine_staples_stop(struct engine *engine)
{
	struct engine_staples *staples = &engine->staples;

	staples->timer = sd_event_source_disable_unref(staples->timer);
	free(TAKE_PTR(staples->list));
	free(TAKE_PTR(staples->lacking));
	staples->n = staples->n_lacking = 0;
}
