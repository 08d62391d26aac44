/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* RFC 4648 section 6, as authenticators show and take secrets: no padding, either case, and spaces
 * or hyphens between groups. */
#define BASE32_TEXT_MAX(size) (((size)*8 + 4) / 5 + 1)

/* Upper case, without padding, NUL-terminated: BASE32_TEXT_MAX(SIZE) bytes. */
void base32_encode(const uint8_t *data, size_t size, char *ret_text);
/* Errors: ERR_MALFORMED (another character, bits left over that are not 0), ERR_TOO_LARGE (more
 * than MAX bytes). RET_DATA may be touched then. */
int base32_decode(const char *text, size_t text_size, uint8_t *ret_data, size_t max,
		  size_t *ret_size);
