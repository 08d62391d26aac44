/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <time.h>

#include "front/http/http_head.h"
#include "front/http/page.h"

/*
 * What is served at which path: a table of path, methods and handler. The AnyConnect exchange adds
 * its rows here (POST /, /auth, CONNECT /CSCOSSLC/tunnel).
 */
struct site_context {
	const struct unit_status *unit;
	const char *policy; /* of page_policy */
	bool is_fallback;   /* this connection's certificate is the self-signed one */
	bool is_last;	    /* the connection is closed after this answer */
	time_t now;
};

/* Appends the answer to a request. Errors: -ENOMEM. */
int site_answer(const struct site_context *context, const struct http_head *head,
		struct buf *ret_bytes);
/* Appends an error in place of the answer to a request; without its page where that is a HEAD, or
 * the page would be taken for the next answer. ALLOW: of a 405, else NULL. Errors: -ENOMEM. */
int site_error(const struct site_context *context, const struct http_head *head, unsigned status,
	       const char *allow, struct buf *ret_bytes);
/* Appends the answer to what was no request, or came too late. Errors: -ENOMEM. */
int site_refuse(const struct site_context *context, unsigned status, struct buf *ret_bytes);
