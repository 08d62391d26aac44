/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/http/page.h"
#include "src/ipc/ipc.pb-c.h"

/* What the engine says of the unit, in a form that a page can show. */
void unit_status_take(struct unit_status *unit, const Asafo__Ipc__FrontRole *role);
/* Without an engine nobody knows whether this unit is the active one: better no word than an old
 * one. */
void unit_status_forget(struct unit_status *unit);
