/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "front/http/http_head.h"

#define COOKIE_NAME "webvpn"
#define COOKIE_SIZE 32	    /* random bytes */
#define COOKIE_TEXT_MAX 65  /* in hex, with the NUL */
#define COOKIE_HASH_SIZE 32 /* SHA-256 of the random bytes */

/*
 * The cookie that is a session. The client holds its random bytes; everybody else, on both units,
 * knows only their hash.
 */

/* Makes one. Errors: ERR_CRYPTO. */
int cookie_new(char ret_text[static COOKIE_TEXT_MAX], uint8_t ret_hash[static COOKIE_HASH_SIZE]);
/* The hash of a cookie's text. Errors: ERR_MALFORMED (not our form), ERR_CRYPTO. */
int cookie_hash(struct http_text text, uint8_t ret_hash[static COOKIE_HASH_SIZE]);
/*
 * What a form of one's own page carries, and another site's cannot: made of the TAG of the hash of
 * the session's cookie (ipc/vpn.h), the same on both units. Errors: ERR_CRYPTO.
 */
int cookie_proof(const uint8_t tag[static COOKIE_HASH_SIZE], char ret_text[static COOKIE_TEXT_MAX]);
/*
 * The value of the cookie NAME among all Cookie headers (RFC 6265 section 4.2). Errors:
 * ERR_NOT_FOUND; ERR_MALFORMED (it is there twice with two values).
 */
int cookie_find(const struct http_head *head, const char *name, struct http_text *ret_value);
/* The hash of the session's cookie in this request. Errors: those of cookie_find and cookie_hash.
 */
int cookie_of_request(const struct http_head *head, uint8_t ret_hash[static COOKIE_HASH_SIZE]);
