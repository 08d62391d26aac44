/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/engine/engine.h"

/* The control methods (doc/control.md): what `asafo` asks of the engine. */

/* For engine_new: how they hear of what the engine does. */
extern const struct engine_upper methods_upper;
/* Looks the groups asafo and asafo-admin up: before the sandbox closes the files. */
void methods_resolve_groups(void);
/* Serves the control socket LISTEN_FD (taken over). */
int methods_serve(struct engine *engine, int listen_fd);
