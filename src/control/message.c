/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to message and back. Bytes from outside are looked over once before json-c sees them, since
 * a megabyte of "[],[],[]" would cost a hundred in objects: the number of values is bounded first,
 * then the depth, by json-c.
 */
#include "control/message.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

CLEANUP_DEFINE(struct json_tokener *, json_tokener_free)

static inline void json_put(struct json_object **object)
{
	(void)json_object_put(*object);
}

/* Counts values and looks for \u0000 in strings; knows no more of JSON than where strings begin and
 * end. */
static int survey(const char *text, size_t size, size_t values_max, struct why *ret_why)
{
	size_t values = 0;
	bool is_string = false;

	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (is_string && c == '\\') {
			if (size - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0)
				return why_set(ret_why, ERR_MALFORMED,
					       "a string in the message holds a NUL character");
			i++;
		} else if (c == '"') {
			is_string = !is_string;
		} else if (!is_string && (c == ',' || c == '[' || c == '{')) {
			values++;
		}
	}
	if (values > values_max)
		return why_set(ret_why, ERR_TOO_LARGE, "the request has more than %zu values",
			       values_max);
	return 0;
}

static bool is_blank(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!strchr(" \t\r\n", text[i]) || text[i] == '\0')
			return false;
	return true;
}

/* json-c's codes end here. */
static int tokener_error(enum json_tokener_error error, struct why *ret_why)
{
	if (error == json_tokener_error_depth)
		return why_set(ret_why, ERR_MALFORMED, "JSON nested deeper than %d levels",
			       CONTROL_DEPTH_MAX);
	if (error == json_tokener_continue)
		return why_set(ret_why, ERR_MALFORMED, "the JSON object is incomplete");
	return why_set(ret_why, ERR_MALFORMED, "not valid JSON: %s",
		       json_tokener_error_desc(error));
}

static int parse_object(const char *text, size_t size, struct json_object **ret_object,
			struct why *ret_why)
{
	_cleanup_(json_tokener_free_p) struct json_tokener *tokener =
		json_tokener_new_ex(CONTROL_DEPTH_MAX);
	_cleanup_(json_put) struct json_object *object = NULL;
	size_t end;

	if (!tokener)
		return why_set(ret_why, -ENOMEM, "out of memory");
	if (size > INT_MAX)
		return why_set(ret_why, ERR_TOO_LARGE, "message too large");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, text, (int)size);
	if (json_tokener_get_error(tokener) != json_tokener_success)
		return tokener_error(json_tokener_get_error(tokener), ret_why);
	if (!json_object_is_type(object, json_type_object))
		return why_set(ret_why, ERR_MALFORMED, "not a JSON object");
	end = json_tokener_get_parse_end(tokener);
	if (end > size || !is_blank(text + end, size - end))
		return why_set(ret_why, ERR_MALFORMED, "there is something after the JSON object");
	*ret_object = TAKE_PTR(object);
	return 0;
}

/* The member PARAMETERS of MESSAGE, a new reference; {} where there is none. */
static int take_parameters(struct json_object *message, struct json_object **ret_parameters,
			   struct why *ret_why)
{
	struct json_object *parameters = NULL;

	if (json_object_object_get_ex(message, "parameters", &parameters) && parameters) {
		if (!json_object_is_type(parameters, json_type_object))
			return why_set(ret_why, ERR_MALFORMED, "\"parameters\" must be an object");
		*ret_parameters = json_object_get(parameters);
		return 0;
	}
	parameters = json_object_new_object();
	if (!parameters)
		return why_set(ret_why, -ENOMEM, "out of memory");
	*ret_parameters = parameters;
	return 0;
}

static int get_boolean(struct json_object *message, const char *name, bool *ret_value,
		       struct why *ret_why)
{
	struct json_object *value = NULL;

	*ret_value = false;
	if (!json_object_object_get_ex(message, name, &value) || !value)
		return 0;
	if (!json_object_is_type(value, json_type_boolean))
		return why_set(ret_why, ERR_MALFORMED, "\"%s\" must be true or false", name);
	*ret_value = json_object_get_boolean(value);
	return 0;
}

int control_request_parse(const char *text, size_t size, struct control_request *ret_request,
			  struct why *ret_why)
{
	_cleanup_(json_put) struct json_object *message = NULL;
	struct json_object *method = NULL;
	struct control_request request = {0};
	int error = survey(text, size, CONTROL_VALUES_MAX, ret_why);

