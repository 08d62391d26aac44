/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history over restarts. A promotion has five rows and no time to lose: they are handed to the
 * keeper together, a moment after the first; where records are replicated, a moment after these, or
 * a few seconds. What a crash takes along is that moment.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/replication/replication.h"

#define KEEP_AFTER_MS 250
/* So often it waits for a replication, which would have to make room for it in the store. */
#define POSTPONED_MAX 20u

static void save(struct engine *engine);

/* One that waits for a mate, which may be dead, is no reason to wait. */
static bool is_replicating(const struct engine *engine)
{
	return replication_is_busy(engine->replication) &&
	       !replication_is_paused(engine->replication);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct engine *engine = userdata;
	struct history_keep *keep = &engine->history_keep;

	(void)usec;
	if (!is_replicating(engine) || keep->n_postponed == POSTPONED_MAX) {
		keep->n_postponed = 0;
		save(engine);
		return 0;
	}
	keep->n_postponed++;
	(void)sd_event_source_set_time_relative(source, KEEP_AFTER_MS * 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void on_saved(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;
	struct engine *engine = userdata;

	(void)has_more;
	if (engine->is_exiting)
		return;
	engine->history_keep.is_saving = false;
	if (code < 0 || (reply->status && reply->status->code < 0))
		engine->history_keep.is_changed = true; /* with the next row */
	else if (engine->history_keep.is_changed)
		history_changed(engine);
}

static void save(struct engine *engine)
{
	struct history_keep *keep = &engine->history_keep;
	Asafo__Ipc__HistoryKeep message = ASAFO__IPC__HISTORY_KEEP__INIT;
	_cleanup_(buf_done) struct buf bytes = {0};

	if (!keep->is_loaded || keep->is_saving || !keep->is_changed ||
	    history_pack(&engine->history, 0, &bytes) < 0)
		return;
	message.history = (ProtobufCBinaryData){bytes.size, bytes.data};
	keep->is_changed = false;
	keep->is_saving = engine_keeper_call(engine, IPC_HISTORY_KEEP, &message.base, NULL, 0,
					     on_saved, engine) == 0;
	if (!keep->is_saving)
		keep->is_changed = true;
}

void history_changed(struct engine *engine)
{
	struct history_keep *keep = &engine->history_keep;
	uint64_t at = monotime_add_ms(monotime_now(), KEEP_AFTER_MS).ns / 1000;
	int enabled = SD_EVENT_OFF;

	keep->is_changed = true;
	if (!keep->timer) {
		(void)sd_event_add_time(engine->event, &keep->timer, CLOCK_MONOTONIC, at, 0,
					on_timer, engine);
		return;
	}
	(void)sd_event_source_get_enabled(keep->timer, &enabled);
	if (enabled != SD_EVENT_OFF)
		return;
	(void)sd_event_source_set_time(keep->timer, at);
	(void)sd_event_source_set_enabled(keep->timer, SD_EVENT_ONESHOT);
}

void history_flush(struct engine *engine)
{
	save(engine);
}

/* The rows of this life come behind those that were kept. */
static void join(struct engine *engine, const ProtobufCBinaryData *bytes)
{
	Asafo__Wire__History *message = asafo__wire__history__unpack(NULL, bytes->len, bytes->data);
	struct history since = engine->history;

	if (!message) {
		log_line(LOG_WARNING, "the history that was kept cannot be read: it begins anew");
		return;
	}
	history_unpack(message, &engine->history);
	asafo__wire__history__free_unpacked(message, NULL);
	for (size_t i = 0; i < since.n_rows; i++)
		history_add(&engine->history, history_get(&since, i));
}

static void on_loaded(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__HistoryReply *reply = (const Asafo__Ipc__HistoryReply *)body;
	struct engine *engine = userdata;
	struct history_keep *keep = &engine->history_keep;

	(void)has_more;
	if (engine->is_exiting)
		return;
	keep->is_asked = false;
	if (code < 0 || (reply->status && reply->status->code < 0))
		return; /* asked again when the store is usable */
	keep->is_loaded = true;
	if (reply->history.len > 0)
		join(engine, &reply->history);
	if (keep->is_changed)
		save(engine);
}

void history_load(struct engine *engine)
{
	struct history_keep *keep = &engine->history_keep;

	if (keep->is_loaded || keep->is_asked)
		return;
	keep->is_asked =
		engine_keeper_call(engine, IPC_HISTORY_GET, NULL, NULL, 0, on_loaded, engine) == 0;
}

void history_keep_done(struct history_keep *keep)
{
	keep->timer = sd_event_source_disable_unref(keep->timer);
}
