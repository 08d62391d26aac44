/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/tunnel/cstp_frame.h"
#include "front/tunnel/cstp_offer.h"
#include "front/tunnel/tunnels.h"

/*
 * One client's tunnel: CSTP over the TLS connection on which its CONNECT was accepted. A session
 * has at most one: a new one takes the place of the one before.
 */

struct tunnel_terms {
	uint8_t hash[VPN_HASH_SIZE]; /* of the client's cookie: what the engine believes */
	struct cstp_times times;     /* as the client was told */
	unsigned mtu;
	struct vpn_address client, local; /* both ends of its connection */
	uint16_t client_port, local_port;
};

/*
 * The tunnel that ENTRY's session will have once tunnel_start is called; the session's earlier one
 * is cut. Errors: -ENOMEM.
 */
int tunnel_new(struct tunnels *tunnels, struct vpn_entry *entry, const struct tunnel_terms *terms,
	       struct tunnel **ret_tunnel);
/* When tunnel_new made it. */
struct monotime tunnel_taken_at(const struct tunnel *tunnel);
/* Its packets may go by SIDE, too, which is the tunnel's from now on. */
void tunnel_take_side(struct tunnel *tunnel, struct dtls_side *side);
/* Also in the middle of anything: the connection is no longer looked at. Takes NULL. */
void tunnel_free(struct tunnel *tunnel);

/* It is over: free it, and close its connection, within the call. */
typedef void (*tunnel_over_fn)(void *userdata);
/*
 * The answer is sent: the connection, whose FD and PEER are borrowed for the tunnel's life, is the
 * tunnel's. ON_OVER is never called from within. Errors: -errno.
 */
int tunnel_start(struct tunnel *tunnel, int fd, struct tls_peer *peer, tunnel_over_fn on_over,
		 void *userdata);

/* A packet for the client: CSTP_HEADER_SIZE bytes of room, which are written to, then SIZE bytes.
 */
void tunnel_send(struct tunnel *tunnel, uint8_t *frame, size_t size, const struct packet *packet);
/* All that is ready goes to the kernel. */
void tunnel_flush(struct tunnel *tunnel);
/* The session is gone, for REASON: the client is told, but for VPN_END_DROPPED. */
void tunnel_end(struct tunnel *tunnel, enum vpn_end reason);
/* Ends without a word to the client, at the next turn of the loop. */
void tunnel_cut(struct tunnel *tunnel, const char *why);
/* The copy of the session changed: is this still its tunnel? */
void tunnel_judge(struct tunnel *tunnel);

/* Where the tunnels keep their lists. */
struct tunnel_place {
	struct tunnel *next, *previous;
	struct tunnel *next_marked;
	bool is_marked;
};
struct tunnel_place *tunnel_place(struct tunnel *tunnel);
