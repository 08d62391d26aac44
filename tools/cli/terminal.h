/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/secret.h"

/*
 * Asks QUESTION on the controlling terminal without echo and reads one line into ANSWER, which has
 * room already. SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGTSTP put the terminal back before they do
 * what they do. Errors: -errno (-ENXIO: no terminal), ERR_TOO_LARGE, -ECANCELED at the end of
 * input.
 */
int terminal_ask(const char *question, struct secret *answer, size_t *ret_length);

/* A sealed memory file of SIZE bytes, at its start. Errors: -errno. */
int memory_file_new(const void *data, size_t size, int *ret_fd);
