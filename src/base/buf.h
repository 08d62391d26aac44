/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A growable byte buffer. Zeroed ({0}) is empty and valid. Never grows past INT32_MAX bytes. */
struct buf {
	uint8_t *data;
	size_t size;
	size_t capacity;
};

/* Frees the bytes and leaves BUF empty; takes NULL and an empty one. */
void buf_done(struct buf *buf);
/* As buf_done, but wipes the bytes first: for buffers that held a secret. */
void buf_wipe(struct buf *buf);
/* Empties BUF, keeping its capacity. */
void buf_clear(struct buf *buf);
/* Makes room for EXTRA more bytes; there is a DATA then, also for none, so that DATA + SIZE is
 * always something. Errors: -ENOMEM. BUF is unchanged on failure. */
int buf_reserve(struct buf *buf, size_t extra);
/* Appends SIZE bytes. Errors: -ENOMEM. */
int buf_append(struct buf *buf, const void *data, size_t size);
/* Appends a formatted text without its NUL. Errors: -ENOMEM. */
int buf_append_format(struct buf *buf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Removes SIZE (<= buf->size) bytes from the front. */
void buf_consume(struct buf *buf, size_t size);
/* NUL-terminates (not counted) and returns the text, borrowed; NULL when out of memory. */
const char *buf_text(struct buf *buf);
