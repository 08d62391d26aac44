/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "core/hello.h"

/* The plaintext of a hello (wire.Hello): the schema and the checked conversion. Private to the
 * codec and its tests. */

/* Errors: ERR_TOO_LARGE. */
int hello_body_pack(const struct hello *hello, size_t max, uint8_t *ret_data, size_t *ret_size);
/* Errors: ERR_MALFORMED. RET_HELLO's boot and counter are left alone. */
int hello_body_unpack(const uint8_t *data, size_t size, struct hello *ret_hello);
