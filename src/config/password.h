/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"

/* Seals SECRET of USER's second factor, for who is allowed to. Errors: any; the text stays then. */
typedef int (*config_seal_fn)(const char *user, const char *secret, struct buf *ret_text,
			      void *userdata);

/*
 * Appends TEXT, lines of the configuration, to RET_TEXT with each password of `username NAME
 * password PASSWORD` that is in clear replaced by its hash (yescrypt), and with each secret of
 * `totp SECRET` below `username NAME attributes` sealed by SEAL (NULL: they stay). What is not
 * understood stays as it is: whoever applies the lines says what is wrong. Takes some 20 ms for
 * each password: not in the engine once it serves. Errors: ERR_CRYPTO (there is no yescrypt),
 * -ENOMEM, SEAL's.
 */
int config_hash_passwords(const char *text, size_t size, config_seal_fn seal, void *userdata,
			  struct buf *ret_text);
