/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/cli/cli.h"

/* What has come so far of a list of several pages; *WHOLE is borrowed. */
typedef void (*pages_fn)(struct json_object *whole, void *userdata);

/*
 * A list that may be longer than a message: METHOD with PARAMETERS, an object; each result that has
 * a "next" is asked for what comes after it, and the elements of the array LIST are put together.
 * The parameters' member "now" goes with the first page only. ON_PAGE may be NULL. Returns an exit
 * code; *RET_WHOLE is the caller's.
 */
int pages_collect(struct cli *cli, const char *method, struct json_object *parameters,
		  const char *list, pages_fn on_page, void *userdata,
		  struct json_object **ret_whole);
/* Shows it. MATCH may have a "name", which is passed on. */
int pages_show(struct cli *cli, const struct grammar_match *match, const char *list,
	       int (*render)(const struct screen *screen, struct json_object *result));
