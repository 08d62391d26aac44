/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Writes 2*SIZE lower-case hex digits and a NUL into RET_TEXT (2*SIZE+1 bytes). */
void hex_encode(const uint8_t *data, size_t size, char *ret_text);
/* Reads exactly 2*SIZE hex digits (either case) and a NUL. Errors: ERR_MALFORMED. RET_DATA is
 * untouched then. */
int hex_decode(const char *text, size_t size, uint8_t *ret_data);
