/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of a fuzz target where libFuzzer is not linked: feeds every file that is named, or
 * that a named directory holds, once. A crash is the test's failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"

#define INPUT_MAX (16u * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes get a block of their own size, so that a sanitizer sees the first byte that is read
 * behind them. */
static int feed_file(const char *path)
{
	struct buf content = {0};
	uint8_t *exact;
	int r = io_read_file(path, INPUT_MAX, &content);

	if (r < 0) {
		(void)fprintf(stderr, "%s: %s\n", path, err_text(r));
		buf_done(&content);
		return 1;
	}
	exact = malloc(content.size ? content.size : 1);
	if (!exact) {
		buf_done(&content);
		return 1;
	}
	if (content.size > 0)
		memcpy(exact, content.data, content.size);
	(void)LLVMFuzzerTestOneInput(exact, content.size);
	free(exact);
	buf_done(&content);
	return 0;
}

static int feed_directory(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort);
	int failed = n < 0;

	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *name = NULL;

		if (entries[i]->d_name[0] != '.' &&
		    asprintf(&name, "%s/%s", path, entries[i]->d_name) > 0)
			failed |= feed_file(name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return failed;
}

int main(int argc, char **argv)
{
	int failed = argc < 2;

	for (int i = 1; i < argc; i++) {
		struct stat about;

		if (stat(argv[i], &about) < 0) {
			perror(argv[i]);
			failed = 1;
		} else {
			failed |= S_ISDIR(about.st_mode) ? feed_directory(argv[i])
							 : feed_file(argv[i]);
		}
	}
	return failed;
}
