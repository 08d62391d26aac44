/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "front/http/http_head.h"

/* A request whose body is wanted: the head with its bytes, which outlive the connection's buffer,
 * and as much of the body as has come. Both may hold a password or a cookie: wiped at the end. */
struct request {
	struct http_head head; /* views into HEAD_BYTES */
	struct buf head_bytes;
	struct buf body;
	size_t body_max;
};

/* DATA is one complete head that http_head_parse takes. Errors: -ENOMEM, those of http_head_parse.
 */
int request_new(const char *data, size_t size, size_t body_max, struct request **ret_request);
void request_free(struct request *request);
