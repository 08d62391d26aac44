/* SPDX-License-Identifier: Apache-2.0 */
/* What both ends of replication share: messages, the progress timer, and command replication. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/replication/replication_internal.h"

static void on_fallback_made(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct replication *replication = userdata;
	const Asafo__Ipc__Status *status =
		body ? ((const Asafo__Ipc__StatusReply *)body)->status : NULL;

	(void)has_more;
	if (replication->engine->is_exiting)
		return;
	replication->is_making_fallback = false;
	if (replication_status_code(code, status) < 0)
		log_line(LOG_ERR, "the self-signed fallback could not be made: %s",
			 replication_status_text(code, status));
	else
		replication->engine->store.has_fallback = true;
}

void replication_on_active(struct replication *replication)
{
	struct engine *engine = replication->engine;
	Asafo__Ipc__FallbackMake message = ASAFO__IPC__FALLBACK_MAKE__INIT;

	if (engine->store.has_fallback || replication->is_making_fallback ||
	    !engine->store.is_known)
		return;
	message.hostname = engine->config->hostname;
	message.term = engine->fsm.term;
	replication->is_making_fallback =
		engine_keeper_call(engine, IPC_FALLBACK_MAKE, &message.base, NULL, 0,
				   on_fallback_made, replication) == 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct replication *replication = userdata;
	struct sync_event event = replication_event(replication, SYNC_EVENT_TICK);

	(void)source;
	(void)usec;
	replication_send_feed(replication, &event, NULL);
	replication_receive_feed(replication, &event, NULL);
	replication_arm(replication);
	return 0;
}

void replication_arm(struct replication *replication)
{
	struct monotime due = monotime_min(replication->send.machine.deadline,
					   replication->receive.machine.deadline);

	(void)sd_event_source_set_time(replication->timeout, due.ns / 1000 + 1);
	(void)sd_event_source_set_enabled(replication->timeout,
					  due.ns == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* ---- what a session is made of ---- */

struct sync_event replication_event(const struct replication *replication,
				    enum sync_event_type type)
{
	const struct link *link = replication->engine->pair.link;
	enum fo_state state = replication->engine->fsm.state;

	return (struct sync_event){.type = type,
				   .at = monotime_now(),
				   .is_active = engine_is_active(replication->engine),
				   .is_standby = state >= FO_STATE_COLD_STANDBY &&
						 state <= FO_STATE_STANDBY_READY,
				   .must_keep = replication->engine->store.orphans.term != 0,
				   .is_link_up = link && link_is_up(link),
				   .is_congested = link && link_queued(link) >= LINK_QUEUE_LONG};
}

struct sync_place replication_place(const struct engine_position *position)
{
	struct sync_place place = {.term = position->term,
				   .seq = position->seq,
				   .count = position->count,
				   .lineage = position->lineage,
				   .has_data = position->has_data};

	memcpy(place.digest, position->digest, sizeof(place.digest));
	return place;
}

struct engine_position replication_position(const struct sync_place *place)
{
	struct engine_position position = {.term = place->term,
					   .seq = place->seq,
					   .count = place->count,
					   .lineage = place->lineage,
					   .has_data = place->has_data};

	memcpy(position.digest, place->digest, sizeof(position.digest));
	return position;
}

void replication_orphans_kept(struct replication *replication, int code, const char *why)
{
	struct sync_event event = replication_event(replication, SYNC_EVENT_KEPT);

	event.serial = replication->receive.machine.serial;
	event.code = code;
	replication_receive_feed(replication, &event, &(struct replication_input){.why = why});
}

int replication_call_keeper(struct replication *replication, enum ipc_type type,
			    const ProtobufCMessage *message, const struct sync_action *action,
			    ipc_reply_fn on_reply)
{
	struct replication_call *call = malloc(sizeof(*call));
	int r;

	if (!call)
		return -ENOMEM;
	*call = (struct replication_call){replication, action->serial, action->message.items};
	r = engine_keeper_call(replication->engine, type, message, NULL, 0, on_reply, call);
	if (r < 0)
		free(call);
	return r;
}

