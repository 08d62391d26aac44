/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#define WHY_TEXT_MAX 512

/*
 * What a person needs to know about a failure: what happened, to what, and what to do next. Fixed
 * size, so that reporting an error cannot fail. Optional wherever it is a parameter (NULL: not
 * wanted).
 */
struct why {
	char text[WHY_TEXT_MAX];
};

/* Writes the sentence (cut at WHY_TEXT_MAX-1 bytes, control characters and what is no UTF-8
 * replaced by
 * '?') and returns
 * CODE. */
int why_set(struct why *ret_why, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
