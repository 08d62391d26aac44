/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets of second factors on their way into the configuration: the keeper reads or draws them,
 * this process sees them sealed only. */
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "failover/methods/handlers.h"

static void on_sealed(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__LoginSealReply *reply = (const Asafo__Ipc__LoginSealReply *)body;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	json_add_text(waiting->result, "sealed", reply->sealed);
	waiting_reply(waiting);
}

static void on_made(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__LoginSealReply *reply = (const Asafo__Ipc__LoginSealReply *)body;
	char lines[CONFIG_VPN_NAME_MAX + CONFIG_HASH_MAX + 64];
	struct why why = {0};
	int r;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	(void)snprintf(lines, sizeof(lines), "username %s attributes\n totp %s\n", waiting->name,
		       reply->sealed);
	r = configure_text(waiting->engine, lines, NULL, &why);
	if (r < 0) {
		waiting_fail(waiting, r, why.text[0] ? why.text : err_text(r));
		return;
	}
	log_line(LOG_INFO, "user %s has another second factor, by %s", waiting->name,
		 control_call_peer(waiting->call));
	waiting_reply(waiting);
}

/* With a descriptor to read the secret of `user` from, or, with `new`, to write the URI of one to
 * that is drawn and configured. */
void method_totp(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	const char *user = parameter_text(parameters, "user");
	bool is_new = parameter_flag(parameters, "new");
	Asafo__Ipc__LoginSeal message = ASAFO__IPC__LOGIN_SEAL__INIT;
	struct waiting *waiting;

	if (!require_active(engine, call))
		return;
	if (is_new && !config_user_find(&engine->config->vpn, user)) {
		struct why why;

		(void)why_set(
			&why, ERR_NOT_FOUND,
			"there is no user %s: give the line \"username %s password PASSWORD\" "
			"to asafo configure first",
			user, user);
		control_call_fail(call, ERR_NOT_FOUND, why.text);
		return;
	}
	waiting = waiting_new(engine, call);
	if (!waiting)
		return;
	(void)snprintf(waiting->name, sizeof(waiting->name), "%s", user);
	message.user = waiting->name;
	message.is_new = is_new;
	message.issuer = engine->config->hostname;
	(void)waiting_forward(waiting, IPC_LOGIN_SEAL, &message.base, 1,
			      is_new ? on_made : on_sealed);
}
