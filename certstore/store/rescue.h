/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/why.h"

/*
 * A store that store_probe found damaged is copied, record by record, into a new one: what fits its
 * digest. What is this unit's own must be whole, since no mate has it; of what is replicated any
 * part may be gone, and the new store says which (store_incomplete). The new one takes the place of
 * the damaged one in one step; that is kept as "store.damaged" beside it, the one before it goes.
 * Call it in a process without threads that may fork. RET_WHY gets a sentence either way.
 *
 * Errors: ERR_STORE (nothing can be saved: everything is as it was), -errno.
 */
int store_rescue(const char *directory, struct why *ret_why);
