/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in a rendered line, and is nobody's who may only look: as an ASA shows it. */
#include <string.h>

#include "config/config.h"

static size_t after(const char *line, size_t size, const char *words)
{
	const char *at = memmem(line, size, words, strlen(words));

	return at ? (size_t)(at - line) + strlen(words) : size;
}

static bool begins(const char *line, size_t size, const char *words)
{
	return size >= strlen(words) && memcmp(line, words, strlen(words)) == 0;
}

size_t config_secret_at(const char *line, size_t size)
{
	if (begins(line, size, "username "))
		return after(line, size, " password ");
	return begins(line, size, " totp ") ? after(line, size, " totp ") : size;
}

bool config_is_masked(const char *value)
{
	return strcmp(value, CONFIG_MASK) == 0;
}

int config_mask(const char *text, struct buf *ret_text)
{
	int r = 0;

	while (r == 0 && *text) {
		size_t size = strcspn(text, "\n"), shown = config_secret_at(text, size);

		r = buf_append(ret_text, text, shown);
		if (r == 0 && shown < size)
			r = buf_append(ret_text, CONFIG_MASK, strlen(CONFIG_MASK));
		if (r == 0 && text[size] == '\n')
			r = buf_append(ret_text, "\n", 1);
		text += size + (text[size] == '\n');
	}
	return r;
}
