/* SPDX-License-Identifier: Apache-2.0 */
/* The question to an OCSP responder, and what comes of an answer: the responder is a thread on
 * loopback that takes one connection and says what the test wants. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gnutls/ocsp.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "fetch/ask.h"

#define REQUEST_MAX 8192
#define SHORT_MS 300 /* for who never answers */

/* ---- the certificates ---- */

static struct {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t issuer;
	uint8_t issuer_der[2048];
	size_t issuer_size;
} ca;

static gnutls_x509_crt_t crt_new(const char *name, uint8_t serial)
{
	gnutls_x509_crt_t crt;
	time_t now = time(NULL);

	assert_int_equal(gnutls_x509_crt_init(&crt), 0);
	assert_int_equal(gnutls_x509_crt_set_version(crt, 3), 0);
	assert_int_equal(gnutls_x509_crt_set_serial(crt, &serial, 1), 0);
	assert_int_equal(gnutls_x509_crt_set_activation_time(crt, now - 60), 0);
	assert_int_equal(gnutls_x509_crt_set_expiration_time(crt, now + 3600), 0);
	assert_int_equal(gnutls_x509_crt_set_dn(crt, name, NULL), 0);
	assert_int_equal(gnutls_x509_crt_set_key(crt, ca.key), 0);
	return crt;
}

static size_t crt_der(gnutls_x509_crt_t crt, uint8_t *ret_der, size_t size)
{
	assert_int_equal(gnutls_x509_crt_export(crt, GNUTLS_X509_FMT_DER, ret_der, &size), 0);
	return size;
}

