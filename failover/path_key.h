/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "failover/path.h"

/*
 * Names a path in reports: a link is its two addresses, an interface its name, each with its
 * family. These are the same on both units; devices and the names of links need not be. Internal to
 * path.c.
 */
uint32_t path_key(const struct path_config *config);
/* On a link only the mate has something to say. */
bool path_is_from_mate(const struct path_config *config, const struct sockaddr_storage *sender);
