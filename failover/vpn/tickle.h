/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <systemd/sd-event.h>

#include "ipc/vpn.h"

/*
 * Makes clients of the unit that is gone notice it at once. A TCP segment with an acknowledgement
 * that is nobody's makes the other end say where it really stands (RFC 9293 section 3.10.7.4, first
 * check); that answer comes to the address that is now here, where no such connection is known, and
 * is answered with a reset that fits. Nothing is lost where a segment gets lost: the client's own
 * next one has the same end.
 */
struct tickle_flow {
	struct vpn_address local, client; /* of one family */
	uint16_t local_port, client_port;
};

#define TICKLE_SEGMENT_MAX 60 /* IPv6 and TCP */
/* The whole packet; its size. */
size_t tickle_segment(const struct tickle_flow *flow,
		      uint8_t ret_packet[static TICKLE_SEGMENT_MAX]);

struct tickler;

/* Errors: -ENOMEM. Without the right to raw sockets nothing is ever sent. */
int tickler_new(sd_event *event, struct tickler **ret_tickler);
void tickler_free(struct tickler *tickler);
/* Sends to each of FLOWS, a few at each turn of the loop. Takes the array over, which came from
 * malloc; what was left of one before is dropped. */
void tickler_start(struct tickler *tickler, struct tickle_flow *flows, size_t n);
void tickler_stop(struct tickler *tickler);