static void on_let_go(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	(void)code;
	(void)body;
	(void)has_more;
	(void)userdata;
}

void replication_close(struct replication *replication, enum ipc_type type)
{
	(void)engine_keeper_call(replication->engine, type, NULL, NULL, 0, on_let_go, NULL);
}

const char *replication_mode_text(enum sync_mode mode)
{
	static const char *const texts[SYNC_MODE__MAX] = {"equal", "delta", "full"};

	return (unsigned)mode < SYNC_MODE__MAX ? texts[mode] : "";
}

bool replication_is_given_up(enum sync_cause cause)
{
	return cause == SYNC_CAUSE_ROLE || cause == SYNC_CAUSE_STOPPED;
}

void replication_cause(enum sync_cause cause, int code, const struct replication_input *input,
		       struct why *ret_why)
{
	const char *said = input && input->why ? input->why : "";
	const char *own = sync_cause_text(cause);

	if (cause == SYNC_CAUSE_MATE)
		(void)why_set(ret_why, code, "the mate says: %s", said[0] ? said : err_text(code));
	else if (own[0])
		(void)why_set(ret_why, code, "%s", own);
	else
		(void)why_set(ret_why, code, "%s", said[0] || code == 0 ? said : err_text(code));
}

int replication_new(struct engine *engine, struct replication **ret_replication)
{
	struct replication *replication = calloc(1, sizeof(*replication));
	int r;

	if (!replication)
		return -ENOMEM;
	replication->engine = engine;
	replication->next_id = 1;
	replication->catch_up_ms = 1000;
	sync_sender_init(&replication->send.machine);
	sync_receiver_init(&replication->receive.machine);
	r = sd_event_add_time(engine->event, &replication->timeout, CLOCK_MONOTONIC, 0, 0,
			      on_timeout, replication);
	if (r >= 0)
		r = replication_waiters_new(replication);
	if (r < 0) {
		replication_free(replication);
		return r;
	}
	(void)sd_event_source_set_enabled(replication->timeout, SD_EVENT_OFF);
	*ret_replication = replication;
	return 0;
}

/* Nobody will answer whoever waits for the mate: this unit stops. */
static void answer_all(struct replication *replication)
{
	replication_progress_fn on_progress = replication->send.on_progress;
	struct replication_result result = {.code = ERR_CLOSED};

	(void)why_set(&result.why, ERR_CLOSED, "this unit stops");
	replication->send.on_progress = NULL;
	if (on_progress)
		on_progress(&result, true, replication->send.userdata);
	replication_answer_waiters(replication, &result);
	replication_answer_command(replication, 0, ERR_CLOSED, result.why.text);
}

void replication_free(struct replication *replication)
{
	if (!replication)
		return;
	replication->timeout = sd_event_source_disable_unref(replication->timeout);
	replication->wait_timeout = sd_event_source_disable_unref(replication->wait_timeout);
	answer_all(replication);
	free(replication->receive.config_text);
	buf_done(&replication->unknown);
	buf_done(&replication->given);
	free(replication);
}

int replication_post(struct replication *replication, Asafo__Wire__Link__BodyCase kind, void *body)
{
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;
	struct link *link = replication->engine->pair.link;
	int r;

	message.body_case = kind;
	message.hello = body; /* every member of the union is a pointer */
	if (!link)
		return ERR_CLOSED;
	r = link_send(link, &message);
	traffic_sent(&replication->engine->traffic, (int)kind, r, link_queued(link));
	return r;
}

const char *replication_status_text(int code, const Asafo__Ipc__Status *status)
{
	if (code < 0)
		return err_text(code);
	return status && status->why && status->why[0] ? status->why
						       : err_text(status ? status->code : 0);
}

int replication_status_code(int code, const Asafo__Ipc__Status *status)
{
	return code < 0 ? code : status ? status->code : 0;
}

void replication_position_fill(const struct engine_position *position,
			       Asafo__Record__Position *ret_message)
{
	asafo__record__position__init(ret_message);
	ret_message->term = position->term;
	ret_message->seq = position->seq;
	ret_message->count = position->count;
	ret_message->lineage = position->lineage;
	ret_message->has_data = position->has_data;
	ret_message->digest.data = (uint8_t *)(uintptr_t)position->digest;
	ret_message->digest.len = sizeof(position->digest);
}

