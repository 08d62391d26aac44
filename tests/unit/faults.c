/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the C library, so that the libraries that were linked call these. */
#undef _FORTIFY_SOURCE
#include "tests/unit/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
	enum faults_kind kind;
	unsigned at, count, n;
	struct faults_entry *entries;
	size_t n_entries, allocated;
} faults;

void faults_begin(enum faults_kind kind, unsigned at, unsigned count)
{
	faults.kind = kind;
	faults.at = at;
	faults.count = count;
	faults.n = 0;
}

unsigned faults_end(void)
{
	faults.kind = FAULTS_NONE;
	return faults.n;
}

static struct faults_entry *add_entry(void)
{
	if (faults.n_entries == faults.allocated) {
		faults.allocated = faults.allocated ? 2 * faults.allocated : 256;
		faults.entries =
			realloc(faults.entries, faults.allocated * sizeof(*faults.entries));
		if (!faults.entries)
			abort();
	}
	faults.entries[faults.n_entries] = (struct faults_entry){0};
	return &faults.entries[faults.n_entries++];
}

void faults_mark(int mark)
{
	struct faults_entry *entry = add_entry();

	entry->type = FAULTS_MARK;
	entry->mark = mark;
}

const struct faults_entry *faults_entries(size_t *ret_n)
{
	*ret_n = faults.n_entries;
	return faults.entries;
}

void faults_forget(void)
{
	for (size_t i = 0; i < faults.n_entries; i++)
		free(faults.entries[i].data);
	faults.n_entries = 0;
}

static void record(int fd, const void *data, size_t size, off_t offset, enum faults_type type)
{
	struct faults_entry *entry;
	struct stat info;

	if (faults.kind != FAULTS_RECORD || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) ||
	    info.st_nlink == 0)
		return;
	entry = add_entry();
	entry->inode = info.st_ino;
	entry->offset = offset;
	entry->type = type;
	entry->size = size;
	entry->is_durable = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
	if (data && size > 0) {
		entry->data = malloc(size);
		if (!entry->data)
			abort();
		memcpy(entry->data, data, size);
	}
}

/* True: the call is not made, or not whole. *SIZE becomes what is written of it. */
static bool interfere(size_t *size)
{
	unsigned n = ++faults.n;

	if (n < faults.at || n >= faults.at + faults.count)
		return false;
	if (faults.kind == FAULTS_KILL_BEFORE)
		(void)raise(SIGKILL);
	if (faults.kind == FAULTS_KILL_HALF || faults.kind == FAULTS_SHORT)
		*size /= 2;
	errno = faults.kind == FAULTS_ENOSPC ? ENOSPC : EIO;
	return faults.kind == FAULTS_EIO || faults.kind == FAULTS_ENOSPC;
}

static void done(void)
{
	if (faults.n == faults.at &&
	    (faults.kind == FAULTS_KILL_HALF || faults.kind == FAULTS_KILL_AFTER))
		(void)raise(SIGKILL);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	ssize_t n;

	if (faults.kind == FAULTS_NONE)
		return syscall(SYS_pwrite64, fd, data, size, offset);
	if (interfere(&size))
		return -1;
	record(fd, data, size, offset, FAULTS_WRITE);
	n = syscall(SYS_pwrite64, fd, data, size, offset);
	done();
	return n;
}

ssize_t write(int fd, const void *data, size_t size)
{
	ssize_t n;

	if (faults.kind == FAULTS_NONE || fd <= STDERR_FILENO)
		return syscall(SYS_write, fd, data, size);
	if (interfere(&size))
		return -1;
	record(fd, data, size, lseek(fd, 0, SEEK_CUR), FAULTS_WRITE);
	n = syscall(SYS_write, fd, data, size);
	done();
	return n;
}

ssize_t writev(int fd, const struct iovec *vector, int count)
{
	ssize_t sum = 0;

	if (faults.kind == FAULTS_NONE || fd <= STDERR_FILENO)
		return syscall(SYS_writev, fd, vector, count);
	for (int i = 0; i < count; i++) {
		ssize_t n = write(fd, vector[i].iov_base, vector[i].iov_len);

		if (n < 0)
			return sum > 0 ? sum : -1;
		sum += n;
		if ((size_t)n < vector[i].iov_len)
			break;
	}
	return sum;
}

static int synchronise(int fd, long number)
{
	size_t size = 0;
	long r;

	if (faults.kind == FAULTS_NONE)
		return (int)syscall(number, fd);
	if (interfere(&size))
		return -1;
	record(fd, NULL, 0, 0, FAULTS_SYNC);
	/* The disk of a test is none that keeps anything. */
	r = 0;
	done();
	return (int)r;
}

int fdatasync(int fd)
{
	return synchronise(fd, SYS_fdatasync);
}

int fsync(int fd)
{
	return synchronise(fd, SYS_fsync);
}

int ftruncate(int fd, off_t length)
{
	size_t size = 0;
	int r;

	if (faults.kind == FAULTS_NONE)
		return (int)syscall(SYS_ftruncate, fd, length);
	if (interfere(&size))
		return -1;
	record(fd, NULL, 0, length, FAULTS_SIZE);
	r = (int)syscall(SYS_ftruncate, fd, length);
	done();
	return r;
}
