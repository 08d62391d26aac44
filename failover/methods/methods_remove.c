/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removal, with what binds the trustpoint: what could keep the lines from going is asked before the
 * keeper is, and once it has removed the trustpoint nothing keeps them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/methods/handlers.h"

static bool is_bound(const struct config *config, const char *name, struct why *ret_why)
{
	for (size_t i = 0; i < config->n_bindings; i++) {
		const struct config_binding *binding = &config->bindings[i];

		if (strcmp(binding->trustpoint, name) == 0) {
			(void)why_set(ret_why, ERR_IN_USE,
				      "%s is bound (ssl trust-point %s%s%s%s%s): unbind it first, "
				      "or use --force",
				      name, name, binding->interface[0] ? " " : "",
				      binding->interface, binding->domain[0] ? " domain " : "",
				      binding->domain);
			return true;
		}
	}
	return false;
}

/* The lines that take every binding of NAME out of the running-config; empty: there is none. */
static int unbinding_lines(const struct engine *engine, const char *name, struct buf *ret_lines)
{
	for (size_t i = 0; i < engine->config->n_bindings; i++) {
		const struct config_binding *binding = &engine->config->bindings[i];

		if (strcmp(binding->trustpoint, name) == 0 &&
		    buf_append_format(ret_lines, "no ssl trust-point %s%s%s%s%s\n", name,
				      binding->interface[0] ? " " : "", binding->interface,
				      binding->domain[0] ? " domain " : "", binding->domain) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Before anything is removed. Without a binding, too: a backup that is being restored may bring
 * one. */
static int check_unbinding(const struct engine *engine, const char *name, struct why *ret_why)
{
	_cleanup_(buf_done) struct buf lines = {0};
	int r = unbinding_lines(engine, name, &lines);

	return r < 0 ? r : configure_check(engine, lines.size > 0 ? buf_text(&lines) : "", ret_why);
}

static int unbind_all(struct engine *engine, const char *name, struct why *ret_why)
{
	_cleanup_(buf_done) struct buf lines = {0};
	int r = unbinding_lines(engine, name, &lines);

	return r < 0 || lines.size == 0 ? r : configure_follow(engine, buf_text(&lines), ret_why);
}

/* The answer to a removal has no position. */
static void on_removed_position(int code, const ProtobufCMessage *body, bool has_more,
				void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__KeeperStatusReply *reply = (const Asafo__Ipc__KeeperStatusReply *)body;
	struct engine_position position;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	position = engine_position_from(reply->position);
	engine_store_moved(waiting->engine, reply->position);
	waiting_replicate(waiting, &position);
}

static void fail_unbinding(struct waiting *waiting, int code, const struct why *why)
{
	struct why text;

	(void)why_set(&text, code, "%.63s is removed, but what binds it is not (%.300s): unbind it",
		      waiting->name, why->text[0] ? why->text : err_text(code));
	log_line(LOG_WARNING, "%s", text.text);
	waiting_fail(waiting, code, text.text);
}

static void on_removed(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;
	struct why why = {0};
	int r;

	(void)has_more;
	if (code < 0 && !waiting->engine->is_exiting) {
		waiting_fail(waiting, code,
			     "the keeper went away while it removed this: `asafo show "
			     "trustpoints` says whether it is gone; what binds it is as before");
		return;
	}
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	log_line(LOG_INFO, "trustpoint %s removed by %s", waiting->name,
		 control_call_peer(waiting->call));
	if (trustpoint_is_of_unit(waiting->engine, waiting->name)) {
		waiting_describe_replication(waiting, "kept-home",
					     "scope unit: the other unit's own is not touched");
		waiting_reply(waiting);
		return;
	}
	engine_mate_lacks(waiting->engine, waiting->name);
	/* Only with --force, or bound meanwhile, are there any left. */
	r = unbind_all(waiting->engine, waiting->name, &why);
	if (r < 0) {
		fail_unbinding(waiting, r, &why);
		return;
	}
	(void)waiting_forward(waiting, IPC_KEEPER_STATUS, NULL, 0, on_removed_position);
}

void method_remove(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	Asafo__Ipc__Remove message = ASAFO__IPC__REMOVE__INIT;
	const char *name = parameter_text(parameters, "name");
	bool is_of_unit = trustpoint_is_of_unit(engine, name);
	struct waiting *waiting;
	struct why why = {0};
	int r;

	if (!is_of_unit && !require_active(engine, call))
		return;
	message.name = (char *)(uintptr_t)name;
	message.term = engine->fsm.term;
	if (!parameter_flag(parameters, "force") && is_bound(engine->config, name, &why)) {
		control_call_fail(call, ERR_IN_USE, why.text);
		return;
	}
	r = is_of_unit ? 0 : check_unbinding(engine, name, &why);
	if (r < 0) {
		control_call_fail(call, r, why.text[0] ? why.text : err_text(r));
		return;
	}
	waiting = waiting_new(engine, call);
	if (!waiting)
		return;
	(void)snprintf(waiting->name, sizeof(waiting->name), "%s", name);
	waiting->is_removal = true;
	(void)waiting_forward(waiting, IPC_REMOVE, &message.base, 0, on_removed);
}
