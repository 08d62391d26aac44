/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/secret.h"

/*
 * Texts that only the login key makes and reads: the secrets of second factors, as the
 * configuration has them (the keeper seals, the auth helper opens), and logins under way, which
 * clients carry between two requests. AES-256-GCM with a random nonce, in base64. Both units have
 * the key: it comes of the pair's key-encryption key.
 */
#define LOGINBOX_KEY_SIZE 32
#define LOGINBOX_OVERHEAD 28				    /* nonce and tag */
#define LOGINBOX_PURPOSE "asafo login"			    /* the key's derivation */
#define LOGINBOX_TEXT_MAX(size) (((size) + 30) / 3 * 4 + 1) /* with the NUL */

/* A second factor's secret, sealed for its user: "$t1$" and the box. */
#define LOGINBOX_TOTP_MARK "$t1$"
#define LOGINBOX_TOTP_MIN 10 /* bytes of the secret */
#define LOGINBOX_TOTP_MAX 60
#define LOGINBOX_TOTP_TEXT_MAX (sizeof(LOGINBOX_TOTP_MARK) + LOGINBOX_TEXT_MAX(LOGINBOX_TOTP_MAX))

/* CONTEXT (bound, not held) is what it must be opened with. Errors: ERR_CRYPTO, ERR_TOO_LARGE,
 * -ENOMEM. */
int loginbox_seal(const struct secret *key, const char *context, const void *plain, size_t size,
		  char *ret_text, size_t text_size);
/* Errors: ERR_MALFORMED, ERR_INTEGRITY (another key or context, or changed), ERR_TOO_LARGE,
 * ERR_CRYPTO. */
int loginbox_open(const struct secret *key, const char *context, const char *text, void *ret_plain,
		  size_t max, size_t *ret_size);

/* The same of a second factor's secret of USER. */
int loginbox_totp_seal(const struct secret *key, const char *user, const void *secret, size_t size,
		       char ret_text[static LOGINBOX_TOTP_TEXT_MAX]);
int loginbox_totp_open(const struct secret *key, const char *user, const char *text,
		       struct secret *ret_secret);
