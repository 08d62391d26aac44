/* SPDX-License-Identifier: Apache-2.0 */
/* `asafo rekey`, and how it stands; `show security`. */
#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/methods_internal.h"

static void add_id(struct json_object *object, const char *key, uint64_t id)
{
	char text[17] = "";

	if (id != 0)
		(void)snprintf(text, sizeof(text), "%016" PRIx64, id);
	json_add_text(object, key, text);
}

struct json_object *json_failover_key(const struct engine *engine)
{
	const struct engine_rekey *rekey = &engine->rekey;
	struct json_object *object = json_object_new_object();
	bool is_known = rekey->is_mate_known;

	add_id(object, "id", rekey->own.current);
	json_add_number(object, "changed_at", rekey->changed_at);
	json_add_text(object, "rekey", rekey_phase_text(rekey->own.phase));
	add_id(object, "other_id", rekey->own.other);
	json_add_flag(object, "leading", rekey->own.is_leading);
	json_add_text(object, "mate_rekey", is_known ? rekey_phase_text(rekey->mate.phase) : "");
	add_id(object, "mate_id", is_known ? rekey->mate.current : 0);
	json_add_text(object, "why", rekey->why);
	return object;
}

static void on_done(int code, const char *why, void *userdata)
{
	struct waiting *waiting = userdata;

	if (code < 0) {
		waiting_fail(waiting, code, why);
		return;
	}
	json_add_flag(waiting->result, "canceled", waiting->is_removal);
	(void)json_object_object_add(waiting->result, "failover_key",
				     json_failover_key(waiting->engine));
	waiting_reply(waiting);
}

void method_rekey(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	bool is_cancel = parameter_flag(parameters, "cancel");
	struct waiting *waiting;
	struct why why = {0};
	int r;

	/* What this unit made, it may give up in any role. */
	if (!is_cancel && !require_active(engine, call))
		return;
	waiting = waiting_new(engine, call);
	if (!waiting)
		return;
	waiting->is_removal = is_cancel;
	r = is_cancel ? engine_rekey_cancel(engine, on_done, waiting, &why)
		      : engine_rekey_start(engine, on_done, waiting, &why);
	if (r < 0)
		waiting_fail(waiting, r, why.text);
}

static void on_security(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__SecurityReply *reply = (const Asafo__Ipc__SecurityReply *)body;
	struct json_object *master, *memory;
	char mode[8];

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	master = json_object_new_object();
	memory = json_object_new_object();
	(void)snprintf(mode, sizeof(mode), "%04o", reply->file_mode & 07777);
	json_add_text(master, "source", reply->is_credential ? "credential" : "file");
	json_add_flag(master, "stale_credential", reply->is_credential_stale);
	json_add_flag(master, "on_disk", reply->has_file);
	json_add_text(master, "file_mode", reply->has_file ? mode : "");
	json_add_flag(memory, "locked", reply->is_locked);
	json_add_flag(memory, "dumpable", reply->is_dumpable);
	json_add_number(memory, "core_limit", (int64_t)reply->core_limit);
	(void)json_object_object_add(waiting->result, "master_key", master);
	(void)json_object_object_add(waiting->result, "keeper_memory", memory);
	waiting_reply(waiting);
}

void method_show_security(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	struct waiting *waiting = waiting_new(engine, call);
	int r;

	(void)parameters;
	if (!waiting)
		return;
	json_add_flag(waiting->result, "sandbox", !engine->options.is_unsandboxed);
	json_add_text(waiting->result, "sealing", "AES-256-GCM");
	json_add_text(waiting->result, "link", "TLS 1.3, PSK with (EC)DHE");
	json_add_text(waiting->result, "hellos", "AES-256-GCM");
	(void)json_object_object_add(waiting->result, "failover_key", json_failover_key(engine));
	r = engine_keeper_call(engine, IPC_SECURITY, NULL, NULL, 0, on_security, waiting);
	if (r < 0)
		waiting_fail(waiting, r, "the keeper is not there: see the log");
}
