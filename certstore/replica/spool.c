/* SPDX-License-Identifier: Apache-2.0 */
#include "certstore/replica/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"

/* Before each item's key and value. */
struct spool_head {
	uint32_t key_size;
	uint32_t value_size;
	bool is_deleted;
	uint8_t digest[STORE_DIGEST_SIZE];
};

int spool_pack(struct buf *buf, const struct spool_item *item)
{
	struct spool_head head = {
		.key_size = (uint32_t)item->key_size,
		.value_size = item->value ? (uint32_t)item->value_size : 0,
		.is_deleted = !item->value,
	};
	uint8_t *at;
	int r = buf_reserve(buf, sizeof(head) + head.key_size + head.value_size);

	if (r < 0)
		return r;
	if (item->value)
		memcpy(head.digest, item->digest, sizeof(head.digest));
	at = buf->data + buf->size;
	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), item->key, head.key_size);
	if (head.value_size > 0)
		memcpy(at + sizeof(head) + head.key_size, item->value, head.value_size);
	buf->size += sizeof(head) + head.key_size + head.value_size;
	return 0;
}

/* The length of the item at DATA, or 0: it is not all there. */
static size_t item_at(const uint8_t *data, size_t size, struct spool_item *ret_item)
{
	struct spool_head head;
	size_t whole;

	if (size < sizeof(head))
		return 0;
	memcpy(&head, data, sizeof(head));
	whole = sizeof(head) + head.key_size + head.value_size;
	if (size < whole)
		return 0;
	ret_item->key = (const char *)data + sizeof(head);
	ret_item->key_size = head.key_size;
	ret_item->value = head.is_deleted ? NULL : data + sizeof(head) + head.key_size;
	ret_item->value_size = head.value_size;
	ret_item->digest = data + offsetof(struct spool_head, digest);
	return whole;
}

/* Whole items only; *RET_USED is where they end. */
static int each_whole(const uint8_t *data, size_t size, size_t *ret_used, spool_fn fn,
		      void *userdata)
{
	struct spool_item item;
	size_t at = 0, n;
	int r = 0;

	while (r >= 0 && at < size && (n = item_at(data + at, size - at, &item)) > 0) {
		r = fn(&item, userdata);
		at += n;
	}
	*ret_used = at;
	return r < 0 ? r : 0;
}

int spool_unpack(const uint8_t *data, size_t size, spool_fn fn, void *userdata)
{
	size_t used;
	int r = each_whole(data, size, &used, fn, userdata);

	return r == 0 && used < size ? -EIO : r;
}

int spool_open(int directory_fd)
{
	int fd = openat(directory_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	/* Not every file system knows files without a name. */
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		(void)unlinkat(directory_fd, "stage.tmp", 0);
		fd = openat(directory_fd, "stage.tmp",
			    O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0)
			(void)unlinkat(directory_fd, "stage.tmp", 0);
	}
	return fd < 0 ? -errno : fd;
}

int spool_write(int fd, struct buf *buf)
{
	int r = io_write_full(fd, buf->data, buf->size);

	if (r == 0)
		buf_clear(buf);
	return r == -EDQUOT ? -ENOSPC : r;
}

/* The number of bytes; 0: the end. */
static ssize_t read_more(int fd, off_t offset, struct buf *buf)
{
	ssize_t n;
	int r = buf_reserve(buf, SPOOL_CHUNK);

	if (r < 0)
		return r;
	do
		n = pread(fd, buf->data + buf->size, SPOOL_CHUNK, offset);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int spool_read(int fd, spool_fn fn, void *userdata)
{
	_cleanup_(buf_done) struct buf buf = {0};
	off_t offset = 0;

	for (;;) {
		ssize_t n = read_more(fd, offset, &buf);
		size_t used;
		int r;

		if (n < 0)
			return (int)n;
		if (n == 0)
			return buf.size == 0 ? 0 : -EIO;
		offset += n;
		buf.size += (size_t)n;
		r = each_whole(buf.data, buf.size, &used, fn, userdata);
		if (r < 0)
			return r;
		buf_consume(&buf, used);
	}
}
