/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/monotime.h"
#include "tools/cli/cli.h"

/*
 * Secrets and files on their way to the daemon, as descriptors. What is passed is a sealed memory
 * file at its start, never the user's own descriptor, so that no pipe and no slow disk can make the
 * daemon wait.
 */
#define PASSPHRASE_MAX 1024u
#define INPUT_FILE_MAX (1024u * 1024)

struct input_kind {
	const char *noun; /* what is longer is none */
	size_t limit;
	const char *begins; /* as any does; NULL: nothing. What does not is not read to its end. */
};
/*
 * Appends what PATH holds to CONTENT. A pipe or a device is waited for, up to a minute for its next
 * byte and ten in all. CLI_OK, or an exit code after saying why.
 */
int input_file_read(struct cli *cli, const char *path, const struct input_kind *kind,
		    struct buf *content);
/* Waits for something to read from FD, or for its end. ERR_TIMEOUT: INPUT_SILENT is to be said. */
int input_wait(const struct cli *cli, int fd, struct monotime deadline);
struct monotime input_deadline(const struct cli *cli);
unsigned input_patience_ms(const struct cli *cli);
#define INPUT_PATIENCE_ALL 10u /* patiences for a whole file */
#define INPUT_SILENT                                                                               \
	"cannot read %s: nothing came from it for %u s, or no end in %u times that (is it a pipe " \
	"that nobody writes to?)"

struct passphrase_source {
	const char *file;    /* --passphrase-file; NULL: ask */
	const char *what;    /* "Passphrase of vpn.p12" */
	bool is_input_taken; /* stdin is something else */
	bool is_confirmed;   /* on the terminal: asked for twice */
};

/* Reads it, into a descriptor. Returns CLI_OK, or an exit code after saying why. */
int passphrase_open(struct cli *cli, const struct passphrase_source *source, int *ret_fd);
/* The same as text ended by a NUL, for the one secret that travels in a message: a pairing code. */
int passphrase_read(struct cli *cli, const struct passphrase_source *source,
		    struct secret *ret_text);
/*
 * Writes what FD holds to PATH: a new file of mode 0600 that replaces an old one at once, or stdout
 * ("-" or NULL; secrets don't go to a terminal).
 */
int output_file_store(struct cli *cli, int fd, const char *path);

/*
 * A request whose answer is a file: the daemon gets a descriptor to write to and a passphrase,
 * which SOURCE says. The output is opened, and meant for PATH, which is looked at before anything
 * is asked. Takes over request->parameters. Returns an exit code, after its message.
 */
int output_file_call(struct cli *cli, const struct cli_request *request,
		     const struct passphrase_source *source, const char *path, int *ret_output,
		     struct json_object **ret_result);
