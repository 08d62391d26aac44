/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 8192u
#define HTTP_HEADERS_MAX 64

/*
 * The head of an HTTP/1.x request (RFC 9112): strict, pure functions over a buffer. What two
 * implementations could read in two ways is refused, not guessed.
 */

/* A piece of the head, borrowed from the buffer; not NUL-terminated. */
struct http_text {
	const char *data;
	size_t size;
};

struct http_header {
	struct http_text name;	/* as sent; compare with http_text_is_nocase */
	struct http_text value; /* without the white space around it; may hold bytes >= 0x80 */
};

enum http_method {
	HTTP_METHOD_GET,
	HTTP_METHOD_HEAD,
	HTTP_METHOD_POST,
	HTTP_METHOD_CONNECT,
	HTTP_METHOD_OTHER, /* another one of HTTP's, that nothing here has */
	HTTP_METHOD__MAX,
};

struct http_head {
	enum http_method method;
	unsigned minor_version;	 /* 0 or 1; 1 for what comes after */
	struct http_text target; /* as sent */
	struct http_text path;	 /* "/..." without query; "*"; for CONNECT host:port its target */
	struct http_text query;	 /* without the '?'; empty when there is none */
	struct http_text host;	 /* authority of an absolute target, else Host; empty only in 1.0 */
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t n_headers;
	uint64_t content_length; /* 0 when there is none; UINT64_MAX: as much, or more */
	bool has_content_length;
	bool is_chunked;
	bool is_keep_alive; /* the connection may be used again */
	bool expects_continue;
};

/* Where the search for the end of a head stands. Zeroed at the start of each request. */
struct http_scan {
	size_t offset; /* bytes that were looked at */
	size_t start;  /* of the request line: one empty line before it is skipped (RFC 9112
			  section 2.2) */
	unsigned state;
	bool has_line; /* the request line has been looked at */
};

/*
 * Looks at the bytes of DATA that it has not seen yet, so that a head that comes a byte at a time
 * costs no more than one that comes at once; a request line is judged as soon as it is whole, since
 * what is not HTTP/1 may never send the rest. 0: the head is DATA[scan->start .. scan->offset).
 * Errors: -EAGAIN (more bytes are needed), ERR_MALFORMED (NUL, control character, CR without LF, LF
 * without CR, a request line that is none), ERR_VERSION, ERR_UNSUPPORTED, ERR_TOO_LARGE.
 */
int http_scan_head(struct http_scan *scan, const char *data, size_t size);
/*
 * Parses one complete head, with the empty line that ends it. Errors: ERR_MALFORMED, ERR_TOO_LARGE
 * (bytes or headers), ERR_VERSION (not 1.x), ERR_UNSUPPORTED (a method that HTTP does not have, or
 * a transfer coding below chunked).
 */
int http_head_parse(const char *data, size_t size, struct http_head *ret_head);
/* The status that says why a request was refused: of the codes above and of http_body_skip. */
unsigned http_refusal_status(int code);
/* The same for a CODE of http_scan_head over DATA. */
unsigned http_scan_refusal_status(const struct http_scan *scan, const char *data, int code);
/* The only header of that name; NULL when there is none. The first one if there are several. */
const struct http_header *http_head_find(const struct http_head *head, const char *name);
bool http_text_is(struct http_text text, const char *wanted);
bool http_text_is_nocase(struct http_text text, const char *wanted);
