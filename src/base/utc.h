/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#define UTC_TEXT_MAX 40

/*
 * AT, seconds since 1970, for people: "2026-11-22 20:05:00 UTC"; one that no calendar has as the
 * bare number. Returns RET_TEXT.
 */
const char *utc_text(int64_t at, char ret_text[static UTC_TEXT_MAX]);
/* As an ASA's log has it: "20:05:00 UTC Nov 22 2026". */
const char *utc_log_text(int64_t at, char ret_text[static UTC_TEXT_MAX]);
