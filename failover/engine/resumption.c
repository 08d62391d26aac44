/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper is asked when something has changed, and once a minute, which is also when it forgets
 * what nobody resumes with any more. Where the mate has another key than this active unit, it is
 * sent this one; it says which it has taken. One that could not is sent it again at the next
 * minute. A mate of an older version says nothing, and its clients make whole handshakes.
 */
#include "failover/engine/resumption.h"

#include <errno.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/replication/replication.h"

#define TICK_MS 60000u

static void ask(struct engine *engine, Asafo__Ipc__Resumption__Step step,
		const ProtobufCBinaryData *sealed);

static void arm(struct engine *engine, uint64_t ms)
{
	if (!engine->resumption.timer)
		return;
	(void)sd_event_source_set_time_relative(engine->resumption.timer, ms * 1000);
	(void)sd_event_source_set_enabled(engine->resumption.timer, SD_EVENT_ONESHOT);
}

static void tell(struct engine *engine, const ProtobufCBinaryData *sealed)
{
	Asafo__Wire__Resumption message = ASAFO__WIRE__RESUMPTION__INIT;

	if (!engine->pair.link || !link_is_up(engine->pair.link))
		return;
	message.id = engine->resumption.id;
	if (sealed)
		message.sealed = *sealed;
	if (replication_post(engine->replication, ASAFO__WIRE__LINK__BODY_RESUMPTION, &message) ==
	    0)
		engine->resumption.is_told = sealed != NULL;
}

/* A clock that was set back by more than an hour must not keep a key for ever. */
static bool is_due(const struct engine_resumption *resumption)
{
	int64_t age = (int64_t)time(NULL) - resumption->made_at;

	return resumption->id == 0 || age >= RESUMPTION_ROTATE_S || age < -3600;
}

void engine_resumption_read(struct engine *engine, const Asafo__Ipc__ResumptionReply *reply)
{
	struct engine_resumption *resumption = &engine->resumption;

	if (reply->id != resumption->id)
		resumption->is_told = false;
	resumption->id = reply->id;
	resumption->made_at = reply->made_at;
	resumption->previous_left_s = reply->previous_left_s;
	if (!engine_is_active(engine) || reply->id == 0)
		return;
	if (resumption->mate_id != reply->id && !resumption->is_told)
		tell(engine, &reply->sealed);
}

static void on_reply(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__ResumptionReply *reply = (const Asafo__Ipc__ResumptionReply *)body;
	struct engine *engine = userdata;
	bool was_rotating = engine->resumption.is_rotating;

	(void)has_more;
	if (engine->is_exiting)
		return;
	engine->resumption.is_asked = engine->resumption.is_rotating = false;
	if (code < 0 || (reply->status && reply->status->code < 0))
		return; /* the store is not usable: a minute later */
	engine_resumption_read(engine, reply);
	if (was_rotating || !engine_is_active(engine) || !is_due(&engine->resumption))
		return;
	engine->resumption.is_rotating = true;
	ask(engine, ASAFO__IPC__RESUMPTION__STEP__ROTATE, NULL);
}

static void on_taken(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__ResumptionReply *reply = (const Asafo__Ipc__ResumptionReply *)body;
	struct engine *engine = userdata;
	struct engine_resumption *resumption = &engine->resumption;

	(void)has_more;
	resumption->is_taking = false;
	if (engine->is_exiting)
		return;
	resumption->is_asked = false;
	if (code == 0 && reply->status && reply->status->code < 0) {
		/* At the first contact the pair's key comes with the bulk, and this after it. */
		if (!resumption->is_warned && reply->status->code != ERR_NOT_READY)
			log_line(LOG_WARNING, "%s: clients of this unit will make whole handshakes",
				 reply->status->why);
		resumption->is_warned |= reply->status->code != ERR_NOT_READY;
		return;
	}
	if (code < 0)
		return;
	resumption->is_warned = false;
	engine_resumption_read(engine, reply);
	tell(engine, NULL);
}

static void ask(struct engine *engine, Asafo__Ipc__Resumption__Step step,
		const ProtobufCBinaryData *sealed)
{
	Asafo__Ipc__Resumption request = ASAFO__IPC__RESUMPTION__INIT;

	request.step = step;
	if (sealed)
		request.sealed = *sealed;
	engine->resumption.is_asked =
		engine_keeper_call(engine, IPC_RESUMPTION, &request.base, NULL, 0,
				   sealed ? on_taken : on_reply, engine) == 0;
}

void engine_resumption_kick(struct engine *engine)
{
	if (!engine->resumption.is_asked && engine->is_started && !engine->is_exiting)
		ask(engine, ASAFO__IPC__RESUMPTION__STEP__TELL, NULL);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct engine *engine = userdata;

	(void)source;
	(void)usec;
	engine->resumption.is_told = false;
	engine_resumption_kick(engine);
	arm(engine, TICK_MS);
	return 0;
}

void engine_resumption_link_up(struct engine *engine)
{
	engine->resumption.mate_id = 0;
	engine_resumption_replicated(engine);
}

void engine_resumption_replicated(struct engine *engine)
{
	engine->resumption.is_told = false;
	engine_resumption_kick(engine);
}

bool engine_resumption_message(struct engine *engine, const Asafo__Wire__Link *message)
{
	const Asafo__Wire__Resumption *resumption = message->resumption;

	if (message->body_case != ASAFO__WIRE__LINK__BODY_RESUMPTION)
		return false;
	/* Of two that were active apart one gives way, and takes it then. */
	if (resumption->sealed.len == 0) {
		engine->resumption.mate_id = resumption->id;
	} else if (!engine_is_active(engine) && !engine->resumption.is_taking) {
		ask(engine, ASAFO__IPC__RESUMPTION__STEP__TAKE, &resumption->sealed);
		engine->resumption.is_taking = engine->resumption.is_asked;
	}
	return true;
}

int engine_resumption_start(struct engine *engine)
{
	int r = sd_event_add_time_relative(engine->event, &engine->resumption.timer,
					   CLOCK_MONOTONIC, TICK_MS * 1000ull, 0, on_timer, engine);

	return r < 0 ? r : 0;
}

void engine_resumption_stop(struct engine *engine)
{
	engine->resumption.timer = sd_event_source_disable_unref(engine->resumption.timer);
}
