/* SPDX-License-Identifier: Apache-2.0 */
/* Trustpoints as JSON: what the unit has, whether the mate has it, and where it is bound. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gnutls/gnutls.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/handlers.h"
#include "failover/methods/proof.h"

/* Entries in one answer: with their PEM texts it stays well below what a reply may hold. */
#define PAGE_SIZE 250

static const char *const origin_names[] = {"imported", "fallback", "local-ca"};

static const char *on_mate(const struct engine *engine, const char *name, bool is_replicated)
{
	if (!is_replicated)
		return "no";
	for (size_t i = 0; i < engine->lacking.n; i++) {
		if (strcmp(engine->lacking.names[i], name) == 0)
			return "no";
	}
	return engine_knows_lacking(engine) ? "yes" : "unknown";
}

struct json_object *json_bound_to(const struct config *config, const char *name)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < config->n_bindings; i++) {
		struct json_object *entry;

		if (strcmp(config->bindings[i].trustpoint, name) != 0)
			continue;
		entry = json_object_new_object();
		json_add_text(entry, "interface", config->bindings[i].interface);
		json_add_text(entry, "domain", config->bindings[i].domain);
		(void)json_object_array_add(array, entry);
	}
	return array;
}

static void add_names(struct json_object *object, char *const *names, size_t n)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		(void)json_object_array_add(array, json_object_new_string(names[i]));
	(void)json_object_object_add(object, "names", array);
}

static void append_pem(struct buf *pem, const ProtobufCBinaryData *der)
{
	gnutls_datum_t in = {der->data, (unsigned)der->len}, out = {0};

	if (gnutls_pem_base64_encode2("CERTIFICATE", &in, &out) < 0)
		return;
	(void)buf_append(pem, out.data, out.size);
	gnutls_free(out.data);
}

static void add_pem(struct json_object *object, const Asafo__Record__TrustpointPublic *public_part)
{
	_cleanup_(buf_done) struct buf pem = {0};
	const char *text;

	append_pem(&pem, &public_part->leaf);
	for (size_t i = 0; i < public_part->n_chain; i++)
		append_pem(&pem, &public_part->chain[i]);
	text = buf_text(&pem);
	json_add_text(object, "pem", text);
}

struct json_object *json_trustpoint(const struct engine *engine,
				    const ProtobufCBinaryData *public_part, bool is_replicated)
{
	Asafo__Record__TrustpointPublic *trustpoint =
		asafo__record__trustpoint_public__unpack(NULL, public_part->len, public_part->data);
	struct json_object *object, *staple, *fetched;

	if (!trustpoint)
		return NULL;
	object = json_object_new_object();
	is_replicated = is_replicated && !trustpoint->kept_home[0];
	json_add_text(object, "name", trustpoint->name);
	json_add_number(object, "generation", (int64_t)trustpoint->generation);
	json_add_text(object, "origin",
		      (unsigned)trustpoint->origin < ARRAY_SIZE(origin_names)
			      ? origin_names[trustpoint->origin]
			      : "unknown");
	json_add_flag(object, "replicated", is_replicated);
	json_add_text(object, "kept_home", trustpoint->kept_home);
	json_add_text(object, "subject", trustpoint->subject);
	json_add_text(object, "issuer", trustpoint->issuer);
	json_add_hex(object, "serial", trustpoint->serial.data, trustpoint->serial.len);
	json_add_hex(object, "fingerprint", trustpoint->fingerprint.data,
		     trustpoint->fingerprint.len);
	json_add_text(object, "key_type", trustpoint->key_type);
	json_add_number(object, "not_before", trustpoint->not_before);
	json_add_number(object, "not_after", trustpoint->not_after);
	json_add_flag(object, "expiring",
		      certwatch_turn(trustpoint->not_after, (int64_t)time(NULL),
				     engine->config->alert_begin_days,
				     engine->config->alert_repeat_days) >= 0);
	add_names(object, trustpoint->names, trustpoint->n_names);
	if (trustpoint->names_left_out > 0)
		json_add_number(object, "names_left_out", trustpoint->names_left_out);
	json_add_flag(object, "chain_complete", trustpoint->chain_complete);
	json_add_number(object, "chain_length", (int64_t)trustpoint->n_chain);
	json_add_flag(object, "exportable", trustpoint->exportable);
	json_add_number(object, "imported_at", trustpoint->imported_at);
	json_add_flag(object, "ca", trustpoint->is_ca);
	if (trustpoint->restored_from > 0)
		json_add_number(object, "restored_from", (int64_t)trustpoint->restored_from);
	json_add_text(object, "on_mate", on_mate(engine, trustpoint->name, is_replicated));
	(void)json_object_object_add(object, "bound",
				     json_bound_to(engine->config, trustpoint->name));
	json_add_flag(object, "must_staple", trustpoint->must_staple);
	staple = json_staple(engine, trustpoint);
	if (staple)
		(void)json_object_object_add(object, "staple", staple);
	fetched = json_fetched(engine, trustpoint->name);
	if (fetched)
		(void)json_object_object_add(object, "staple_fetch", fetched);
	add_pem(object, trustpoint);
	asafo__record__trustpoint_public__free_unpacked(trustpoint, NULL);
	return object;
}

void json_add_use(const struct engine *engine, const ProtobufCBinaryData *public_part,
		  struct json_object *array)
{
	Asafo__Record__TrustpointPublic *trustpoint =
		asafo__record__trustpoint_public__unpack(NULL, public_part->len, public_part->data);
	struct usecheck_findings findings = {.n = 0};

