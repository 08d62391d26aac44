/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte-wise automaton over chunk sizes, chunk ends and trailers, which leaps over the data. Chunk
 * extensions and trailers are read and ignored, within a bound.
 */
#include "front/http/http_body.h"

#include <errno.h>

#include "base/err.h"

#define FRAMING_MAX 16384u

enum body_state {
	BODY_DONE,
	BODY_DATA,	 /* Content-Length */
	BODY_SIZE_FIRST, /* the first digit of a chunk's size */
	BODY_SIZE,
	BODY_SIZE_BLANK, /* only blanks since the size: an extension has to follow */
	BODY_EXTENSION,
	BODY_SIZE_LF,
	BODY_CHUNK,
	BODY_CHUNK_CR,
	BODY_CHUNK_LF,
	BODY_TRAILER_START,
	BODY_TRAILER,
	BODY_TRAILER_LF,
	BODY_LAST_LF,
};

int http_body_start(struct http_body *body, const struct http_head *head)
{
	struct http_body fresh = {.state = BODY_DONE};

	if (head->content_length > HTTP_BODY_MAX)
		return ERR_TOO_LARGE;
	if (head->is_chunked)
		fresh.state = BODY_SIZE_FIRST;
	else if (head->content_length > 0)
		fresh.state = BODY_DATA;
	fresh.left = head->content_length;
	*body = fresh;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 9112 section 7.1.1: blanks are only for what is behind a semicolon. Who takes more than that
 * may see another size than who is in front of it. */
static int blank_step(char c)
{
	if (c == ';')
		return BODY_EXTENSION;
	return c == ' ' || c == '\t' ? BODY_SIZE_BLANK : ERR_MALFORMED;
}

static int size_step(struct http_body *body, char c)
{
	int digit = hex_digit(c);

	if (digit < 0 && body->state == BODY_SIZE) {
		if (c == '\r')
			return BODY_SIZE_LF;
		return blank_step(c);
	}
	if (digit < 0)
		return ERR_MALFORMED;
	body->left = body->left * 16 + (uint64_t)digit;
	return body->left + body->total > HTTP_BODY_MAX ? ERR_TOO_LARGE : BODY_SIZE;
}

/* One byte of a chunk line or a trailer: the next state or an error. */
static int framing_step(struct http_body *body, char c)
{
	bool is_control = ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;

	switch ((enum body_state)body->state) {
	case BODY_SIZE_FIRST:
	case BODY_SIZE:
		return size_step(body, c);
	case BODY_SIZE_BLANK:
		return blank_step(c);
	case BODY_EXTENSION:
		return c == '\r' ? BODY_SIZE_LF : is_control ? ERR_MALFORMED : BODY_EXTENSION;
	case BODY_SIZE_LF:
		if (c != '\n')
			return ERR_MALFORMED;
		return body->left ? BODY_CHUNK : BODY_TRAILER_START;
	case BODY_CHUNK_CR:
		return c == '\r' ? BODY_CHUNK_LF : ERR_MALFORMED;
	case BODY_CHUNK_LF:
		return c == '\n' ? BODY_SIZE_FIRST : ERR_MALFORMED;
	case BODY_TRAILER_START:
		return c == '\r' ? BODY_LAST_LF : is_control ? ERR_MALFORMED : BODY_TRAILER;
	case BODY_TRAILER:
		return c == '\r' ? BODY_TRAILER_LF : is_control ? ERR_MALFORMED : BODY_TRAILER;
	case BODY_TRAILER_LF:
		return c == '\n' ? BODY_TRAILER_START : ERR_MALFORMED;
	case BODY_LAST_LF:
		return c == '\n' ? BODY_DONE : ERR_MALFORMED;
	case BODY_DATA:
	case BODY_CHUNK:
	case BODY_DONE:
		break;
	}
	return ERR_MALFORMED;
}

static size_t data_leap(struct http_body *body, size_t available)
{
	size_t n = body->left < available ? (size_t)body->left : available;

	body->left -= n;
	body->total += n;
	if (body->left == 0)
		body->state = body->state == BODY_DATA ? BODY_DONE : BODY_CHUNK_CR;
	return n;
}

int http_body_read(struct http_body *body, const char *data, size_t size, struct buf *sink,
		   size_t max, size_t *ret_used)
{
	size_t used = 0;

	while (used < size && body->state != BODY_DONE) {
		int next;

		if (body->state == BODY_DATA || body->state == BODY_CHUNK) {
			size_t n = data_leap(body, size - used);

			if (sink && (n > max || sink->size > max - n))
				return ERR_TOO_LARGE;
			if (sink && buf_append(sink, data + used, n) < 0)
				return -ENOMEM;
			used += n;
			continue;
		}
		next = framing_step(body, data[used]);
		if (next < 0)
			return next;
		if (++body->framing > FRAMING_MAX)
			return ERR_TOO_LARGE;
		body->state = (unsigned)next;
		used++;
	}
	*ret_used = used;
	return body->state == BODY_DONE ? 0 : -EAGAIN;
}

int http_body_skip(struct http_body *body, const char *data, size_t size, size_t *ret_used)
{
	return http_body_read(body, data, size, NULL, 0, ret_used);
}
