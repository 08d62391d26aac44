/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/why.h"

/*
 * The one-time code of `asafo pair`: 25 characters of Crockford's base32, 125 bits, so that no
 * guessing finds it. Everything that the two units need to find and believe each other once is
 * derived from it.
 */
#define PAIR_CODE_CHARACTERS 25
#define PAIR_CODE_SIZE (PAIR_CODE_CHARACTERS + 4 + 1) /* with dashes and NUL */

struct pair_keys {
	uint8_t link_psk[32];
	uint8_t offer_id[8];
	uint8_t seal_key[32];
};

/* "XXXXX-XXXXX-XXXXX-XXXXX-XXXXX". Errors: ERR_CRYPTO. */
int pair_code_make(char ret_code[static PAIR_CODE_SIZE]);
/*
 * From a code as a person types it: either case, O for 0, I and L for 1, dashes and spaces ignored.
 * Errors: ERR_MALFORMED with a sentence, ERR_CRYPTO.
 */
int pair_keys_derive(const char *code, struct pair_keys *ret_keys, struct why *ret_why);
