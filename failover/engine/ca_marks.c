/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that is known is told when the link comes up, which is before anything is replicated. One
 * timer for both directions sees to what failed: who could not tell tells again, who could not keep
 * asks for all of it, and believes that it has it when something of an answer was kept after that
 * and nothing failed until the timer's next turn.
 */
#include "failover/engine/ca_marks.h"

#include "base/err.h"
#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/replication/replication.h"

#define MARKS_MAX 16
#define RETRY_FIRST_MS UINT64_C(10000)
#define RETRY_DOUBLINGS 6u /* to about ten minutes */
#define TROUBLE_TRIES 2u   /* the first one may have hit a keeper that was just started */

static bool has_link(const struct engine *engine)
{
	return engine->pair.link && link_is_up(engine->pair.link);
}

static void arm(struct engine *engine)
{
	struct engine_ca_marks *marks = &engine->ca_marks;
	unsigned n = marks->n_tries < RETRY_DOUBLINGS ? marks->n_tries : RETRY_DOUBLINGS;

	if (!marks->timer)
		return;
	(void)sd_event_source_set_time_relative(marks->timer, (RETRY_FIRST_MS << n) * 1000);
	(void)sd_event_source_set_enabled(marks->timer, SD_EVENT_ONESHOT);
}

static bool is_armed(const struct engine_ca_marks *marks)
{
	int enabled = SD_EVENT_OFF;

	return sd_event_source_get_enabled(marks->timer, &enabled) > 0 || enabled != SD_EVENT_OFF;
}

/* ---- this unit's ---- */

static void tell_later(struct engine *engine)
{
	engine->ca_marks.is_tell_due = true;
	if (engine->ca_marks.timer && !is_armed(&engine->ca_marks))
		arm(engine);
}

/* Without a link there is nobody to tell, and all is told when it is up. False: it failed. */
static bool post(struct engine *engine, Asafo__Wire__LocalCaMarks *message)
{
	if (!has_link(engine) ||
	    replication_post(engine->replication, ASAFO__WIRE__LINK__BODY_LOCAL_CA_MARKS,
			     message) >= 0)
		return true;
	tell_later(engine);
	return false;
}

/* What fails from now on is a new matter, unless something is not mended yet. */
static void note_success(struct engine_ca_marks *marks)
{
	if (!marks->is_refused && !marks->is_tell_due)
		marks->n_tries = 0;
}

static void on_own(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__LocalCaMarksReply *reply = (const Asafo__Ipc__LocalCaMarksReply *)body;
	Asafo__Wire__LocalCaMarks message = ASAFO__WIRE__LOCAL_CA_MARKS__INIT;
	struct engine *engine = userdata;

	if (engine->is_exiting)
		return;
	if (code < 0 || reply->status->code < 0) {
		tell_later(engine);
		return;
	}
	message.marks = reply->own;
	message.n_marks = reply->n_own;
	message.issued = reply->issued;
	message.n_issued = reply->n_issued;
	message.all = true;
	/* That there is nothing is news to a mate that asked: it could not keep what there was. */
	if (reply->n_own + reply->n_issued > 0 || engine->ca_marks.is_answer_due)
		engine->ca_marks.is_answer_due = !post(engine, &message);
	if (!has_more)
		note_success(&engine->ca_marks);
}

void ca_marks_tell(struct engine *engine)
{
	Asafo__Ipc__LocalCaMarks message = ASAFO__IPC__LOCAL_CA_MARKS__INIT;

	engine->ca_marks.is_tell_due = false;
	if (has_link(engine) && engine_keeper_call(engine, IPC_LOCALCA_MARKS, &message.base, NULL,
						   0, on_own, engine) < 0)
		tell_later(engine);
}

void ca_marks_tell_issued(struct engine *engine, const ProtobufCBinaryData *key_id)
{
	Asafo__Wire__LocalCaMarks message = ASAFO__WIRE__LOCAL_CA_MARKS__INIT;
	ProtobufCBinaryData id = *key_id;

	message.issued = &id;
	message.n_issued = 1;
	(void)post(engine, &message);
}

/* ---- the mate's ---- */

static void refuse(struct engine *engine, int code, const char *why)
{
	struct engine_ca_marks *marks = &engine->ca_marks;

	(void)why_set(&marks->refused, code, "%s", why);
	marks->has_asked = false;
	if (!marks->is_refused)
		log_line(LOG_WARNING,
			 "by what the mate's local CA is known could not be kept (%s): what it "
			 "issued would not be recognised here; it is asked for again",
			 why);
	marks->is_refused = true;
	if (marks->timer && !is_armed(marks))
		arm(engine);
}

