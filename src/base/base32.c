/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base32.h"

#include <string.h>

#include "base/err.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void base32_encode(const uint8_t *data, size_t size, char *ret_text)
{
	uint32_t bits = 0;
	unsigned n = 0;

	for (size_t i = 0; i < size; i++) {
		bits = bits << 8 | data[i];
		n += 8;
		while (n >= 5) {
			n -= 5;
			*ret_text++ = alphabet[bits >> n & 31];
		}
		bits &= (1u << n) - 1;
	}
	if (n > 0)
		*ret_text++ = alphabet[bits << (5 - n) & 31];
	*ret_text = '\0';
}

static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

int base32_decode(const char *text, size_t text_size, uint8_t *ret_data, size_t max,
		  size_t *ret_size)
{
	uint32_t bits = 0;
	unsigned n = 0;
	size_t size = 0, end = text_size;

	while (end > 0 && text[end - 1] == '=')
		end--;
	for (size_t i = 0; i < end; i++) {
		int digit = digit_of(text[i]);

		if (text[i] == ' ' || text[i] == '-')
			continue;
		if (digit < 0)
			return ERR_MALFORMED;
		bits = (bits << 5 | (uint32_t)digit) & 0xfff;
		n += 5;
		if (n < 8)
			continue;
		n -= 8;
		if (size == max)
			return ERR_TOO_LARGE;
		ret_data[size++] = (uint8_t)(bits >> n);
	}
	if (n >= 5 || (bits & ((1u << n) - 1)) != 0)
		return ERR_MALFORMED;
	*ret_size = size;
	return 0;
}
