/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <json-c/json.h>

#include "failover/engine/engine.h"

/* The control methods (doc/control.md): what `asafo` asks of the engine. */
struct methods;

int methods_new(struct engine *engine, struct methods **ret_methods);
void methods_free(struct methods *methods);
/* Looks the groups asafo and asafo-admin up: before the sandbox closes the files. */
void methods_resolve_groups(void);
/* Serves the control socket LISTEN_FD (taken over). */
int methods_serve(struct engine *engine, int listen_fd);
/* A message of the link that is about histories; false: it is not. */
bool history_message(struct engine *engine, const Asafo__Wire__Link *message);
/* Whoever waits for the mate's history waits no more. */
void history_drop(struct engine *engine);
/* The machine moved: whoever waits for a role may be answered. */
void methods_on_transition(struct methods *methods);
/* The mate said something new: what the machine could not do yet is asked of it again. */
void methods_on_hello(struct methods *methods);
