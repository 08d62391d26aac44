/* SPDX-License-Identifier: Apache-2.0 */
/* `asafo ocsp import` and `remove`, and how a staple stands. */
#include <stdio.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "failover/methods/handlers.h"

struct json_object *json_staple(const struct engine *engine,
				const Asafo__Record__TrustpointPublic *part)
{
	const struct engine_staple *staple = engine_staple_find(engine, part);
	int64_t now = (int64_t)time(NULL);
	struct json_object *object;

	if (!staple)
		return NULL;
	object = json_object_new_object();
	json_add_flag(object, "good", engine_staple_is_good(staple, now));
	json_add_flag(object, "ending", engine_staple_is_ending(staple, now));
	json_add_number(object, "this_update", staple->this_update);
	json_add_number(object, "next_update", staple->next_update);
	json_add_text(object, "source", staple->source);
	json_add_number(object, "taken_at", staple->taken_at);
	json_add_flag(object, "replicated", !staple->is_home);
	return object;
}

struct json_object *json_fetched(const struct engine *engine, const char *name)
{
	const struct fetched *fetched = engine_fetch_find(engine, name);
	struct json_object *object;
	uint64_t left_ns;

	if (!fetched)
		return NULL;
	object = json_object_new_object();
	json_add_flag(object, "here", engine_fetch_is_here(engine, name));
	json_add_text(object, "url", fetched->url[0] ? fetched->url : fetched->wanted_url);
	json_add_number(object, "asked_at", fetched->asked_at);
	left_ns = monotime_since(fetched->look_at, monotime_now());
	json_add_number(object, "next_at",
			(int64_t)time(NULL) + (int64_t)(left_ns / MONOTIME_NS_PER_SEC));
	json_add_number(object, "failures", (int64_t)fetched->failures);
	json_add_text(object, "why", fetched->failures > 0 ? fetched->why.text : "");
	return object;
}

struct json_object *json_staples(const struct engine *engine)
{
	const struct engine_staples *staples = &engine->staples;
	struct json_object *object = json_object_new_object();
	size_t n = 0;

	for (size_t i = 0; i < staples->n; i++)
		n += !staples->list[i].is_revoked;
	json_add_number(object, "count", (int64_t)n);
	/* A standby has what the active sent, and the active knows of it. */
	if (engine_is_active(engine))
		json_add_flag(object, "mate_has_them",
			      staples->id != 0 && staples->mate_id == staples->id);
	return object;
}

static void add_taken(struct json_object *result, const Asafo__Record__Staple *staple)
{
	struct json_object *object = json_object_new_object();

	json_add_number(object, "this_update", staple->this_update);
	json_add_number(object, "next_update", staple->next_update);
	json_add_text(object, "source", staple->source);
	json_add_flag(object, "replicated", !staple->is_home);
	(void)json_object_object_add(result, "staple", object);
}

static void on_import(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__StapleReply *reply = (const Asafo__Ipc__StapleReply *)body;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	if (!reply->staple) {
		waiting_fail(waiting, ERR_MALFORMED, "the keeper's answer has no staple in it");
		return;
	}
	add_taken(waiting->result, reply->staple);
	json_add_flag(waiting->result, "unchanged", reply->unchanged);
	if (waiting->is_changing && !reply->unchanged)
		log_line(LOG_INFO, "an OCSP staple of trustpoint %s was imported by %s",
			 waiting->name, control_call_peer(waiting->call));
	waiting_reply(waiting);
}

/* What each unit has of its own is imported on each of them; whether it is of its own the keeper
 * knows better than a line of the configuration. */
static bool is_refused(struct engine *engine, struct control_call *call, const char *name)
{
	const struct config_trustpoint *lines = config_trustpoint_find(engine->config, name);

	return !(lines && lines->is_of_unit) && !require_active(engine, call);
}

/* NULL: answered. */
static struct waiting *begin(struct engine *engine, struct control_call *call, const char *name)
{
	struct waiting *waiting = is_refused(engine, call, name) ? NULL : waiting_new(engine, call);

	if (waiting)
		(void)snprintf(waiting->name, sizeof(waiting->name), "%s", name);
	return waiting;
}

void method_ocsp_import(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	Asafo__Ipc__StapleImport message = ASAFO__IPC__STAPLE_IMPORT__INIT;
	struct waiting *waiting;

	message.name = (char *)(uintptr_t)parameter_text(parameters, "name");
	waiting = begin(engine, call, message.name);
	if (!waiting)
		return;
	message.dry_run = parameter_flag(parameters, "dry_run");
	message.is_active = engine_is_active(engine);
	message.term = engine->fsm.term;
	waiting->is_changing = !message.dry_run;
	(void)waiting_forward(waiting, IPC_STAPLE_IMPORT, &message.base, 1, on_import);
}

static void on_removed(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	log_line(LOG_INFO, "the OCSP staple of trustpoint %s was removed by %s", waiting->name,
		 control_call_peer(waiting->call));
	waiting_reply(waiting);
}

void method_ocsp_remove(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	Asafo__Ipc__StapleDrop message = ASAFO__IPC__STAPLE_DROP__INIT;
	struct waiting *waiting;

	message.name = (char *)(uintptr_t)parameter_text(parameters, "name");
	waiting = begin(engine, call, message.name);
	if (!waiting)
		return;
	message.is_active = engine_is_active(engine);
	message.term = engine->fsm.term;
	(void)waiting_forward(waiting, IPC_STAPLE_DROP, &message.base, 0, on_removed);
}
