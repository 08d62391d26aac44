/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/folder.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void folder_remove(const char *path)
{
	DIR *directory = opendir(path);

	if (!directory)
		return;
	for (const struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
		char name[PATH_MAX];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_type == DT_DIR)
			folder_remove(name);
		else
			(void)unlink(name);
	}
	(void)closedir(directory);
	(void)rmdir(path);
}
