/* SPDX-License-Identifier: Apache-2.0 */
/* Where a passphrase comes from. The terminal's settings are put back whatever ends the question.
 */
#include "tools/cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tools/cli/terminal.h"
#include "tools/cli/waiting.h"

/* Cuts at the line's end: an editor's newline is no part of a secret. */
static size_t line_length(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t length = end ? (size_t)(end - data) : size;

	return length > 0 && data[length - 1] == '\r' ? length - 1 : length;
}

/* Whether to read again. Who started us may have left a pipe non-blocking: it is waited for as a
 * blocking one would be. */
static bool is_passing(int fd, int code)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return code == EINTR || (code == EAGAIN && (poll(&pfd, 1, -1) >= 0 || errno == EINTR));
}

/* One line of FD, byte by byte, so that what follows it stays unread. *RET_IS_EMPTY: not even a
 * newline came. */
static int read_line(int fd, struct secret *line, size_t *ret_length, bool *ret_is_empty)
{
	size_t n = 0;

	*ret_is_empty = true;
	for (;;) {
		ssize_t got = read(fd, line->data + n, 1);

		if (got < 0 && is_passing(fd, errno))
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		*ret_is_empty = false;
		if (line->data[n] == '\n')
			break;
		if (++n >= line->size)
			return ERR_TOO_LARGE;
	}
	*ret_length = n > 0 && line->data[n - 1] == '\r' ? n - 1 : n;
	return 0;
}

static int read_text(struct cli *cli, int fd, bool is_file, struct secret *text, size_t *ret_size)
{
	struct monotime deadline = input_deadline(cli);
	size_t n = 0;

	while (n < text->size) {
		int error = is_file ? input_wait(cli, fd, deadline) : 0;
		ssize_t got = error ? 0 : read(fd, text->data + n, text->size - n);

		if (got < 0 && is_passing(fd, errno))
			continue;
		if (error || got < 0)
			return error ? error : -errno;
		if (got == 0) {
			*ret_size = n;
			return 0;
		}
		n += (size_t)got;
	}
	return ERR_TOO_LARGE;
}

static int read_path(struct cli *cli, const char *path, struct secret *text, size_t *ret_size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? -errno : read_text(cli, fd, true, text, ret_size);
}

static int from_file(struct cli *cli, const char *path, struct secret *text, size_t *ret_length)
{
	size_t n = 0;
	int error;

	if (strcmp(path, "-") == 0) {
		error = read_text(cli, cli->input, false, text, &n);
	} else {
		waiting_begin(cli, path);
		error = read_path(cli, path, text, &n);
		waiting_end();
	}
	if (error == ERR_TIMEOUT)
		return cli_fail(cli, CLI_FAILED, INPUT_SILENT, path, input_patience_ms(cli) / 1000,
				INPUT_PATIENCE_ALL);
	if (error == ERR_TOO_LARGE)
		return cli_fail(cli, CLI_FAILED, "the passphrase in %s is longer than %u bytes",
				path, PASSPHRASE_MAX);
	if (error)
		return cli_fail(cli, CLI_FAILED, "cannot read the passphrase from %s: %s", path,
				err_text(error));
	*ret_length = line_length(text->data, n);
	return CLI_OK;
}

static int from_input(struct cli *cli, const struct passphrase_source *source, struct secret *text,
		      size_t *ret_length)
{
	bool is_empty = true;
	int error = read_line(cli->input, text, ret_length, &is_empty);

	if (error)
		return cli_fail(cli, CLI_FAILED, "cannot read the passphrase from stdin: %s",
				err_text(error));
	if (is_empty)
		return cli_fail(cli, CLI_USAGE,
				"no passphrase on stdin (%s): give it there, on a terminal, or in "
				"a file with --passphrase-file FILE",
				source->what);
	return CLI_OK;
}

static int from_terminal(struct cli *cli, const struct passphrase_source *source,
			 struct secret *text, size_t *ret_length)
{
	_cleanup_(secret_done) struct secret again = {0};
	size_t length = 0;
	int error = terminal_ask(source->what, text, ret_length);

	if (error == -ENXIO || error == -ENOENT || error == -ENOTTY)
		return cli_fail(cli, CLI_USAGE,
				"no terminal to ask on (%s): name a file that holds it with "
				"--passphrase-file FILE",
				source->what);
	if (!error && source->is_confirmed) {
		error = secret_init(&again, text->size);
		if (!error)
			error = terminal_ask("The same again", &again, &length);
		if (!error &&
		    (length != *ret_length || memcmp(again.data, text->data, length) != 0))
			return cli_fail(cli, CLI_FAILED, "the two do not agree");
	}
	if (error)
		return cli_fail(cli, CLI_FAILED, "cannot ask on the terminal: %s", err_text(error));
	return CLI_OK;
}

static int obtain(struct cli *cli, const struct passphrase_source *source, struct secret *text,
		  size_t *ret_length)
{
	if (secret_init(text, PASSPHRASE_MAX + 2) < 0)
		return cli_fail(cli, CLI_FAILED, "out of memory");
	if (source->file && strcmp(source->file, "-") == 0 && source->is_input_taken)
		return cli_fail(cli, CLI_USAGE, "stdin cannot be both the file and its passphrase");
	if (source->file)
		return from_file(cli, source->file, text, ret_length);
	if (!source->is_input_taken && !isatty(cli->input))
		return from_input(cli, source, text, ret_length);
	return from_terminal(cli, source, text, ret_length);
}

int passphrase_read(struct cli *cli, const struct passphrase_source *source,
		    struct secret *ret_text)
{
	_cleanup_(secret_done) struct secret text = {0};
	size_t length = 0;
	int code = obtain(cli, source, &text, &length);

	if (code)
		return code;
	explicit_bzero(text.data + length, text.size - length);
	*ret_text = text;
	text = (struct secret){0};
	return CLI_OK;
}

int passphrase_open(struct cli *cli, const struct passphrase_source *source, int *ret_fd)
{
	_cleanup_(secret_done) struct secret text = {0};
	_cleanup_close_ int fd = -1;
	size_t length = 0;
	int code = obtain(cli, source, &text, &length);
	int error;

	if (code)
		return code;
	error = memory_file_new(text.data, length, &fd);
	if (error)
		return cli_fail(cli, CLI_FAILED, "cannot pass the passphrase: %s", err_text(error));
	*ret_fd = TAKE_FD(fd);
	return CLI_OK;
}
