/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies on the disk, read past the page cache and held against what the system has in it. Only
 * this process changes the file, and syncs each change before it goes on: between two changes both
 * are the same, and a bit that differs turned over below or in the cache. Where everything fits its
 * digest as it is in memory, memory is right and the disk is written again; else the disk is what
 * the keeper starts anew with.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "certstore/store_private.h"

#define BLOCK 4096u /* what O_DIRECT asks for of offsets, sizes and buffers */
#define SLICE (32 * BLOCK)

static int open_direct(struct store *store)
{
	if (store->direct_fd >= 0)
		return 0;
	store->direct_fd =
		openat(store->replica.directory_fd, "data.mdb", O_RDONLY | O_DIRECT | O_CLOEXEC);
	/* Not every filesystem can. */
	if (store->direct_fd < 0)
		return errno == EINVAL ? -EOPNOTSUPP : -errno;
	return 0;
}

/* Where the pages that are in use end. */
static int find_end(struct store *store, uint64_t *ret_end)
{
	MDB_envinfo info;
	MDB_stat stat;
	int r = store_code(mdb_env_info(store->replica.env, &info));

	if (r == 0)
		r = store_code(mdb_env_stat(store->replica.env, &stat));
	if (r == 0)
		*ret_end = (info.me_last_pgno + 1) * stat.ms_psize;
	return r;
}

/* What could not be read differs. */
static bool differs(int direct_fd, uint8_t *scratch, const uint8_t *cached, size_t size,
		    uint64_t offset)
{
	ssize_t n = pread(direct_fd, scratch, SLICE, (off_t)offset);

	return n < (ssize_t)size || memcmp(scratch, cached, size) != 0;
}

/* What was there before is the same but for what turned over: a power cut in between costs nothing.
 */
static int write_again(int fd, const uint8_t *cached, size_t size, uint64_t offset)
{
	ssize_t n = pwrite(fd, cached, size, (off_t)offset);

	if (n != (ssize_t)size)
		return n < 0 ? -errno : -ENOSPC;
	return fdatasync(fd) < 0 ? -errno : 0;
}

static int mend(struct store *store, int fd, uint8_t *scratch, const uint8_t *cached, size_t size,
		uint64_t offset)
{
	int r = store_verify(store, NULL);

	if (r == 0)
		r = store_pages_verify(store->replica.env, NULL);
	if (r == ERR_STORE)
		store->is_damage_seen = true;
	if (r < 0)
		return r;
	/* A disk that is past mending is no reason to serve less than memory has. */
	r = write_again(fd, cached, size, offset);
	return r == 0 && !differs(store->direct_fd, scratch, cached, size, offset) ? 0 : -EIO;
}

static int compare(struct store *store, uint8_t *buffers, uint64_t end, uint64_t *offset,
		   bool *ret_is_mended)
{
	uint8_t *scratch = buffers, *cached = buffers + SLICE;
	ssize_t n;
	int fd, r = store_code(mdb_env_get_fd(store->replica.env, &fd));

	if (r < 0)
		return r;
	n = pread(fd, cached, end - *offset < SLICE ? end - *offset : SLICE, (off_t)*offset);
	if (n < 0)
		return -errno;
	if (n > 0 && differs(store->direct_fd, scratch, cached, (size_t)n, *offset)) {
		r = mend(store, fd, scratch, cached, (size_t)n, *offset);
		*ret_is_mended = r == 0;
	}
	*offset = n == 0 || *offset + (uint64_t)n >= end ? 0 : *offset + (uint64_t)n;
	return r;
}

int store_scrub_disk(struct store *store, uint64_t *offset, bool *ret_is_mended)
{
	_cleanup_free_ uint8_t *buffers = NULL;
	uint64_t end;
	int r = open_direct(store);

	*ret_is_mended = false;
	if (r == 0)
		r = find_end(store, &end);
	if (r < 0)
		return r;
	if (*offset >= end)
		*offset = 0;
	buffers = aligned_alloc(BLOCK, 2 * SLICE);
	return buffers ? compare(store, buffers, end, offset, ret_is_mended) : -ENOMEM;
}

void store_disk_done(struct store *store)
{
	_cleanup_close_ int fd = -1;

	if (store->direct_fd >= 0)
		(void)close(store->direct_fd);
	if (!store->is_damage_seen || store->replica.directory_fd < 0)
		return;
	/* Whoever opens it next sees what lies on the disk. */
	fd = openat(store->replica.directory_fd, "data.mdb", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}
