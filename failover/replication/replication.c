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

	(void)source;
	(void)usec;
	if (replication->send.phase != SEND_IDLE)
		replication_send_fail(replication, ERR_TIMEOUT,
				      "the standby made no progress for 30 s: see its log, then "
				      "`asafo write-standby`");
	if (replication->receive.phase != RECEIVE_IDLE)
		replication_receive_fail(replication, ERR_TIMEOUT,
					 "the active made no progress for 30 s");
	return 0;
}

void replication_touch(struct replication *replication)
{
	bool is_busy =
		replication->send.phase != SEND_IDLE || replication->receive.phase != RECEIVE_IDLE;
	uint64_t at = monotime_add_ms(monotime_now(), REPLICATION_TIMEOUT_MS).ns / 1000;

	(void)sd_event_source_set_time(replication->timeout, at);
	(void)sd_event_source_set_enabled(replication->timeout,
					  is_busy ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
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

bool replication_is_busy(const struct replication *replication)
{
	return replication->send.phase != SEND_IDLE || replication->receive.phase != RECEIVE_IDLE;
}

void replication_stop(struct replication *replication)
{
	replication->receive.is_wanted = false;
	if (replication->receive.phase != RECEIVE_IDLE)
		replication_receive_fail(replication, ERR_CLOSED,
					 "stopped: this unit's role changed");
	replication_on_role(replication);
}

void replication_on_role(struct replication *replication)
{
	bool is_active = engine_is_active(replication->engine);

	if (is_active && replication->receive.phase != RECEIVE_IDLE)
		replication_receive_fail(replication, ERR_CLOSED, "stopped: this unit is active");
	/* What is committed over there is as true as before; its answer is on the way. */
	if (!is_active && replication->send.phase != SEND_IDLE &&
	    replication->send.phase != SEND_COMMIT)
		replication_send_fail(replication, ERR_NOT_ACTIVE,
				      "stopped: this unit is no longer active");
}

void replication_link_up(struct replication *replication)
{
	struct engine *engine = replication->engine;

	if (replication->receive.is_wanted)
		replication_request(replication, replication->receive.reason,
				    replication->receive.is_quiet);
	if (engine_is_active(engine))
		replication_send_config(replication);
}

void replication_link_down(struct replication *replication, const char *why)
{
	replication_answer_command(replication, 0, ERR_CLOSED, why);
	if (replication->receive.phase != RECEIVE_IDLE)
		replication_receive_fail(replication, ERR_CLOSED, why);
	if (replication->send.phase != SEND_IDLE)
		replication_send_fail(replication, ERR_CLOSED, why);
}

void replication_link_writable(struct replication *replication)
{
	replication_send_continue(replication);
}

static int merge(const struct replication *replication, const char *text, size_t size,
		 struct config **ret_merged, struct why *ret_why)
{
	struct config *merged = NULL;
	struct config_error error = {0};
	int r = config_merge_replicated(replication->engine->config, text, size, &merged, &error);

	if (r < 0)
		return why_set(ret_why, r, "the active's configuration, line %u, column %u: %s",
			       error.line, error.column, error.why.text);
	r = config_check(merged, ret_why);
	if (r < 0) {
		config_free(merged);
		return r;
	}
	*ret_merged = merged;
	return 0;
}

int replication_apply_config(struct replication *replication, const char *text, size_t size,
			     struct why *ret_why)
{
	struct config *merged;
	int r = merge(replication, text, size, &merged, ret_why);

	if (r == 0)
		engine_apply_config(replication->engine, merged);
	return r;
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
