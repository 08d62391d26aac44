/* SPDX-License-Identifier: Apache-2.0 */
/* username NAME totp: a second factor, drawn by the daemon, shown once and never again. */
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "tools/cli/verb.h"

#define URI_MAX 1024

int verb_totp(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	_cleanup_(buf_wipe) struct buf uri = {0};
	_cleanup_close_ int fd = -1;
	struct json_object *parameters = cli_object("user", cli_word(match, "name"));
	int code;

	fd = memfd_create("asafo", MFD_CLOEXEC);
	if (fd < 0 || !cli_set(parameters, "new", json_object_new_boolean(true))) {
		(void)json_object_put(parameters);
		return cli_fail(cli, CLI_FAILED, "out of memory");
	}
	code = cli_call(cli,
			&(struct cli_request){.method = match->row->method,
					      .parameters = parameters,
					      .fds = &fd,
					      .n_fds = 1},
			&result);
	if (code)
		return code;
	if (lseek(fd, 0, SEEK_SET) < 0 || io_read_all(fd, URI_MAX, &uri) < 0 || !buf_text(&uri))
		return cli_fail(cli, CLI_FAILED, "the secret could not be read");
	if (cli->is_json) {
		uri.data[strcspn((char *)uri.data, "\n")] = '\0';
		(void)cli_set(result, "uri", json_object_new_string((char *)uri.data));
		cli_print_json(cli, result);
		return CLI_OK;
	}
	/* To stdout nothing but the URI: for a program that makes a picture of it. */
	screen_print(&cli->screen, "%s", (char *)uri.data);
	screen_error(
		&cli->screen, NULL,
		"user %s is asked for a code from now on; this is the one time that the secret "
		"is shown",
		cli_word(match, "name"));
	return CLI_OK;
}
