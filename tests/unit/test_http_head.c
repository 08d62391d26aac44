/* SPDX-License-Identifier: Apache-2.0 */
/* The request head, sentence by sentence. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "front/http/http_body.h"
#include "front/http/http_head.h"

static struct http_head head;

/* Scan and parse, as the session does it; the bytes are fed in pieces of every size, and the
 * outcome must agree. */
static int parse_bytes(const char *data, size_t size)
{
	int outcome = 1;

	for (size_t piece = 1; piece <= size + 1; piece = piece < 4 ? piece + 1 : piece * 3) {
		struct http_scan scan = {0};
		int r = -EAGAIN;

		for (size_t end = 0; r == -EAGAIN && end < size;) {
			end = end + piece < size ? end + piece : size;
			r = http_scan_head(&scan, data, end);
		}
		if (r == 0)
			r = http_head_parse(data + scan.start, scan.offset - scan.start, &head);
		assert_true(outcome == 1 || outcome == r);
		outcome = r;
	}
	return outcome;
}

static int parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

#define HOST "Host: g\r\n"
#define GET(headers) "GET / HTTP/1.1\r\n" HOST headers "\r\n"

static void a_plain_request_is_understood(void **state)
{
	(void)state;
	assert_int_equal(parse("GET /a/b?c=d?e HTTP/1.1\r\nHost: gate:443\r\nX-A:\t v w "
			       "\t\r\nEmpty:\r\n\r\n"),
			 0);
	assert_int_equal(head.method, HTTP_METHOD_GET);
	assert_int_equal(head.minor_version, 1);
	assert_true(http_text_is(head.path, "/a/b"));
	assert_true(http_text_is(head.query, "c=d?e"));
	assert_true(http_text_is(head.host, "gate:443"));
	assert_int_equal(head.n_headers, 3);
	assert_true(http_text_is(http_head_find(&head, "x-a")->value, "v w"));
	assert_int_equal(http_head_find(&head, "empty")->value.size, 0);
	assert_null(http_head_find(&head, "x"));
	assert_true(head.is_keep_alive);
	assert_false(head.is_chunked || head.has_content_length || head.expects_continue);
}

static void half_a_head_needs_more(void **state)
{
	static const char text[] = "\r\n" GET("A: b\r\n");

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		struct http_scan scan = {0};

		assert_int_equal(http_scan_head(&scan, text, i), -EAGAIN);
	}
	assert_int_equal(parse(text), 0);
}

