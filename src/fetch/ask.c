/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With libcurl, of which HTTP without TLS is all that is used: what comes is signed, and who
 * answers for a certificate cannot be asked over TLS that needs an answer first. No redirect is
 * followed: the place to ask is in the certificate, or in the configuration.
 */
#include "fetch/ask.h"

#include <curl/curl.h>
#include <errno.h>
#include <gnutls/ocsp.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"

#define ACCESS_MAX 16 /* places that a certificate names, for whatever */

CLEANUP_DEFINE(CURL *, curl_easy_cleanup)
CLEANUP_DEFINE(struct curl_slist *, curl_slist_free_all)
CLEANUP_DEFINE(gnutls_x509_crt_t, gnutls_x509_crt_deinit)
CLEANUP_DEFINE(gnutls_ocsp_req_t, gnutls_ocsp_req_deinit)

/* ---- the question ---- */

static int read_certificate(const uint8_t *der, size_t size, gnutls_x509_crt_t *ret_certificate)
{
	gnutls_datum_t datum = {(unsigned char *)(uintptr_t)der, (unsigned)size};
	gnutls_x509_crt_t certificate = NULL;

	if (size == 0 || size > INT32_MAX || gnutls_x509_crt_init(&certificate) < 0)
		return ERR_MALFORMED;
	if (gnutls_x509_crt_import(certificate, &datum, GNUTLS_X509_FMT_DER) < 0) {
		gnutls_x509_crt_deinit(certificate);
		return ERR_MALFORMED;
	}
	*ret_certificate = certificate;
	return 0;
}

static bool is_usable_url(const char *url, size_t size)
{
	static const char scheme[] = "http://";

	if (size >= ASK_URL_MAX || size < sizeof(scheme) ||
	    strncasecmp(url, scheme, sizeof(scheme) - 1) != 0)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (url[i] <= ' ' || url[i] > '~' || url[i] == '@')
			return false;
	}
	return true;
}

/* The first responder that the certificate names (RFC 5280 section 4.2.2.1). */
static int find_url(gnutls_x509_crt_t leaf, char ret_url[static ASK_URL_MAX], struct why *why)
{
	bool is_named = false;

	for (unsigned i = 0; i < ACCESS_MAX; i++) {
		gnutls_datum_t uri = {NULL, 0};
		int r = gnutls_x509_crt_get_authority_info_access(leaf, i, GNUTLS_IA_OCSP_URI, &uri,
								  NULL);
		bool is_usable = r >= 0 && is_usable_url((const char *)uri.data, uri.size);

		if (is_usable)
			(void)snprintf(ret_url, ASK_URL_MAX, "%.*s", (int)uri.size,
				       (const char *)uri.data);
		is_named = is_named || r >= 0;
		gnutls_free(uri.data);
		if (is_usable)
			return 0;
		if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
	}
	return why_set(
		why, ERR_NOT_FOUND,
		is_named ? "the certificate names an OCSP responder, but not by http://: give "
			   "one (ocsp url)"
			 : "the certificate names no OCSP responder: its issuer may have none; "
			   "give one (ocsp url)");
}

static int choose_url(const struct ask *ask, gnutls_x509_crt_t leaf,
		      char ret_url[static ASK_URL_MAX], struct why *why)
{
	if (!ask->url[0])
		return find_url(leaf, ret_url, why);
	if (!is_usable_url(ask->url, strlen(ask->url)))
		return why_set(why, ERR_UNSUPPORTED,
			       "a responder's URL begins with http:// and has at most %d visible "
			       "characters",
			       ASK_URL_MAX - 1);
	(void)snprintf(ret_url, ASK_URL_MAX, "%s", ask->url);
	return 0;
}

/* By SHA-1, which every responder knows (RFC 5019 section 2.1.1), and without a nonce: the answer
 * is for many clients. */
static int make_request(gnutls_x509_crt_t leaf, gnutls_x509_crt_t issuer, struct buf *request)
{
	_cleanup_(gnutls_ocsp_req_deinit_p) gnutls_ocsp_req_t question = NULL;
	gnutls_datum_t der = {NULL, 0};
	int r;

	if (gnutls_ocsp_req_init(&question) < 0)
		return -ENOMEM;
	if (gnutls_ocsp_req_add_cert(question, GNUTLS_DIG_SHA1, issuer, leaf) < 0 ||
	    gnutls_ocsp_req_export(question, &der) < 0)
		return ERR_MALFORMED;
	r = buf_append(request, der.data, der.size);
	gnutls_free(der.data);
	return r;
}

/* ---- the answer ---- */

struct transfer {
	struct buf *response;
	size_t head_size;
	bool is_too_large;
};

