/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Scope-bound ownership: a local that owns is declared with its destructor; ownership moves with
 * TAKE_PTR. */
#define _cleanup_(function) __attribute__((cleanup(function)))

#define TAKE_PTR(pointer)                                                                          \
	({                                                                                         \
		__typeof__(pointer) *_taken_from = &(pointer);                                     \
		__typeof__(pointer) _taken = *_taken_from;                                         \
		*_taken_from = NULL;                                                               \
		_taken;                                                                            \
	})

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *_taken_from = &(fd);                                                          \
		int _taken = *_taken_from;                                                         \
		*_taken_from = -1;                                                                 \
		_taken;                                                                            \
	})

/* Defines NAME_p, the form that _cleanup_ wants, of a destructor FREE that takes a pointer. */
#define CLEANUP_DEFINE(type, function)                                                             \
	static inline void function##_p(type *pointer)                                             \
	{                                                                                          \
		if (*pointer)                                                                      \
			function(*pointer);                                                        \
	}

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

/* Closes *FD when it is one; keeps errno. */
static inline void cleanup_close(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = saved;
}

static inline void cleanup_fclose(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)
#define _cleanup_fclose_ _cleanup_(cleanup_fclose)
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
