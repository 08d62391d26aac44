/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/vpn.h"
#include "failover/vpn/sessiondb.h"

/*
 * An address of POOL that no live session of DB has: the same one for the same user where it is
 * free. Not the network's own address nor its broadcast address. False: all are taken.
 */
bool pool_allocate(const struct config_pool *pool, const struct sessiondb *db, const char *user,
		   struct vpn_address *ret_address);
/* ADDRESS (may be empty) is one that POOL would give away. */
bool pool_gives(const struct config_pool *pool, const struct vpn_address *address);
/* The session's addresses are of pools that VPN has. */
bool pool_has_session(const struct config_vpn *vpn, const struct vpn_session *session);
