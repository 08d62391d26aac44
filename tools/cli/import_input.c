/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where what is imported comes from: files, stdin, or a paste into the terminal that ends with
 * `quit` as on an ASA.
 */
#include "tools/cli/import.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/utf8.h"
#include "tools/cli/passphrase.h"
#include "tools/cli/terminal.h"

static const struct input_kind identity_kind = {"PKCS#12 or PEM file", INPUT_FILE_MAX, NULL};

static int too_large(const struct cli *cli, const char *name, const struct input_kind *kind)
{
	return cli_fail(cli, CLI_FAILED, "%s is larger than %zu MiB: this is no %s", name,
			kind->limit >> 20, kind->noun);
}

/* What follows a line with `quit` stays unread: it may be the passphrase. */
static bool is_quit(const struct buf *text, size_t line)
{
	size_t size = text->size;

	while (size > line && isspace(text->data[size - 1]))
		size--;
	while (line < size && isspace(text->data[line]))
		line++;
	return size - line == 4 && strncasecmp((const char *)text->data + line, "quit", 4) == 0;
}

static int read_paste(struct cli *cli, struct buf *text, bool *ret_is_whole)
{
	size_t line = 0;

	for (;;) {
		uint8_t byte;
		ssize_t n = read(cli->input, &byte, 1);
		int error = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			error = -errno;
		else if (n == 1)
			error = text->size == INPUT_FILE_MAX ? ERR_TOO_LARGE
							     : buf_append(text, &byte, 1);
		if (error == ERR_TOO_LARGE)
			return too_large(cli, "stdin", &identity_kind);
		if (error)
			return cli_fail(cli, CLI_FAILED, "cannot read stdin: %s", err_text(error));
		if (n == 1 && byte != '\n')
			continue;
		*ret_is_whole = n == 0 && !is_quit(text, line);
		if (is_quit(text, line)) {
			text->size = line;
			return CLI_OK;
		}
		if (n == 0)
			return CLI_OK;
		line = text->size;
	}
}

static int read_path(struct cli *cli, const char *path, const struct input_kind *kind,
		     struct buf *content)
{
	_cleanup_(buf_wipe) struct buf text = {0};
	bool is_stdin = strcmp(path, "-") == 0;
	int code = is_stdin ? CLI_OK : input_file_read(cli, path, kind, content);
	int error = is_stdin ? io_read_all(cli->input, kind->limit, content) : 0;

	if (code)
		return code;
	if (!error)
		error = utf8_unmark(content->data, content->size, &text);
	if (!error && text.size > 0) {
		buf_wipe(content);
		*content = text;
		text = (struct buf){0};
	}
	if (error == ERR_TOO_LARGE)
		return too_large(cli, is_stdin ? "stdin" : path, kind);
	if (error)
		return cli_fail(cli, CLI_FAILED, "cannot read %s: %s", is_stdin ? "stdin" : path,
				err_text(error));
	return CLI_OK;
}

static bool contains(const struct buf *content, const char *words)
{
	return memmem(content->data, content->size, words, strlen(words)) != NULL;
}

/* PEM says so where a key is encrypted; anything else is. */
static bool is_encrypted(const struct buf *content)
{
	bool is_pem = contains(content, "-----BEGIN ") && !contains(content, "-----BEGIN PKCS12") &&
		      !contains(content, "-----BEGIN PKCS #12");

	return !is_pem || contains(content, "ENCRYPTED");
}

static int add_key(struct cli *cli, const char *path, struct buf *content)
{
	_cleanup_(buf_wipe) struct buf key = {0};
	int code = read_path(cli, path, &identity_kind, &key);

	if (code)
		return code;
	if (!contains(&key, "-----BEGIN ") || !contains(content, "-----BEGIN "))
		return cli_fail(cli, CLI_USAGE,
				"--key is for a PEM key beside PEM certificates; in PKCS#12 the "
				"key is inside");
	if (buf_append(content, "\n", 1) < 0 || buf_append(content, key.data, key.size) < 0)
		return cli_fail(cli, CLI_FAILED, "out of memory");
	return CLI_OK;
}

int import_input_open(struct cli *cli, const struct import_source *source,
		      struct import_input *ret_input)
{
	_cleanup_(buf_wipe) struct buf content = {0};
	bool is_whole = true;
	int code, error;

	if (!source->file && isatty(cli->input)) {
		screen_print(&cli->screen,
			     "Enter the base 64 encoded %s.\n"
			     "End with the word \"quit\" on a line by itself:\n",
			     source->what);
		(void)fflush(cli->screen.out);
	}
	code = source->file ? read_path(cli, source->file,
					source->kind ? source->kind : &identity_kind, &content)
			    : read_paste(cli, &content, &is_whole);
	if (code)
		return code;
	if (content.size == 0 && source->file && strcmp(source->file, "-") != 0)
		return cli_fail(cli, CLI_FAILED, "%s is empty", source->file);
	if (content.size == 0)
		return cli_fail(cli, CLI_FAILED,
				"stdin is empty: name the file, or send its content there (base64 "
				"up to a line with quit, too)");
	if (source->key)
		code = add_key(cli, source->key, &content);
	if (code)
		return code;
	error = memory_file_new(content.data, content.size, &ret_input->fd);
	if (error)
		return cli_fail(cli, CLI_FAILED, "cannot pass the file: %s", err_text(error));
	ret_input->is_encrypted = is_encrypted(&content);
	ret_input->is_input_taken =
		source->file ? strcmp(source->file, "-") == 0 : is_whole || isatty(cli->input);
	return CLI_OK;
}
