/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/vpn.h"
#include "ipc/vpn.h"

/*
 * TUN devices asafo0, asafo1...: one for each front, on both units, whatever their roles. The pools
 * are routed to asafo0; a session whose tunnel is in another front has a route of its own. The
 * devices go with the last descriptor of theirs.
 */
struct rtnl;
struct tun;

/* Errors: -ENOMEM. Where netlink is refused, tun_device says so. */
int tun_new(struct tun **ret_tun);
void tun_free(struct tun *tun);
/* Routes wait for the kernel in RTNL's thread from now on, while the caller breathes. */
void tun_wait_in(struct tun *tun, struct rtnl *rtnl);
/* FD: an open /dev/net/tun without a device; taken over. */
void tun_add(struct tun *tun, int fd);
/*
 * The descriptor of front INSTANCE's device, which is made and set up where it is not there yet;
 * it stays the table's. Errors: -errno (-ENODEV: there is none for this instance) with a sentence.
 */
int tun_device(struct tun *tun, unsigned instance, char ret_name[static 16], int *ret_fd,
	       struct why *ret_why);
/* Routes the pools of VPN to asafo0, and those that are no more no longer. */
void tun_pools(struct tun *tun, const struct config_vpn *vpn);
/* Routes the session's addresses to its owner's device; 0: as its pool. */
void tun_route(struct tun *tun, const struct vpn_session *session);
/* The session is over: its own route goes, where it has one. A route that is left over from before
 * a change of roles is put right when somebody connects with that address. */
void tun_unroute(struct tun *tun, const struct vpn_session *session);
