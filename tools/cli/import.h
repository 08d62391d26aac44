/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/cli/cli.h"
#include "tools/cli/passphrase.h"

/* What is imported, on its way to the daemon as a sealed memory file. */
struct import_source {
	const char *file; /* "-": stdin to its end; NULL: stdin up to a line with `quit` */
	const char *key;  /* a PEM file that is appended; NULL: none */
	const char *what; /* what is asked for on a terminal: "pkcs12" */
	const struct input_kind *kind; /* of FILE; NULL: PKCS#12 or PEM */
};

struct import_input {
	int fd;
	bool is_encrypted;   /* there may be something that needs a passphrase */
	bool is_input_taken; /* stdin was read to its end */
};

/* Returns CLI_OK, or an exit code after saying why. */
int import_input_open(struct cli *cli, const struct import_source *source,
		      struct import_input *ret_input);