	if (!error)
		error = parse_object(text, size, &message, ret_why);
	if (error)
		return error;
	(void)json_object_object_get_ex(message, "method", &method);
	if (!json_object_is_type(method, json_type_string) ||
	    json_object_get_string_len(method) == 0)
		return why_set(ret_why, ERR_MALFORMED, "the request names no \"method\"");
	if ((size_t)json_object_get_string_len(method) > CONTROL_METHOD_MAX)
		return why_set(ret_why, ERR_MALFORMED, "the name of the method is too long");
	memcpy(request.method, json_object_get_string(method),
	       (size_t)json_object_get_string_len(method));
	error = get_boolean(message, "more", &request.wants_more, ret_why);
	if (!error)
		error = take_parameters(message, &request.parameters, ret_why);
	if (error)
		return error;
	*ret_request = request;
	return 0;
}

void control_request_done(struct control_request *request)
{
	if (!request)
		return;
	(void)json_object_put(request->parameters);
	*request = (struct control_request){0};
}

/* What an error reply says. A code that is none of ours becomes -EIO, so that it still is a
 * failure. */
static void read_error(struct control_reply *reply, const char *name)
{
	struct json_object *code = NULL, *message = NULL;
	int64_t value = 0;

	reply->is_error = true;
	if (json_object_object_get_ex(reply->parameters, "code", &code))
		value = json_object_get_int64(code);
	reply->code = value < 0 && value > -2000 ? (int)value : -EIO;
	if (json_object_object_get_ex(reply->parameters, "message", &message) &&
	    json_object_is_type(message, json_type_string) &&
	    json_object_get_string_len(message) > 0)
		(void)why_set(&reply->why, 0, "%s", json_object_get_string(message));
	else
		(void)why_set(&reply->why, 0, "the daemon answered with the error %s", name);
}

int control_reply_parse(const char *text, size_t size, struct control_reply *ret_reply,
			struct why *ret_why)
{
	_cleanup_(json_put) struct json_object *message = NULL;
	struct json_object *name = NULL;
	struct control_reply reply = {0};
	int error = survey(text, size, SIZE_MAX, ret_why);

	if (!error)
		error = parse_object(text, size, &message, ret_why);
	if (!error)
		error = get_boolean(message, "continues", &reply.continues, ret_why);
	if (!error)
		error = take_parameters(message, &reply.parameters, ret_why);
	if (error)
		return error;
	if (json_object_object_get_ex(message, "error", &name))
		read_error(&reply, json_object_is_type(name, json_type_string)
					   ? json_object_get_string(name)
					   : "?");
	*ret_reply = reply;
	return 0;
}

void control_reply_done(struct control_reply *reply)
{
	if (!reply)
		return;
	(void)json_object_put(reply->parameters);
	*reply = (struct control_reply){0};
}

/* Adds VALUE (taken over) to OBJECT; false when there is no memory for either. */
static bool add(struct json_object *object, const char *name, struct json_object *value)
{
	if (value && object && json_object_object_add(object, name, value) == 0)
		return true;
	(void)json_object_put(value);
	return false;
}

static struct json_object *object_or_empty(struct json_object *parameters)
{
	return parameters ? json_object_get(parameters) : json_object_new_object();
}

/* Escapes make sure that the text holds no NUL of its own. */
static int append_text(struct buf *out, struct json_object *message)
{
	size_t size = 0;
	const char *text = json_object_to_json_string_length(
		message, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);

	return text ? buf_append(out, text, size + 1) : -ENOMEM;
}

int control_request_append(struct buf *out, const char *method, struct json_object *parameters,
			   bool wants_more)
{
	_cleanup_(json_put) struct json_object *message = json_object_new_object();

	if (!add(message, "method", json_object_new_string(method)) ||
	    !add(message, "parameters", object_or_empty(parameters)))
		return -ENOMEM;
	if (wants_more && !add(message, "more", json_object_new_boolean(true)))
		return -ENOMEM;
	return append_text(out, message);
}

int control_result_append(struct buf *out, struct json_object *parameters, bool continues)
{
	_cleanup_(json_put) struct json_object *message = json_object_new_object();

	if (!add(message, "parameters", object_or_empty(parameters)))
		return -ENOMEM;
	if (continues && !add(message, "continues", json_object_new_boolean(true)))
		return -ENOMEM;
	return append_text(out, message);
}

int control_error_append(struct buf *out, int code, const char *message)
{
	_cleanup_(json_put) struct json_object *reply = json_object_new_object();
	struct json_object *parameters = json_object_new_object();
	char name[64];

	(void)snprintf(name, sizeof(name), "asafo.%s", err_name(code));
	if (!add(reply, "error", json_object_new_string(name)) ||
	    !add(reply, "parameters", parameters) ||
	    !add(parameters, "message", json_object_new_string(message)) ||
	    !add(parameters, "code", json_object_new_int(code)))
		return -ENOMEM;
	return append_text(out, reply);
}
