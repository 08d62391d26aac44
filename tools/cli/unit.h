/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <json-c/json.h>

#include "tools/cli/screen.h"

/* What several screens say of a unit. */

/* "Primary", "Secondary", "Unknown". */
const char *unit_name(const char *unit);
/* "secondary" for "primary", and the other way. */
const char *unit_other(const char *unit);
/* Good, warning or bad. */
enum screen_style unit_state_style(const char *state);
/* A line on the difference of the clocks behind INDENT; none where CLOCK is NULL or unknown. */
void unit_print_clock(const struct screen *screen, const char *indent, struct json_object *clock);
