/* SPDX-License-Identifier: Apache-2.0 */
#include "systemd.h"

#include <stdio.h>
#include <systemd/sd-daemon.h>

#define STATUS_MAX 256

void systemd_tell_status(const char *text)
{
	char line[STATUS_MAX];

	(void)snprintf(line, sizeof(line), "%s", text);
	/* A line feed would start another assignment. */
	for (char *at = line; *at; at++) {
		if ((unsigned char)*at < 0x20)
			*at = ' ';
	}
	(void)sd_notifyf(0, "STATUS=%s", line);
}
