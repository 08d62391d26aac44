/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1024 * 1024)

void heap_keep(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MMAP_THRESHOLD, 2 * MIB);
	(void)mallopt(M_TRIM_THRESHOLD, 4 * MIB);
	(void)mallopt(M_TOP_PAD, MIB);
}

/* What is freed again is the heap's free end, and what is asked for next lies there. */
void heap_expect(size_t bytes)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start, end;
	void *block;

	if (bytes > HEAP_EXPECT_MAX)
		bytes = HEAP_EXPECT_MAX;
	block = malloc(bytes);
	if (!block)
		return;
	start = (uintptr_t)block & ~(page - 1);
	end = ((uintptr_t)block + bytes) & ~(page - 1);
	(void)madvise((void *)start, end - start, MADV_POPULATE_WRITE);
	free(block);
}
