/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include "certstore/x509/crl.h"
#include "certstore/x509/identity.h"
#include "certstore/x509/staple.h"

/*
 * The parser: a process that was forked from the keeper before it knew a key, and that can do
 * nothing but fork, read and answer. Each file is parsed in a fresh child of it with a memory (256
 * MiB), CPU (5 s) and wall-clock (10 s) limit; the child's death is one error message.
 */
struct parser;

/* Called once for each parser_import: CODE 0 and IDENTITY (take what you want out of it), or the
 * error and WHY. */
typedef void (*parser_done_fn)(int code, struct identity *identity, const struct why *why,
			       void *userdata);

/*
 * Forks the zygote: call first thing in the keeper, before any secret is read and before EVENT has
 * sources. Returns when the zygote is in its sandbox. IS_SANDBOXED false: for a debugger
 * (--no-sandbox) only. Errors: -errno, ERR_CRYPTO, those of sandbox_enter; RET_WHY says what the
 * kernel lacks.
 */
int parser_spawn(bool is_sandboxed, struct parser **ret_parser, struct why *ret_why);
/* Joins it to the loop, later; EVENT is borrowed for the parser's life. Errors: -errno. */
int parser_attach(struct parser *parser, sd_event *event);
/* The same of parser_staple: CODE 0 and STAPLE, borrowed, with response and times. It is there with
 * ERR_REVOKED, too (staple.h). */
typedef void (*parser_staple_fn)(int code, const Asafo__Record__Staple *staple,
				 const struct why *why, void *userdata);
/* The same of parser_crl: CODE 0 and CRL, borrowed, with its marks. */
typedef void (*parser_crl_fn)(int code, const Asafo__Record__Crl *crl, const struct why *why,
			      void *userdata);
/* Kills the zygote and its children and reaps it; imports under way get ERR_CLOSED first. Takes
 * NULL. */
void parser_free(struct parser *parser);
/* True when the zygote ended: no import is possible any more. Only a new keeper has a new one. */
bool parser_is_gone(const struct parser *parser);
/*
 * A file that waited has its turn: POLICY, as it would be asked at this moment, with the clock and
 * what has become known of local CAs since. What it points at lives until this is called for the
 * same USERDATA again or its on_done is. An error is told to its on_done with RET_WHY, and nothing
 * is parsed.
 */
typedef int (*parser_turn_fn)(struct identity_policy *ret_policy, struct why *ret_why,
			      void *userdata);
/* USERDATA is each import's. NULL: the policy is the one that it was asked with. */
void parser_set_on_turn(struct parser *parser, parser_turn_fn on_turn);
/*
 * FILE_FD is read from its start up to IDENTITY_FILE_MAX; PASSPHRASE_FD (or -1) up to 1 KiB, one
 * trailing newline is cut. Both stay the caller's and may be closed on return. POLICY is copied.
 * ON_DONE is called from the loop, also when the zygote is dead (ERR_CLOSED and a sentence: restart
 * the keeper); it is not called when this returns an error: ERR_BUSY (16 are
 * under way, and 256 wait for their turn), ERR_TOO_LARGE (local CA certificates beyond 64 KiB),
 * -ENOMEM, -errno.
 */
int parser_import(struct parser *parser, int file_fd, int passphrase_fd,
		  const struct identity_policy *policy, parser_done_fn on_done, void *userdata);
/* FILE_FD is an OCSP response of at most STAPLE_RESPONSE_MAX bytes, QUESTION what it is held
 * against (staple.h). As parser_import. */
int parser_staple(struct parser *parser, int file_fd, const struct staple_question *question,
		  parser_staple_fn on_done, void *userdata);
/* FILE_FD is a CRL of at most CRL_FILE_MAX bytes, QUESTION what it is held against (crl.h). As
 * parser_import. */
int parser_crl(struct parser *parser, int file_fd, const struct crl_question *question,
	       parser_crl_fn on_done, void *userdata);
