/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step at a time is with the keeper; what it did is known when it was asked for its keys again,
 * and only then this unit speaks, and tells the mate. A keeper that dies in between is asked by its
 * successor's attachment.
 */
#include "failover/engine/rekey.h"

#include <config.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "failover/engine/engine.h"

#define RETRY_MS 5000
#define ID_SIZE 8

static void decide(struct engine *engine);

/* ---- who waits ---- */

static void finish(struct engine *engine, int code, const char *why)
{
	struct engine_rekey *rekey = &engine->rekey;
	rekey_done_fn on_done = rekey->on_done;

	rekey->on_done = NULL;
	(void)sd_event_source_set_enabled(rekey->limit, SD_EVENT_OFF);
	if (on_done)
		on_done(code, why, rekey->userdata);
}

static int begin(struct engine *engine, rekey_done_fn on_done, void *userdata, struct why *ret_why)
{
	struct engine_rekey *rekey = &engine->rekey;

	if (rekey->own.current == 0)
		return why_set(ret_why, ERR_NOT_READY, ENGINE_NO_KEY);
	if (rekey->on_done || rekey->is_busy)
		return why_set(ret_why, ERR_BUSY,
			       "somebody works on the failover key just now: look at `show "
			       "failover`, and try again");
	rekey->on_done = on_done;
	rekey->userdata = userdata;
	(void)sd_event_source_set_time_relative(rekey->limit, REKEY_WAIT_MS * 1000ull);
	(void)sd_event_source_set_enabled(rekey->limit, SD_EVENT_ONESHOT);
	return 0;
}

void engine_rekey_forget(struct engine *engine, const void *userdata)
{
	if (engine->rekey.userdata != userdata)
		return;
	engine->rekey.on_done = NULL;
	engine->rekey.userdata = NULL;
}

/* How it stands, for who will not see its end. */
static void pending(const struct engine *engine, const char *because, struct why *ret_why)
{
	const struct engine_rekey *rekey = &engine->rekey;

	(void)why_set(ret_why, ERR_TIMEOUT,
		      "%s; this unit %s, takes both keys, and goes on by itself when the units "
		      "talk again%s",
		      because,
		      rekey->own.phase == REKEY_PHASE_SWITCHED ? "uses the new failover key"
							       : "uses the old failover key",
		      rekey->own.phase == REKEY_PHASE_PREPARED && rekey->own.is_leading
			      ? " (`asafo rekey --cancel` gives the new key up)"
			      : "");
}

static int on_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct engine *engine = userdata;
	struct why why = {0};

	(void)source;
	(void)usec;
	pending(engine,
		engine->rekey.why[0] ? engine->rekey.why
				     : "the mate has not taken the new failover key in time",
		&why);
	finish(engine, ERR_TIMEOUT, why.text);
	return 0;
}

/* ---- steps ---- */

static void arm(struct engine *engine, uint64_t ms)
{
	(void)sd_event_source_set_time_relative(engine->rekey.timer, ms * 1000);
	(void)sd_event_source_set_enabled(engine->rekey.timer, SD_EVENT_ONESHOT);
}

static void tell(struct engine *engine, const ProtobufCBinaryData *sealed)
{
	const struct rekey_view *own = &engine->rekey.own;
	Asafo__Wire__RekeyState state = ASAFO__WIRE__REKEY_STATE__INIT;
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;
	int r;

	if (own->current == 0 || !engine->pair.link || !link_is_up(engine->pair.link))
		return;
	state.phase = (uint32_t)own->phase;
	state.current = own->current;
	state.other = own->other;
	state.is_leading = own->is_leading;
	if (sealed)
		state.sealed = *sealed;
	message.body_case = ASAFO__WIRE__LINK__BODY_REKEY_STATE;
	message.rekey_state = &state;
	r = link_send(engine->pair.link, &message);
	traffic_sent(&engine->traffic, (int)message.body_case, r, link_queued(engine->pair.link));
	/* The queue is full of something else: later. */
	if (r < 0 && r != ERR_CLOSED)
		arm(engine, RETRY_MS);
}

/* The keeper has done a step: nothing else is begun until it is known what there is now. */
static void read_keys(struct engine *engine)
{
	engine->rekey.is_unread = true;
	if (engine_keys_refresh(engine) < 0)
		arm(engine, RETRY_MS);
}

static void step_failed(struct engine *engine, int code, const char *why)
{
	struct engine_rekey *rekey = &engine->rekey;

	log_line(LOG_ERR, "rekey: %s", why);
	(void)snprintf(rekey->why, sizeof(rekey->why), "%s", why);
	arm(engine, RETRY_MS);
	if (rekey->own.phase == REKEY_PHASE_SETTLED)
		finish(engine, code, why);
}

