/* SPDX-License-Identifier: Apache-2.0 */
/* `asafo crl import` and `remove`, and which CRLs there are. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/hex.h"
#include "base/log.h"
#include "certstore/x509/crl.h"
#include "failover/methods/handlers.h"

/* ---- show ---- */

static struct json_object *json_crl(const struct engine *engine, const struct engine_crl *crl)
{
	struct json_object *object = json_object_new_object(), *names = json_object_new_array();
	int64_t now = (int64_t)time(NULL);

	json_add_text(object, "issuer", crl->issuer);
	for (size_t i = 0; i < crl->n_names; i++)
		(void)json_object_array_add(names, json_object_new_string(crl->names[i]));
	(void)json_object_object_add(object, "trustpoints", names);
	json_add_hex(object, "key_id", crl->key_id, sizeof(crl->key_id));
	json_add_text(object, "number", crl->number);
	json_add_number(object, "revoked", (int64_t)crl->revoked);
	json_add_number(object, "this_update", crl->this_update);
	json_add_number(object, "next_update", crl->next_update);
	json_add_flag(object, "good", crl_is_good(crl->this_update, crl->next_update, now));
	json_add_text(object, "source", crl->source);
	json_add_number(object, "taken_at", crl->taken_at);
	json_add_flag(object, "replicated", !crl->is_home);
	if (engine_is_active(engine) && !crl->is_home)
		json_add_flag(object, "on_mate", engine->crls.mate_id == engine->crls.id);
	return object;
}

static const char *revocation_text(enum config_revocation revocation)
{
	switch (revocation) {
	case CONFIG_REVOCATION_NONE:
		break;
	case CONFIG_REVOCATION_CRL_NONE:
		return "crl none";
	case CONFIG_REVOCATION_CRL:
		return "crl";
	}
	return "none";
}

static struct json_object *json_checks(const struct config *config)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < config->n_trustpoints; i++) {
		const struct config_trustpoint *trustpoint = &config->trustpoints[i];
		struct json_object *object;

		if (!trustpoint->is_for_clients)
			continue;
		object = json_object_new_object();
		json_add_text(object, "trustpoint", trustpoint->name);
		json_add_text(object, "revocation_check", revocation_text(trustpoint->revocation));
		(void)json_object_array_add(array, object);
	}
	return array;
}

void method_show_crls(struct control_call *call, struct json_object *parameters, void *userdata)
{
	const struct engine *engine = userdata;
	const struct engine_crls *crls = &engine->crls;
	const char *name = parameter_text(parameters, "name");
	struct json_object *result = json_object_new_object(), *array = json_object_new_array();

	for (size_t i = 0; i < crls->n; i++) {
		if (!*name || engine_crl_is_of(&crls->list[i], name))
			(void)json_object_array_add(array, json_crl(engine, &crls->list[i]));
	}
	(void)json_object_object_add(result, "crls", array);
	(void)json_object_object_add(result, "checks", json_checks(engine->config));
	(void)json_object_object_add(result, "clock", json_clock(engine));
	(void)control_call_reply(call, result);
}

/* ---- changes ---- */

/* It is kept, and looked at by nobody. */
static void warn_unused(const struct engine *engine, struct json_object *result)
{
	struct json_object *warnings;

	for (size_t i = 0; i < engine->config->n_trustpoints; i++) {
		const struct config_trustpoint *trustpoint = &engine->config->trustpoints[i];

		if (trustpoint->is_for_clients && trustpoint->revocation != CONFIG_REVOCATION_NONE)
			return;
	}
	warnings = json_object_new_array();
	(void)json_object_array_add(
		warnings,
		json_object_new_string("no trustpoint has revocation-check crl beside "
				       "validation-usage ssl-client: nobody is refused by a CRL"));
	(void)json_object_object_add(result, "warnings", warnings);
}

static void add_taken(struct json_object *result, const Asafo__Record__Crl *crl)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "issuer", crl->issuer);
	json_add_text(object, "number", crl->number);
	json_add_number(object, "revoked", (int64_t)crl->revoked);
	json_add_number(object, "this_update", crl->this_update);
	json_add_number(object, "next_update", crl->next_update);
	json_add_text(object, "source", crl->source);
	json_add_flag(object, "replicated", !crl->is_home);
	(void)json_object_object_add(result, "crl", object);
}

static void on_import(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__CrlReply *reply = (const Asafo__Ipc__CrlReply *)body;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	if (!reply->crl) {
		waiting_fail(waiting, ERR_MALFORMED, "the keeper's answer has no CRL in it");
		return;
	}
	add_taken(waiting->result, reply->crl);
	json_add_flag(waiting->result, "unchanged", reply->unchanged);
	warn_unused(waiting->engine, waiting->result);
	if (waiting->is_changing && !reply->unchanged)
		log_line(LOG_INFO, "a CRL of trustpoint %s was imported by %s", waiting->name,
			 control_call_peer(waiting->call));
	waiting_reply(waiting);
}

/* NULL: answered. */
static struct waiting *begin(struct engine *engine, struct control_call *call, const char *name,
			     bool is_home)
{
	struct waiting *waiting = NULL;

	if (is_home || require_active(engine, call))
		waiting = waiting_new(engine, call);
	if (waiting)
		(void)snprintf(waiting->name, sizeof(waiting->name), "%s", name);
	return waiting;
}

/* What each unit has of its own is imported and removed on each of them; whether it is of its own
 * the keeper knows better than a line of the configuration. By the hex digits of a key: only where
 * the pair has none of it. */
static bool is_removed_here(const struct engine *engine, const char *name)
{
	const struct engine_crls *crls = &engine->crls;
	uint8_t key_id[CRLS_KEY_ID_SIZE];
	bool is_home = false;

	if (hex_decode(name, sizeof(key_id), key_id) < 0)
		return trustpoint_is_of_unit(engine, name);
	for (size_t i = 0; i < crls->n; i++) {
		if (memcmp(crls->list[i].key_id, key_id, sizeof(key_id)) != 0)
			continue;
		if (!crls->list[i].is_home)
			return false;
		is_home = true;
	}
	return is_home;
}

void method_crl_import(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	Asafo__Ipc__CrlImport message = ASAFO__IPC__CRL_IMPORT__INIT;
	struct waiting *waiting;

	message.name = (char *)(uintptr_t)parameter_text(parameters, "name");
	waiting = begin(engine, call, message.name, trustpoint_is_of_unit(engine, message.name));
	if (!waiting)
		return;
	message.dry_run = parameter_flag(parameters, "dry_run");
	message.is_active = engine_is_active(engine);
	message.term = engine->fsm.term;
	waiting->is_changing = !message.dry_run;
	(void)waiting_forward(waiting, IPC_CRL_IMPORT, &message.base, 1, on_import);
}

static void on_removed(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	log_line(LOG_INFO, "the CRL of %s was removed by %s", waiting->name,
		 control_call_peer(waiting->call));
	waiting_reply(waiting);
}

void method_crl_remove(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	Asafo__Ipc__CrlDrop message = ASAFO__IPC__CRL_DROP__INIT;
	struct waiting *waiting;

	message.name = (char *)(uintptr_t)parameter_text(parameters, "name");
	waiting = begin(engine, call, message.name, is_removed_here(engine, message.name));
	if (!waiting)
		return;
	message.is_active = engine_is_active(engine);
	message.term = engine->fsm.term;
	(void)waiting_forward(waiting, IPC_CRL_DROP, &message.base, 0, on_removed);
}
