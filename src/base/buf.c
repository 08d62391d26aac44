/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_done(struct buf *buf)
{
	if (!buf)
		return;
	free(buf->data);
	*buf = (struct buf){0};
}

void buf_wipe(struct buf *buf)
{
	if (!buf)
		return;
	if (buf->data)
		explicit_bzero(buf->data, buf->capacity);
	buf_done(buf);
}

void buf_clear(struct buf *buf)
{
	buf->size = 0;
}

int buf_reserve(struct buf *buf, size_t extra)
{
	size_t wanted;
	size_t capacity = buf->capacity ? buf->capacity : 64;
	uint8_t *data;

	if (extra > INT32_MAX || buf->size > INT32_MAX - extra)
		return -ENOMEM;
	wanted = buf->size + extra;
	if (buf->data && wanted <= buf->capacity)
		return 0;
	while (capacity < wanted)
		capacity *= 2;
	/* Not realloc: bytes left behind in a freed block could be a secret. */
	data = malloc(capacity);
	if (!data)
		return -ENOMEM;
	if (buf->data) {
		memcpy(data, buf->data, buf->size);
		explicit_bzero(buf->data, buf->size);
		free(buf->data);
	}
	buf->data = data;
	buf->capacity = capacity;
	return 0;
}

int buf_append(struct buf *buf, const void *data, size_t size)
{
	int r = buf_reserve(buf, size);

	if (r < 0)
		return r;
	if (size > 0)
		memcpy(buf->data + buf->size, data, size);
	buf->size += size;
	return 0;
}

int buf_append_format(struct buf *buf, const char *format, ...)
{
	va_list args, again;
	int length, r;

	va_start(args, format);
	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	r = length < 0 ? -EINVAL : buf_reserve(buf, (size_t)length + 1);
	if (r == 0) {
		(void)vsnprintf((char *)buf->data + buf->size, (size_t)length + 1, format, again);
		buf->size += (size_t)length;
	}
	va_end(again);
	return r;
}

void buf_consume(struct buf *buf, size_t size)
{
	assert(size <= buf->size);
	if (size == 0)
		return;
	memmove(buf->data, buf->data + size, buf->size - size);
	buf->size -= size;
}

const char *buf_text(struct buf *buf)
{
	if (buf_reserve(buf, 1) < 0)
		return NULL;
	buf->data[buf->size] = 0;
	return (const char *)buf->data;
}