	if (trustpoint)
		usecheck_judge(engine->config, trustpoint, &findings);
	if (trustpoint)
		engine_staples_judge(engine, trustpoint, &findings);
	for (size_t i = 0; i < findings.n; i++)
		(void)json_object_array_add(array,
					    json_object_new_string(findings.sentences[i].text));
	asafo__record__trustpoint_public__free_unpacked(trustpoint, NULL);
}

/* ENTRY goes into the page, or away: another name, an earlier page, or a later one. PLACES are
 * gathered for the first one that needs them. */
static void take_entry(struct waiting *waiting, struct json_object *array,
		       struct json_object *entry, struct json_object **places)
{
	const char *name = entry ? parameter_text(entry, "name") : "";
	size_t n = json_object_array_length(array);

	if (!entry)
		return;
	if ((waiting->name[0] && strcmp(name, waiting->name) != 0) ||
	    (waiting->after[0] && strcmp(name, waiting->after) <= 0)) {
		json_object_put(entry);
		return;
	}
	if (n == PAGE_SIZE) {
		const char *last = parameter_text(json_object_array_get_idx(array, n - 1), "name");

		if (!json_object_object_get_ex(waiting->result, "next", NULL))
			json_add_text(waiting->result, "next", last);
		json_object_put(entry);
		return;
	}
	if (!waiting->is_changing)
		json_object_object_del(entry, "pem");
	if (!*places)
		*places = proof_places(waiting->engine);
	proof_add_verdicts(waiting->engine, *places, entry);
	(void)json_object_array_add(array, entry);
}

static void on_list(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__ListReply *reply = (const Asafo__Ipc__ListReply *)body;
	const char *key = waiting->is_changing ? "certificates" : "trustpoints";
	struct json_object *array, *places = NULL;

	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	if (!json_object_object_get_ex(waiting->result, key, &array)) {
		array = json_object_new_array();
		(void)json_object_object_add(waiting->result, key, array);
	}
	for (size_t i = 0; i < reply->n_public_parts; i++) {
		bool is_replicated = i < reply->n_is_replicated && reply->is_replicated[i];
		struct json_object *entry =
			json_trustpoint(waiting->engine, &reply->public_parts[i], is_replicated);

		take_entry(waiting, array, entry, &places);
	}
	json_object_put(places);
	if (has_more)
		return;
	if (waiting->name[0] && json_object_array_length(array) == 0) {
		struct why why;

		waiting_fail(waiting,
			     why_set(&why, ERR_NOT_FOUND,
				     "there is no trustpoint %s: see asafo show trustpoints",
				     waiting->name),
			     why.text);
		return;
	}
	(void)json_object_object_add(waiting->result, "position",
				     json_position(&waiting->engine->store.position));
	(void)json_object_object_add(waiting->result, "clock", json_clock(waiting->engine));
	waiting_reply(waiting);
}

static void list(struct control_call *call, struct json_object *parameters, struct engine *engine,
		 bool with_pem)
{
	Asafo__Ipc__List message = ASAFO__IPC__LIST__INIT;
	struct waiting *waiting = waiting_new(engine, call);
	int r;

	if (!waiting)
		return;
	waiting->is_changing = with_pem;
	(void)snprintf(waiting->name, sizeof(waiting->name), "%s",
		       parameter_text(parameters, "name"));
	(void)snprintf(waiting->after, sizeof(waiting->after), "%s",
		       parameter_text(parameters, "after"));
	r = engine_keeper_call(engine, IPC_LIST, &message.base, NULL, 0, on_list, waiting);
	if (r < 0)
		waiting_fail(waiting, r,
			     "the keeper is not there just now: try again, or see the log");
}

void method_show_trustpoints(struct control_call *call, struct json_object *parameters,
			     void *userdata)
{
	list(call, parameters, userdata, false);
}

void method_show_certificates(struct control_call *call, struct json_object *parameters,
			      void *userdata)
{
	list(call, parameters, userdata, true);
}

/* ---- history ---- */

static void on_generations(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__ListReply *reply = (const Asafo__Ipc__ListReply *)body;
	struct json_object *array;

	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	if (!json_object_object_get_ex(waiting->result, "generations", &array)) {
		array = json_object_new_array();
		(void)json_object_object_add(waiting->result, "generations", array);
	}
	for (size_t i = 0; i < reply->n_public_parts; i++) {
		bool is_replicated = i < reply->n_is_replicated && reply->is_replicated[i];
		struct json_object *entry =
			json_trustpoint(waiting->engine, &reply->public_parts[i], is_replicated);

		if (!entry)
			continue;
		json_add_flag(entry, "present", json_object_array_length(array) == 0);
		json_object_object_del(entry, "pem");
		json_object_object_del(entry, "bound");
		json_object_object_del(entry, "on_mate");
		(void)json_object_array_add(array, entry);
	}
	if (!has_more)
		waiting_reply(waiting);
}

void method_trustpoint_history(struct control_call *call, struct json_object *parameters,
			       void *userdata)
{
	Asafo__Ipc__Generations message = ASAFO__IPC__GENERATIONS__INIT;
	struct waiting *waiting = waiting_new(userdata, call);
	int r;

	if (!waiting)
		return;
	message.name = (char *)(uintptr_t)parameter_text(parameters, "name");
	r = engine_keeper_call(waiting->engine, IPC_GENERATIONS, &message.base, NULL, 0,
			       on_generations, waiting);
	if (r < 0)
		waiting_fail(waiting, r,
			     "the keeper is not there just now: try again, or see the log");
}
