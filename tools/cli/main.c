/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <time.h>

#include "base/cleanup.h"
#include "tools/cli/cli.h"

int main(int argc, char **argv)
{
	const char *path = getenv("ASAFO_CONTROL");
	struct cli cli = {
		.control_path = path && *path ? path : ASAFO_RUNDIR "/control",
		.input = STDIN_FILENO,
	};
	int code;

	(void)setlocale(LC_ALL, "");
	screen_init(&cli.screen, stdout, stderr, (int64_t)time(NULL));
	code = cli_run(&cli, argc, argv);
	/* A result that the disk did not take is none. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		screen_error(&cli.screen, NULL, "cannot write to stdout");
		return code ? code : CLI_FAILED;
	}
	return code;
}
