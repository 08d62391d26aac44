/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <json-c/json.h>

#include "tools/cli/screen.h"

/* Of RESULT, which has "paths" or "logical_update" and "failover_link"; what is not there is not
 * shown. Errors: -ENOMEM. */
int traffic_print_paths(const struct screen *screen, struct json_object *result);
void traffic_print_logical(const struct screen *screen, struct json_object *result);