static void on_step(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct engine *engine = userdata;
	struct engine_rekey *rekey = &engine->rekey;
	const Asafo__Ipc__RekeyReply *reply = (const Asafo__Ipc__RekeyReply *)body;
	int r = code < 0 ? code : reply->status ? reply->status->code : 0;

	(void)has_more;
	if (engine->is_exiting)
		return;
	if (r < 0) {
		rekey->is_busy = false;
		step_failed(engine, r,
			    code == 0 && reply->status->why[0] ? reply->status->why : err_text(r));
		return;
	}
	rekey->why[0] = '\0';
	if (reply->sealed.len > 0) {
		rekey->is_busy = false;
		tell(engine, &reply->sealed);
		return;
	}
	read_keys(engine);
}

static int step(struct engine *engine, Asafo__Ipc__Rekey__Step step, const uint8_t *sealed,
		size_t size)
{
	Asafo__Ipc__Rekey message = ASAFO__IPC__REKEY__INIT;
	int r;

	message.step = step;
	message.sealed = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)sealed};
	r = engine_keeper_call(engine, IPC_REKEY, &message.base, NULL, 0, on_step, engine);
	engine->rekey.is_busy = r == 0;
	if (r < 0)
		arm(engine, RETRY_MS);
	return r;
}

/* What the mate sent with the old key just before it left it may still be under way. */
static void settle(struct engine *engine, bool is_time)
{
	struct engine_rekey *rekey = &engine->rekey;

	if (!is_time && !rekey->is_settling) {
		rekey->is_settling = true;
		arm(engine, REKEY_OVERLAP_MS);
	} else if (is_time) {
		(void)step(engine, ASAFO__IPC__REKEY__STEP__SETTLE, NULL, 0);
	}
}

static void go_on(struct engine *engine, bool is_time)
{
	struct engine_rekey *rekey = &engine->rekey;
	bool is_primary = engine->config->failover.unit == FO_UNIT_PRIMARY;
	enum rekey_action action;

	/* The time that ran is over, whatever comes of it: the next one that is due begins anew. */
	if (is_time)
		rekey->is_settling = false;
	if (rekey->is_busy || !rekey->is_mate_known || rekey->own.current == 0)
		return;
	action = rekey_decide(&rekey->own, &rekey->mate, rekey->offer_size > 0, is_primary);
	if (action != REKEY_ACTION_SETTLE)
		rekey->is_settling = false;
	switch (action) {
	case REKEY_ACTION_NONE:
	case REKEY_ACTION__MAX:
		return;
	case REKEY_ACTION_OFFER:
		(void)step(engine, ASAFO__IPC__REKEY__STEP__OFFER, NULL, 0);
		return;
	case REKEY_ACTION_ACCEPT:
		if (step(engine, ASAFO__IPC__REKEY__STEP__ACCEPT, rekey->offer,
			 rekey->offer_size) == 0)
			rekey->offer_size = 0;
		return;
	case REKEY_ACTION_SWITCH:
		(void)step(engine, ASAFO__IPC__REKEY__STEP__SWITCH, NULL, 0);
		return;
	case REKEY_ACTION_SETTLE:
		settle(engine, is_time);
		return;
	case REKEY_ACTION_CANCEL:
		(void)step(engine, ASAFO__IPC__REKEY__STEP__CANCEL, NULL, 0);
		return;
	}
}

static void decide(struct engine *engine)
{
	go_on(engine, false);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct engine *engine = userdata;
	bool is_time = engine->rekey.is_settling;

	(void)source;
	(void)usec;
	if (engine->rekey.is_unread) {
		read_keys(engine);
		return 0;
	}
	/* What was not sent, or not taken, is said again. */
	if (!is_time)
		tell(engine, NULL);
	go_on(engine, is_time);
	return 0;
}