static int ca_make(void **state)
{
	(void)state;
	assert_int_equal(gnutls_x509_privkey_init(&ca.key), 0);
	assert_int_equal(
		gnutls_x509_privkey_generate(ca.key, GNUTLS_PK_ECDSA,
					     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
		0);
	ca.issuer = crt_new("CN=issuer", 1);
	assert_int_equal(gnutls_x509_crt_sign2(ca.issuer, ca.issuer, ca.key, GNUTLS_DIG_SHA256, 0),
			 0);
	ca.issuer_size = crt_der(ca.issuer, ca.issuer_der, sizeof(ca.issuer_der));
	return 0;
}

static int ca_done(void **state)
{
	(void)state;
	gnutls_x509_crt_deinit(ca.issuer);
	gnutls_x509_privkey_deinit(ca.key);
	return 0;
}

/* With the responders URLS, up to a NULL. */
static size_t leaf_make(const char *const *urls, uint8_t *ret_der, size_t size)
{
	gnutls_x509_crt_t leaf = crt_new("CN=leaf", 77);

	for (; *urls; urls++) {
		gnutls_datum_t url = {(unsigned char *)(uintptr_t)*urls, (unsigned)strlen(*urls)};

		assert_int_equal(
			gnutls_x509_crt_set_authority_info_access(leaf, GNUTLS_IA_OCSP_URI, &url),
			0);
	}
	assert_int_equal(gnutls_x509_crt_sign2(leaf, ca.issuer, ca.key, GNUTLS_DIG_SHA256, 0), 0);
	size = crt_der(leaf, ret_der, size);
	gnutls_x509_crt_deinit(leaf);
	return size;
}

/* ---- the responder ---- */

struct responder {
	int fd, family;
	unsigned port;
	pthread_t thread;
	const void *answer; /* borrowed */
	size_t answer_size;
	bool is_silent;	  /* behind ANSWER it waits until the client has gone */
	unsigned n_asked; /* connections */
	char request[REQUEST_MAX];
	size_t request_size, head_size;
};

/* The whole request; false: there is none. */
static bool request_take(struct responder *responder, int fd)
{
	size_t wanted = REQUEST_MAX - 1;

	responder->request_size = 0;
	while (responder->request_size < wanted) {
		ssize_t n = recv(fd, responder->request + responder->request_size,
				 REQUEST_MAX - 1 - responder->request_size, 0);
		const char *end, *length;

		if (n <= 0)
			return false;
		responder->request_size += (size_t)n;
		responder->request[responder->request_size] = '\0';
		end = strstr(responder->request, "\r\n\r\n");
		length = strstr(responder->request, "Content-Length: ");
		if (!end || !length)
			continue;
		responder->head_size = (size_t)(end - responder->request) + 4;
		wanted = responder->head_size +
			 strtoul(length + strlen("Content-Length: "), NULL, 10);
	}
	return true;
}

static void one_serve(struct responder *responder, int fd)
{
	const uint8_t *at = responder->answer;
	size_t left = responder->answer_size;
	char waste[256];

	responder->n_asked++;
	if (!request_take(responder, fd))
		return;
	while (left > 0) {
		ssize_t n = send(fd, at, left, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* it has had enough */
		at += n;
		left -= (size_t)n;
	}
	while (responder->is_silent && recv(fd, waste, sizeof(waste), 0) > 0)
		continue;
}

/* Until nobody can come any more. */
static void *responder_serve(void *userdata)
{
	struct responder *responder = userdata;
	int fd;

	while ((fd = accept(responder->fd, NULL, NULL)) >= 0) {
		one_serve(responder, fd);
		(void)close(fd);
	}
	return NULL;
}

static void responder_listen(struct responder *responder, int family)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	bool is_v4 = family == AF_INET;
	socklen_t size = is_v4 ? sizeof(v4) : sizeof(v6);
	struct sockaddr *where = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;

	responder->family = family;
	responder->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(responder->fd >= 0);
	assert_int_equal(bind(responder->fd, where, size), 0);
	assert_int_equal(listen(responder->fd, 4), 0);
	assert_int_equal(getsockname(responder->fd, where, &size), 0);
	responder->port = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
}

static void responder_start(struct responder *responder, int family, const void *answer,
			    size_t size)
{
	*responder = (struct responder){.answer = answer, .answer_size = size};
	responder_listen(responder, family);
	assert_int_equal(pthread_create(&responder->thread, NULL, responder_serve, responder), 0);
}

static void responder_stop(struct responder *responder)
{
	(void)shutdown(responder->fd, SHUT_RDWR);
	assert_int_equal(pthread_join(responder->thread, NULL), 0);
	(void)close(responder->fd);
}

static void responder_url(const struct responder *responder, char *ret_url, size_t size)
{
	(void)snprintf(ret_url, size, "http://%s:%u/ocsp",
		       responder->family == AF_INET ? "127.0.0.1" : "[::1]", responder->port);
}

/* ---- asking ---- */

struct outcome {
	int code;
	struct buf response;
	char url[ASK_URL_MAX];
	struct why why;
};

static void outcome_done(struct outcome *outcome)
{
	buf_done(&outcome->response);
}

/* NAMED: in the certificate, up to a NULL; URL: in the configuration. */
static void ask_for(const char *const *named, const char *url, unsigned time_ms,
		    struct outcome *ret_outcome)
{
	uint8_t leaf[2048];
	struct ask ask = {.leaf = leaf,
			  .leaf_size = leaf_make(named, leaf, sizeof(leaf)),
			  .issuer = ca.issuer_der,
			  .issuer_size = ca.issuer_size,
			  .url = url,
			  .time_ms = time_ms};

	*ret_outcome = (struct outcome){.why = {""}};
	ret_outcome->code =
		ask_responder(&ask, &ret_outcome->response, ret_outcome->url, &ret_outcome->why);
}

static const char *const nobody[] = {NULL};

/* Asks a responder of FAMILY that says ANSWER, and, where IS_SILENT, then nothing more. */
static void ask_one(int family, const void *answer, size_t size, bool is_silent,
		    struct responder *responder, struct outcome *ret_outcome)
{
	char url[ASK_URL_MAX];

	*responder =
		(struct responder){.answer = answer, .answer_size = size, .is_silent = is_silent};
	responder_listen(responder, family);
	assert_int_equal(pthread_create(&responder->thread, NULL, responder_serve, responder), 0);
	responder_url(responder, url, sizeof(url));
	ask_for(nobody, url, is_silent ? SHORT_MS : 0, ret_outcome);
	responder_stop(responder);
}

static void fails(const char *answer, size_t size, bool is_silent, int code, const char *words)
{
	struct responder responder;
	struct outcome outcome;

	ask_one(AF_INET, answer, size, is_silent, &responder, &outcome);
	if (outcome.code != code || !strstr(outcome.why.text, words))
		fail_msg("%.60s: %d, %s", answer, outcome.code, outcome.why.text);
	assert_int_equal(responder.n_asked, 1);
	assert_non_null(strstr(outcome.why.text, outcome.url));
	outcome_done(&outcome);
}

/* ---- tests ---- */

#define GOOD                                                                                       \
	"HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: "           \
	"3\r\n\r\nyes"

static void is_question_about_the_leaf(const struct responder *responder)
{
	gnutls_datum_t der = {(unsigned char *)(uintptr_t)responder->request + responder->head_size,
			      (unsigned)(responder->request_size - responder->head_size)};
	gnutls_datum_t serial = {NULL, 0};
	gnutls_digest_algorithm_t digest;
	gnutls_ocsp_req_t question;

	assert_int_equal(gnutls_ocsp_req_init(&question), 0);
	assert_int_equal(gnutls_ocsp_req_import(question, &der), 0);
	assert_int_equal(gnutls_ocsp_req_get_cert_id(question, 0, &digest, NULL, NULL, &serial), 0);
	assert_int_equal(digest, GNUTLS_DIG_SHA1);
	assert_int_equal(serial.size, 1);
	assert_int_equal(serial.data[0], 77);
	gnutls_free(serial.data);
	gnutls_ocsp_req_deinit(question);
}

static void is_answered(const struct outcome *outcome, const char *url)
{
	if (outcome->code < 0)
		fail_msg("%s: %s", url, outcome->why.text);
	assert_int_equal(outcome->response.size, 3);
	assert_memory_equal(outcome->response.data, "yes", 3);
	assert_string_equal(outcome->url, url);
}

static void the_responder_that_the_certificate_names_is_asked(void **state)
{
	struct responder responder;
	struct outcome outcome;
	char url[ASK_URL_MAX];
	const char *const named[] = {"ldap://127.0.0.1/", "https://127.0.0.1/", url, NULL};

	(void)state;
	responder_start(&responder, AF_INET, GOOD, strlen(GOOD));
	responder_url(&responder, url, sizeof(url));
	ask_for(named, "", 0, &outcome);
	responder_stop(&responder);
	is_answered(&outcome, url);
	assert_ptr_equal(strstr(responder.request, "POST /ocsp HTTP/1.1\r\n"), responder.request);
	assert_non_null(
		strstr(responder.request, "\r\nContent-Type: application/ocsp-request\r\n"));
	assert_null(strstr(responder.request, "Expect:"));
	is_question_about_the_leaf(&responder);
	outcome_done(&outcome);
}

static void the_configurations_responder_is_asked_instead(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	const char *const named[] = {"http://127.0.0.1:1/other", NULL};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct responder responder;
		struct outcome outcome;
		char url[ASK_URL_MAX];

		responder_start(&responder, families[i], GOOD, strlen(GOOD));
		responder_url(&responder, url, sizeof(url));
		ask_for(named, url, 0, &outcome);
		responder_stop(&responder);
		is_answered(&outcome, url);
		outcome_done(&outcome);
	}
}

