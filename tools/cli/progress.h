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
/* The same bar on stderr, where that is a terminal, and nothing elsewhere: for what has a result to
 * print. *RET_ERR is the screen of SHOWN, and lives as long. */
void progress_on_err(const struct screen *screen, struct screen *ret_err, struct progress *shown);
/* ITEMS of EXPECTED (0: not known) are done; WHAT they are: "trustpoints". */
void progress_count(struct progress *shown, const char *phase, size_t items, size_t expected,
		    const char *what);
void progress_done(struct progress *shown);
