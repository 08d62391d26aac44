/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"

/* Parts of config_check. Errors as there. */
int check_secondaries(const struct config *config, struct why *ret_why);
