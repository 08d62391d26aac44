/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/cli/cli.h"

/*
 * What is done with PATH from here to waiting_end may wait for a file system or a pipe, in a call
 * that nothing else ends. After some seconds stderr is told, once, what is waited for. One at a
 * time.
 */
void waiting_begin(const struct cli *cli, const char *path);
void waiting_end(void);
