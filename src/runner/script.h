/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/why.h"

/*
 * Executables that root put into a folder of root's. Both are opened, looked at and used by
 * descriptor, so that what was checked is what runs.
 */
#define SCRIPT_NAME_MAX 64
#define SCRIPT_LIST_MAX 64

struct script_list {
	char names[SCRIPT_LIST_MAX][SCRIPT_NAME_MAX];
	size_t n;
	bool is_cut; /* there are more than SCRIPT_LIST_MAX */
	/* Files that are not executable, but for a README: the first of them, and how many. */
	char skipped[SCRIPT_NAME_MAX];
	size_t n_skipped;
};

/* A name of letters, digits, '.', '_' and '-', not hidden, not a package manager's leftover. */
bool script_name_is_valid(const char *name);
/*
 * Opens a folder that belongs to root (or to whom this process is) and that nobody else may write
 * to; a link is refused. Errors: ERR_NOT_FOUND, ERR_DENIED, -errno with a sentence.
 */
int script_folder_open(const char *path, int *ret_fd, struct why *ret_why);
/* The executables with a valid name, in the order of their names (bytes). Errors: -errno. */
int script_folder_list(int folder_fd, struct script_list *ret_list);
/* Opens NAME, by the same rules as the folder. Errors: ERR_NOT_FOUND, ERR_DENIED, -errno with a
 * sentence. */
int script_open(int folder_fd, const char *name, int *ret_fd, struct why *ret_why);
/*
 * Starts what SCRIPT_FD is: stdin is /dev/null, stdout and stderr are the pipe RET_OUTPUT_FD
 * (non-blocking), descriptor 3 is the script itself (an interpreter reads it there), nothing else
 * is open. It has a process group of its own and dies with this process; IS_THOROUGH: what it
 * started dies with it, in whatever group or session. ARGV and ENVIRONMENT end
 * with NULL. Errors: -errno. What cannot be executed says so on its output and ends with 126.
 */
int script_start(int script_fd, const char *const *argv, const char *const *environment,
		 bool is_thorough, pid_t *ret_pid, int *ret_output_fd);
