/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"

/* The lines of pools, policies, groups and users, for config_render. IS_ALL: also what is at its
 * default. Errors: -ENOMEM. */
int render_vpn(const struct config_vpn *vpn, bool is_all, struct buf *text);
