/* SPDX-License-Identifier: Apache-2.0 */
/* `show security`; `asafo master-key`. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/handlers.h"

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
	if (reply->has_file)
		json_add_number(master, "file_owner", reply->file_owner);
	json_add_number(master, "changed_at", reply->master_at);
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
	json_add_text(waiting->result, "link_cipher",
		      engine->pair.link ? link_cipher(engine->pair.link) : "");
	json_add_text(waiting->result, "hellos", "AES-256-GCM");
	(void)json_object_object_add(waiting->result, "failover_key", json_failover_key(engine));
	(void)json_object_object_add(waiting->result, "clock", json_clock(engine));
	r = engine_keeper_call(engine, IPC_SECURITY, NULL, NULL, 0, on_security, waiting);
	if (r < 0)
		waiting_fail(waiting, r, "the keeper is not there: see the log");
}

static void on_master_key(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__MasterKeyReply *reply = (const Asafo__Ipc__MasterKeyReply *)body;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	json_add_flag(waiting->result, "changed", reply->is_changed);
	json_add_text(waiting->result, "source", reply->is_credential ? "credential" : "file");
	json_add_flag(waiting->result, "on_disk", reply->has_file);
	json_add_text(waiting->result, "path", reply->path);
	json_add_number(waiting->result, "changed_at", reply->master_at);
	waiting_reply(waiting);
}

/* The unit's own: in any role, with and without a mate. */
void method_master_key(struct control_call *call, struct json_object *parameters, void *userdata)
{
	static const struct {
		const char *text;
		Asafo__Ipc__MasterKey__Step step;
	} steps[] = {
		{"rotate", ASAFO__IPC__MASTER_KEY__STEP__ROTATE},
		{"file", ASAFO__IPC__MASTER_KEY__STEP__TO_FILE},
		{"credential", ASAFO__IPC__MASTER_KEY__STEP__DROP_FILE},
	};
	struct engine *engine = userdata;
	const char *asked = parameter_text(parameters, "step");
	Asafo__Ipc__MasterKey message = ASAFO__IPC__MASTER_KEY__INIT;
	struct waiting *waiting = waiting_new(engine, call);
	size_t i = 0;

	if (!waiting)
		return;
	while (i < ARRAY_SIZE(steps) && strcmp(steps[i].text, asked ? asked : "") != 0)
		i++;
	if (i == ARRAY_SIZE(steps)) {
		waiting_fail(waiting, ERR_MALFORMED, "step is rotate, file or credential");
		return;
	}
	message.step = steps[i].step;
	if (engine_keeper_call(engine, IPC_MASTER_KEY, &message.base, NULL, 0, on_master_key,
			       waiting) < 0)
		waiting_fail(waiting, ERR_NOT_READY, "the keeper is not there: see the log");
}
