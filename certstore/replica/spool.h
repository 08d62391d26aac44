/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "certstore/store/store.h"

/*
 * Items of a stage, one behind the other, in memory and in a file without a name, which goes away
 * with its descriptor, whatever happens to this process. It holds nothing that is not sealed.
 * Internal to the stage.
 */
/* What is gathered in memory: with one item more still no more than the power of two that a buffer
 * grows to. */
#define SPOOL_CHUNK (1u * 1024 * 1024 - 2u * STORE_VALUE_MAX)

/* A view into what it was read from. */
struct spool_item {
	const char *key; /* not NUL-terminated */
	size_t key_size;
	const uint8_t *value; /* NULL: deleted */
	size_t value_size;
	const uint8_t *digest; /* STORE_DIGEST_SIZE bytes; of a deletion zeros */
};

typedef int (*spool_fn)(const struct spool_item *item, void *userdata);

/* Appends ITEM to BUF. DIGEST may be NULL where it is deleted. Errors: -ENOMEM. */
int spool_pack(struct buf *buf, const struct spool_item *item);
/* Calls FN for each item in SIZE whole bytes of packed ones. A negative return of FN ends it. */
int spool_unpack(const uint8_t *data, size_t size, spool_fn fn, void *userdata);

/* A file in the folder: its descriptor, or -errno. */
int spool_open(int directory_fd);
/* Writes what is in BUF to the file's end and empties BUF. Errors: -ENOSPC, -errno. */
int spool_write(int fd, struct buf *buf);
/* As spool_unpack, of all that was written. Errors: -EIO (it ends within an item), -errno, -ENOMEM.
 */
int spool_read(int fd, spool_fn fn, void *userdata);
