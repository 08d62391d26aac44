/* SPDX-License-Identifier: Apache-2.0 */
/* Walks over the body once a name and allocates nothing, so that a password has one copy. */
#include "front/http/form.h"

#include <stdbool.h>
#include <string.h>

#include "base/err.h"

#define NAME_MAX_SIZE 64

struct piece {
	const char *data;
	size_t size;
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The next byte of PIECE at *AT, which moves on; -1: not encoded as it must be. */
static int byte_next(struct piece piece, size_t *at)
{
	char c = piece.data[(*at)++];
	int high, low;

	if (c == '+')
		return ' ';
	if (c != '%')
		return (unsigned char)c;
	if (piece.size - *at < 2)
		return -1;
	high = hex_digit(piece.data[*at]);
	low = hex_digit(piece.data[*at + 1]);
	*at += 2;
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static int decode(struct piece piece, char *ret_text, size_t size)
{
	size_t n = 0;

	for (size_t at = 0; at < piece.size;) {
		int c = byte_next(piece, &at);

		if (c < 0x20 || c == 0x7f)
			return ERR_MALFORMED;
		if (n + 1 >= size)
			return ERR_TOO_LARGE;
		ret_text[n++] = (char)c;
	}
	ret_text[n] = '\0';
	return 0;
}

static struct piece piece_until(struct piece *rest, char end)
{
	const char *found = rest->size ? memchr(rest->data, end, rest->size) : NULL;
	struct piece piece = {rest->data, found ? (size_t)(found - rest->data) : rest->size};
	size_t used = piece.size + (found ? 1 : 0);

	rest->data += used;
	rest->size -= used;
	return piece;
}

int form_find(const void *data, size_t data_size, const char *name, char *ret_value, size_t size)
{
	struct piece rest = {data, data_size};
	bool is_found = false;
	int r = 0;

	ret_value[0] = '\0';
	while (rest.size > 0 && r == 0) {
		struct piece value = piece_until(&rest, '&');
		struct piece key = piece_until(&value, '=');
		char text[NAME_MAX_SIZE];

		if (decode(key, text, sizeof(text)) < 0 || strcmp(text, name) != 0)
			continue;
		r = is_found ? ERR_MALFORMED : decode(value, ret_value, size);
		is_found = true;
	}
	if (r < 0)
		ret_value[0] = '\0';
	return r == 0 && !is_found ? ERR_NOT_FOUND : r;
}
