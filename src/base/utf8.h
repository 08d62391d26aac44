/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Length of the well-formed UTF-8 character at AT (RFC 3629), of which LEFT bytes (at least 1) are
 * there; 0: there is none, or it is a control character of those beyond ASCII (U+0080 to U+009F),
 * which steer some terminals, or one that is not seen and changes how others look (bidi). */
size_t utf8_length(const uint8_t *at, size_t left);
/*
 * A text as programs of Windows write it, with a byte order mark: appends it without, and UTF-16 as
 * ASCII, with '?' for what is none. UTF-16 may lack the mark where it begins with two characters of
 * ASCII. Other DATA without one is no such text: nothing is appended.
 * Errors: -ENOMEM.
 */
int utf8_unmark(const uint8_t *data, size_t size, struct buf *ret_text);
/* In place: '?' for each control character and each byte that is part of no character. */
void utf8_clean(char *text);