/* False: it could not be kept. */
static bool look_kept(struct engine *engine, int code, const ProtobufCMessage *body)
{
	const Asafo__Ipc__LocalCaMarksReply *reply = (const Asafo__Ipc__LocalCaMarksReply *)body;

	if (code < 0)
		refuse(engine, code, err_text(code));
	else if (reply->status->code < 0)
		refuse(engine, reply->status->code, reply->status->why);
	return code == 0 && reply->status->code == 0;
}

static void on_kept(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct engine *engine = userdata;

	(void)has_more;
	if (!engine->is_exiting && look_kept(engine, code, body))
		engine->ca_marks.was_kept = true;
}

static void on_one_kept(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct engine *engine = userdata;

	(void)has_more;
	if (!engine->is_exiting)
		(void)look_kept(engine, code, body);
}

/* What was issued just now comes alone, and says nothing of what could not be kept before. A mate
 * of an older version does not mark its answer, and does not give one: when it tells all of it, as
 * the link comes up, its CA's identifiers go first. */
static bool is_all(const Asafo__Wire__LocalCaMarks *marks)
{
	return marks->all || marks->n_marks > 0 || marks->n_issued == 0;
}

static void ask_again(struct engine *engine)
{
	struct engine_ca_marks *marks = &engine->ca_marks;
	Asafo__Wire__LocalCaMarks message = ASAFO__WIRE__LOCAL_CA_MARKS__INIT;

	message.again = true;
	message.why = marks->refused.text;
	marks->was_kept = false;
	marks->has_asked = replication_post(engine->replication,
					    ASAFO__WIRE__LINK__BODY_LOCAL_CA_MARKS, &message) == 0;
}

bool ca_marks_message(struct engine *engine, const Asafo__Wire__Link *message)
{
	Asafo__Ipc__LocalCaMarks request = ASAFO__IPC__LOCAL_CA_MARKS__INIT;
	const Asafo__Wire__LocalCaMarks *marks = message->local_ca_marks;
	int r;

	if (message->body_case != ASAFO__WIRE__LINK__BODY_LOCAL_CA_MARKS)
		return false;
	if (marks->again) {
		log_line(
			LOG_WARNING,
			"the mate could not keep by what this unit's local CA is known (%s): it is "
			"told again",
			marks->why);
		engine->ca_marks.is_answer_due = true;
		ca_marks_tell(engine);
		return true;
	}
	/* Of one that has nothing there is nothing to keep: the keeper says that all is well. */
	request.mates = marks->marks;
	request.n_mates = marks->n_marks;
	if (request.n_mates > MARKS_MAX)
		request.n_mates = MARKS_MAX;
	request.issued = marks->issued;
	request.n_issued = marks->n_issued;
	r = engine_keeper_call(engine, IPC_LOCALCA_MARKS, &request.base, NULL, 0,
			       is_all(marks) ? on_kept : on_one_kept, engine);
	if (r < 0)
		refuse(engine, r, err_text(r));
	return true;
}

bool ca_marks_trouble(const struct engine *engine, struct why *ret_why)
{
	const struct engine_ca_marks *marks = &engine->ca_marks;

	if (!marks->is_refused || marks->n_tries < TROUBLE_TRIES)
		return false;
	(void)why_set(ret_why, 0,
		      "by what the mate's local CA is known cannot be kept on this unit (%s): a "
		      "certificate that it issued would not be recognised here, and be replicated",
		      marks->refused.text);
	return true;
}

/* ---- again ---- */

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct engine *engine = userdata;
	struct engine_ca_marks *marks = &engine->ca_marks;

	(void)source;
	(void)usec;
	if (marks->is_refused && marks->has_asked && marks->was_kept) {
		log_line(LOG_NOTICE, "by what the mate's local CA is known is kept now");
		marks->is_refused = marks->has_asked = false;
		note_success(marks);
	}
	if (has_link(engine) && (marks->is_refused || marks->is_tell_due)) {
		marks->n_tries++;
		if (marks->is_refused)
			ask_again(engine);
		if (marks->is_tell_due)
			ca_marks_tell(engine);
	}
	/* What was asked just now is looked at in the next turn; what is being told brings one
	 * where it fails. */
	if (marks->is_refused || marks->is_tell_due)
		arm(engine);
	return 0;
}

int ca_marks_start(struct engine *engine)
{
	int r = sd_event_add_time_relative(engine->event, &engine->ca_marks.timer, CLOCK_MONOTONIC,
					   RETRY_FIRST_MS * 1000, 0, on_timer, engine);

	return r < 0 ? r : sd_event_source_set_enabled(engine->ca_marks.timer, SD_EVENT_OFF);
}

void ca_marks_stop(struct engine *engine)
{
	engine->ca_marks.timer = sd_event_source_disable_unref(engine->ca_marks.timer);
}
