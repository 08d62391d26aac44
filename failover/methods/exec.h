/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "failover/engine/engine.h"

/*
 * `failover exec`: a control method on the other unit, over the failover link. Who may ask it is
 * decided on the unit on which it was typed, by the same table; what is never done this way
 * (whatever needs a file, a passphrase, or `failover exec` itself; a change of the configuration on
 * a standby) is refused on both. Bounded: so many at once, a time, the size of a reply.
 */
#define EXEC_MAX 16
#define EXEC_TIMEOUT_MS 60000

struct exec;

/* METHODS: the table, whose last row has no name; borrowed. */
int exec_new(struct engine *engine, const struct control_method *methods, struct exec **ret_exec);
/* Fails what waits. Takes NULL. */
void exec_free(struct exec *exec);
/*
 * Asks the mate for METHOD on behalf of PEER. ON_ANSWER gets the answer's text once, also that of a
 * failure; nothing where this returns an error, with a sentence.
 */
int exec_ask(struct exec *exec, const char *method, const char *peer, control_answer_fn on_answer,
	     void *userdata, struct why *ret_why);
/* The same with PARAMETERS, an object, borrowed. */
int exec_ask_with(struct exec *exec, const char *method, struct json_object *parameters,
		  const char *peer, control_answer_fn on_answer, void *userdata,
		  struct why *ret_why);
/* The code and sentence of an answer that is an error; 0: it is none. */
int exec_answer_error(const char *text, size_t size, struct why *ret_why);
/* Returns false for a message that is no exec. */
bool exec_message(struct exec *exec, const Asafo__Wire__Link *message);
/* What the mate was asked is answered with the reason. */
void exec_link_down(struct exec *exec, const char *why);