int engine_rekey_init(struct engine *engine)
{
	struct engine_rekey *rekey = &engine->rekey;
	int r = sd_event_add_time(engine->event, &rekey->timer, CLOCK_MONOTONIC, 0, 0, on_timer,
				  engine);

	if (r >= 0)
		r = sd_event_add_time(engine->event, &rekey->limit, CLOCK_MONOTONIC, 0, 0, on_limit,
				      engine);
	if (r >= 0)
		r = sd_event_source_set_enabled(rekey->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_enabled(rekey->limit, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

void engine_rekey_done(struct engine *engine)
{
	struct engine_rekey *rekey = &engine->rekey;

	finish(engine, ERR_CLOSED, "this unit stops: a rekey goes on when it runs again");
	rekey->timer = sd_event_source_disable_unref(rekey->timer);
	rekey->limit = sd_event_source_disable_unref(rekey->limit);
}

int engine_rekey_start(struct engine *engine, rekey_done_fn on_done, void *userdata,
		       struct why *ret_why)
{
	struct engine_rekey *rekey = &engine->rekey;
	bool is_up =
		engine->pair.link && link_is_up(engine->pair.link) && engine_hears_mate(engine);
	int r;

	if (rekey->own.current != 0 && rekey->own.phase != REKEY_PHASE_SETTLED)
		return why_set(ret_why, ERR_BUSY,
			       "the pair is being rekeyed already: it goes on by itself when the "
			       "units talk to each other (`show failover` says how far it is)");
	if (rekey->own.current != 0 && !is_up)
		return why_set(ret_why, ERR_NO_MATE,
			       "the mate is not there (or the failover link is not up), and would "
			       "be left with the old key: nothing was changed; try again when "
			       "`show failover` shows both");
	if (rekey->own.current != 0 && !rekey->is_mate_known)
		return why_set(ret_why, ERR_VERSION,
			       "the mate (asafo %s) does not say which failover key it has: "
			       "install this release there, too; nothing was changed",
			       link_mate_software(engine->pair.link));
	r = begin(engine, on_done, userdata, ret_why);
	if (r == 0)
		r = step(engine, ASAFO__IPC__REKEY__STEP__PREPARE, NULL, 0);
	if (r < 0 && rekey->on_done == on_done && rekey->userdata == userdata) {
		engine_rekey_forget(engine, userdata);
		return why_set(ret_why, r, "the keeper is not there: see the log");
	}
	return r;
}

int engine_rekey_cancel(struct engine *engine, rekey_done_fn on_done, void *userdata,
			struct why *ret_why)
{
	const struct rekey_view *own = &engine->rekey.own;
	int r;

	if (own->phase != REKEY_PHASE_PREPARED)
		return why_set(ret_why, ERR_NOT_READY,
			       own->phase == REKEY_PHASE_SWITCHED
				       ? "this unit uses the new failover key already, and the "
					 "mate may: it can only go on; `asafo rekey` makes "
					 "another key afterwards"
				       : "the pair is not being rekeyed");
	if (!own->is_leading)
		return why_set(ret_why, ERR_NOT_READY,
			       "the other unit made the new key: run `asafo rekey --cancel` there");
	r = begin(engine, on_done, userdata, ret_why);
	if (r < 0)
		return r;
	r = step(engine, ASAFO__IPC__REKEY__STEP__CANCEL, NULL, 0);
	if (r < 0) {
		engine_rekey_forget(engine, userdata);
		return why_set(ret_why, r, "the keeper is not there: see the log");
	}
	return 0;
}

/* ---- what this unit is ---- */

static uint64_t id_of(const ProtobufCBinaryData *bytes)
{
	uint64_t id = 0;

	if (bytes->len == ID_SIZE)
		memcpy(&id, bytes->data, ID_SIZE);
	return be64toh(id);
}

static void note_history(struct engine *engine)
{
	struct timespec now;
	struct history_row row = {.from = engine->fsm.state,
				  .to = engine->fsm.state,
				  .reason = FO_REASON_REKEY,
				  .term = engine->fsm.term};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	row.realtime_ns = (uint64_t)now.tv_sec * MONOTIME_NS_PER_SEC + (uint64_t)now.tv_nsec;
	history_add(&engine->history, &row);
	history_changed(engine);
}

static void say(struct engine *engine, const struct rekey_view *before)
{
	const struct rekey_view *own = &engine->rekey.own;

	if (before->current == 0)
		return;
	if (own->phase == REKEY_PHASE_PREPARED && own->other != before->other)
		log_line(LOG_NOTICE,
			 "rekey: failover key %016" PRIx64 " from %s is ready; this unit uses "
			 "%016" PRIx64 ", and takes both",
			 own->other, own->is_leading ? "this unit" : "the mate", own->current);
	if (own->phase == REKEY_PHASE_SWITCHED && before->phase != REKEY_PHASE_SWITCHED) {
		log_line(LOG_NOTICE,
			 "rekey: this unit uses failover key %016" PRIx64 "; %016" PRIx64
			 " is still taken",
			 own->current, own->other);
		note_history(engine);
	}
	if (own->phase == REKEY_PHASE_SETTLED && before->phase == REKEY_PHASE_SWITCHED)
		log_line(LOG_NOTICE,
			 "rekey: both units use failover key %016" PRIx64 "; %016" PRIx64
			 " is forgotten",
			 own->current, before->other);
	if (own->phase == REKEY_PHASE_SETTLED && before->phase == REKEY_PHASE_PREPARED &&
	    own->current == before->current)
		log_line(LOG_NOTICE,
			 "rekey: given up; this unit goes on with failover key %016" PRIx64,
			 own->current);
}

void engine_rekey_read(struct engine *engine, const Asafo__Ipc__LinkKeysReply *reply)
{
	struct engine_rekey *rekey = &engine->rekey;

	int code = !reply ? ERR_CLOSED : reply->status ? reply->status->code : 0;

	if (rekey->is_unread && code < 0 && code != ERR_NOT_READY) {
		log_line(LOG_ERR, "rekey: the keys cannot be read (%s): asked again in %d s",
			 err_text(code), RETRY_MS / 1000);
		arm(engine, RETRY_MS);
		return;
	}
	rekey->is_busy = rekey->is_unread = false;
	if (code < 0 || id_of(&reply->id) == 0)
		return;
	rekey->changed_at = reply->changed_at;
	rekey->own = (struct rekey_view){.current = id_of(&reply->id)};
	if (reply->phase < REKEY_PHASE__MAX && id_of(&reply->other_id) != 0) {
		rekey->own.phase = (enum rekey_phase)reply->phase;
		rekey->own.other = id_of(&reply->other_id);
		rekey->own.is_leading = reply->is_leading;
	}
}

static bool same_view(const struct rekey_view *a, const struct rekey_view *b)
{
	return a->phase == b->phase && a->current == b->current && a->other == b->other &&
	       a->is_leading == b->is_leading;
}

void engine_rekey_moved(struct engine *engine, const struct rekey_view *before)
{
	struct engine_rekey *rekey = &engine->rekey;

	if (same_view(before, &rekey->own))
		return;
	if (rekey->own.phase != REKEY_PHASE_SWITCHED)
		rekey->is_settling = false;
	say(engine, before);
	tell(engine, NULL);
	if (rekey->own.phase == REKEY_PHASE_SETTLED && before->phase != REKEY_PHASE_SETTLED)
		finish(engine, 0, "");
	decide(engine);
}

void engine_rekey_fill(const struct engine *engine, struct link_change *ret_change)
{
	const struct engine_pair *pair = &engine->pair;

	*ret_change = (struct link_change){.id = engine->rekey.own.current,
					   .other_id = engine->rekey.own.other};
	memcpy(ret_change->psk, pair->link_psk, sizeof(ret_change->psk));
	memcpy(ret_change->other_psk, pair->other_link_psk, sizeof(ret_change->other_psk));
}

/* ---- the mate ---- */

void engine_rekey_link_up(struct engine *engine)
{
	engine->rekey.is_mate_known = false;
	engine->rekey.offer_size = 0;
	tell(engine, NULL);
}

void engine_rekey_link_down(struct engine *engine)
{
	struct engine_rekey *rekey = &engine->rekey;
	struct why why = {0};

	rekey->is_mate_known = false;
	rekey->offer_size = 0;
	rekey->is_settling = false;
	if (!rekey->on_done || rekey->own.phase == REKEY_PHASE_SETTLED)
		return;
	pending(engine, "the failover link was lost in the middle", &why);
	finish(engine, ERR_CLOSED, why.text);
}

bool engine_rekey_message(struct engine *engine, const Asafo__Wire__Link *message)
{
	struct engine_rekey *rekey = &engine->rekey;
	const Asafo__Wire__RekeyState *state = message->rekey_state;

	if (message->body_case != ASAFO__WIRE__LINK__BODY_REKEY_STATE)
		return false;
	if (state->phase >= REKEY_PHASE__MAX || state->current == 0 ||
	    state->sealed.len > sizeof(rekey->offer) ||
	    (state->phase != REKEY_PHASE_SETTLED && state->other == 0))
		return false;
	rekey->is_mate_known = true;
	rekey->mate = (struct rekey_view){.phase = (enum rekey_phase)state->phase,
					  .current = state->current,
					  .other = state->other,
					  .is_leading = state->is_leading};
	rekey->offer_size = state->sealed.len;
	if (state->sealed.len > 0)
		memcpy(rekey->offer, state->sealed.data, state->sealed.len);
	decide(engine);
	return true;
}

bool engine_rekey_trouble(const struct engine *engine, struct why *ret_why)
{
	const struct engine_rekey *rekey = &engine->rekey;

	if (rekey->own.phase == REKEY_PHASE_SETTLED || rekey->is_settling || rekey->on_done)
		return false;
	pending(engine, rekey->why[0] ? rekey->why : "the pair is between two failover keys",
		ret_why);
	return true;
}
