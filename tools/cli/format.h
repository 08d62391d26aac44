/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Numbers as people read them. Each writes a text of at most 63 bytes into RET_TEXT and returns it.
 */
struct format_text {
	char text[64];
};

/* "3d 4h", "5h 12m", "12m 5s", "7s"; negative spans as 0s. */
const char *format_duration(int64_t seconds, struct format_text *ret_text);
/* "812 B", "4.1 KiB", "1.0 MiB". */
const char *format_bytes(int64_t bytes, struct format_text *ret_text);
/* "850 ms", "1.2 s", "3m 4s". */
const char *format_ms(int64_t ms, struct format_text *ret_text);
/* As an ASA: "07:14:34 UTC Oct 10 2023", in the local time zone. */
const char *format_time(int64_t unix_seconds, struct format_text *ret_text);
/* "2027-10-10". */
const char *format_date(int64_t unix_seconds, struct format_text *ret_text);
/* The first N digits of a fingerprint and an ellipsis, where there are more. */
const char *format_digest(const char *hex, size_t n, struct format_text *ret_text);
