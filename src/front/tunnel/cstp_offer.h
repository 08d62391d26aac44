/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "front/http/http_head.h"
#include "front/tunnel/vpn.h"

/*
 * What client and server tell each other at CONNECT: pure functions. Header names are written as
 * the clients compare them, case included.
 */

/* What a client says of itself in its CONNECT. */
struct cstp_request {
	bool wants_v4, wants_v6;
	bool is_mobile;	    /* answers late on purpose, to spare its battery */
	bool is_apple_ios;  /* takes no default route for IPv6 unless it is a split one */
	bool takes_any_dns; /* IPv6 name servers under the name of the others */
	unsigned base_mtu;  /* of its path; 0: not said */
	unsigned mtu;	    /* of its own wish; 0: none */
	bool takes_dtls;    /* with a key that both derive (PSK-NEGOTIATE) */
};
void cstp_request_read(const struct http_head *head, struct cstp_request *ret_request);

/* The connection that carries a tunnel. */
struct cstp_way {
	unsigned mss;	 /* of its segments */
	size_t overhead; /* of a TLS record */
	bool is_v6;	 /* it is over IPv6, whatever is in the tunnel */
};
/*
 * How large a packet may be so that it and what TLS and CSTP add fit one segment of the connection.
 * Not above MOST, and not below what IP needs: HAS_V6 says that there is IPv6 in the tunnel.
 */
unsigned cstp_mtu(const struct cstp_way *way, unsigned most, bool has_v6,
		  const struct cstp_request *request);

/* How often each side looks whether the other is there, in seconds. A client that sends nothing of
 * its own notices a change of units by its keepalive at the latest. */
struct cstp_times {
	unsigned dpd_s, keepalive_s;
	unsigned datagram_dpd_s, datagram_keepalive_s;
};
struct cstp_times cstp_times_of(const struct cstp_request *request);

struct cstp_offer {
	const struct cstp_request *request;
	const struct vpn_session *session;
	const struct vpn_policy *policy;
	const char *hostname;
	unsigned mtu;
	struct monotime now;
	bool is_tls13;
	const uint8_t *app_id; /* 32 bytes: what names the tunnel by DTLS; NULL: not offered */
	uint16_t datagram_port;
};

/*
 * Appends the head that accepts a CONNECT. Errors: -ENOMEM; ERR_UNSUPPORTED (the session has no
 * address of a family that the client takes).
 */
int cstp_offer_append(const struct cstp_offer *offer, struct buf *ret_bytes);
/* Appends the whole answer that refuses it: STATUS 401 or 503 (X-Reason says why; a client tries
 * again after 503 only). NOW: its Date. Errors: -ENOMEM. */
int cstp_refusal_append(unsigned status, const char *why, time_t now, struct buf *ret_bytes);
