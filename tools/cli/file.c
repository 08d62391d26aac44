/* SPDX-License-Identifier: Apache-2.0 */
/* The user's files, on their way to the daemon and back (passphrase.h). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/monotime.h"
#include "tools/cli/passphrase.h"
#include "tools/cli/waiting.h"

#define OUTPUT_FILE_MAX (1024u * 1024 * 1024) /* a backup of a large store */

#define INPUT_PATIENCE_MS 60000u

/* ---- in ---- */

unsigned input_patience_ms(const struct cli *cli)
{
	return cli->patience_ms ? cli->patience_ms : INPUT_PATIENCE_MS;
}

struct monotime input_deadline(const struct cli *cli)
{
	return monotime_add_ms(monotime_now(),
			       (uint64_t)INPUT_PATIENCE_ALL * input_patience_ms(cli));
}

/* A pipe that nobody has opened to write to has neither a byte nor an end. */
int input_wait(const struct cli *cli, int fd, struct monotime deadline)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	int r;

	if (monotime_reached(monotime_now(), deadline))
		return ERR_TIMEOUT;
	do
		r = poll(&pfd, 1, (int)input_patience_ms(cli));
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r == 0 ? ERR_TIMEOUT : 0;
}

/* Somebody else says what it is instead, from its first bytes. */
static bool is_another(const struct input_kind *kind, const struct buf *content)
{
	size_t size = kind->begins ? strlen(kind->begins) : 0;

	return content->size >= size && size > 0 && memcmp(content->data, kind->begins, size) != 0;
}

static int read_patiently(const struct cli *cli, int fd, const struct input_kind *kind,
			  struct buf *content)
{
	struct monotime deadline = input_deadline(cli);
	size_t got = 0;

	for (;;) {
		uint8_t chunk[16384];
		int r = input_wait(cli, fd, deadline);
		ssize_t n = r < 0 ? 0 : read(fd, chunk, sizeof(chunk));
		size_t room = kind->limit - got,
		       take = n > 0 && (size_t)n > room ? room : (size_t)n;

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			r = -errno;
		if (r < 0 || n == 0)
			return r;
		r = buf_append(content, chunk, take);
		explicit_bzero(chunk, (size_t)n);
		got += take;
		if (r < 0 || take < (size_t)n)
			return r < 0 ? r : ERR_TOO_LARGE;
		if (is_another(kind, content))
			return 0;
	}
}

static int read_path(const struct cli *cli, const char *path, const struct input_kind *kind,
		     struct buf *content)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? -errno : read_patiently(cli, fd, kind, content);
}

int input_file_read(struct cli *cli, const char *path, const struct input_kind *kind,
		    struct buf *content)
{
	int error;

	waiting_begin(cli, path);
	error = read_path(cli, path, kind, content);
	waiting_end();
	if (error == ERR_TIMEOUT)
		return cli_fail(cli, CLI_FAILED, INPUT_SILENT, path, input_patience_ms(cli) / 1000,
				INPUT_PATIENCE_ALL);
	if (error == ERR_TOO_LARGE)
		return cli_fail(cli, CLI_FAILED, "%s is larger than %zu MiB: this is no %s", path,
				kind->limit >> 20, kind->noun);
	return error ? cli_fail(cli, CLI_FAILED, "cannot read %s: %s", path, err_text(error))
		     : CLI_OK;
}

/* ---- out ---- */

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

/* Whether io_replace_file can make a file beside PATH. */
static int folder_check(const char *path)
{
	_cleanup_free_ char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;
	struct stat status;

	if (!folder)
		return -ENOMEM;
	if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
		return S_ISDIR(status.st_mode) ? -EISDIR : 0;
	if (slash)
		slash[slash == folder] = '\0';
	return access(slash ? folder : ".", W_OK | X_OK) < 0 ? -errno : 0;
}

/* Before the work: can it be written there? What a local CA has issued stays issued. */
static int output_file_check(struct cli *cli, const char *path)
{
	int fd = fileno(cli->screen.out), error;

	if (is_stdio(path))
		return fd >= 0 && isatty(fd) ? refuse_terminal(cli) : CLI_OK;
	waiting_begin(cli, path);
	error = folder_check(path);
	waiting_end();
	return error ? cli_fail(cli, CLI_FAILED, "cannot write %s: %s", path, err_text(error))
		     : CLI_OK;
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
		waiting_begin(cli, path);
		error = store(path, &content);
		waiting_end();
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
