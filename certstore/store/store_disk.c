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

#define BLOCK STORE_DISK_BLOCK

/* A block, or up to the end. */
static ssize_t read_block(int fd, uint8_t *data, uint64_t offset)
{
	ssize_t n;

	do
		n = pread(fd, data, BLOCK, (off_t)offset);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* That this place cannot be read, and not that nothing can be read this way. */
static bool is_unreadable(ssize_t r)
{
	return r == -EIO || r == -ENODATA || r == -EILSEQ || r == -ETIMEDOUT || r == -EREMOTEIO ||
	       r == -EBADMSG;
}

int store_disk_new(int direct_fd, int cached_fd, struct store_disk **ret_disk)
{
	struct store_disk *disk = calloc(1, sizeof(*disk));
	uint8_t *blocks = aligned_alloc(BLOCK, (size_t)2 * BLOCK);

	if (!disk || !blocks) {
		free(disk);
		free(blocks);
		return -ENOMEM;
	}
	disk->direct_fd = direct_fd;
	disk->cached_fd = cached_fd;
	disk->of_disk = blocks;
	disk->of_memory = blocks + BLOCK;
	*ret_disk = disk;
	return 0;
}

int store_disk_open(struct store *store, struct store_disk **ret_disk)
{
	_cleanup_close_ int direct =
		openat(store->replica.directory_fd, "data.mdb", O_RDONLY | O_DIRECT | O_CLOEXEC);
	_cleanup_close_ int cached = -1;
	int r;

	if (direct < 0)
		return -errno;
	cached = openat(store->replica.directory_fd, "data.mdb", O_RDWR | O_CLOEXEC);
	if (cached < 0)
		return -errno;
	r = store_disk_new(direct, cached, ret_disk);
	if (r == 0)
		direct = cached = -1;
	return r;
}

void store_disk_free(struct store_disk *disk)
{
	if (!disk)
		return;
	(void)close(disk->direct_fd);
	(void)close(disk->cached_fd);
	free(disk->of_disk);
	free(disk);
}

/* Both ways to one block. *RET_IS_END: the file ends before it. */
static int look_at(struct store_disk *disk, uint64_t offset, bool *ret_is_end)
{
	ssize_t direct = read_block(disk->direct_fd, disk->of_disk, offset), cached;

	if (direct < 0 && !is_unreadable(direct))
		return (int)direct;
	cached = read_block(disk->cached_fd, disk->of_memory, offset);
	if (cached < 0 && !is_unreadable(cached))
		return (int)cached;
	*ret_is_end = cached == 0;
	if (direct < 0 && cached != 0)
		disk->state = cached < 0 ? STORE_DISK_LOST : STORE_DISK_UNREADABLE;
	/* A file that grows has more in one of them. */
	else if (direct > 0 && cached > 0 &&
		 memcmp(disk->of_disk, disk->of_memory,
			(size_t)(direct < cached ? direct : cached)) != 0)
		disk->state = STORE_DISK_DIFFERS;
	disk->fault_size = cached > 0 ? (size_t)cached : 0;
	disk->fault_offset = offset;
	return 0;
}

int store_disk_look(struct store_disk *disk, const atomic_bool *is_stopped)
{
	disk->state = STORE_DISK_WELL;
	for (unsigned i = 0; i < STORE_DISK_LOOK_BLOCKS && !*is_stopped; i++) {
		bool is_end = false;
		int r = look_at(disk, disk->offset, &is_end);

		disk->offset = r < 0 || is_end ? 0 : disk->offset + BLOCK;
		if (r < 0 || is_end || disk->state != STORE_DISK_WELL)
			return r;
	}
	return 0;
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

/* What FD has there is what memory had when the fault was found. */
static bool is_as_it_was(const struct store_disk *disk, int fd)
{
	ssize_t n = read_block(fd, disk->of_disk, disk->fault_offset);

	return n == (ssize_t)disk->fault_size &&
	       memcmp(disk->of_disk, disk->of_memory, disk->fault_size) == 0;
}

static int write_block(const struct store_disk *disk)
{
	ssize_t n;

	do
		n = pwrite(disk->cached_fd, disk->of_memory, disk->fault_size,
			   (off_t)disk->fault_offset);
	while (n < 0 && errno == EINTR);
	if (n >= 0 && (size_t)n < disk->fault_size)
		return -EIO;
	return n < 0 || fdatasync(disk->cached_fd) < 0 ? -errno : 0;
}

int store_disk_mend(struct store *store, struct store_disk *disk)
{
	int r;

	/* A change of the store came between the two readings. */
	if (disk->state == STORE_DISK_DIFFERS && is_as_it_was(disk, disk->direct_fd))
		return -EAGAIN;
	if (!is_as_it_was(disk, disk->cached_fd))
		return -EAGAIN;
	r = check_memory(store);
	if (r < 0)
		return r;
	/* Else the page was read from the disk meanwhile, and what was checked is not what is
	 * written. */
	if (!is_as_it_was(disk, disk->cached_fd))
		return -EAGAIN;
	r = write_block(disk);
	if (r < 0)
		return r;
	return is_as_it_was(disk, disk->direct_fd) ? 0 : ERR_INTEGRITY;
}
