/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"

/*
 * Appends TEXT, lines of the configuration, to RET_TEXT with each password of `username NAME
 * password PASSWORD` that is in clear replaced by its hash (yescrypt). What is not understood stays
 * as it is: whoever applies the lines says what is wrong. Takes some 20 ms for each password: not
 * in the engine once it serves. Errors: ERR_CRYPTO (there is no yescrypt), -ENOMEM.
 */
int config_hash_passwords(const char *text, size_t size, struct buf *ret_text);
