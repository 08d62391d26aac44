/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's bytes, as a connection reads them: head, body, head again. Fed at once and in two
 * pieces, the outcome must be the same; and what the parser hands out must lie within the head.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "front/http/http_body.h"
#include "front/http/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int is_true)
{
	if (!is_true)
		abort();
}

static void is_within(struct http_text text, const char *start, size_t size)
{
	/* The empty text and "/" may be constants. */
	if (text.size > 1)
		check(text.data >= start && text.data + text.size <= start + size);
}

static void head_check(const struct http_head *head, const char *start, size_t size)
{
	is_within(head->target, start, size);
	is_within(head->path, start, size);
	is_within(head->query, start, size);
	is_within(head->host, start, size);
	check(head->path.size > 0 && head->n_headers <= HTTP_HEADERS_MAX &&
	      head->minor_version <= 1);
	check(!(head->is_chunked && head->has_content_length));
	check(head->minor_version == 0 || head->host.size > 0);
	for (size_t i = 0; i < head->n_headers; i++) {
		is_within(head->headers[i].name, start, size);
		is_within(head->headers[i].value, start, size);
		check(head->headers[i].name.size > 0);
		for (size_t j = 0; j < head->headers[i].value.size; j++)
			check(head->headers[i].value.data[j] != '\r' &&
			      head->headers[i].value.data[j] != '\n' &&
			      head->headers[i].value.data[j] != '\0');
	}
}

static int scan_in_two(const char *data, size_t size, size_t cut, struct http_scan *scan)
{
	int r = http_scan_head(scan, data, cut);

	return r == -EAGAIN ? http_scan_head(scan, data, size) : r;
}

/* Both ways to read a body must agree, and neither may read beyond it. */
static int body_walk(const struct http_head *head, const char *data, size_t size, size_t cut,
		     size_t *ret_used)
{
	struct http_body once, twice;
	size_t used = 0, first = 0, second = 0;
	int r = http_body_start(&once, head), again;

	if (r < 0)
		return r;
	twice = once;
	r = http_body_skip(&once, data, size, &used);
	again = http_body_skip(&twice, data, cut, &first);
	if (again == -EAGAIN)
		again = http_body_skip(&twice, data + first, size - first, &second);
	check(again == r);
	if (r == 0 || r == -EAGAIN)
		check(used <= size && first + second == used);
	*ret_used = used;
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data;
	size_t left = size;
	int r = 0;

	while (left > 0 && r == 0) {
		struct http_scan scan = {0}, again = {0};
		struct http_head head;
		size_t used = 0;

		r = http_scan_head(&scan, at, left);
		check(scan_in_two(at, left, left / 2, &again) == r);
		check(scan.offset == again.offset && scan.start == again.start);
		if (r == 0)
			r = http_head_parse(at + scan.start, scan.offset - scan.start, &head);
		if (r < 0) {
			check(http_refusal_status(r) >= 400);
			return 0;
		}
		head_check(&head, at + scan.start, scan.offset - scan.start);
		at += scan.offset;
		left -= scan.offset;
		r = body_walk(&head, at, left, left / 3, &used);
		at += used;
		left -= used;
	}
	return 0;
}
