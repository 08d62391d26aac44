/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the disk itself has. The system keeps the store's pages in memory and reads them there, so
 * that a bit that turned over below it is found when the machine starts again, which is when the
 * record is needed. So the file is read past that memory, and held against it. Where they differ
 * the disk gets the bytes again, provided that all of the store in memory is what was stored.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "certstore/store/store_private.h"

#define BLOCK 4096u /* what a read past the memory is aligned to, on any disk */

/* SIZE bytes, or up to the end; -EIO: the disk cannot read them. */
static ssize_t read_at(int fd, uint8_t *data, size_t size, uint64_t offset)
{
	ssize_t n;

	do
		n = pread(fd, data, size, (off_t)offset);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

struct look {
	int disk, memory; /* two ways to the same file */
	uint8_t *of_disk, *of_memory;
};

/* What both have of it; a file that grows has more in one of them. 1: it differs. */
static int compare(const struct look *look, uint64_t offset, size_t size, size_t *ret_size)
{
	ssize_t disk = read_at(look->disk, look->of_disk, size, offset);
	ssize_t memory = read_at(look->memory, look->of_memory, size, offset);

	if (memory < 0)
		return (int)memory;
	*ret_size = (size_t)memory;
	if (disk == -EIO)
		return 1;
	if (disk < 0)
		return (int)disk;
	if (disk < memory)
		*ret_size = (size_t)disk;
	return memcmp(look->of_disk, look->of_memory, *ret_size) != 0;
}

static int check_memory(struct store *store)
{
	int r = 0;

	for (int is_unit = 0; is_unit < 2 && r == 0; is_unit++) {
		char after[STORE_KEY_MAX + 1] = "";

		r = store_scrub(store, is_unit, UINT_MAX, after);
	}
	return r;
}

/* The block that is in memory, once more onto the disk. */
static int mend(const struct look *look, uint64_t offset)
{
	size_t size = 0;
	ssize_t n = read_at(look->memory, look->of_memory, BLOCK, offset);
	int r;

	if (n > 0)
		n = pwrite(look->memory, look->of_memory, (size_t)n, (off_t)offset);
	if (n < 0 || fdatasync(look->memory) < 0)
		return -errno;
	r = compare(look, offset, BLOCK, &size);
	return r == 1 ? ERR_INTEGRITY : r;
}

static int check_blocks(struct store *store, const struct look *look, uint64_t offset,
			struct store_disk_fault *ret_fault)
{
	for (uint64_t at = offset; at < offset + STORE_DISK_SLICE; at += BLOCK) {
		size_t size = BLOCK;
		int r = compare(look, at, BLOCK, &size);

		if (r < 0 || size == 0)
			return r;
		if (r == 0)
			continue;
		if (ret_fault->n_blocks++ == 0) {
			ret_fault->offset = at;
			r = check_memory(store);
		}
		if (r >= 0)
			r = mend(look, at);
		if (r < 0)
			return r;
	}
	return 0;
}

int store_disk_check(struct store *store, uint64_t *offset, struct store_disk_fault *ret_fault)
{
	_cleanup_close_ int disk =
		openat(store->replica.directory_fd, "data.mdb", O_RDONLY | O_DIRECT | O_CLOEXEC);
	_cleanup_free_ uint8_t *buffers = aligned_alloc(BLOCK, (size_t)2 * STORE_DISK_SLICE);
	struct look look = {.disk = disk, .of_disk = buffers};
	size_t size = 0;
	int r;

	*ret_fault = (struct store_disk_fault){0};
	if (disk < 0 || !buffers)
		return disk < 0 ? -errno : -ENOMEM;
	look.of_memory = buffers + STORE_DISK_SLICE;
	r = store_code(mdb_env_get_fd(store->replica.env, &look.memory));
	if (r == 0)
		r = compare(&look, *offset, STORE_DISK_SLICE, &size);
	if (r == 1)
		r = check_blocks(store, &look, *offset, ret_fault);
	*offset = r < 0 || size < STORE_DISK_SLICE ? 0 : *offset + size;
	return r;
}
