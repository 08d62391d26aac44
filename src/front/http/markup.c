/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http/markup.h"

#include <string.h>

static const char *escape_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		break;
	}
	return ((unsigned char)c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? "?" : NULL;
}

int markup_text(struct buf *bytes, const char *text)
{
	int r = 0;

	for (; *text && r == 0; text++) {
		const char *escape = escape_of(*text);

		r = escape ? markup_raw(bytes, escape) : buf_append(bytes, text, 1);
	}
	return r;
}

int markup_raw(struct buf *bytes, const char *markup)
{
	return buf_append(bytes, markup, strlen(markup));
}

int markup_piece(struct buf *bytes, const char *before, const char *text, const char *after)
{
	int r = markup_raw(bytes, before);

	if (r == 0)
		r = markup_text(bytes, text);
	return r == 0 ? markup_raw(bytes, after) : r;
}
