/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends. On the asking unit a call waits under an id; on the other the method is called as any
 * client's, with an answer that goes into the link in pieces. An answer outlives neither link: ids
 * are not used twice in the life of an engine, and a link that went away took its questions along.
 */
#include "failover/methods/exec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "control/message.h"
#include "failover/methods/handlers.h"

#define CONTROL_DEPTH 16
#define PIECE_MAX (128u * 1024)
#define LOOK_MS 500 /* while a question waits: is the mate there? */
#define LOST_MS 2000

/* Asked by us. */
struct question {
	struct question *next;
	uint32_t id;
	struct control_call *call;
	struct buf text;
	struct monotime deadline;
};

/* Asked by the mate. */
struct errand {
	struct exec *exec; /* NULL: this unit stops */
	struct errand *next;
	uint32_t id;
	unsigned epoch; /* of the link that it came through */
};

struct exec {
	struct engine *engine;
	const struct control_method *methods; /* the last has no name */
	struct question *questions;
	struct errand *errands;
	size_t n_questions, n_errands;
	uint32_t next_id;
	unsigned epoch;
	sd_event_source *timeout;
};

/* Changes that are one request without a file; the rest of the CHANGE methods stays at home. */
static const char *const changes[] = {
	"asafo.WriteMemory",	 "asafo.WriteStandby",	"asafo.FailoverActive",
	"asafo.FailoverStandby", "asafo.FailoverReset", "asafo.Maintenance",
	"asafo.ClearStatistics", "asafo.ReloadStandby", "asafo.Reload",
};
static const char *const configurations[] = {
	"asafo.Configure",
	"asafo.Bind",
	"asafo.Unbind",
	"asafo.Remove",
};

