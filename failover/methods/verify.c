/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `asafo verify`: proof of some trustpoints now, a page at a time; the caller asks for what comes
 * behind. The mate asks for this unit's half with asafo.Prove.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/handlers.h"
#include "failover/methods/proof.h"

#define NAMES_MAX 256
#define AFTER_MAX 128	 /* a name, or the key of an item */
#define PAGE_NAMES 128	 /* of all */
#define PAGE_WORK_MS 400 /* of the keeper's time */
#define NAMED_WORK_MS 2000

/* Names of a request; false: they are none. *RET_NAMES is borrowed, NULL where there are none. */
static bool take_names(struct json_object *parameters, struct json_object **ret_names)
{
	struct json_object *names = NULL;

	*ret_names = NULL;
	if (!json_object_object_get_ex(parameters, "names", &names))
		return true;
	if (!json_object_is_type(names, json_type_array) ||
	    json_object_array_length(names) > NAMES_MAX)
		return false;
	for (size_t i = 0; i < json_object_array_length(names); i++) {
		struct json_object *name = json_object_array_get_idx(names, i);

		if (!json_object_is_type(name, json_type_string) ||
		    (size_t)json_object_get_string_len(name) >= CONFIG_NAME_MAX)
			return false;
	}
	if (json_object_array_length(names) > 0)
		*ret_names = names;
	return true;
}

static bool make_request(struct control_call *call, struct json_object *parameters,
			 struct proof_request *ret_request)
{
	struct json_object *names;

	if (!take_names(parameters, &names) ||
	    strlen(parameter_text(parameters, "after")) >= AFTER_MAX) {
		control_call_fail(call, ERR_MALFORMED, "names: at most 256 names of trustpoints");
		return false;
	}
	*ret_request = (struct proof_request){
		.names = names,
		.after = parameter_text(parameters, "after"),
		.max = PAGE_NAMES,
		.max_ms = names ? NAMED_WORK_MS : PAGE_WORK_MS,
		.is_now = parameter_flag(parameters, "now"),
		.is_without_keys = parameter_flag(parameters, "without_keys"),
		.is_whole = parameter_flag(parameters, "whole"),
	};
	return true;
}

static void start(struct engine *engine, struct control_call *call, struct json_object *parameters,
		  int (*ask)(struct engine *, const struct proof_request *, proof_page_fn, void *),
		  proof_page_fn on_page)
{
	struct waiting *waiting;
	struct proof_request request;
	int r;

	if (!make_request(call, parameters, &request))
		return;
	waiting = waiting_new(engine, call);
	if (!waiting)
		return;
	r = ask(engine, &request, on_page, waiting);
	if (r < 0)
		waiting_fail(waiting, r,
			     "the keeper is not there just now: try again, or see the log");
}

/* ---- for the mate ---- */

static void on_prove(int code, const char *why, struct json_object *page, void *userdata)
{
	struct waiting *waiting = userdata;

	if (code < 0) {
		waiting_fail(waiting, code, why);
		return;
	}
	json_object_put(waiting->result);
	waiting->result = json_object_get(page);
	waiting_reply(waiting);
}

void method_prove(struct control_call *call, struct json_object *parameters, void *userdata)
{
	start(userdata, call, parameters, proof_page_here, on_prove);
}

/* ---- for the operator ---- */

static void on_verify(int code, const char *why, struct json_object *page, void *userdata)
{
	struct waiting *waiting = userdata;
	struct engine *engine = waiting->engine;
	struct json_object *array, *entries = NULL, *mate = NULL, *places = NULL;
	size_t n;

	if (code < 0) {
		waiting_fail(waiting, code, why);
		return;
	}
	proof_take(engine->proof, page);
	(void)json_object_object_get_ex(page, "trustpoints", &entries);
	n = json_object_array_length(entries);
	if (!parameter_flag(page, "last") && n > 0)
		json_add_text(waiting->result, "next",
			      parameter_text(json_object_array_get_idx(entries, n - 1), "name"));
	json_add_text(waiting->result, "unit", parameter_text(page, "unit"));
	json_add_number(waiting->result, "total",
			(int64_t)(engine->store.trustpoints + engine->store.unit_trustpoints));
	json_add_flag(waiting->result, "level",
		      engine_position_equal(&engine->mate.position, &engine->store.position));
	array = json_object_new_array();
	proof_add_troubles(engine, array);
	(void)json_object_object_add(waiting->result, "gaps", array);
	if (json_object_object_get_ex(page, "mate", &mate))
		json_object_object_del(mate, "places");
	(void)json_object_object_add(waiting->result, "mate", json_object_get(mate));
	if (json_object_object_get_ex(page, "places", &places))
		(void)json_object_object_add(waiting->result, "places", json_object_get(places));
	(void)json_object_object_add(waiting->result, "trustpoints", json_object_get(entries));
	waiting_reply(waiting);
}

void method_verify(struct control_call *call, struct json_object *parameters, void *userdata)
{
	json_object_object_del(parameters, "without_keys");
	json_object_object_del(parameters, "whole");
	start(userdata, call, parameters, proof_page_pair, on_verify);
}
