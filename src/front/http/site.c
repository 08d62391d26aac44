/* SPDX-License-Identifier: Apache-2.0 */
/* Routes are data; a handler makes a body, and this file wraps it. Pure but for the caller's
 * buffer. */
#include "front/http/site.h"

#include <json-c/json.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "front/http/http_response.h"

struct site_body {
	struct buf bytes;
	unsigned status;
	const char *content_type;
};

typedef int (*site_handler)(const struct site_context *context, struct site_body *ret_body);

static int gateway_handle(const struct site_context *context, struct site_body *ret_body)
{
	ret_body->status = 200;
	ret_body->content_type = "text/html; charset=utf-8";
	return page_gateway_append(context->unit, context->is_fallback, &ret_body->bytes);
}

static int health_handle(const struct site_context *context, struct site_body *ret_body)
{
	const struct unit_status *unit = context->unit;
	char digest[2 * sizeof(unit->digest) + 1] = "";
	struct json_object *json = json_object_new_object();
	const char *text;
	int r = 0;

	if (!json)
		return -ENOMEM;
	if (unit->has_digest)
		hex_encode(unit->digest, sizeof(unit->digest), digest);
	r |= json_object_object_add(json, "role", json_object_new_string(unit->role));
	r |= json_object_object_add(json, "state", json_object_new_string(unit->state));
	r |= json_object_object_add(json, "unit", json_object_new_string(unit->unit));
	r |= json_object_object_add(json, "term", json_object_new_uint64(unit->term));
	r |= json_object_object_add(json, "seq", json_object_new_uint64(unit->seq));
	r |= json_object_object_add(json, "digest", json_object_new_string(digest));
	r |= json_object_object_add(json, "hostname", json_object_new_string(unit->hostname));
	text = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);
	r = r == 0 && text ? buf_append_format(&ret_body->bytes, "%s\n", text) : -ENOMEM;
	(void)json_object_put(json);
	ret_body->status = unit->is_active ? 200 : 503;
	ret_body->content_type = "application/json";
	return r;
}

static const struct {
	const char *path;
	unsigned methods; /* bits 1 << enum http_method */
	const char *allow;
	site_handler handler;
} routes[] = {
	{"/", 1u << HTTP_METHOD_GET | 1u << HTTP_METHOD_HEAD, "GET, HEAD", gateway_handle},
	{"/healthz", 1u << HTTP_METHOD_GET | 1u << HTTP_METHOD_HEAD, "GET, HEAD", health_handle},
};

static int body_send(const struct site_context *context, const struct site_body *body, bool is_head,
		     const char *allow, struct buf *ret_bytes)
{
	struct http_response response = {
		.status = body->status,
		.content_type = body->content_type,
		.policy = context->policy,
		.allow = allow,
		.body_view = body->bytes.data,
		.body_size = body->bytes.size,
		.has_no_body = is_head,
		.is_last = context->is_last,
	};

	return http_response_append(&response, context->now, ret_bytes);
}

static int error_send(const struct site_context *context, unsigned status, bool is_head,
		      const char *allow, struct buf *ret_bytes)
{
	struct site_body body = {.status = status, .content_type = "text/html; charset=utf-8"};
	int r = page_error_append(context->unit, status, &body.bytes);

	if (r == 0)
		r = body_send(context, &body, is_head, allow, ret_bytes);
	buf_done(&body.bytes);
	return r;
}

int site_answer(const struct site_context *context, const struct http_head *head,
		struct buf *ret_bytes)
{
	bool is_head = head->method == HTTP_METHOD_HEAD;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		struct site_body body = {0};
		int r;

		if (!http_text_is(head->path, routes[i].path))
			continue;
		if ((routes[i].methods & 1u << head->method) == 0)
			return error_send(context, 405, is_head, routes[i].allow, ret_bytes);
		r = routes[i].handler(context, &body);
		if (r == 0)
			r = body_send(context, &body, is_head, NULL, ret_bytes);
		buf_done(&body.bytes);
		return r;
	}
	if (head->method != HTTP_METHOD_GET && !is_head)
		return error_send(context, 405, is_head, "GET, HEAD", ret_bytes);
	return error_send(context, 404, is_head, NULL, ret_bytes);
}

int site_error(const struct site_context *context, const struct http_head *head, unsigned status,
	       const char *allow, struct buf *ret_bytes)
{
	return error_send(context, status, head->method == HTTP_METHOD_HEAD, allow, ret_bytes);
}

int site_refuse(const struct site_context *context, unsigned status, struct buf *ret_bytes)
{
	return error_send(context, status, false, NULL, ret_bytes);
}
