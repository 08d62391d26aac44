/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"

/* Parts of config_check. Errors as there. */
int check_macs(const struct config *config, struct why *ret_why);
int check_routes(const struct config *config, struct why *ret_why);
int check_secondaries(const struct config *config, struct why *ret_why);
/* `failover polltime interface`. */
int check_interface_times(const struct config_failover *failover, struct why *ret_why);
/* Pools, policies, groups, users. */
int check_vpn(const struct config *config, struct why *ret_why);
/* Track objects: each number once, in order; what they refer to is there. */
int check_tracks(const struct config *config, struct why *ret_why);
