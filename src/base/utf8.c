/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

/* What is not seen itself and turns what is around it: directions of writing (UAX #9), marks that
 * hide in a name, separators of lines, tags. Joiners stay: words of some scripts need them. */
static bool is_deceptive(uint32_t value)
{
	return value == 0x061c || value == 0x200b || value == 0x200e || value == 0x200f ||
	       (value >= 0x2028 && value <= 0x202e) || (value >= 0x2060 && value <= 0x206f) ||
	       value == 0xfeff || (value >= 0xfff9 && value <= 0xfffb) ||
	       (value >= 0xe0000 && value <= 0xe007f);
}

size_t utf8_length(const uint8_t *at, size_t left)
{
	uint32_t value;
	size_t n;

	if (*at < 0x80)
		return 1;
	if (*at < 0xc2 || *at > 0xf4)
		return 0;
	n = *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	value = *at & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (at[i] & 0x3f);
	}
	if ((n == 3 && value < 0x800) || (n == 4 && value < 0x10000) || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	return value < 0xa0 || is_deceptive(value) ? 0 : n;
}

void utf8_clean(char *text)
{
	size_t left = strlen(text);

	for (uint8_t *at = (uint8_t *)text; left > 0;) {
		size_t n = *at < 0x20 || *at == 0x7f ? 0 : utf8_length(at, left);

		if (n == 0) {
			*at = '?';
			n = 1;
		}
		at += n;
		left -= n;
	}
}

/* Without a mark, as iconv writes it: two visible characters of ASCII, each in two bytes. No DER
 * begins so. */
static bool is_wide(const uint8_t *data, size_t size, size_t zero)
{
	return size >= 4 && data[zero] == 0 && data[zero + 2] == 0 && data[!zero] > 0x20 &&
	       data[!zero] < 0x7f && data[!zero + 2] >= 0x20 && data[!zero + 2] < 0x7f;
}

int utf8_unmark(const uint8_t *data, size_t size, struct buf *ret_text)
{
	static const uint8_t marks[][3] = {{0xef, 0xbb, 0xbf}, {0xff, 0xfe}, {0xfe, 0xff}};
	bool is_utf8 = size >= 3 && memcmp(data, marks[0], 3) == 0;
	bool is_little = size >= 2 && memcmp(data, marks[1], 2) == 0;
	bool is_big = size >= 2 && memcmp(data, marks[2], 2) == 0;
	size_t first = is_little || is_big ? 2 : 0;
	int r;

	if (is_utf8)
		return buf_append(ret_text, data + 3, size - 3);
	is_little = is_little || is_wide(data, size, 1);
	is_big = is_big || is_wide(data, size, 0);
	r = is_little || is_big ? buf_reserve(ret_text, size / 2) : 0;
	for (size_t i = first; r == 0 && (is_little || is_big) && i + 1 < size; i += 2) {
		uint8_t low = data[is_little ? i : i + 1], high = data[is_little ? i + 1 : i];

		ret_text->data[ret_text->size++] = high == 0 && low < 0x80 ? low : '?';
	}
	return r;
}
