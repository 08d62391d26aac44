/* SPDX-License-Identifier: Apache-2.0 */
/* The user's files, on their way to the daemon and back (passphrase.h). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "tools/cli/passphrase.h"

#define OUTPUT_FILE_MAX (1024u * 1024 * 1024) /* a backup of a large store */

static bool is_stdio(const char *path)
{
	return !path || strcmp(path, "-") == 0;
}

/* An empty memory file for the daemon to write its result to. */
static int output_file_open(struct cli *cli, int *ret_fd)
{
	int fd = memfd_create("asafo", MFD_CLOEXEC);

	if (fd < 0)
		return cli_fail(cli, CLI_FAILED, "cannot make a memory file: %s", err_text(-errno));
	*ret_fd = fd;
	return CLI_OK;
}

static int refuse_terminal(const struct cli *cli)
{
	return cli_fail(cli, CLI_USAGE,
			"a private key is not written to a terminal: name a file with --output");
}

/* Before the work: can it be written there? */
static int output_file_check(struct cli *cli, const char *path)
{
	int fd = fileno(cli->screen.out);

	if (is_stdio(path) && fd >= 0 && isatty(fd))
		return refuse_terminal(cli);
	return CLI_OK;
}

/* What is there and no regular file (a pipe, /dev/stdout) is written to, not replaced. */
static int store(const char *path, const struct buf *content)
{
	_cleanup_close_ int fd = -1;
	struct stat status;

	if (stat(path, &status) < 0 || S_ISREG(status.st_mode))
		return io_replace_file(path, 0600, content->data, content->size);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (isatty(fd))
		return -ENOTSUP;
	return io_write_full(fd, content->data, content->size);
}

int output_file_store(struct cli *cli, int fd, const char *path)
{
	_cleanup_(buf_wipe) struct buf content = {0};
	int error =
		lseek(fd, 0, SEEK_SET) < 0 ? -errno : io_read_all(fd, OUTPUT_FILE_MAX, &content);

	if (!error && content.size == 0)
		return cli_fail(cli, CLI_FAILED, "the daemon wrote nothing");
	if (!error && is_stdio(path)) {
		if (fwrite(content.data, 1, content.size, cli->screen.out) != content.size ||
		    fflush(cli->screen.out) != 0)
			error = errno ? -errno : -EIO;
	} else if (!error) {
		error = store(path, &content);
	}
	if (error == -ENOTSUP)
		return refuse_terminal(cli);
	if (error)
		return cli_fail(cli, CLI_FAILED, "cannot write %s: %s",
				is_stdio(path) ? "to stdout" : path, err_text(error));
	return CLI_OK;
}

int output_file_call(struct cli *cli, const struct cli_request *request,
		     const struct passphrase_source *source, const char *path, int *ret_output,
		     struct json_object **ret_result)
{
	_cleanup_close_ int output = -1, passphrase = -1;
	struct cli_request whole = *request;
	int code = output_file_check(cli, path);

	if (!code)
		code = output_file_open(cli, &output);
	if (!code)
		code = passphrase_open(cli, source, &passphrase);
	if (code) {
		(void)json_object_put(request->parameters);
		return code;
	}
	whole.fds = (int[]){output, passphrase};
	whole.n_fds = 2;
	code = cli_call(cli, &whole, ret_result);
	if (!code)
		*ret_output = TAKE_FD(output);
	return code;
}
