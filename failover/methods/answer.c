/* SPDX-License-Identifier: Apache-2.0 */
/* What the handlers share: parameters, the result that grows, and a call that waits. */
#include "failover/methods/answer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/hex.h"

struct waiting *waiting_new(struct engine *engine, struct control_call *call)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));

	if (waiting)
		waiting->result = json_object_new_object();
	if (!waiting || !waiting->result) {
		free(waiting);
		control_call_fail(call, -ENOMEM, "out of memory");
		return NULL;
	}
	waiting->engine = engine;
	waiting->call = call;
	return waiting;
}

void waiting_free(struct waiting *waiting)
{
	if (!waiting)
		return;
	json_object_put(waiting->result);
	free(waiting);
}

void waiting_fail(struct waiting *waiting, int code, const char *why)
{
	control_call_fail(waiting->call, code, why);
	waiting_free(waiting);
}

void waiting_reply(struct waiting *waiting)
{
	control_call_reply(waiting->call, TAKE_PTR(waiting->result));
	waiting_free(waiting);
}

bool waiting_goes_on(struct waiting *waiting, int code, const Asafo__Ipc__Status *status)
{
	if (waiting->engine->is_exiting) {
		waiting_fail(waiting, ERR_CLOSED,
			     "this unit stops: whether it was done is seen when it runs again");
		return false;
	}
	if (code < 0) {
		waiting_fail(waiting, code,
			     "the keeper went away while it worked on this; what it had not "
			     "finished was "
			     "not done: try again");
		return false;
	}
	if (status && status->code < 0) {
		waiting_fail(waiting, status->code,
			     status->why && status->why[0] ? status->why : err_text(status->code));
		return false;
	}
	return true;
}

const char *parameter_text(struct json_object *parameters, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(parameters, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

bool parameter_flag(struct json_object *parameters, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(parameters, key, &value) &&
	       json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

int64_t parameter_number(struct json_object *parameters, const char *key, int64_t fallback)
{
	struct json_object *value;

	if (!json_object_object_get_ex(parameters, key, &value) ||
	    !json_object_is_type(value, json_type_int))
		return fallback;
	return json_object_get_int64(value);
}

bool require_active(struct engine *engine, struct control_call *call)
{
	struct why why = {0};

	if (engine_is_active(engine))
		return true;
	control_call_fail(call, engine_refuse_standby(engine, &why), why.text);
	return false;
}

void json_add_text(struct json_object *object, const char *key, const char *value)
{
	(void)json_object_object_add(object, key, json_object_new_string(value ? value : ""));
}

void json_add_number(struct json_object *object, const char *key, int64_t value)
{
	(void)json_object_object_add(object, key, json_object_new_int64(value));
}

void json_add_flag(struct json_object *object, const char *key, bool value)
{
	(void)json_object_object_add(object, key, json_object_new_boolean(value));
}

void json_add_thousandths(struct json_object *object, const char *key, uint64_t thousandths)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRIu64 ".%03u", thousandths / 1000,
		       (unsigned)(thousandths % 1000));
	(void)json_object_object_add(object, key,
				     json_object_new_double_s((double)thousandths / 1000, text));
}

void json_add_hex(struct json_object *object, const char *key, const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = malloc(2 * size + 1);

	if (!text)
		return;
	hex_encode(data, size, text);
	json_add_text(object, key, text);
}

struct json_object *json_position(const struct engine_position *position)
{
	struct json_object *object = json_object_new_object();

	if (!object)
		return NULL;
	json_add_number(object, "term", (int64_t)position->term);
	json_add_number(object, "seq", (int64_t)position->seq);
	json_add_hex(object, "digest", position->digest, sizeof(position->digest));
	json_add_number(object, "count", (int64_t)position->count);
	return object;
}
