/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <json-c/json.h>

#include "tools/cli/screen.h"

/* How far a replication is: on a terminal a bar, drawn over and gone at its end; elsewhere a line
 * every two seconds, so that what takes no time says nothing. */
struct progress {
	const struct screen *screen;
	int64_t last_ms;
	bool is_drawn;
};

/* PROGRESS as asafo.WriteStandby tells it; USERDATA: struct progress. */
void progress_show(struct json_object *progress, void *userdata);
void progress_done(struct progress *shown);
