/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/cli/cli.h"

/*
 * Shows a list that may be longer than a message: each result that has a "next" is asked for what
 * comes after it, and the elements of the array LIST are put together. MATCH may have a "name",
 * which is passed on.
 */
/* The same without showing it: METHOD with PARAMETERS, an object; its member "now" goes with the
 * first page only. Returns an exit code; *RET_WHOLE is the caller's. */
int pages_collect(struct cli *cli, const char *method, struct json_object *parameters,
		  const char *list, struct json_object **ret_whole);
int pages_show(struct cli *cli, const struct grammar_match *match, const char *list,
	       int (*render)(const struct screen *screen, struct json_object *result));
