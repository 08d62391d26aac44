/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/selection.h"
#include "front/trustcache.h"

/* What a client of this interface that asks for this name is given: the same answer for handshake
 * and report. */
struct serving {
	struct credential *credential; /* borrowed; NULL: nothing can be served */
	const char *trustpoint;	       /* borrowed from the snapshot; "" for the fallback */
	bool is_fallback;
	char why[256]; /* "bound by interface"; why the fallback; why nothing */
};

void serving_resolve(const struct snapshot *snapshot, const struct trustcache *cache,
		     const char *interface, const char *server_name, int64_t now,
		     struct serving *ret_serving);
/* Asks for all that the snapshot may serve; what else there is goes with trustcache_sweep. Errors:
 * those of trustcache_want. */
int serving_want(const struct snapshot *snapshot, struct trustcache *cache);
