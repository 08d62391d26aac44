/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include "certstore/identity.h"

/*
 * The parser: a process that was forked from the keeper before it knew a key, and that can do nothing but fork, read
 * and answer. Each file is parsed in a fresh child of it with a memory (256 MiB), CPU (5 s) and wall-clock (10 s)
 * limit; the child's death is one error message.
 */
struct parser;

/* Called once for each parser_import: CODE 0 and IDENTITY (take what you want out of it), or the error and WHY. */
typedef void (*parser_done_fn)(int code, struct identity *identity, const struct why *why, void *userdata);

/* Forks the zygote: call first thing in the keeper, before any secret is read and before EVENT has sources. */
int parser_spawn(struct parser **ret_parser);
/* Joins it to the loop, later. */
int parser_attach(struct parser *parser, sd_event *event);
void parser_free(struct parser *parser);
/*
 * FILE_FD is read from its start up to IDENTITY_FILE_MAX; PASSPHRASE_FD (or -1) up to 1 KiB, one trailing newline is cut.
 * Both stay the caller's. At most 16 under way: ERR_BUSY.
 */
int parser_import(struct parser *parser, int file_fd, int passphrase_fd, const struct identity_policy *policy,
		  parser_done_fn on_done, void *userdata);
