/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/buf.h"

struct http_response {
	unsigned status;
	const char *content_type;
	const char *policy; /* Content-Security-Policy */
	const char *allow;  /* of a 405; NULL: none */
	const char *extra;  /* more header lines, each with its CR LF; NULL: none */
	const void *body_view;
	size_t body_size;
	bool has_no_body; /* answer to HEAD: the length is told, the body isn't sent */
	bool is_last;	  /* the connection is closed after it */
};

/* Appends the whole response, with the headers that every answer of a gateway carries. Errors:
 * -ENOMEM. */
int http_response_append(const struct http_response *response, time_t now, struct buf *ret_bytes);
/* Appends the line that says when. Errors: -ENOMEM. */
int http_date_append(time_t now, struct buf *ret_bytes);
/* "Not Found"; never NULL. */
const char *http_status_text(unsigned status);
