/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"

/* The lines that refer to an interface by its name: `ssl trust-point ... IF`, `enable IF`. */

/* Lets them refer to NEW_NAME instead. */
void reference_rename(struct config *config, const char *old_name, const char *new_name);
/* Removes them, as an ASA does with `no nameif`. */
void reference_remove(struct config *config, const char *name);
