/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/cli/cli.h"

/* The command line against a daemon that gives canned answers: a child process that serves a socket
 * in a directory. */
struct cli_world {
	char directory[64], path[96];
	int pid;
	char *out, *err; /* what the last command said */
	size_t out_size, err_size;
	unsigned timeout_ms;  /* that it had for the daemon */
	bool is_err_terminal; /* what it says of stderr */
	unsigned patience_ms; /* that it is to have with a file; 0: its own */
};

#define CLI_NOW INT64_C(1800000000)

int cli_world_setup(void **state);
int cli_world_teardown(void **state);
/* Runs a command with INPUT on stdin (NULL: nothing); returns its exit code. The words end with
 * NULL. */
int cli_world_run(struct cli_world *w, const char *input, const char *const *words);
#define RUN(w, ...) cli_world_run(w, NULL, (const char *const[]){__VA_ARGS__, NULL})
#define RUN_WITH(w, input, ...) cli_world_run(w, input, (const char *const[]){__VA_ARGS__, NULL})
/* Writes a file in the world's directory; returns its path, valid until the next call. */
const char *cli_world_file(struct cli_world *w, const char *name, const char *content);
