/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/why.h"

/* One message of the control protocol: what stands between two NUL bytes (control.h). */
#define CONTROL_DEPTH_MAX 16
#define CONTROL_VALUES_MAX 16384u /* of one request: bounds what its JSON may cost in memory */
#define CONTROL_METHOD_MAX 64u

struct control_request {
	char method[CONTROL_METHOD_MAX + 1];
	struct json_object *parameters; /* an object, never NULL */
	bool wants_more;
};

/* A reply as the client sees it. */
struct control_reply {
	struct json_object *parameters; /* an object, never NULL */
	bool continues;
	bool is_error;
	int code; /* is_error: a negative value of enum err */
	struct why why;
};

/*
 * Reads SIZE bytes (without the NUL) that a client sent. Refused: anything but one object, nesting
 * deeper than CONTROL_DEPTH_MAX, more than CONTROL_VALUES_MAX values, text that isn't UTF-8, and
 * \u0000 in a string (what C would take for its end). Members that are not known are ignored.
 * Errors: ERR_MALFORMED, ERR_TOO_LARGE, -ENOMEM.
 */
int control_request_parse(const char *text, size_t size, struct control_request *ret_request,
			  struct why *ret_why);
void control_request_done(struct control_request *request);
/* Reads what a daemon sent. Errors: ERR_MALFORMED, -ENOMEM. */
int control_reply_parse(const char *text, size_t size, struct control_reply *ret_reply,
			struct why *ret_why);
void control_reply_done(struct control_reply *reply);

/* Appends a message and its NUL to OUT. PARAMETERS (borrowed, NULL: {}) must be an object. Errors:
 * -ENOMEM. */
int control_request_append(struct buf *out, const char *method, struct json_object *parameters,
			   bool wants_more);
int control_result_append(struct buf *out, struct json_object *parameters, bool continues);
int control_error_append(struct buf *out, int code, const char *message);
