/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/cli/cli.h"

/*
 * What a write standby would change on the standby, whichever of the units this is: {level, same,
 * trustpoints: [{name, change: "add", "replace" or "remove", fingerprint, standby_fingerprint,
 * generation, standby_generation}], lines: [{change: "add" or "remove", line}]}. Returns an exit
 * code; it was said why. *RET_DIFF is the caller's.
 */
int diff_make(struct cli *cli, struct json_object **ret_diff);
int render_diff(const struct screen *screen, struct json_object *diff);
/* There is nothing in it. */
bool diff_is_empty(struct json_object *diff);