static void no_proxy_is_asked(void **state)
{
	struct responder responder;
	struct outcome outcome;

	(void)state;
	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1/", 1), 0);
	assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:1/", 1), 0);
	ask_one(AF_INET, GOOD, strlen(GOOD), false, &responder, &outcome);
	(void)unsetenv("http_proxy");
	(void)unsetenv("ALL_PROXY");
	assert_int_equal(outcome.code, 0);
	outcome_done(&outcome);
}

static void a_redirect_is_not_followed(void **state)
{
	static const char *const codes[] = {"301", "302", "303", "307", "308"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		char answer[256];

		(void)snprintf(
			answer, sizeof(answer),
			"HTTP/1.1 %s Moved\r\nLocation: /elsewhere\r\nContent-Length: 3\r\n\r\n"
			"yes",
			codes[i]);
		fails(answer, strlen(answer), false, ERR_UNSUPPORTED, "sends to another place");
	}
}

static void a_status_that_is_no_answer_is_said(void **state)
{
	static const char *const codes[] = {"204", "404", "503"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		char answer[256];

		(void)snprintf(answer, sizeof(answer),
			       "HTTP/1.1 %s No\r\nContent-Length: 0\r\n\r\n", codes[i]);
		fails(answer, strlen(answer), false, ERR_UNSUPPORTED, codes[i]);
	}
}

/* HEAD, and SIZE bytes behind it. */
static void sized(const char *head, size_t size, char fill, struct buf *ret_answer)
{
	assert_int_equal(buf_append(ret_answer, head, strlen(head)), 0);
	assert_int_equal(buf_reserve(ret_answer, size), 0);
	memset(ret_answer->data + ret_answer->size, fill, size);
	ret_answer->size += size;
}

static void an_answer_has_bounds(void **state)
{
	static const char open_end[] = "HTTP/1.0 200 OK\r\n\r\n";
	_cleanup_(buf_done) struct buf fits = {0}, larger = {0}, head = {0};
	struct responder responder;
	struct outcome outcome;

	(void)state;
	sized(open_end, ASK_RESPONSE_MAX, 'x', &fits);
	ask_one(AF_INET, fits.data, fits.size, false, &responder, &outcome);
	assert_int_equal(outcome.code, 0);
	assert_int_equal(outcome.response.size, ASK_RESPONSE_MAX);
	outcome_done(&outcome);
	sized(open_end, ASK_RESPONSE_MAX + 1, 'x', &larger);
	fails((const char *)larger.data, larger.size, false, ERR_TOO_LARGE, "larger than 65536");
	/* Without an end, too. */
	sized("HTTP/1.1 200 OK\r\nX-Long: ", ASK_HEAD_MAX + 1, 'x', &head);
	sized("\r\nContent-Length: 0\r\n\r\n", 0, 'x', &head);
	fails((const char *)head.data, head.size, false, ERR_TOO_LARGE, "larger than 65536");
}