const struct replication_result *replication_last(const struct replication *replication)
{
	return &replication->last;
}

const struct replication_result *replication_last_as(const struct replication *replication,
						     bool is_active)
{
	return is_active ? &replication->last_sent : &replication->last_received;
}

bool replication_is_busy(const struct replication *replication)
{
	return replication->send.machine.state != SYNC_SEND_IDLE ||
	       replication->receive.machine.state > SYNC_RECEIVE_WANTED;
}

bool replication_is_paused(const struct replication *replication)
{
	return replication->send.machine.state == SYNC_SEND_PAUSED ||
	       replication->receive.machine.state == SYNC_RECEIVE_PAUSED;
}

uint64_t replication_resumed(const struct replication *replication)
{
	return replication->send.machine.resumed + replication->receive.machine.resumed;
}

static void feed_both(struct replication *replication, enum sync_event_type type, const char *why)
{
	struct sync_event event = replication_event(replication, type);
	struct replication_input input = {.why = why};

	event.code = type == SYNC_EVENT_LINK_DOWN ? ERR_CLOSED : 0;
	replication_receive_feed(replication, &event, &input);
	replication_send_feed(replication, &event, &input);
}

void replication_stop(struct replication *replication)
{
	struct sync_event event = replication_event(replication, SYNC_EVENT_STOP);

	replication_receive_feed(replication, &event, NULL);
	replication_on_role(replication);
}

void replication_on_role(struct replication *replication)
{
	feed_both(replication, SYNC_EVENT_ROLE, NULL);
}

void replication_link_up(struct replication *replication)
{
	replication_compare_versions(replication);
	/* The lines first: a session that goes on does not send them again. */
	if (engine_is_active(replication->engine))
		replication_send_config(replication);
	feed_both(replication, SYNC_EVENT_LINK_UP, NULL);
}

void replication_link_down(struct replication *replication, const char *why)
{
	replication_answer_command(replication, 0, ERR_CLOSED, why);
	feed_both(replication, SYNC_EVENT_LINK_DOWN, why);
}

void replication_link_writable(struct replication *replication)
{
	feed_both(replication, SYNC_EVENT_WRITABLE, NULL);
}

void replication_keeper_gone(struct replication *replication)
{
	feed_both(replication, SYNC_EVENT_KEEPER_GONE, "the keeper went away");
}

static int merge(const struct replication *replication, const char *text, size_t size,
		 struct config **ret_merged, struct why *ret_why)
{
	struct config *merged = NULL;
	struct config_error error = {0};
	int r = config_merge_replicated(replication->engine->config, text, size, &merged, &error);

	if (r < 0)
		return why_set(ret_why, r,
			       "the configuration of the active (asafo %s), line %u, column %u: %s",
			       link_mate_software(replication->engine->pair.link), error.line,
			       error.column, error.why.text);
	r = replication_keep_newer(replication, &merged);
	if (r == 0)
		r = config_check(merged, ret_why);
	if (r < 0) {
		config_free(merged);
		return r;
	}
	*ret_merged = merged;
	return 0;
}

int replication_take_config(struct replication *replication, const char *text, size_t size,
			    struct why *ret_why)
{
	struct config *merged;
	int r = merge(replication, text, size, &merged, ret_why);

	if (r < 0)
		return r;
	if (!replication->is_level)
		replication_keep_given(replication, merged);
	replication_lines_level(replication);
	engine_apply_config(replication->engine, merged);
	return 0;
}

int replication_check_config(struct replication *replication, const char *text, size_t size,
			     struct why *ret_why)
{
	struct config *merged;
	int r = merge(replication, text, size, &merged, ret_why);

	if (r == 0)
		config_free(merged);
	return r;
}

bool replication_message(struct replication *replication, const Asafo__Wire__Link *message)
{
	return replication_command_message(replication, message) ||
	       replication_receive_message(replication, message) ||
	       replication_send_message(replication, message);
}
