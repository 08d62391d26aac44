/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two passes: a byte-wise automaton finds the end of the head and refuses what may never occur in
 * one; the parser then cuts a head that is known to consist of lines. Neither allocates, neither
 * keeps state beyond http_scan.
 */
#include "front/http/http_head.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"

enum scan_state {
	SCAN_BEGIN,	 /* before the first byte of the request line */
	SCAN_BEGIN_CR,	 /* CR of an empty line before it */
	SCAN_BEGIN_ONCE, /* after that empty line: there is no second one */
	SCAN_LINE,
	SCAN_LINE_CR,
	SCAN_LINE_START, /* just after CR LF */
	SCAN_END_CR,	 /* CR of the empty line that ends the head */
	SCAN_DONE,
};

/* The next state, or ERR_MALFORMED. */
static int scan_step(enum scan_state state, unsigned char c)
{
	bool is_text = (c >= 0x20 && c != 0x7f) || c == '\t';

	switch (state) {
	case SCAN_BEGIN:
		return c == '\r' ? SCAN_BEGIN_CR : is_text ? SCAN_LINE : ERR_MALFORMED;
	case SCAN_BEGIN_CR:
		return c == '\n' ? SCAN_BEGIN_ONCE : ERR_MALFORMED;
	case SCAN_BEGIN_ONCE:
		return is_text ? SCAN_LINE : ERR_MALFORMED;
	case SCAN_LINE:
		return c == '\r' ? SCAN_LINE_CR : is_text ? SCAN_LINE : ERR_MALFORMED;
	case SCAN_LINE_CR:
		return c == '\n' ? SCAN_LINE_START : ERR_MALFORMED;
	case SCAN_LINE_START:
		return c == '\r' ? SCAN_END_CR : is_text ? SCAN_LINE : ERR_MALFORMED;
	case SCAN_END_CR:
		return c == '\n' ? SCAN_DONE : ERR_MALFORMED;
	case SCAN_DONE:
		break;
	}
	return ERR_MALFORMED;
}

bool http_text_is(struct http_text text, const char *wanted)
{
	return text.size == strlen(wanted) && memcmp(text.data, wanted, text.size) == 0;
}

bool http_text_is_nocase(struct http_text text, const char *wanted)
{
	return text.size == strlen(wanted) && strncasecmp(text.data, wanted, text.size) == 0;
}

const struct http_header *http_head_find(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->n_headers; i++) {
		if (http_text_is_nocase(head->headers[i].name, name))
			return &head->headers[i];
	}
	return NULL;
}

/* tchar of RFC 9110 section 5.6.2 */
static bool is_token(struct http_text text)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		bool is_alnum =
			(c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

		if (!is_alnum && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
			return false;
	}
	return text.size > 0;
}

/* uri-host [ ":" port ] of RFC 3986, by its characters: no user information, no white space, no
 * '/'. */
static bool is_authority(struct http_text text)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		bool is_alnum =
			(c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

		if (!is_alnum && (c == '\0' || !strchr("-._~%!$&'()*+,;=:[]", c)))
			return false;
	}
	return text.size > 0;
}

static struct http_text text_trim(struct http_text text)
{
	while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
		text.data++;
		text.size--;
	}
	while (text.size > 0 &&
	       (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
		text.size--;
	return text;
}

/* Cuts what comes before SEPARATOR off the front of REST; false when there is no SEPARATOR. */
static bool text_cut(struct http_text *rest, char separator, struct http_text *ret_before)
{
	const char *at = rest->size ? memchr(rest->data, separator, rest->size) : NULL;

	if (!at)
		return false;
	*ret_before = (struct http_text){rest->data, (size_t)(at - rest->data)};
	rest->size -= ret_before->size + 1;
	rest->data = at + 1;
	return true;
}

/* Cuts one line and its CR LF. */
static bool line_cut(struct http_text *rest, struct http_text *ret_line)
{
	if (!text_cut(rest, '\n', ret_line) || ret_line->size == 0 ||
	    ret_line->data[ret_line->size - 1] != '\r')
		return false;
	ret_line->size--;
	return memchr(ret_line->data, '\r', ret_line->size) == NULL;
}

/* Errors: ERR_UNSUPPORTED, a method that is none of HTTP's own (RFC 9110 section 9.1: 501). */
static int method_parse(struct http_text text, enum http_method *ret_method)
{
	static const char *const names[] = {"GET",    "HEAD", "POST",  "CONNECT", "OPTIONS",
					    "DELETE", "PUT",  "TRACE", "PATCH"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!http_text_is(text, names[i]))
			continue;
		*ret_method = i < HTTP_METHOD_OTHER ? (enum http_method)i : HTTP_METHOD_OTHER;
		return 0;
	}
	return ERR_UNSUPPORTED;
}

