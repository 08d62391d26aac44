/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <json-c/json.h>

#include "tools/cli/screen.h"

/* The line of `show failover` about the failover key; KEY is its "failover_key". */
void rekey_print(const struct screen *screen, struct json_object *key);
