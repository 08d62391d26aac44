/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t mapped_size(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

int secret_init(struct secret *ret_secret, size_t size)
{
	size_t length = mapped_size(size ? size : 1);
	bool is_locked;
	void *pages;

	pages = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		return -ENOMEM;
	is_locked = mlock(pages, length) == 0;
	(void)madvise(pages, length, MADV_DONTDUMP);
	(void)madvise(pages, length, MADV_WIPEONFORK);
	*ret_secret = (struct secret){.data = pages, .size = size, .is_locked = is_locked};
	return 0;
}

int secret_init_copy(struct secret *ret_secret, const void *data, size_t size)
{
	int r = secret_init(ret_secret, size);

	if (r == 0 && size > 0)
		memcpy(ret_secret->data, data, size);
	return r;
}

void secret_done(struct secret *secret)
{
	size_t length;

	if (!secret || !secret->data)
		return;
	length = mapped_size(secret->size ? secret->size : 1);
	explicit_bzero(secret->data, length);
	(void)munlock(secret->data, length);
	(void)munmap(secret->data, length);
	*secret = (struct secret){0};
}
