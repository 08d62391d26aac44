/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"

/* Text for HTML and XML, between tags and within quoted attributes: nothing of it is markup
 * afterwards. What XML cannot hold (control characters) becomes '?'. Errors: -ENOMEM. */
int markup_text(struct buf *bytes, const char *text);
/* BEFORE and AFTER are our own markup, TEXT is anyone's. */
int markup_piece(struct buf *bytes, const char *before, const char *text, const char *after);
/* Our own markup alone. */
int markup_raw(struct buf *bytes, const char *markup);
