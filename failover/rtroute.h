/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/rtaddr.h"
#include "failover/vip.h"

/*
 * Routes of the main table that follow the role. They carry the numbers of the addresses
 * (VIP_PROTOCOL, VIP_PROTOCOL_STANDBY) as their rtm_protocol: `ip route show proto 105`.
 */
struct rtroute {
	struct vip_route route;
	unsigned index; /* of the interface; 0: there is none */
	bool is_held;
};

/* Makes it, unless one to the same destination with the same metric is there (-EEXIST). Errors:
 * -ENOMEM. */
int rtroute_append_add(struct rtaddr_batch *batch, const struct rtroute *route);
int rtroute_append_delete(struct rtaddr_batch *batch, const struct rtroute *route);
/* Appends the removal of every route with this number. Errors: -errno. */
int rtroute_append_flush(struct rtaddr_batch *batch, struct nl_sock *sock, uint8_t protocol);