static int version_parse(struct http_text text, unsigned *ret_minor)
{
	if (text.size != 8 || memcmp(text.data, "HTTP/", 5) != 0 || text.data[6] != '.' ||
	    text.data[5] < '0' || text.data[5] > '9' || text.data[7] < '0' || text.data[7] > '9')
		return ERR_MALFORMED;
	if (text.data[5] != '1')
		return ERR_VERSION;
	/* RFC 9110 section 2.5: a later 1.x is read as the highest that is known. */
	*ret_minor = text.data[7] > '1' ? 1 : (unsigned)(text.data[7] - '0');
	return 0;
}

/* RFC 9112 section 3.2.2: the authority of an absolute target counts, not the Host header. */
static bool absolute_form_cut(struct http_text *target, struct http_text *ret_host)
{
	static const char *const schemes[] = {"https://", "http://"};

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		size_t n = strlen(schemes[i]), end = n;

		if (target->size < n || strncasecmp(target->data, schemes[i], n) != 0)
			continue;
		while (end < target->size && target->data[end] != '/' && target->data[end] != '?')
			end++;
		*ret_host = (struct http_text){target->data + n, end - n};
		target->data += end;
		target->size -= end;
		return is_authority(*ret_host);
	}
	return false;
}

static int target_parse(struct http_head *head)
{
	struct http_text rest = head->target;
	bool is_absolute = false;

	for (size_t i = 0; i < rest.size; i++) {
		if (rest.data[i] <= 0x20 || rest.data[i] >= 0x7f || rest.data[i] == '#')
			return ERR_MALFORMED;
	}
	if (rest.size == 0)
		return ERR_MALFORMED;
	if (http_text_is(rest, "*")) {
		head->path = rest;
		return head->method == HTTP_METHOD_OTHER ? 0 : ERR_MALFORMED;
	}
	if (rest.data[0] != '/') {
		is_absolute = absolute_form_cut(&rest, &head->host);
		if (!is_absolute && head->method == HTTP_METHOD_CONNECT && is_authority(rest)) {
			head->path = rest;
			return 0;
		}
		if (!is_absolute)
			return ERR_MALFORMED;
	}
	head->query = rest;
	if (!text_cut(&head->query, '?', &head->path)) {
		head->path = rest;
		head->query = (struct http_text){"", 0};
	}
	if (head->path.size == 0)
		head->path = (struct http_text){"/", 1};
	return 0;
}

static int request_line_parse(struct http_text line, struct http_head *head)
{
	struct http_text method;
	int r;

	if (!text_cut(&line, ' ', &method) || !is_token(method) ||
	    !text_cut(&line, ' ', &head->target))
		return ERR_MALFORMED;
	r = version_parse(line, &head->minor_version);
	if (r == 0)
		r = method_parse(method, &head->method);
	return r < 0 ? r : target_parse(head);
}

/* With its CR LF. */
static int request_line_check(const char *data, size_t size)
{
	struct http_head head = {.host = {"", 0}};

	return request_line_parse((struct http_text){data, size - 2}, &head);
}

int http_scan_head(struct http_scan *scan, const char *data, size_t size)
{
	while (scan->offset < size) {
		int next, r = 0;

		if (scan->offset - scan->start >= HTTP_HEAD_MAX)
			return ERR_TOO_LARGE;
		next = scan_step((enum scan_state)scan->state, (unsigned char)data[scan->offset]);
		if (next < 0)
			return next;
		scan->state = (unsigned)next;
		scan->offset++;
		if (next == SCAN_BEGIN_ONCE)
			scan->start = scan->offset;
		if (next == SCAN_LINE_START && !scan->has_line) {
			scan->has_line = true;
			r = request_line_check(data + scan->start, scan->offset - scan->start);
		}
		if (r < 0 || next == SCAN_DONE)
			return r;
	}
	return -EAGAIN;
}