static void who_is_slow_is_given_up(void **state)
{
	static const char *const answers[] = {"", "HTTP/1.1 200",
					      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nye"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		fails(answers[i], strlen(answers[i]), true, ERR_TIMEOUT, "did not answer within");
}

static void half_an_answer_is_none(void **state)
{
	static const char *const answers[] = {
		"",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nye",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n",
		"\x15\x03\x01\x00\x02\x02\x28",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		fails(answers[i], strlen(answers[i]), false, ERR_CLOSED, "cannot be asked");
}

static void not_asked(const char *url, int code, const char *words)
{
	struct outcome outcome;

	ask_for(nobody, url, SHORT_MS, &outcome);
	if (outcome.code != code || !strstr(outcome.why.text, words))
		fail_msg("%s: %d, %s", url, outcome.code, outcome.why.text);
	outcome_done(&outcome);
}

static void what_is_no_place_is_not_asked(void **state)
{
	static const char *const urls[] = {
		"https://127.0.0.1/", "file:///etc/passwd",	"ftp://127.0.0.1/",   "http://",
		"http://a b/",	      "http://root@127.0.0.1/", "http://\n127.0.0.1/"};
	char longest[ASK_URL_MAX + 1] = "http://";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++)
		not_asked(urls[i], ERR_UNSUPPORTED, "begins with http://");
	memset(longest + strlen(longest), 'a', sizeof(longest) - 1 - strlen(longest));
	not_asked(longest, ERR_UNSUPPORTED, "begins with http://");
	/* What only looks like one. */
	not_asked("http:///ocsp", ERR_CLOSED, "cannot be asked");
	not_asked("http://127.0.0.1:99999/", ERR_CLOSED, "cannot be asked");
	not_asked("http://[::1/", ERR_CLOSED, "cannot be asked");
}

static void nobody_is_there(void **state)
{
	struct responder responder = {.fd = -1};
	char url[ASK_URL_MAX];

	(void)state;
	/* A port that was just free. */
	responder_listen(&responder, AF_INET);
	(void)close(responder.fd);
	responder_url(&responder, url, sizeof(url));
	not_asked(url, ERR_CLOSED, "cannot be asked");
}

static void a_certificate_that_names_no_responder_says_so(void **state)
{
	const char *const other[] = {"https://127.0.0.1/", NULL};
	struct outcome outcome;

	(void)state;
	ask_for(nobody, "", 0, &outcome);
	assert_int_equal(outcome.code, ERR_NOT_FOUND);
	assert_non_null(strstr(outcome.why.text, "names no OCSP responder"));
	assert_string_equal(outcome.url, "");
	ask_for(other, "", 0, &outcome);
	assert_int_equal(outcome.code, ERR_NOT_FOUND);
	assert_non_null(strstr(outcome.why.text, "but not by http://"));
}

static void what_is_no_certificate_is_not_asked_about(void **state)
{
	static const uint8_t garbage[] = "garbage";
	struct ask asks[] = {
		{garbage, ca.issuer_der, sizeof(garbage), ca.issuer_size, "http://127.0.0.1:1/", 0},
		{ca.issuer_der, garbage, ca.issuer_size, sizeof(garbage), "http://127.0.0.1:1/", 0},
		{ca.issuer_der, ca.issuer_der, 0, ca.issuer_size, "http://127.0.0.1:1/", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
		struct outcome outcome = {.why = {""}};

		assert_int_equal(
			ask_responder(&asks[i], &outcome.response, outcome.url, &outcome.why),
			ERR_MALFORMED);
		assert_string_equal(outcome.url, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_responder_that_the_certificate_names_is_asked),
		cmocka_unit_test(the_configurations_responder_is_asked_instead),
		cmocka_unit_test(no_proxy_is_asked),
		cmocka_unit_test(a_redirect_is_not_followed),
		cmocka_unit_test(a_status_that_is_no_answer_is_said),
		cmocka_unit_test(an_answer_has_bounds),
		cmocka_unit_test(who_is_slow_is_given_up),
		cmocka_unit_test(half_an_answer_is_none),
		cmocka_unit_test(what_is_no_place_is_not_asked),
		cmocka_unit_test(nobody_is_there),
		cmocka_unit_test(a_certificate_that_names_no_responder_says_so),
		cmocka_unit_test(what_is_no_certificate_is_not_asked_about),
	};

	return cmocka_run_group_tests(tests, ca_make, ca_done);
}
