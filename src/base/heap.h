/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* How the C library's heap gets memory from the system, for processes that hand records on. */
#define HEAP_EXPECT_MAX (1536u * 1024)

/*
 * Before there is a thread. One heap for all threads: that of another thread grows by a system call
 * for each page. A few mebibytes of what is freed are kept for the next who asks: what is given
 * back each time is mapped and cleared anew each time, all of it at once where memory is locked.
 */
void heap_keep(void);
/*
 * Before some hundred pieces are asked for, BYTES in all (at most HEAP_EXPECT_MAX): has their pages
 * mapped at once, instead of by a fault for each. Best effort.
 */
void heap_expect(size_t bytes);