static void a_request_line_is_judged_before_the_rest_has_come(void **state)
{
	static const struct {
		const char *text;
		int outcome;
	} cases[] = {
		{"GET / HTTP/1.1\r\n", -EAGAIN},     {"GET /\r\n", ERR_MALFORMED},
		{"\r\nGET /\r\n", ERR_MALFORMED},    {"\r\nGET / HTTP/1.0\r\n", -EAGAIN},
		{"PRI * HTTP/2.0\r\n", ERR_VERSION}, {"GET / HTTP/1.1\r\nbad\r\n", -EAGAIN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_scan scan = {0};

		assert_int_equal(http_scan_head(&scan, cases[i].text, strlen(cases[i].text)),
				 cases[i].outcome);
	}
}

static void the_next_request_is_not_part_of_the_head(void **state)
{
	struct http_scan scan = {0};
	static const char text[] = GET("") "GET";

	(void)state;
	assert_int_equal(http_scan_head(&scan, text, sizeof(text) - 1), 0);
	assert_int_equal(scan.offset, sizeof(text) - 1 - 3);
}

static void one_empty_line_before_is_skipped_and_two_are_not(void **state)
{
	(void)state;
	assert_int_equal(parse("\r\n" GET("")), 0);
	assert_int_equal(parse("\r\n\r\n" GET("")), ERR_MALFORMED);
	assert_int_equal(parse("\n" GET("")), ERR_MALFORMED);
}

static void request_lines_that_could_mean_two_things_are_refused(void **state)
{
	static const char *const lines[] = {
		"GET  / HTTP/1.1",
		"GET /  HTTP/1.1",
		"GET / HTTP/1.1 ",
		" GET / HTTP/1.1",
		"GET /",
		"GET / ",
		"GET",
		"GET\t/\tHTTP/1.1",
		"GET / http/1.1",
		"GET / HTTP/1",
		"GET / HTTP/1.1.1",
		"GET / HTTP/01.1",
		"GET /a b HTTP/1.1",
		"GET /#a HTTP/1.1",
		"GET a HTTP/1.1",
		"GET * HTTP/1.1",
		"G(T / HTTP/1.1",
		"GET /\x80 HTTP/1.1",
		"G\xc3T / HTTP/1.1",
		"GET ftp://h/ HTTP/1.1",
		"GET http:///x HTTP/1.1",
		"GET http://u@h/ HTTP/1.1",
		"GET h:443 HTTP/1.1",
		"GET / XTTP/1.1",
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		(void)snprintf(text, sizeof(text), "%s\r\n" HOST "\r\n", lines[i]);
		if (parse(text) != ERR_MALFORMED)
			fail_msg("accepted: %s", lines[i]);
	}
}

static void other_versions_are_named_as_such(void **state)
{
	(void)state;
	assert_int_equal(parse("GET / HTTP/2.0\r\n" HOST "\r\n"), ERR_VERSION);
	assert_int_equal(parse("GET / HTTP/0.9\r\n" HOST "\r\n"), ERR_VERSION);
	assert_int_equal(parse("PRI * HTTP/2.0\r\n\r\n"), ERR_VERSION);
	assert_int_equal(http_refusal_status(ERR_VERSION), 505);
}

static void a_later_minor_version_is_read_as_the_highest_that_is_known(void **state)
{
	(void)state;
	assert_int_equal(parse("GET / HTTP/1.2\r\n" HOST "\r\n"), 0);
	assert_int_equal(head.minor_version, 1);
	assert_true(head.is_keep_alive);
	assert_int_equal(parse("GET / HTTP/1.9\r\n\r\n"), ERR_MALFORMED);
}

static void a_method_that_http_does_not_have_is_not_implemented(void **state)
{
	(void)state;
	assert_int_equal(parse("BREW / HTTP/1.1\r\n" HOST "\r\n"), ERR_UNSUPPORTED);
	assert_int_equal(parse("get / HTTP/1.1\r\n" HOST "\r\n"), ERR_UNSUPPORTED);
	assert_int_equal(parse("AAAAAAAAAABBBBBBBBBBCCCCCCCCCCDDDD / HTTP/1.1\r\n" HOST "\r\n"),
			 ERR_UNSUPPORTED);
	assert_int_equal(parse("BR(W / HTTP/1.1\r\n" HOST "\r\n"), ERR_MALFORMED);
	assert_int_equal(parse("DELETE / HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_int_equal(head.method, HTTP_METHOD_OTHER);
	assert_int_equal(http_refusal_status(ERR_UNSUPPORTED), 501);
}

static unsigned status_of_endless(const char *begin)
{
	static char text[HTTP_HEAD_MAX + 3];
	struct http_scan scan = {0};

	memset(text, 'a', sizeof(text));
	memcpy(text, begin, strlen(begin));
	return http_scan_refusal_status(&scan, text, http_scan_head(&scan, text, sizeof(text)));
}

static void what_is_too_long_is_named(void **state)
{
	(void)state;
	assert_int_equal(status_of_endless("GET /"), 414);
	assert_int_equal(status_of_endless("\r\nGET /"), 414);
	assert_int_equal(status_of_endless("GET"), 501);
	assert_int_equal(status_of_endless("GET / HTTP/1.1\r\nA: "), 431);
	assert_int_equal(status_of_endless("GET / HTTP/1.1\n"), 400);
}

static void an_absolute_target_overrides_the_host(void **state)
{
	(void)state;
	assert_int_equal(parse("GET HTTPS://real.example:8443/p?q HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_true(http_text_is(head.host, "real.example:8443"));
	assert_true(http_text_is(head.path, "/p"));
	assert_true(http_text_is(head.query, "q"));
	assert_int_equal(parse("GET http://real.example HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_true(http_text_is(head.path, "/"));
	assert_int_equal(parse("GET http://real.example?x HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_true(http_text_is(head.path, "/"));
	assert_int_equal(parse("GET http://real.example/ HTTP/1.1\r\n\r\n"), ERR_MALFORMED);
}

static void connect_takes_a_path_or_an_authority(void **state)
{
	(void)state;
	assert_int_equal(parse("CONNECT /CSCOSSLC/tunnel HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_int_equal(head.method, HTTP_METHOD_CONNECT);
	assert_true(http_text_is(head.path, "/CSCOSSLC/tunnel"));
	assert_int_equal(parse("CONNECT h:443 HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_int_equal(parse("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_true(http_text_is(head.path, "*"));
}

static void version_1_1_needs_exactly_one_host(void **state)
{
	(void)state;
	assert_int_equal(parse("GET / HTTP/1.1\r\n\r\n"), ERR_MALFORMED);
	assert_int_equal(parse(GET("Host: g\r\n")), ERR_MALFORMED);
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost:\r\n\r\n"), ERR_MALFORMED);
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), ERR_MALFORMED);
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), ERR_MALFORMED);
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: u@h\r\n\r\n"), ERR_MALFORMED);
	assert_int_equal(parse("GET / HTTP/1.1\r\nhOST: [2001:db8::1]:443\r\n\r\n"), 0);
	assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n"), 0);
	assert_int_equal(parse("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), ERR_MALFORMED);
}

static void headers_that_smuggle_are_refused(void **state)
{
	static const char *const headers[] = {
		"A : b\r\n",
		"A\t: b\r\n",
		" A: b\r\n",
		"A: b\r\n c\r\n",
		"A: b\r\n\tc\r\n",
		": b\r\n",
		"A\r\n",
		"A b: c\r\n",
		"A\x80: c\r\n",
		"A: b\rc\r\n",
		"A: b\nC: d\r\n",
		"A: b\x01\r\n",
		"A: b\x7f\r\n",
		"\"A\": b\r\n",
		"Content-Length: 1\r\nContent-Length: 2\r\n",
		"Content-Length: +1\r\n",
		"Content-Length: -1\r\n",
		"Content-Length: 1 2\r\n",
		"Content-Length: 0x10\r\n",
		"Content-Length: 1, 1\r\n",
		"Content-Length:\r\n",
		"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		(void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" HOST "%s\r\n", headers[i]);
		if (parse(text) != ERR_MALFORMED)
			fail_msg("accepted: %s", headers[i]);
	}
	assert_int_equal(parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
			 ERR_MALFORMED);
	assert_int_equal(parse_bytes("GET / HTTP/1.1\r\nHost: g\r\nA: \0\r\n\r\n", 36),
			 ERR_MALFORMED);
	assert_int_equal(parse_bytes("G\0T / HTTP/1.1\r\nHost: g\r\n\r\n", 27), ERR_MALFORMED);
}

static void lengths_are_read_in_full(void **state)
{
	(void)state;
	assert_int_equal(parse(GET("Content-Length: 42\r\nContent-Length: 42\r\n")), 0);
	assert_int_equal(head.content_length, 42);
	assert_int_equal(parse(GET("Content-Length: 999999999999999999\r\n")), 0);
	assert_int_equal(head.content_length, 999999999999999999);
	assert_int_equal(parse(GET("Content-Length: 0000000000000000000000042\r\n")), 0);
	assert_int_equal(head.content_length, 42);
	/* Each of these is too much (413), and none is a small number. */
	assert_int_equal(parse(GET("Content-Length: 18446744073709551617\r\n")), 0);
	assert_true(head.content_length == UINT64_MAX);
	assert_int_equal(parse(GET("Content-Length: 184467440737095516170000001\r\n")), 0);
	assert_true(head.content_length == UINT64_MAX);
	assert_int_equal(parse(GET("Content-Length: 1844674407370955161x\r\n")), ERR_MALFORMED);
	assert_int_equal(parse(GET("Transfer-Encoding: Chunked\r\n")), 0);
	assert_true(head.is_chunked);
	assert_int_equal(parse(GET("Transfer-Encoding: gzip, chunked\r\n")), ERR_UNSUPPORTED);
	assert_int_equal(parse(GET("Transfer-Encoding: gzip ,\tChunked\r\n")), ERR_UNSUPPORTED);
	assert_int_equal(parse(GET("Transfer-Encoding: xchunked\r\n")), ERR_MALFORMED);
	assert_int_equal(parse(GET("Transfer-Encoding: gzip\r\n")), ERR_MALFORMED);
	assert_int_equal(parse(GET("Transfer-Encoding: chunked, gzip\r\n")), ERR_MALFORMED);
	assert_int_equal(parse(GET("Transfer-Encoding: chunked, chunked\r\n")), ERR_MALFORMED);
	assert_int_equal(parse(GET("Transfer-Encoding: chunked,\r\n")), ERR_MALFORMED);
}

static void the_connection_closes_when_either_side_would(void **state)
{
	(void)state;
	assert_int_equal(parse(GET("Connection: Close\r\n")), 0);
	assert_false(head.is_keep_alive);
	assert_int_equal(parse(GET("Connection: te , close,x\r\n")), 0);
	assert_false(head.is_keep_alive);
	assert_int_equal(parse(GET("Connection: closed, keep-alive\r\n")), 0);
	assert_true(head.is_keep_alive);
	assert_int_equal(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 0);
	assert_false(head.is_keep_alive);
	assert_int_equal(parse(GET("Expect: 100-Continue\r\n")), 0);
	assert_true(head.expects_continue);
	/* RFC 9110 section 10.1.1: of such a client it is to be ignored. */
	assert_int_equal(parse("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), 0);
	assert_false(head.expects_continue);
}

static void there_are_at_most_64_headers_and_8_kibibytes(void **state)
{
	char text[HTTP_HEAD_MAX + 64] = "GET / HTTP/1.1\r\n" HOST;
	char *at = text + strlen(text);

	(void)state;
	for (int i = 0; i < 63; i++)
		at = stpcpy(at, "A: b\r\n");
	(void)stpcpy(at, "\r\n");
	assert_int_equal(parse(text), 0);
	assert_int_equal(head.n_headers, 64);
	(void)stpcpy(at, "A: b\r\n\r\n");
	assert_int_equal(parse(text), ERR_TOO_LARGE);

	at = stpcpy(text, "GET / HTTP/1.1\r\n" HOST "A: ");
	(void)memset(at, 'x', sizeof(text) - (size_t)(at - text));
	(void)memcpy(text + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(parse_bytes(text, HTTP_HEAD_MAX), 0);
	text[HTTP_HEAD_MAX - 4] = 'x';
	(void)memcpy(text + HTTP_HEAD_MAX - 3, "\r\n\r\n", 4);
	assert_int_equal(parse_bytes(text, HTTP_HEAD_MAX + 1), ERR_TOO_LARGE);
}

/* Feeds a body in pieces; the outcome, and how much of TEXT belonged to it. */
static int body_walk(const char *headers, const char *text, size_t piece, size_t *ret_used)
{
	struct http_body body;
	char request[256];
	size_t size = strlen(text), done = 0;
	int r;

	(void)snprintf(request, sizeof(request), "POST / HTTP/1.1\r\n" HOST "%s\r\n", headers);
	assert_int_equal(parse(request), 0);
	r = http_body_start(&body, &head);
	if (r < 0)
		return r;
	do {
		size_t used = 0, n = piece < size - done ? piece : size - done;

		r = http_body_skip(&body, text + done, n, &used);
		done += r == 0 || r == -EAGAIN ? used : 0;
	} while (r == -EAGAIN && done < size);
	*ret_used = done;
	return r;
}

static void a_body_ends_where_its_framing_says(void **state)
{
	static const struct {
		const char *headers, *text;
		int outcome;
		size_t used;
	} cases[] = {
		{"", "next", 0, 0},
		{"Content-Length: 3\r\n", "abcnext", 0, 3},
		{"Content-Length: 3\r\n", "ab", -EAGAIN, 2},
		{"Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\nnext", 0, 13},
		{"Transfer-Encoding: chunked\r\n", "0003;a=\"b\"\r\nabc\r\n0\r\nT: x\r\n\r\n", 0,
		 28},
		{"Transfer-Encoding: chunked\r\n", "A\r\n0123456789\r\n", -EAGAIN, 15},
		{"Transfer-Encoding: chunked\r\n", "3 \t;a\r\nabc\r\n0;b\r\n\r\n", 0, 19},
		{"Transfer-Encoding: chunked\r\n", "3 garbage\r\nabc", ERR_MALFORMED, 0},
		{"Transfer-Encoding: chunked\r\n", "3 \r\nabc", ERR_MALFORMED, 0},
		{"Transfer-Encoding: chunked\r\n", "3\t3\r\nabc", ERR_MALFORMED, 0},
		{"Transfer-Encoding: chunked\r\n", "3\nabc", ERR_MALFORMED, 0},
		{"Transfer-Encoding: chunked\r\n", "3\r\nabcd\r\n", ERR_MALFORMED, 0},
		{"Transfer-Encoding: chunked\r\n", "\r\n", ERR_MALFORMED, 0},
		{"Transfer-Encoding: chunked\r\n", "-1\r\n", ERR_MALFORMED, 0},
		{"Transfer-Encoding: chunked\r\n", "ffffffffffffffffffff\r\n", ERR_TOO_LARGE, 0},
		{"Transfer-Encoding: chunked\r\n", "10001\r\n", ERR_TOO_LARGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t piece = 1; piece < 40; piece += 3) {
			size_t used = 0;

			assert_int_equal(body_walk(cases[i].headers, cases[i].text, piece, &used),
					 cases[i].outcome);
			if (cases[i].outcome == 0 || cases[i].outcome == -EAGAIN)
				assert_int_equal(used, cases[i].used);
		}
	}
	assert_int_equal(body_walk("Content-Length: 65537\r\n", "", 1, &(size_t){0}),
			 ERR_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_request_is_understood),
		cmocka_unit_test(half_a_head_needs_more),
		cmocka_unit_test(a_request_line_is_judged_before_the_rest_has_come),
		cmocka_unit_test(the_next_request_is_not_part_of_the_head),
		cmocka_unit_test(one_empty_line_before_is_skipped_and_two_are_not),
		cmocka_unit_test(request_lines_that_could_mean_two_things_are_refused),
		cmocka_unit_test(other_versions_are_named_as_such),
		cmocka_unit_test(a_later_minor_version_is_read_as_the_highest_that_is_known),
		cmocka_unit_test(a_method_that_http_does_not_have_is_not_implemented),
		cmocka_unit_test(what_is_too_long_is_named),
		cmocka_unit_test(an_absolute_target_overrides_the_host),
		cmocka_unit_test(connect_takes_a_path_or_an_authority),
		cmocka_unit_test(version_1_1_needs_exactly_one_host),
		cmocka_unit_test(headers_that_smuggle_are_refused),
		cmocka_unit_test(lengths_are_read_in_full),
		cmocka_unit_test(the_connection_closes_when_either_side_would),
		cmocka_unit_test(there_are_at_most_64_headers_and_8_kibibytes),
		cmocka_unit_test(a_body_ends_where_its_framing_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
