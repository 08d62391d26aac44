/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 6238 as authenticators do it: SHA-1, six digits, 30 seconds, T0 1970. */
#define TOTP_STEP_S 30
#define TOTP_DIGITS 6
#define TOTP_WINDOW 1 /* steps that a clock may be off, to either side */

/* The code of a time step. Errors: ERR_CRYPTO. */
int totp_code(const uint8_t *secret, size_t size, uint64_t step, uint32_t *ret_code);
/*
 * Whether CODE (six digits, spaces between them are passed over) is that of a step around NOW_S
 * (seconds since 1970) that comes behind AFTER, the last one that was used. Errors: ERR_DENIED,
 * ERR_CRYPTO. Takes as long for a wrong code as for a right one.
 */
int totp_check(const uint8_t *secret, size_t size, const char *code, int64_t now_s, uint64_t after,
	       uint64_t *ret_step);