static size_t on_body(char *data, size_t size, size_t n, void *userdata)
{
	struct transfer *transfer = userdata;

	transfer->is_too_large = transfer->response->size + size * n > ASK_RESPONSE_MAX;
	if (transfer->is_too_large || buf_append(transfer->response, data, size * n) < 0)
		return 0;
	return size * n;
}

static size_t on_head(char *data, size_t size, size_t n, void *userdata)
{
	struct transfer *transfer = userdata;

	(void)data;
	transfer->head_size += size * n;
	transfer->is_too_large = transfer->head_size > ASK_HEAD_MAX;
	return transfer->is_too_large ? 0 : size * n;
}

static int why_failed(CURLcode code, const char *text, const struct transfer *transfer,
		      const char *url, struct why *why)
{
	if (transfer->is_too_large)
		return why_set(why, ERR_TOO_LARGE, "the answer of %s is larger than %u bytes", url,
			       ASK_RESPONSE_MAX);
	if (code == CURLE_OUT_OF_MEMORY)
		return why_set(why, -ENOMEM, "out of memory");
	if (code == CURLE_OPERATION_TIMEDOUT)
		return why_set(why, ERR_TIMEOUT, "%s did not answer within %d s", url,
			       ASK_TIME_MAX_MS / 1000);
	return why_set(why, ERR_CLOSED, "%s cannot be asked: %s", url,
		       text[0] ? text : curl_easy_strerror(code));
}

static int check_status(long status, const char *url, struct why *why)
{
	if (status == 200)
		return 0;
	if (status >= 300 && status < 400)
		return why_set(
			why, ERR_UNSUPPORTED,
			"%s sends to another place (HTTP status %ld), which is not followed: "
			"give that one's URL (ocsp url)",
			url, status);
	return why_set(why, ERR_UNSUPPORTED, "%s answers with HTTP status %ld", url, status);
}

static int configure(CURL *curl, const char *url, unsigned time_ms, const struct buf *request,
		     struct transfer *transfer)
{
	unsigned r = curl_easy_setopt(curl, CURLOPT_URL, url);

	r |= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
	r |= curl_easy_setopt(curl, CURLOPT_PROXY, "");
	r |= curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	r |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	/* A name server that is silent is not waited for beyond the limits below. */
	r |= curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
	r |= curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	r |= curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)time_ms);
	r |= curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)ASK_CONNECT_TIME_MAX_MS);
	r |= curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)request->data);
	r |= curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->size);
	r |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	r |= curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	r |= curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_head);
	r |= curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
	return r == CURLE_OK ? 0 : -ENOMEM;
}

static struct curl_slist *make_headers(void)
{
	static const char *const lines[] = {"Content-Type: application/ocsp-request",
					    "Accept: application/ocsp-response", "Expect:"};
	struct curl_slist *headers = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct curl_slist *longer = curl_slist_append(headers, lines[i]);

		if (!longer) {
			curl_slist_free_all(headers);
			return NULL;
		}
		headers = longer;
	}
	return headers;
}

static int post(const char *url, unsigned time_ms, const struct buf *request, struct buf *response,
		struct why *why)
{
	_cleanup_(curl_easy_cleanup_p) CURL *curl = curl_easy_init();
	_cleanup_(curl_slist_free_all_p) struct curl_slist *headers = make_headers();
	struct transfer transfer = {.response = response};
	char text[CURL_ERROR_SIZE] = "";
	long status = 0;
	CURLcode code;

	if (!curl || !headers || configure(curl, url, time_ms, request, &transfer) < 0 ||
	    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text) != CURLE_OK)
		return why_set(why, -ENOMEM, "out of memory");
	code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		return why_failed(code, text, &transfer, url, why);
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	return check_status(status, url, why);
}

int ask_responder(const struct ask *ask, struct buf *response, char ret_url[static ASK_URL_MAX],
		  struct why *ret_why)
{
	_cleanup_(gnutls_x509_crt_deinit_p) gnutls_x509_crt_t leaf = NULL, issuer = NULL;
	_cleanup_(buf_done) struct buf request = {0};
	int r = read_certificate(ask->leaf, ask->leaf_size, &leaf);

	ret_url[0] = '\0';
	if (r == 0)
		r = read_certificate(ask->issuer, ask->issuer_size, &issuer);
	if (r < 0)
		return why_set(ret_why, r, "the certificate or its issuer's cannot be read");
	r = choose_url(ask, leaf, ret_url, ret_why);
	if (r < 0)
		return r;
	r = make_request(leaf, issuer, &request);
	if (r < 0)
		return why_set(ret_why, r, "no OCSP request can be made for the certificate");
	return post(ret_url, ask->time_ms ? ask->time_ms : ASK_TIME_MAX_MS, &request, response,
		    ret_why);
}
