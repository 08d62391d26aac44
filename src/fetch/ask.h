/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/why.h"

/*
 * Asks one OCSP responder (RFC 6960, by HTTP POST as its appendix A) about one certificate. Blocks,
 * for ASK_TIME_MAX_MS at most: for a process that has nothing else to do.
 */
#define ASK_TIME_MAX_MS 10000
#define ASK_CONNECT_TIME_MAX_MS 5000
#define ASK_RESPONSE_MAX (64u * 1024)
#define ASK_HEAD_MAX (16u * 1024)
#define ASK_URL_MAX 256

struct ask {
	const uint8_t *leaf, *issuer; /* DER, borrowed */
	size_t leaf_size, issuer_size;
	const char *url;  /* "": the one that the certificate names */
	unsigned time_ms; /* in all, less than ASK_TIME_MAX_MS; 0: that */
};

/*
 * What the responder answered, unread, and its URL (also on failure, empty where there is none).
 * Errors, each with a sentence: ERR_MALFORMED (the certificates), ERR_NOT_FOUND (the certificate
 * names no responder), ERR_UNSUPPORTED (the URL, the status, a redirect), ERR_TOO_LARGE,
 * ERR_TIMEOUT, ERR_CLOSED (nobody is there), -ENOMEM.
 */
int ask_responder(const struct ask *ask, struct buf *response, char ret_url[static ASK_URL_MAX],
		  struct why *ret_why);