static int header_parse(struct http_text line, struct http_header *ret_header)
{
	/* A line that starts with white space would be obs-fold (RFC 9112 section 5.2): not a
	 * token. */
	if (!text_cut(&line, ':', &ret_header->name) || !is_token(ret_header->name))
		return ERR_MALFORMED;
	for (size_t i = 0; i < line.size; i++) {
		unsigned char c = (unsigned char)line.data[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return ERR_MALFORMED;
	}
	ret_header->value = text_trim(line);
	return 0;
}

static int length_parse(struct http_text value, struct http_head *head)
{
	uint64_t length = 0;

	if (value.size == 0)
		return ERR_MALFORMED;
	for (size_t i = 0; i < value.size; i++) {
		if (value.data[i] < '0' || value.data[i] > '9')
			return ERR_MALFORMED;
		/* What does not fit is as much as can be: too much. */
		length = length > UINT64_MAX / 10 - 1
				 ? UINT64_MAX
				 : length * 10 + (uint64_t)(value.data[i] - '0');
	}
	if (head->has_content_length && head->content_length != length)
		return ERR_MALFORMED;
	head->has_content_length = true;
	head->content_length = length;
	return 0;
}

static bool connection_has_close(struct http_text list)
{
	while (list.size > 0) {
		struct http_text option = list;

		if (!text_cut(&list, ',', &option))
			list.size = 0;
		if (http_text_is_nocase(text_trim(option), "close"))
			return true;
	}
	return false;
}

/* RFC 9112 section 6.3: where a request ends that is not chunked in the end nobody knows. Other
 * codings below are known to nobody here, and one that is there twice is no coding. */
static int coding_parse(struct http_text codings, struct http_head *head)
{
	struct http_text rest = codings, one;
	bool is_plain = true;

	while (text_cut(&rest, ',', &one)) {
		is_plain = false;
		if (http_text_is_nocase(text_trim(one), "chunked"))
			return ERR_MALFORMED;
	}
	if (head->is_chunked || head->minor_version == 0 ||
	    !http_text_is_nocase(text_trim(rest), "chunked"))
		return ERR_MALFORMED;
	head->is_chunked = true;
	return is_plain ? 0 : ERR_UNSUPPORTED;
}

/* The headers that say where the message ends, and whether another may follow. */
static int framing_parse(struct http_head *head)
{
	bool is_close = false, has_host = false;
	int r = 0;

	for (size_t i = 0; i < head->n_headers && r == 0; i++) {
		const struct http_header *header = &head->headers[i];

		if (http_text_is_nocase(header->name, "content-length")) {
			r = length_parse(header->value, head);
		} else if (http_text_is_nocase(header->name, "transfer-encoding")) {
			r = coding_parse(header->value, head);
		} else if (http_text_is_nocase(header->name, "host")) {
			if (has_host || !is_authority(header->value))
				return ERR_MALFORMED;
			has_host = true;
			if (head->host.size == 0)
				head->host = header->value;
		} else if (http_text_is_nocase(header->name, "connection")) {
			is_close |= connection_has_close(header->value);
		} else if (http_text_is_nocase(header->name, "expect")) {
			head->expects_continue = http_text_is_nocase(header->value, "100-continue");
		}
	}
	if (r < 0)
		return r;
	/* RFC 9112 section 6.1: both together are how requests are smuggled. */
	if (head->is_chunked && head->has_content_length)
		return ERR_MALFORMED;
	if (head->minor_version == 1 && !has_host)
		return ERR_MALFORMED;
	/* A 1.0 client is served and let go: its keep-alive is an extension that proxies get wrong.
	 */
	head->is_keep_alive = !is_close && head->minor_version == 1;
	/* RFC 9110 section 10.1.1: it would take "100 Continue" for the answer. */
	head->expects_continue &= head->minor_version == 1;
	return 0;
}

int http_head_parse(const char *data, size_t size, struct http_head *ret_head)
{
	struct http_head head = {.query = {"", 0}, .host = {"", 0}};
	struct http_text rest = {data, size}, line;
	int r;

	if (size > HTTP_HEAD_MAX)
		return ERR_TOO_LARGE;
	if (!line_cut(&rest, &line))
		return ERR_MALFORMED;
	r = request_line_parse(line, &head);
	while (r == 0) {
		if (!line_cut(&rest, &line))
			return ERR_MALFORMED;
		if (line.size == 0)
			break;
		if (head.n_headers == HTTP_HEADERS_MAX)
			return ERR_TOO_LARGE;
		r = header_parse(line, &head.headers[head.n_headers++]);
	}
	if (r == 0 && rest.size > 0)
		r = ERR_MALFORMED;
	if (r == 0)
		r = framing_parse(&head);
	if (r < 0)
		return r;
	*ret_head = head;
	return 0;
}

unsigned http_refusal_status(int code)
{
	switch (code) {
	case ERR_TOO_LARGE:
		return 431;
	case ERR_VERSION:
		return 505;
	case ERR_UNSUPPORTED:
		return 501;
	case ERR_TIMEOUT:
		return 408;
	default:
		return 400;
	}
}

unsigned http_scan_refusal_status(const struct http_scan *scan, const char *data, int code)
{
	if (code != ERR_TOO_LARGE || scan->has_line)
		return http_refusal_status(code);
	/* RFC 9112 section 3: a target that is too long, or a method that is longer than any. */
	return memchr(data + scan->start, ' ', scan->offset - scan->start) ? 414 : 501;
}