static bool is_one_of(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static const struct control_method *find(const struct exec *exec, const char *name,
					 bool *ret_is_configuration, struct why *ret_why)
{
	const struct control_method *method = exec->methods;

	while (method->name && strcmp(method->name, name) != 0)
		method++;

	*ret_is_configuration = is_one_of(configurations, ARRAY_SIZE(configurations), name);
	if (!method->name) {
		(void)why_set(ret_why, ERR_UNSUPPORTED, "this unit has no method \"%.64s\"", name);
		return NULL;
	}
	if (strcmp(name, "asafo.FailoverExec") == 0) {
		(void)why_set(ret_why, ERR_DENIED, "failover exec within failover exec is refused");
		return NULL;
	}
	if (method->access == CONTROL_ACCESS_CHANGE && !*ret_is_configuration &&
	    !is_one_of(changes, ARRAY_SIZE(changes), name)) {
		(void)why_set(ret_why, ERR_DENIED,
			      "\"%.64s\" needs a file, a passphrase or a terminal: run it on that "
			      "unit itself",
			      name);
		return NULL;
	}
	return method;
}

/* ---- what the mate asks ---- */

static void send_reply(struct exec *exec, uint32_t id, const char *text, size_t size)
{
	struct link *link = exec->engine->pair.link;
	int r = 0;

	for (size_t at = 0; r == 0 && (at < size || at == 0);) {
		Asafo__Wire__ExecReply reply = ASAFO__WIRE__EXEC_REPLY__INIT;
		Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;
		size_t n = size - at < PIECE_MAX ? size - at : PIECE_MAX;

		reply.id = id;
		reply.text = (ProtobufCBinaryData){n, (uint8_t *)(uintptr_t)(text + at)};
		reply.has_more = at + n < size;
		message.body_case = ASAFO__WIRE__LINK__BODY_EXEC_REPLY;
		message.exec_reply = &reply;
		r = link ? link_send(link, &message) : ERR_CLOSED;
		traffic_sent(&exec->engine->traffic, (int)message.body_case, r,
			     link ? link_queued(link) : 0);
		at += n;
		if (n == 0)
			break;
	}
	if (r < 0)
		log_line(LOG_WARNING, "failover exec: the answer could not be sent: %s",
			 err_text(r));
}

static void send_refusal(struct exec *exec, uint32_t id, int code, const char *why)
{
	struct json_object *object = json_object_new_object();
	struct json_object *parameters = json_object_new_object();
	char name[80];
	const char *text;

	(void)snprintf(name, sizeof(name), "asafo.%s", err_name(code));
	json_add_text(object, "error", name);
	json_add_text(parameters, "message", why);
	json_add_number(parameters, "code", code);
	(void)json_object_object_add(object, "parameters", parameters);
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
	send_reply(exec, id, text, strlen(text));
	(void)json_object_put(object);
}

static void errand_unlink(struct exec *exec, const struct errand *errand)
{
	for (struct errand **at = &exec->errands; *at; at = &(*at)->next) {
		if (*at == errand) {
			*at = errand->next;
			exec->n_errands--;
			return;
		}
	}
}

/* Half of the link's queue is for answers: a refusal always finds room behind them. */
static bool has_room(const struct exec *exec, size_t size)
{
	const struct link *link = exec->engine->pair.link;

	return link && link_queued(link) + size <= LINK_QUEUE_MAX / 2;
}

static void on_errand_done(const char *text, size_t size, void *userdata)
{
	_cleanup_free_ struct errand *errand = userdata;
	struct exec *exec = errand->exec;

	if (!exec)
		return;
	errand_unlink(exec, errand);
	if (errand->epoch != exec->epoch || exec->engine->is_exiting)
		return;
	/* A part of it would be waited for in vain. */
	if (has_room(exec, size))
		send_reply(exec, errand->id, text, size);
	else
		send_refusal(exec, errand->id, ERR_BUSY,
			     "the failover link has more to send than it can take: try again");
}

static int parse(const ProtobufCBinaryData *bytes, struct json_object **ret_object)
{
	struct json_tokener *tokener;
	struct json_object *object;

	if (bytes->len == 0)
		return ERR_MALFORMED;
	tokener = json_tokener_new_ex(CONTROL_DEPTH);
	if (!tokener)
		return -ENOMEM;
	/* An object ends by itself. */
	object = json_tokener_parse_ex(tokener, (const char *)bytes->data, (int)bytes->len);
	json_tokener_free(tokener);
	if (!object || !json_object_is_type(object, json_type_object)) {
		(void)json_object_put(object);
		return ERR_MALFORMED;
	}
	*ret_object = object;
	return 0;
}

static int run_errand(struct exec *exec, const Asafo__Wire__Exec *message, struct why *ret_why)
{
	struct json_object *parameters = NULL;
	struct control_call *call = NULL;
	struct errand *errand;
	bool is_configuration;
	const struct control_method *method =
		find(exec, message->method, &is_configuration, ret_why);
	char peer[64];
	int r;

	if (!method)
		return ERR_DENIED;
	if (is_configuration && !engine_is_active(exec->engine))
		return engine_refuse_standby(exec->engine, ret_why);
	if (exec->n_errands >= EXEC_MAX)
		return why_set(ret_why, ERR_BUSY, "the mate is busy with too many of them");
	r = parse(&message->parameters, &parameters);
	if (r < 0)
		return r;
	errand = calloc(1, sizeof(*errand));
	(void)snprintf(peer, sizeof(peer), "the mate's %.50s", message->peer);
	r = errand ? control_call_new(json_object_get(parameters), peer, on_errand_done, errand,
				      &call)
		   : -ENOMEM;
	if (r == 0) {
		if (message->may_only_look)
			control_call_look_only(call);
		*errand = (struct errand){exec, exec->errands, message->id, exec->epoch};
		exec->errands = errand;
		exec->n_errands++;
		method->handler(call, parameters, exec->engine);
	} else {
		free(errand);
	}
	(void)json_object_put(parameters);
	return r;
}

/* ---- what this unit asks ---- */

static void arm_timeout(struct exec *exec)
{
	struct monotime first = monotime_add_ms(monotime_now(), LOOK_MS);

	for (const struct question *question = exec->questions; question; question = question->next)
		first = monotime_min(first, question->deadline);
	(void)sd_event_source_set_time(exec->timeout, first.ns / 1000);
	(void)sd_event_source_set_enabled(exec->timeout,
					  exec->questions ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static struct question *question_take(struct exec *exec, struct question **at)
{
	struct question *question = *at;

	*at = question->next;
	exec->n_questions--;
	return question;
}

static void question_free(struct question *question)
{
	buf_done(&question->text);
	free(question);
}

static void question_fail(struct question *question, int code, const char *why)
{
	control_call_fail(question->call, code, why);
	question_free(question);
}

/* The kernel of a mate that stands still acknowledges what the link sends for as long as it does.
 */
static bool is_mate_lost(const struct engine *engine)
{
	struct monotime lost = monotime_add_ms(engine->mate.heard_at, LOST_MS);

	return !engine_hears_mate(engine) && monotime_reached(monotime_now(), lost);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct exec *exec = userdata;
	struct question **at = &exec->questions;
	bool is_lost = is_mate_lost(exec->engine);

	(void)source;
	(void)usec;
	while (*at) {
		if (is_lost)
			question_fail(question_take(exec, at), ERR_NO_MATE,
				      "the mate was lost before it answered: whether it did what "
				      "it was asked is not known; see `asafo show failover`");
		else if (monotime_reached(monotime_now(), (*at)->deadline))
			question_fail(question_take(exec, at), ERR_TIMEOUT,
				      "the mate did not answer within 60 s; its version may not "
				      "know failover exec (asafo show version)");
		else
			at = &(*at)->next;
	}
	arm_timeout(exec);
	return 0;
}

static void take_reply(struct exec *exec, const Asafo__Wire__ExecReply *reply)
{
	struct question **at = &exec->questions, *question;
	size_t room;

	while (*at && (*at)->id != reply->id)
		at = &(*at)->next;
	if (!*at)
		return; /* it came too late */
	question = *at;
	room = CONTROL_REPLY_MAX - question->text.size;
	if (reply->text.len > room ||
	    buf_append(&question->text, reply->text.data, reply->text.len) < 0) {
		question_fail(question_take(exec, at), ERR_TOO_LARGE,
			      "the mate's answer is larger than a message may be: ask for less");
	} else if (!reply->has_more) {
		(void)question_take(exec, at);
		control_call_forward(question->call, (const char *)question->text.data,
				     question->text.size);
		question_free(question);
	}
	arm_timeout(exec);
}

static int ask_mate(struct exec *exec, struct control_call *call, const char *method,
		    struct json_object *parameters, struct why *ret_why)
{
	struct engine *engine = exec->engine;
	Asafo__Wire__Exec body = ASAFO__WIRE__EXEC__INIT;
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;
	const char *text = json_object_to_json_string_ext(parameters, JSON_C_TO_STRING_PLAIN);
	struct question *question;
	int r;

	if (!engine_hears_mate(engine))
		return why_set(ret_why, ERR_NO_MATE,
			       "the mate cannot be asked: it is not heard on any path; see `asafo "
			       "show failover`");
	if (!engine->pair.link || !link_is_up(engine->pair.link))
		return why_set(ret_why, ERR_NO_MATE, "the mate cannot be asked: %s",
			       engine->pair.link_why[0] ? engine->pair.link_why
							: "the failover link is down");
	if (link_mate_version(engine->pair.link) < LINK_VERSION_EXEC)
		return why_set(
			ret_why, ERR_UNSUPPORTED,
			"the mate (asafo %s, failover link version %" PRIu32 ") is older "
			"than failover exec, and cannot be asked from here: upgrade it; what "
			"its release knows can be typed on that unit",
			link_mate_software(engine->pair.link),
			link_mate_version(engine->pair.link));
	if (exec->n_questions >= EXEC_MAX)
		return why_set(ret_why, ERR_BUSY, "too many of them wait for the mate");
	question = calloc(1, sizeof(*question));
	if (!question || !text) {
		free(question);
		return -ENOMEM;
	}
	body.id = ++exec->next_id;
	body.method = (char *)(uintptr_t)method;
	body.parameters = (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
	body.peer = (char *)(uintptr_t)control_call_peer(call);
	body.may_only_look = !control_call_may_change(call);
	message.body_case = ASAFO__WIRE__LINK__BODY_EXEC;
	message.exec = &body;
	r = link_send(engine->pair.link, &message);
	traffic_sent(&engine->traffic, (int)message.body_case, r, link_queued(engine->pair.link));
	if (r < 0) {
		free(question);
		return why_set(ret_why, r, "the mate cannot be asked: %s", err_text(r));
	}
	*question = (struct question){.next = exec->questions,
				      .id = body.id,
				      .call = call,
				      .deadline = monotime_add_ms(monotime_now(), EXEC_TIMEOUT_MS)};
	exec->questions = question;
	exec->n_questions++;
	arm_timeout(exec);
	return 0;
}

int exec_ask_with(struct exec *exec, const char *method, struct json_object *parameters,
		  const char *peer, control_answer_fn on_answer, void *userdata,
		  struct why *ret_why)
{
	struct control_call *call = NULL;
	int r = control_call_new(json_object_get(parameters), peer, on_answer, userdata, &call);

	if (r == 0) {
		r = ask_mate(exec, call, method, parameters, ret_why);
		if (r < 0)
			control_call_drop(call);
	}
	return r;
}

int exec_ask(struct exec *exec, const char *method, const char *peer, control_answer_fn on_answer,
	     void *userdata, struct why *ret_why)
{
	struct json_object *parameters = json_object_new_object();
	int r = exec_ask_with(exec, method, parameters, peer, on_answer, userdata, ret_why);

	(void)json_object_put(parameters);
	return r;
}

int exec_answer_error(const char *text, size_t size, struct why *ret_why)
{
	struct control_reply reply = {0};
	int r = control_reply_parse(text, size, &reply, ret_why);

	if (r < 0)
		return r;
	r = reply.is_error ? reply.code : 0;
	if (reply.is_error)
		*ret_why = reply.why;
	control_reply_done(&reply);
	return r;
}

/* 1: here; 0: on the mate; negative: nowhere. */
static int is_here(const struct engine *engine, const char *unit, struct why *ret_why)
{
	bool is_active = engine_is_active(engine);
	bool is_mate_active =
		engine_hears_mate(engine) && fo_state_is_active(engine->mate.view.state);

	if (strcmp(unit, "mate") == 0)
		return 0;
	if (strcmp(unit, "active") == 0)
		return is_active || is_mate_active
			       ? is_active
			       : why_set(ret_why, ERR_NOT_FOUND, "neither unit is active just now");
	if (strcmp(unit, "standby") == 0)
		return !is_active;
	return why_set(ret_why, ERR_SYNTAX, "the unit is active, standby or mate");
}

void method_failover_exec(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	const char *name = parameter_text(parameters, "method");
	const struct control_method *method;
	struct json_object *inner = NULL;
	struct why why = {0};
	bool is_configuration;
	int r = is_here(engine, parameter_text(parameters, "unit"), &why);

	method = r < 0 ? NULL : find(engine->exec, name, &is_configuration, &why);
	if (!method)
		r = r < 0 ? r : ERR_DENIED;
	else if (method->access == CONTROL_ACCESS_CHANGE && !control_call_may_change(call))
		r = why_set(&why, ERR_DENIED,
			    "%s may be called by root or a member of the group %s", name,
			    CONTROL_CHANGE_GROUP);
	else if (is_configuration && r == 1 && !engine_is_active(engine))
		r = engine_refuse_standby(engine, &why);
	if (r >= 0) {
		if (!json_object_object_get_ex(parameters, "parameters", &inner) ||
		    !json_object_is_type(inner, json_type_object))
			inner = json_object_new_object();
		else
			inner = json_object_get(inner);
		if (r == 1)
			method->handler(call, inner, engine);
		else
			r = ask_mate(engine->exec, call, name, inner, &why);
		(void)json_object_put(inner);
	}
	if (r < 0)
		control_call_fail(call, r, why.text[0] ? why.text : err_text(r));
}

/* ---- both ---- */

bool exec_message(struct exec *exec, const Asafo__Wire__Link *message)
{
	struct why why = {0};
	int r;

	if (message->body_case == ASAFO__WIRE__LINK__BODY_EXEC_REPLY) {
		take_reply(exec, message->exec_reply);
		return true;
	}
	if (message->body_case != ASAFO__WIRE__LINK__BODY_EXEC)
		return false;
	r = run_errand(exec, message->exec, &why);
	if (r < 0)
		send_refusal(exec, message->exec->id, r, why.text[0] ? why.text : err_text(r));
	return true;
}

void exec_link_down(struct exec *exec, const char *why)
{
	struct why sentence;

	if (!exec)
		return;
	exec->epoch++;
	(void)why_set(&sentence, ERR_NO_MATE, "the failover link went away before the answer: %s",
		      why);
	while (exec->questions)
		question_fail(question_take(exec, &exec->questions), ERR_NO_MATE, sentence.text);
	arm_timeout(exec);
}

int exec_new(struct engine *engine, const struct control_method *methods, struct exec **ret_exec)
{
	struct exec *exec = calloc(1, sizeof(*exec));
	int r;

	if (!exec)
		return -ENOMEM;
	exec->engine = engine;
	exec->methods = methods;
	r = sd_event_add_time(engine->event, &exec->timeout, CLOCK_MONOTONIC, 0, 0, on_timeout,
			      exec);
	if (r < 0) {
		free(exec);
		return r;
	}
	(void)sd_event_source_set_enabled(exec->timeout, SD_EVENT_OFF);
	*ret_exec = exec;
	return 0;
}

void exec_free(struct exec *exec)
{
	if (!exec)
		return;
	exec_link_down(exec, "this unit stops");
	/* Their answers still come, from whoever works on them, and go nowhere. */
	for (struct errand *errand = exec->errands; errand; errand = errand->next)
		errand->exec = NULL;
	exec->timeout = sd_event_source_disable_unref(exec->timeout);
	free(exec);
}
