/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"

/* What this process logs between the two, which is not shown then. */
struct listening {
	int saved, file;
};

static inline struct listening listen_begin(void)
{
	struct listening listening = {dup(STDERR_FILENO), memfd_create("log", MFD_CLOEXEC)};

	assert_true(listening.saved >= 0 && listening.file >= 0);
	log_open("engine", LOG_INFO);
	assert_true(dup2(listening.file, STDERR_FILENO) >= 0);
	return listening;
}

/* TEXT: of SIZE bytes, the NUL in them. */
static inline void listen_end(struct listening *listening, char *text, size_t size)
{
	ssize_t n;

	assert_true(dup2(listening->saved, STDERR_FILENO) >= 0);
	n = pread(listening->file, text, size - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	(void)close(listening->saved);
	(void)close(listening->file);
}
