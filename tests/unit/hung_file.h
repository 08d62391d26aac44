/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* A file whose file system is open and does nothing more: a FUSE daemon that stopped answering, as
 * an NFS server that is gone. Who closes it, or asks about it, waits until PID ends, which it does
 * by itself after HUNG_FILE_SECONDS. */
#define HUNG_FILE_SECONDS 20

struct hung_file {
	int fd;
	pid_t pid;
};

/* False: this machine does not let us (no /dev/fuse, or no right to mount). */
bool hung_file_open(struct hung_file *ret_file);
/* Ends the file system, then closes. */
void hung_file_close(struct hung_file *file);
