/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "front/http/http_head.h"

#define HTTP_BODY_MAX 65536u

/* Finds the end of a request's body (RFC 9112 section 6 and 7), so that it can be dropped or handed
 * on. */
struct http_body {
	uint64_t left;	/* of the body, or of the chunk */
	size_t framing; /* bytes of chunk lines and trailers so far */
	size_t total;	/* bytes of data so far */
	unsigned state;
};

/* Errors: ERR_TOO_LARGE (Content-Length above HTTP_BODY_MAX). */
int http_body_start(struct http_body *body, const struct http_head *head);
/*
 * Walks over bytes of the body; RET_USED says how many of DATA belong to it. 0: the body is over.
 * Errors: -EAGAIN (all were used, more are needed), ERR_MALFORMED, ERR_TOO_LARGE.
 */
int http_body_skip(struct http_body *body, const char *data, size_t size, size_t *ret_used);
/* As http_body_skip, and appends the data (without what frames it) to SINK, at most MAX bytes in
 * all: ERR_TOO_LARGE. Also -ENOMEM. */
int http_body_read(struct http_body *body, const char *data, size_t size, struct buf *sink,
		   size_t max, size_t *ret_used);
