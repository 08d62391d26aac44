/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/*
 * The value of NAME in a form's body (application/x-www-form-urlencoded, as in the WHATWG's URL
 * standard section 5.1), decoded, NUL-terminated, into RET_VALUE of SIZE bytes. Errors:
 * ERR_NOT_FOUND; ERR_MALFORMED (a percent sign without two digits, a control character, or the name
 * twice: whose value would hold is anybody's guess); ERR_TOO_LARGE. RET_VALUE is empty then.
 */
int form_find(const void *data, size_t data_size, const char *name, char *ret_value, size_t size);
