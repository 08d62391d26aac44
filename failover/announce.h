/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <systemd/sd-event.h>

#include "failover/vip.h"

/*
 * Gratuitous ARP (RFC 5227 section 2.3: request form, sender = target) and unsolicited Neighbor
 * Advertisements (RFC 4861 section 7.2.6, override set, to ff02::1) for the addresses that this
 * unit holds, by AF_PACKET: at once, and again after 50, 200, 1000 ms and 3 s.
 */
struct announcer;
int announcer_new(sd_event *event, struct announcer **ret_announcer);
void announcer_free(struct announcer *announcer);
/* Starts a series for ADDRESSES (copied), the first packets before it returns. Returns how many
 * were sent. */
int announcer_start(struct announcer *announcer, const struct vip_address *addresses,
		    size_t n_addresses);
/* Says once that ADDRESS is ours, besides any series. */
void announcer_once(const struct announcer *announcer, const struct vip_address *address);
/*
 * Asks once who else has these addresses of ours, in the name of nobody, so that no neighbour
 * learns anything from it: an ARP probe (RFC 5227 section 1.1), a Neighbor Solicitation from ::
 * (RFC 4862 section 5.4.2). Who has one says so.
 */
void announcer_ask(const struct announcer *announcer, const struct vip_address *addresses,
		   size_t n);
/* Ends a series: the addresses are no longer ours. */
void announcer_stop(struct announcer *announcer);
