/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What crossed the failover link, as an ASA counts its logical updates: messages by what they
 * carry.
 */
enum traffic_kind {
	TRAFFIC_SYSTEM,	    /* how the units agree on a replication, ask each other, pair */
	TRAFFIC_TRUSTPOINT, /* manifests and items */
	TRAFFIC_CONFIG,	    /* lines of the configuration, commands */
	TRAFFIC_VPN,	    /* sessions of VPN clients */
	TRAFFIC__MAX,
};

struct traffic_count {
	uint64_t sent, send_errors, received, receive_errors;
};

struct traffic {
	struct traffic_count counts[TRAFFIC__MAX];
	size_t queued_max;	  /* bytes that waited at once */
	uint64_t bytes_uncounted; /* that the link had sent when the counts were cleared */
};

/* KIND is wire.Link's case. CODE: what link_send said; QUEUED: what waits now. */
void traffic_sent(struct traffic *traffic, int kind, int code, size_t queued);
/* IS_TAKEN: somebody here knew what to do with it. */
void traffic_received(struct traffic *traffic, int kind, bool is_taken);
/* "sys cmd", as an ASA has it; "Trustpoint", "Config cmd". */
const char *traffic_text(enum traffic_kind kind);
