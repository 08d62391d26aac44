/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/engine/engine.h"

/* `failover reload-standby`: the mate's asafod begins anew; answered when it is ready again. */
#define RELOAD_TIMEOUT_MS 90000

struct reload;

int reload_new(struct engine *engine, struct reload **ret_reload);
/* Fails what waits. Takes NULL. */
void reload_free(struct reload *reload);
/* The mate said something new. */
void reload_on_hello(struct reload *reload);
