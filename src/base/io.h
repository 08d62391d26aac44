/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct buf;

/* Writes all SIZE bytes to a blocking FD, retrying on EINTR and short writes. Errors: -errno. */
int io_write_full(int fd, const void *data, size_t size);
/*
 * Appends what is left to read of FD to BUF. Errors: -errno, -ENOMEM, ERR_TOO_LARGE when there are
 * more than LIMIT bytes (BUF then holds up to LIMIT of them).
 */
int io_read_all(int fd, size_t limit, struct buf *buf);
/* Reads a whole file by name; errors as io_read_all. */
int io_read_file(const char *path, size_t limit, struct buf *buf);
/*
 * Replaces the file atomically and durably: temporary file beside it, write, fsync, rename, fsync
 * of the directory. On failure the old file is as it was. Errors: -errno.
 */
int io_replace_file(const char *path, mode_t mode, const void *data, size_t size);
/* Makes the names in PATH's folder durable. Errors: -errno. */
int io_sync_parent(const char *path);
/* Sets O_NONBLOCK. Errors: -errno. */
int io_set_nonblocking(int fd);
