/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/engine/engine.h"

/* What the fronts say of themselves: could this unit serve a client? Embedded; zeroed is empty. */
struct service_front {
	bool is_attached, has_reported;
	struct monotime at; /* attached, or the latest report */
	int code;
	char why[WHY_TEXT_MAX];
};

struct service {
	struct service_front fronts[ENGINE_FRONTS_MAX];
	struct monotime gone_at;      /* since when there is none */
	struct monotime judged_since; /* 0: it is not */
};

void service_attached(struct service *service, unsigned instance);
void service_gone(struct service *service, unsigned instance);
void service_reported(struct service *service, unsigned instance,
		      const Asafo__Ipc__FrontReport *report);
/* This unit did not run for so long, its fronts neither: that was no silence of theirs, and no time
 * in which they could have settled. */
void service_stood_still(struct service *service, uint64_t ns);
/* Before service_trouble is asked after a change of anything. */
void service_watch(struct service *service, const struct engine *engine);
/* A sentence why a client could not be served here; NULL: it could, or nothing is to be served, or
 * nothing is known yet. Borrowed. */
const char *service_trouble(const struct service *service, const struct engine *engine);
