/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/why.h"
#include "certstore/store/record.pb-c.h"

/* What crosses between the keeper and its zygote: datagrams of a ParseRequest with descriptors. */
#define PARSER_REQUEST_MAX (96u * 1024)
#define PARSER_FDS_MAX 3 /* the answer's pipe, the file, the passphrase (optional) */

/*
 * The zygote's life: prepares the libraries, enters its sandbox, writes a ParsedIdentity (code and
 * why) to SOCKET that says whether it is ready, and forks a child for each request until SOCKET
 * ends. Every other descriptor but stderr is closed.
 */
void parser_zygote_run(int socket, bool is_sandboxed) __attribute__((noreturn));
/* Sends a ParseRequest, packed; does not block. Errors: -EAGAIN, -errno. */
int parser_request_send(int socket, const struct buf *request, const int *fds, size_t n_fds);
