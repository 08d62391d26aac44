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

#ifdef __x86_64__
#define VECTOR_REGISTERS                                                                           \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",   \
		"xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

void secret_registers_wipe(void)
{
	/* The compiler uses these only where it was told that they are there: no clobbers. */
	if (__builtin_cpu_supports("avx512f"))
		__asm__ volatile("vpxorq %%zmm16, %%zmm16, %%zmm16\n"
				 "vpxorq %%zmm17, %%zmm17, %%zmm17\n"
				 "vpxorq %%zmm18, %%zmm18, %%zmm18\n"
				 "vpxorq %%zmm19, %%zmm19, %%zmm19\n"
				 "vpxorq %%zmm20, %%zmm20, %%zmm20\n"
				 "vpxorq %%zmm21, %%zmm21, %%zmm21\n"
				 "vpxorq %%zmm22, %%zmm22, %%zmm22\n"
				 "vpxorq %%zmm23, %%zmm23, %%zmm23\n"
				 "vpxorq %%zmm24, %%zmm24, %%zmm24\n"
				 "vpxorq %%zmm25, %%zmm25, %%zmm25\n"
				 "vpxorq %%zmm26, %%zmm26, %%zmm26\n"
				 "vpxorq %%zmm27, %%zmm27, %%zmm27\n"
				 "vpxorq %%zmm28, %%zmm28, %%zmm28\n"
				 "vpxorq %%zmm29, %%zmm29, %%zmm29\n"
				 "vpxorq %%zmm30, %%zmm30, %%zmm30\n"
				 "vpxorq %%zmm31, %%zmm31, %%zmm31\n"
				 :);
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroall" ::: VECTOR_REGISTERS);
	else
		__asm__ volatile("pxor %%xmm0, %%xmm0\n"
				 "pxor %%xmm1, %%xmm1\n"
				 "pxor %%xmm2, %%xmm2\n"
				 "pxor %%xmm3, %%xmm3\n"
				 "pxor %%xmm4, %%xmm4\n"
				 "pxor %%xmm5, %%xmm5\n"
				 "pxor %%xmm6, %%xmm6\n"
				 "pxor %%xmm7, %%xmm7\n"
				 "pxor %%xmm8, %%xmm8\n"
				 "pxor %%xmm9, %%xmm9\n"
				 "pxor %%xmm10, %%xmm10\n"
				 "pxor %%xmm11, %%xmm11\n"
				 "pxor %%xmm12, %%xmm12\n"
				 "pxor %%xmm13, %%xmm13\n"
				 "pxor %%xmm14, %%xmm14\n"
				 "pxor %%xmm15, %%xmm15\n" ::
					 : VECTOR_REGISTERS);
}
#else
void secret_registers_wipe(void)
{
}
#endif
